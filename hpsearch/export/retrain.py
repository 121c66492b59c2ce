"""A concrete configuration trained in this process, without Optuna."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hpsearch.config.file import Objective
from hpsearch.config.trial import TrialConfig
from hpsearch.data.store import cache_folder, obtain
from hpsearch.errors import HpsearchError
from hpsearch.executors.local import cores
from hpsearch.training.quiet import native_errors_to
from hpsearch.training.results import EpochRow
from hpsearch.training.xla_cache import use_xla_cache

FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy")


def retrain(
    config: TrialConfig,
    objective: Objective,
    *,
    test: bool,
    log: Path,
    folders: Sequence[Path],
    report: Callable[[str], None],
    each: Callable[[EpochRow], None],
) -> dict[str, Any]:
    """Train a configuration; its best epoch's weights are what is evaluated.

    Args:
        config: what to train.
        objective: decides the best epoch.
        test: whether to read the test images, once, at the end.
        log: file that takes what TensorFlow's native code prints.
        folders: where a user's own modules are looked for.
        report: told about data that has to be fetched.
        each: called with every epoch's row.

    Returns:
        metric, value and epoch of the best epoch, all of that epoch's metrics, outcome, epochs, seconds,
        and with `test` the loss and accuracy on the test images.

    Raises:
        DataError: the dataset cannot be had.
        HpsearchError: the training diverged before its first finite epoch.
    """
    obtain(config.data.dataset, report=report)
    sys.path[:0] = map(str, folders)
    native_errors_to(log)
    use_xla_cache(cache_folder() / "xla", cores())
    from hpsearch.training.examples import TrainingData
    from hpsearch.training.trainer import Trainer

    trainer = Trainer(config, objective, TrainingData.load(config.data))
    rows = []
    for row in trainer.epochs():
        rows.append(row)
        each(row)
    if trainer.best is None:
        raise HpsearchError(f"no epoch had a finite {objective.metric}: {trainer.outcome.value}")
    result: dict[str, Any] = {
        "metric": objective.metric,
        "value": trainer.best.value,
        "epoch": trainer.best.epoch,
        **{name: rows[trainer.best.epoch - 1].metrics[name] for name in FIGURES},
        "outcome": trainer.outcome.label,
        "epochs": len(rows),
        "seconds": round(sum(row.metrics["epoch_seconds"] for row in rows), 3),
    }
    if test:
        figures = trainer.test()
        result |= {"test_loss": figures.loss, "test_accuracy": figures.accuracy}
    return result
