"""Trials as people and programs read them: a table's line, and the interface of `best`."""

from __future__ import annotations

from typing import Any

from hpsearch.catalogue.metric_names import column_name
from hpsearch.cli.output import shown
from hpsearch.search.records import TrialRecord

# What a person looks for first, whether it was searched or fixed.
_FIRST = ("learning_rate", "batch_size", "schedule")
# Columns of a table of trials beside the objective's.
TAKEN = frozenset({"trial", "state", "epoch", "seconds", "configuration"})


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
    """A trial as one line of a table, which fits any terminal: what was searched stands in one column."""
    return {
        "trial": record.number,
        "state": record.outcome.label if record.outcome else record.state.lower(),
        column_name(metric, TAKEN): record.best.value if record.best else None,
        "epoch": record.best.epoch if record.best else None,
        "seconds": round(record.seconds, 1) if record.seconds is not None else None,
        "configuration": _configuration(record),
    }


def _configuration(record: TrialRecord) -> str:
    """`adam learning_rate=0.0012 batch_size=64 schedule=cosine beta_1=0.91`: what was searched, and a note."""
    flat, note = record.flat, record.detail or ("Keras defaults" if record.baseline else "")
    if not flat:
        return note
    searched = {name.rpartition(".")[2].removeprefix("one_minus_") for name in record.params}
    others = [name for name in flat if name in searched and name not in (*_FIRST, "optimizer")]
    knobs = [f"{name}={shown(flat[name])}" for name in (*_FIRST, *others) if name in flat]
    optimizer = [str(flat["optimizer"])] if "optimizer" in flat else []
    return " ".join([*optimizer, *knobs, *([f"({note})"] if note else [])])
