"""Finished trainings made by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hpsearch.config.file import Objective
from hpsearch.config.trial import AnyConfig
from hpsearch.search.records import TrialRecord
from hpsearch.training.results import EpochMetrics, Outcome, best_of

BEGAN = datetime(2026, 11, 1, 12)


def record_of(config: AnyConfig, values: list[float], number: int = 0, **more: Any) -> TrialRecord:
    """A training with these validation accuracies; `more` replaces what it says else."""
    metrics = [
        {"val_accuracy": v, "loss": 1 - v, "learning_rate": 0.5**e, "epoch_seconds": 1.0} for e, v in enumerate(values)
    ]
    rows = tuple(EpochMetrics(epoch, row) for epoch, row in enumerate(metrics, start=1))
    known = {
        "number": number,
        "state": "COMPLETE",
        "outcome": Outcome.COMPLETED,
        "config": config,
        "epochs": rows,
        "best": best_of(rows, Objective()),
        "seconds": float(len(rows)),
        "info": {"weights": 100},
        "started": BEGAN,
        "ended": BEGAN + timedelta(seconds=len(rows)),
    }
    return TrialRecord(**(known | more))


def trained_here(config, context):
    """Train a configuration in this process; return the trainer and the epochs."""
    from hpsearch.training.trainer import Trainer

    trainer = Trainer(config, Objective(), context.data(config.data))
    return trainer, list(trainer.epochs())
