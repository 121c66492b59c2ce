"""An exported configuration trained again in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpsearch.config.file import Objective
from hpsearch.config.trial import AnyConfig, DataConfig, TrainableConfig
from hpsearch.config.user_modules import use_folders
from hpsearch.data.store import cache_folder, obtain_training
from hpsearch.errors import HpsearchError
from hpsearch.executors.local import cores
from hpsearch.training.quiet import keep_stdout_for_results, native_errors_to
from hpsearch.training.results import EpochMetrics
from hpsearch.training.trainable import TrainableTrainer
from hpsearch.training.xla_cache import use_xla_cache

if TYPE_CHECKING:
    from hpsearch.training.examples import TrainingData
    from hpsearch.training.trainer import Trainer


@dataclass(frozen=True)
class Place:
    """Where a training finds what it needs, and whom it tells.

    Attributes:
        folders: where a person's own modules and files are looked for.
        log: file that takes what TensorFlow's native code prints.
        report: told what happens, a line each.
    """

    folders: Sequence[Path]
    log: Path
    report: Callable[[str], None]

    def prepare(self) -> None:
        """Of what it does for TensorFlow nothing is needed once that is imported."""
        # First, since it goes where stderr goes now.
        keep_stdout_for_results()
        use_folders(self.folders)
        if "tensorflow" in sys.modules:
            return
        native_errors_to(self.log)
        use_xla_cache(cache_folder() / "xla", cores())

    def data(self, config: DataConfig) -> TrainingData:
        """What a configuration trains on.

        Raises:
            DataError: it cannot be had.
            UserCodeError: a person's own function cannot be found, or raises.
        """
        self.prepare()
        obtain_training(config.dataset, self.report)
        from hpsearch.training.examples import TrainingData

        return TrainingData.load(config, self.folders)


def train_again(
    config: AnyConfig, objective: Objective, place: Place
) -> tuple[Trainer | TrainableTrainer, list[EpochMetrics]]:
    """Train to the end: the trainer, whose model has its best epoch's weights, and the epochs.

    Raises:
        DataError: the dataset cannot be had.
        HpsearchError: the training diverged before its first finite epoch.
    """
    trainer: Trainer | TrainableTrainer
    if isinstance(config, TrainableConfig):
        place.prepare()
        trainer = TrainableTrainer(config, objective)
    else:
        data = place.data(config.data)
        from hpsearch.training.trainer import Trainer

        trainer = Trainer(config, objective, data)
    rows = []
    for row in trainer.epochs():
        rows.append(row)
        place.report(f"epoch {row.epoch}  {objective.metric} {row.metrics[objective.metric]:.4g}")
    if trainer.best is None:
        raise HpsearchError(f"no epoch had a finite {objective.metric}: {trainer.outcome.value}")
    return trainer, rows
