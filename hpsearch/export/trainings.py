"""Given configurations trained in worker processes, without Optuna."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hpsearch.config.file import Objective
from hpsearch.config.trial import AnyConfig, TrainableConfig
from hpsearch.data.store import obtain_training
from hpsearch.errors import DataError, HpsearchError, UserCodeError
from hpsearch.executors.local import LocalExecutor
from hpsearch.executors.protocol import Job, TrialEnded, WorkerFailed, WorkerSlot
from hpsearch.search.listeners import Listener
from hpsearch.search.records import TrialRecord
from hpsearch.search.runner import JobList, run_trials
from hpsearch.training.results import CLOCKS, GOOD, TEST_METRICS, Best, EpochMetrics, Outcome, best_of
from hpsearch.training.structure import engines_for, needs_of, with_engine


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
        return (self.record.config.seed if self.record.config else None) or 0

    def plain(self, objective: Objective) -> dict[str, Any]:
        """Metric, value and epoch of the best epoch, all of that epoch's metrics, outcome, epochs, seconds, test."""
        rows, best, outcome = self.record.rows, self.record.best, self.record.outcome
        return {
            "seed": self.seed,
            "metric": objective.metric,
            # Where nothing is held out there may be none.
            "value": best.value if best and math.isfinite(best.value) else None,
            "epoch": best.epoch if best else None,
            **{name: value for name, value in self.record.best_metrics.items() if name not in CLOCKS},
            "outcome": outcome.label if outcome else None,
            "epochs": len(rows),
            "seconds": round(sum(row.metrics["epoch_seconds"] for row in rows), 3),
            **self.test,
        }


@dataclass(frozen=True)
class Workers:
    """Worker processes that train configurations.

    Attributes:
        executor: where they are trained.
        objective: decides the best epoch.
        log: file that takes what the workers print.
        report: called with one line for each message.
    """

    executor: LocalExecutor
    objective: Objective
    log: Path
    report: Callable[[str], None]

    def train_all(
        self, configs: Mapping[int, AnyConfig], listeners: Sequence[Listener], *, test: bool
    ) -> tuple[Trained, ...]:
        """Train configurations, by number; of each its best epoch's weights are what is evaluated.

        Args:
            test: whether to read the test images, once, at the end of each.

        Raises:
            DataError: a dataset cannot be had.
            UserCodeError: a user's own code raised.
            HpsearchError: a training failed, or its worker died.
        """
        for name in {config.data.dataset for config in configs.values() if not isinstance(config, TrainableConfig)}:
            obtain_training(name, self.report)
        configs = {number: _with_engine(config) for number, config in configs.items()}
        policy = _Trainings(configs, self.objective, listeners, self.log, test=test)
        run_trials(self.executor, policy)
        return tuple(policy.trained[number] for number in configs)


@contextmanager
def start_workers(
    count: int,
    objective: Objective,
    log: Path,
    folders: Sequence[Path],
    report: Callable[[str], None],
    *,
    keras: bool,
) -> Iterator[Workers]:
    """Start worker processes, each with its share of the cores, and end them.

    Args:
        count: of the workers.
        folders: where a user's own modules and files are looked for.
        keras: whether hpsearch's own trainer trains.
    """
    executor = LocalExecutor(count, log, report, folders, keras=keras)
    try:
        yield Workers(executor, objective, log, report)
    finally:
        executor.close()


def _with_engine(config: AnyConfig) -> AnyConfig:
    if isinstance(config, TrainableConfig):
        return config
    return with_engine(config, engines_for(config.training.max_epochs))


class _Trainings(JobList):
    """The policy of configurations that are all trained to their end; the first failure ends the run."""

    def __init__(
        self,
        configs: Mapping[int, AnyConfig],
        objective: Objective,
        listeners: Sequence[Listener],
        log: Path,
        *,
        test: bool,
    ) -> None:
        plain = objective.model_dump(mode="json")
        jobs = [Job(n, config.plain(), plain, needs_of(config), tests=test) for n, config in configs.items()]
        super().__init__(jobs)
        self._configs, self._objective, self._listeners, self._log = configs, objective, listeners, log
        self._started: dict[int, datetime] = {}
        self._events: list[Callable[[Listener], None]] = []
        self.trained: dict[int, Trained] = {}

    def next_job(self, slots: Sequence[WorkerSlot]) -> Job | None:
        job = super().next_job(slots)
        if job is not None:
            began = self._started[job.trial] = datetime.now()
            started = TrialRecord(job.trial, "RUNNING", None, self._configs[job.trial], (), None, started=began)
            self._events.append(lambda listener: listener.trial_started(started))
        return job

    def epoch_done(self, trial: int, metrics: EpochMetrics) -> bool:
        if not self.epochs[trial]:
            # Its worker may have had to start and to read the data first.
            self._started[trial] = datetime.now() - timedelta(seconds=metrics.metrics["epoch_seconds"])
        self._events.append(lambda listener: listener.epoch_done(trial, metrics))
        return super().epoch_done(trial, metrics)

    def trial_ended(self, end: TrialEnded) -> None:
        super().trial_ended(end)
        if end.outcome is Outcome.FAILED:
            raise self._failed(end)
        record = self._record(end)
        test = {name: end.info[name] for name in TEST_METRICS if name in end.info}
        self.trained[end.trial] = Trained(record, test)
        self._events.append(lambda listener: listener.trial_ended(record))

    def worker_failed(self, failure: WorkerFailed) -> None:
        super().worker_failed(failure)
        if failure.trial in self.ends:
            raise self._failed(failure)
        self._events.append(lambda listener: listener.trial_interrupted(failure.trial))

    def announce(self) -> None:
        events, self._events = self._events, []
        for event in events:
            for listener in self._listeners:
                event(listener)

    def _failed(self, end: TrialEnded | WorkerFailed) -> HpsearchError:
        """Return the error that a training ended with; its own text is one of ours, or names the traceback's file."""
        before = f"seed {self._configs[end.trial].seed}: " if len(self._configs) > 1 else ""
        for kind in (DataError, UserCodeError, HpsearchError):
            if end.detail.startswith(f"{kind.__name__}: "):
                return kind(before + end.detail.removeprefix(f"{kind.__name__}: "))
        return HpsearchError(f"{before}{end.detail}; what its worker printed is in {self._log}")

    def _record(self, end: TrialEnded) -> TrialRecord:
        """Return the record of a training that has just ended, as a study would keep it."""
        config, started, ended = self._configs[end.trial], self._started[end.trial], datetime.now()
        rows = self.epochs[end.trial]
        # Of one training the confusion matrix says nothing that the others do not.
        info = {name: value for name, value in end.info.items() if isinstance(value, int | float)}
        return TrialRecord(
            number=end.trial,
            state="COMPLETE" if end.outcome in GOOD else "PRUNED",
            outcome=end.outcome,
            config=config,
            rows=tuple(rows),
            best=_best(config, rows, end.outcome, self._objective),
            seconds=round((ended - started).total_seconds(), 3),
            detail="",
            baseline=False,
            params={},
            info=info,
            traceback="",
            started=started,
            ended=ended,
        )


def _best(config: AnyConfig, rows: Sequence[EpochMetrics], outcome: Outcome, objective: Objective) -> Best | None:
    """Return the epoch whose weights were kept: as `Trainer.best`."""
    rows = rows[:-1] if outcome is Outcome.DIVERGED else rows
    if isinstance(config, TrainableConfig) or config.data.validation != 0:
        return best_of(rows, objective)
    return Best(rows[-1].epoch, rows[-1].metrics.get(objective.metric, math.nan)) if rows else None
