"""Several configurations trained at once, in worker processes as a study has them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from hpsearch.config.file import Objective
from hpsearch.config.trial import AnyConfig, TrainableConfig
from hpsearch.data.store import obtain_training
from hpsearch.errors import HpsearchError
from hpsearch.executors.local import LocalExecutor
from hpsearch.executors.protocol import EpochDone, Job, TrialEnded, WorkerFailed
from hpsearch.export.again import Place
from hpsearch.export.retrain import Follower, Trained, record_of
from hpsearch.training.results import TEST, Best, EpochMetrics, Outcome, best_of
from hpsearch.training.structure import engines_for, needs_of, with_engine

# How long events are waited for at a time.
_SECONDS = 1.0


@dataclass
class _Running:
    """A training that has begun, and its epochs so far."""

    config: AnyConfig
    started: datetime
    rows: list[EpochMetrics] = field(default_factory=list)

    def add(self, row: EpochMetrics) -> None:
        if not self.rows:
            # Its worker may have had to start and to read the data first.
            self.started = datetime.now() - timedelta(seconds=row.metrics["epoch_seconds"])
        self.rows.append(row)


class Parallel:
    """Trains like `Retrainer`, but so many at once, each with its share of the cores; a context manager.

    Args:
        objective: decides the best epoch.
        workers: trainings at once.
        place: where they find what they need.
    """

    def __init__(self, objective: Objective, workers: int, place: Place) -> None:
        self._objective, self._workers, self._place = objective, workers, place
        self._executor: LocalExecutor | None = None

    def __enter__(self) -> Parallel:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._executor is not None:
            self._executor.close()

    def train_all(
        self, configs: Mapping[int, AnyConfig], followers: Sequence[Follower], *, test: bool
    ) -> tuple[Trained, ...]:
        """Train configurations, by number; with `test` the test images are opened once, for all of them.

        Raises:
            DataError: a dataset cannot be had.
            HpsearchError: a training failed, or its worker died.
        """
        executor = self._ready(configs)
        with tempfile.TemporaryDirectory(prefix="hpsearch-train-") as folder:
            models = {number: str(Path(folder) / f"{number}.keras") if test else "" for number in configs}
            trained = self._train(executor, configs, models, followers)
            known = [number for number, one in trained.items() if one.record.best]
            if test:
                accuracies = (
                    self._read(executor, configs[known[0]], [models[number] for number in known]) if known else []
                )
                for number, accuracy in zip(known, accuracies, strict=True):
                    trained[number] = replace(trained[number], test={"test_accuracy": accuracy})
                for one in trained.values():
                    _tell(one, followers)
        return tuple(trained[number] for number in configs)

    def _ready(self, configs: Mapping[int, AnyConfig]) -> LocalExecutor:
        place = self._place
        own = any(isinstance(config, TrainableConfig) for config in configs.values())
        for name in {config.data.dataset for config in configs.values() if not isinstance(config, TrainableConfig)}:
            obtain_training(name, place.report)
        if self._executor is None:
            self._executor = LocalExecutor(self._workers, place.log, place.report, place.folders, keras=not own)
        return self._executor

    def _train(
        self,
        executor: LocalExecutor,
        configs: Mapping[int, AnyConfig],
        models: Mapping[int, str],
        followers: Sequence[Follower],
    ) -> dict[int, Trained]:
        waiting, running, trained = list(configs), dict[int, _Running](), dict[int, Trained]()
        while waiting or running:
            while waiting and any(not place.busy for place in executor.slots()):
                number = waiting.pop(0)
                config = configs[number]
                if not isinstance(config, TrainableConfig):
                    config = with_engine(config, engines_for(config.training.max_epochs))
                running[number] = _Running(config, datetime.now())
                executor.submit(self._job(number, config, models[number]))
                for follower in followers:
                    follower.training_started(number, config)
            for event in executor.events(_SECONDS):
                if isinstance(event, EpochDone):
                    executor.go_on(event.trial)
                    running[event.trial].add(event.row)
                    for follower in followers:
                        follower.epoch_done(event.trial, event.row)
                else:
                    one = trained[event.trial] = self._ended(event, running.pop(event.trial))
                    # Those that are to be tested are told afterwards.
                    if not models[event.trial]:
                        _tell(one, followers)
        return trained

    def _job(self, number: int, config: AnyConfig, model: str) -> Job:
        return Job(number, config.plain(), self._objective.model_dump(mode="json"), needs_of(config), model=model)

    def _ended(self, end: TrialEnded | WorkerFailed, run: _Running) -> Trained:
        if isinstance(end, WorkerFailed) or end.outcome is Outcome.FAILED:
            raise HpsearchError(f"seed {run.config.seed}: {end.detail}")
        best = _best(run, end.outcome, self._objective)
        # Of one training the confusions say nothing that the others do not.
        info = {name: value for name, value in end.info.items() if isinstance(value, int | float)}
        return Trained(record_of(end.trial, run.config, end.outcome, run.rows, best, info, run.started), {})

    def _read(self, executor: LocalExecutor, config: AnyConfig, models: Sequence[str]) -> list[float]:
        """The accuracy of each model on the test images."""
        job = Job(-1, config.plain(), self._objective.model_dump(mode="json"), reads=tuple(models))
        executor.submit(job)
        while True:
            for event in executor.events(_SECONDS):
                if isinstance(event, TrialEnded) and event.outcome is Outcome.COMPLETED:
                    found: list[dict[str, Any]] = event.info[TEST]
                    return [each["accuracy"] for each in found]
                if isinstance(event, TrialEnded | WorkerFailed):
                    raise HpsearchError(f"the test images could not be read: {event.detail}")


def _tell(trained: Trained, followers: Sequence[Follower]) -> None:
    for follower in followers:
        follower.training_ended(trained.record, trained.test)


def _best(run: _Running, outcome: Outcome, objective: Objective) -> Best | None:
    """The epoch whose weights were kept: as `Trainer.best`."""
    rows = run.rows[:-1] if outcome is Outcome.DIVERGED else run.rows
    if isinstance(run.config, TrainableConfig) or run.config.data.validation != 0:
        return best_of(rows, objective)
    return Best(rows[-1].epoch, rows[-1].metrics.get(objective.metric, math.nan)) if rows else None
