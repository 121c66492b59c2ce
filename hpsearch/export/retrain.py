"""Concrete configurations trained in this process, without Optuna."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from hpsearch.config.file import Objective
from hpsearch.config.trial import AnyConfig, TrainableConfig, TrialConfig
from hpsearch.executors.local import cores
from hpsearch.executors.protocol import THREADS
from hpsearch.export.again import Place
from hpsearch.search.records import TrialRecord
from hpsearch.training.own import OwnTrainer
from hpsearch.training.results import CLOCKS, GOOD, Best, EpochMetrics, Outcome

if TYPE_CHECKING:
    from hpsearch.training.examples import TrainingData
    from hpsearch.training.executable import Executables
    from hpsearch.training.trainer import Trainer


@dataclass(frozen=True)
class Trained:
    """One finished training.

    Attributes:
        record: of it, as a study would keep it.
        test: loss and accuracy on the test images; empty where they were not asked for.
    """

    record: TrialRecord
    test: Mapping[str, float]

    @property
    def seed(self) -> int:
        return int((self.record.config or {}).get("seed") or 0)

    def plain(self, objective: Objective) -> dict[str, Any]:
        """Metric, value and epoch of the best epoch, all of that epoch's metrics, outcome, epochs, seconds, test."""
        rows, best, outcome = self.record.rows, self.record.best, self.record.outcome
        at_best = rows[best.epoch - 1].metrics if best else {}
        return {
            "seed": self.seed,
            "metric": objective.metric,
            # Where nothing is held out there may be none.
            "value": best.value if best and math.isfinite(best.value) else None,
            "epoch": best.epoch if best else None,
            **{name: value for name, value in at_best.items() if name not in CLOCKS},
            "outcome": outcome.label if outcome else None,
            "epochs": len(rows),
            "seconds": round(sum(row.metrics["epoch_seconds"] for row in rows), 3),
            **self.test,
        }


class Follower(Protocol):
    """Is told of trainings as they come."""

    def training_started(self, number: int, config: AnyConfig) -> None: ...

    def epoch_done(self, number: int, row: EpochMetrics) -> None: ...

    def training_ended(self, record: TrialRecord, test: Mapping[str, float]) -> None: ...


def record_of(
    number: int,
    config: AnyConfig,
    outcome: Outcome,
    rows: Sequence[EpochMetrics],
    best: Best | None,
    info: Mapping[str, Any],
    started: datetime,
) -> TrialRecord:
    """A training that has just ended, as a study would keep it."""
    ended = datetime.now()
    return TrialRecord(
        number=number,
        state="COMPLETE" if outcome in GOOD else "PRUNED",
        outcome=outcome,
        config=config.plain(),
        rows=tuple(rows),
        best=best,
        seconds=round((ended - started).total_seconds(), 3),
        detail="",
        baseline=False,
        params={},
        info=info,
        traceback="",
        started=started,
        ended=ended,
    )


class Retrainer:
    """Trains one configuration after the other; what is loaded and compiled for one serves the next.

    Args:
        objective: decides the best epoch.
        place: where they find what they need.
    """

    def __init__(self, objective: Objective, place: Place) -> None:
        self._objective, self._place = objective, place
        self._data: tuple[str, TrainingData] | None = None
        self._executables: Executables | None = None

    def train_all(
        self, configs: Mapping[int, AnyConfig], followers: Sequence[Follower], *, test: bool
    ) -> tuple[Trained, ...]:
        """Train configurations, by number; of each its best epoch's weights are what is evaluated.

        Args:
            test: whether to read the test images, once, at the end of each.

        Raises:
            DataError: a dataset cannot be had.
            UserCodeError: a user's own code raised.
        """
        return tuple(self._train(number, config, followers, test=test) for number, config in configs.items())

    def _train(self, number: int, config: AnyConfig, followers: Sequence[Follower], *, test: bool) -> Trained:
        trainer = self._trainer(config)
        for follower in followers:
            follower.training_started(number, config)
        started, rows = datetime.now(), []
        for row in trainer.epochs():
            rows.append(row)
            for follower in followers:
                follower.epoch_done(number, row)
        figures = {}
        if test and not isinstance(trainer, OwnTrainer) and trainer.best:
            read = trainer.test(self._place.folders)
            figures = {"test_loss": read.loss, "test_accuracy": read.accuracy}
        info = {**trainer.info, THREADS: cores()}
        record = record_of(number, trainer.config, trainer.outcome, rows, trainer.best, info, started)
        for follower in followers:
            follower.training_ended(record, figures)
        return Trained(record, figures)

    def _trainer(self, config: AnyConfig) -> Trainer | OwnTrainer:
        if isinstance(config, TrainableConfig):
            self._place.prepare()
            return OwnTrainer(config, self._objective)
        return self._keras_trainer(config)

    def _keras_trainer(self, config: TrialConfig) -> Trainer:
        key = config.data.model_dump_json()
        if self._data is None or self._data[0] != key:
            self._data = key, self._place.data(config.data)
        from hpsearch.training.executable import Executables
        from hpsearch.training.trainer import Trainer

        self._executables = self._executables or Executables()
        return Trainer(config, self._objective, self._data[1], self._executables)
