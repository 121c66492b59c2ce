"""Trials as people and programs read them: a table's line, and the interface of `best`."""

from __future__ import annotations

from typing import Any

from hpsearch.search.records import TrialRecord

# What a table shows in columns of their own.
_FIRST = ("optimizer", "learning_rate", "batch_size", "schedule")


def best_summary(study: str, record: TrialRecord) -> dict[str, Any]:
    """The interface of `hpsearch best -f json`."""
    return {
        "study": study,
        "trial": record.number,
        "value": record.best.value if record.best else None,
        "epoch": record.best.epoch if record.best else None,
        "config": dict(record.config or {}),
    }


def trial_row(record: TrialRecord, metric: str) -> dict[str, Any]:
    """A trial as one line of a table: the knobs that people compare first."""
    flat = record.flat
    others = _searched(record) - set(_FIRST)
    return {
        "trial": record.number,
        "state": record.outcome.label if record.outcome else record.state.lower(),
        metric: record.best.value if record.best else None,
        "epoch": record.best.epoch if record.best else None,
        "seconds": round(record.seconds, 1) if record.seconds is not None else None,
        **{name: flat.get(name) for name in _FIRST},
        "other knobs": {name: flat[name] for name in flat if name in others},
        "note": record.detail or ("Keras defaults" if record.baseline else ""),
    }


def _searched(record: TrialRecord) -> set[str]:
    """The plain names of what was sampled for a trial."""
    return {name.rpartition(".")[2].removeprefix("one_minus_") for name in record.params}
