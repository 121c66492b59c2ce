"""A concrete configuration trained in this process, without Optuna."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpsearch.catalogue.datasets import is_own
from hpsearch.config.file import Objective
from hpsearch.config.own import OwnConfig, Recipe
from hpsearch.config.trial import TrialConfig
from hpsearch.data.store import cache_folder, obtain
from hpsearch.errors import HpsearchError
from hpsearch.executors.local import cores
from hpsearch.training.own import OwnTrainer
from hpsearch.training.quiet import native_errors_to
from hpsearch.training.results import CLOCKS, EpochRow
from hpsearch.training.xla_cache import use_xla_cache

if TYPE_CHECKING:
    from hpsearch.training.trainer import Trainer


def retrain(
    config: Recipe,
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
    sys.path[:0] = map(str, folders)
    trainer: Trainer | OwnTrainer
    if isinstance(config, OwnConfig):
        if test:
            raise HpsearchError(f"--test: {config.trainable} is your own training, so only you know its test data")
        trainer = OwnTrainer(config, objective)
    else:
        trainer = _keras_trainer(config, objective, log, folders, report)
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
        **{name: value for name, value in rows[trainer.best.epoch - 1].metrics.items() if name not in CLOCKS},
        "outcome": trainer.outcome.label,
        "epochs": len(rows),
        "seconds": round(sum(row.metrics["epoch_seconds"] for row in rows), 3),
    }
    if test and not isinstance(trainer, OwnTrainer):
        figures = trainer.test(folders)
        result |= {"test_loss": figures.loss, "test_accuracy": figures.accuracy}
    return result


def _keras_trainer(
    config: TrialConfig, objective: Objective, log: Path, folders: Sequence[Path], report: Callable[[str], None]
) -> Trainer:
    if not is_own(config.data.dataset):
        obtain(config.data.dataset, report=report)
    native_errors_to(log)
    use_xla_cache(cache_folder() / "xla", cores())
    from hpsearch.training.examples import TrainingData
    from hpsearch.training.trainer import Trainer

    return Trainer(config, objective, TrainingData.load(config.data, folders))
