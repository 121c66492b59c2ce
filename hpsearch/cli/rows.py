"""Trials as tables and JSON show them. The names are the same everywhere: number, state, outcome, reason, value, ..."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hpsearch.config.varied import Lines, Varied
from hpsearch.search.baselines import note_of
from hpsearch.search.records import TrialRecord


def best_summary(study: str, record: TrialRecord) -> dict[str, Any]:
    """Return the interface of `hpsearch best -f json`.

    `trial` is the number, too: the key that scripts have used from the beginning.
    """
    return {
        "study": study,
        "trial": record.number,
        **record.summary(),
        "config": record.config.plain() if record.config else {},
    }


def trial_rows(records: Iterable[TrialRecord], varied: Varied) -> list[dict[str, Any]]:
    """Return trials as rows of a table that fits a terminal, with one column for the values that vary."""
    lines = Lines(varied)
    return [
        {
            "number": record.number,
            "state": record.state,
            "outcome": record.outcome.label if record.outcome else None,
            "value": record.best.value if record.best else None,
            "epoch": record.best.epoch if record.best else None,
            "seconds": round(record.seconds, 1) if record.seconds is not None else None,
            "params": _params(record, lines),
        }
        for record in records
    ]


def _params(record: TrialRecord, lines: Lines) -> str:
    """Return `adam learning_rate=0.0012 batch_size=64 (Keras defaults)`: what varies, and a note."""
    config = record.config
    note = record.detail or (note_of(config, baseline=record.baseline) if config else "")
    line = lines.line(config) if config else ""
    return " ".join(filter(None, [line, f"({note})" if note else ""]))
