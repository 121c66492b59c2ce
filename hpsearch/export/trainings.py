"""Trainings of given configurations in worker processes, without Optuna: with several seeds, and on all images."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpsearch.analysis.statistics import Interval, kept_bounds, mean_interval
from hpsearch.catalogue.metrics import bounds_of
from hpsearch.config.file import Objective
from hpsearch.config.trial import (
    AnyConfig,
    DataConfig,
    TrainableConfig,
    TrialConfig,
    watches_epochs,
    with_seed,
    without_validation,
)
from hpsearch.config.user_modules import use_folders
from hpsearch.data.store import cache_folder, obtain_training
from hpsearch.errors import DataError, HpsearchError, UserCodeError
from hpsearch.executors.local import LocalExecutor, cores
from hpsearch.executors.protocol import Decision, Job, TrialEnded, WorkerFailed, WorkerSlot
from hpsearch.search.listeners import Listener
from hpsearch.search.records import TrialRecord, epochs_chosen, most_typical, rates_of
from hpsearch.search.runner import JobList, run_trials
from hpsearch.training.quiet import keep_stdout_for_results, redirect_native_stderr
from hpsearch.training.results import CLOCKS, GOOD, TEST_METRICS, Best, EpochMetrics, Outcome, best_of
from hpsearch.training.structure import engines_for, needs_of, with_engine
from hpsearch.training.xla_cache import use_xla_cache

if TYPE_CHECKING:
    from hpsearch.training.examples import TrainingData


@dataclass(frozen=True)
class ExportContext:
    """The folders, the log file and the report function of an export.

    Attributes:
        folders: the folders of the user's own modules and files.
        log: the file for the output of workers and of TensorFlow's native code.
        report: called with one line for each message.
    """

    folders: Sequence[Path]
    log: Path
    report: Callable[[str], None]

    def prepare(self) -> None:
        """Prepare this process for TensorFlow and the user's own code."""
        # First, while stdout is still the one that results go to.
        keep_stdout_for_results()
        use_folders(self.folders)
        if "tensorflow" in sys.modules:
            return
        redirect_native_stderr(self.log)
        use_xla_cache(cache_folder() / "xla", cores())

    def data(self, config: DataConfig) -> TrainingData:
        """Load the data of a configuration in this process.

        Raises:
            DataError: the dataset cannot be loaded.
            UserCodeError: the user's own function cannot be found, or raises.
        """
        self.prepare()
        obtain_training(config.dataset, self.report)
        from hpsearch.training.examples import TrainingData

        return TrainingData.load(config, self.folders)


@dataclass(frozen=True)
class Trained:
    """One finished training.

    Attributes:
        record: the record of the training.
        test: loss and accuracy on the test images; empty if they were not read.
    """

    record: TrialRecord
    test: Mapping[str, float]

    @property
    def seed(self) -> int:
        return (self.record.config.seed if self.record.config else None) or 0

    def plain(self, objective: Objective) -> dict[str, Any]:
        """Return the best epoch with its metrics, the outcome, epochs, seconds and test metrics."""
        epochs, best, outcome = self.record.epochs, self.record.best, self.record.outcome
        return {
            "seed": self.seed,
            "metric": objective.metric,
            # Without validation the value may be NaN.
            "value": best.value if best and math.isfinite(best.value) else None,
            "epoch": best.epoch if best else None,
            **{name: value for name, value in self.record.best_metrics.items() if name not in CLOCKS},
            "outcome": outcome.label if outcome else None,
            "epochs": len(epochs),
            "seconds": round(sum(epoch.metrics["epoch_seconds"] for epoch in epochs), 3),
            **self.test,
        }


@dataclass(frozen=True)
class Workers:
    """Worker processes that train configurations.

    Attributes:
        executor: runs the trainings.
        objective: decides the best epoch.
        log: file for the workers' output.
        report: called with one line for each message.
    """

    executor: LocalExecutor
    objective: Objective
    log: Path
    report: Callable[[str], None]

    def train_all(
        self,
        configs: Mapping[int, AnyConfig],
        listeners: Sequence[Listener],
        *,
        test: bool = False,
        model: Path | None = None,
    ) -> tuple[Trained, ...]:
        """Train configurations, by number.

        Args:
            test: whether to evaluate the best epoch's weights on the test images, at the end of each training.
            model: the file for the trained model, if there is one configuration only; None: no model is saved.

        Raises:
            DataError: a dataset cannot be loaded.
            UserCodeError: the user's own code raised an exception.
            HpsearchError: a training failed, or its worker died.
        """
        for name in {config.data.dataset for config in configs.values() if not isinstance(config, TrainableConfig)}:
            obtain_training(name, self.report)
        configs = {number: _with_engine(config) for number, config in configs.items()}
        policy = _Trainings(configs, self.objective, listeners, self.log, test=test, model=model)
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
        count: number of workers.
        folders: the folders of the user's own modules and files.
        keras: whether hpsearch's own trainer trains.
    """
    executor = LocalExecutor(count, log, report, folders, keras=keras)
    try:
        yield Workers(executor, objective, log, report)
    finally:
        executor.close()


def train_one(
    config: AnyConfig, objective: Objective, context: ExportContext, model: Path | None = None
) -> TrialRecord:
    """Train one configuration to its end, in a worker on all cores; return its record.

    Args:
        model: the file for the model of its best epoch; None: no model is saved.

    Raises:
        DataError: the dataset cannot be loaded.
        UserCodeError: the user's own code raised an exception.
        HpsearchError: the training failed, or diverged before its first finite epoch.
    """
    keras = isinstance(config, TrialConfig)
    with start_workers(1, objective, context.log, context.folders, context.report, keras=keras) as workers:
        (trained,) = workers.train_all({0: config}, [_EpochLines(objective.metric, context.report)], model=model)
    if trained.record.best is None:
        outcome = trained.record.outcome or Outcome.DIVERGED
        raise HpsearchError(f"no epoch had a finite {objective.metric}: {outcome.value}")
    return trained.record


class _EpochLines(Listener):
    """Reports the objective after each epoch."""

    def __init__(self, metric: str, report: Callable[[str], None]) -> None:
        self._metric, self._report = metric, report

    def epoch_done(self, number: int, epoch: EpochMetrics) -> None:  # noqa: ARG002
        self._report(f"epoch {epoch.epoch}  {self._metric} {epoch.metrics[self._metric]:.4g}")


def _with_engine(config: AnyConfig) -> AnyConfig:
    if isinstance(config, TrainableConfig):
        return config
    return with_engine(config, engines_for(config.training.max_epochs))


class _Trainings(JobList):
    """The policy that trains each given configuration to its end; the first failure ends the run."""

    def __init__(
        self,
        configs: Mapping[int, AnyConfig],
        objective: Objective,
        listeners: Sequence[Listener],
        log: Path,
        *,
        test: bool,
        model: Path | None,
    ) -> None:
        plain, file = objective.model_dump(mode="json"), str(model) if model else ""
        jobs = [
            Job(number, config.plain(), plain, needs_of(config), test_after=test, model=file)
            for number, config in configs.items()
        ]
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

    def epoch_done(self, trial: int, metrics: EpochMetrics) -> Decision:
        if not self.epochs[trial]:
            # The time before the first epoch, in which the worker may start and read the data, does not count.
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
        """Return the error that a training ended with. Its text is that of an HpsearchError, or names the log file."""
        before = f"seed {self._configs[end.trial].seed}: " if len(self._configs) > 1 else ""
        for kind in (DataError, UserCodeError, HpsearchError):
            if end.detail.startswith(f"{kind.__name__}: "):
                return kind(before + end.detail.removeprefix(f"{kind.__name__}: "))
        return HpsearchError(f"{before}{end.detail}; what its worker printed is in {self._log}")

    def _record(self, end: TrialEnded) -> TrialRecord:
        """Return the record of a training that has just ended."""
        config, started, ended = self._configs[end.trial], self._started[end.trial], datetime.now()
        epochs = self.epochs[end.trial]
        # Confusion matrices are left out.
        info = {name: value for name, value in end.info.items() if isinstance(value, int | float)}
        return TrialRecord(
            number=end.trial,
            state="COMPLETE" if end.outcome in GOOD else "PRUNED",
            outcome=end.outcome,
            config=config,
            epochs=tuple(epochs),
            best=_best(config, epochs, end.outcome, self._objective),
            seconds=round((ended - started).total_seconds(), 3),
            detail="",
            baseline=False,
            params={},
            info=info,
            traceback="",
            started=started,
            ended=ended,
        )


def _best(config: AnyConfig, epochs: Sequence[EpochMetrics], outcome: Outcome, objective: Objective) -> Best | None:
    """Return the epoch whose weights were restored, as `Trainer.best` has it."""
    epochs = epochs[:-1] if outcome is Outcome.DIVERGED else epochs
    if isinstance(config, TrainableConfig) or config.data.validation != 0:
        return best_of(epochs, objective)
    return Best(epochs[-1].epoch, epochs[-1].metrics.get(objective.metric, math.nan)) if epochs else None


@dataclass(frozen=True)
class TrainingRequest:
    """The options of `hpsearch train`.

    Attributes:
        seeds: the number of seeds; the configuration's own comes first.
        full: whether to train on the validation images too, for the number of epochs that validation chose.
        test: whether to read the test images; with `full` only for the models trained on all images.
    """

    config: AnyConfig
    objective: Objective
    seeds: int = 1
    full: bool = False
    test: bool = False


@dataclass(frozen=True)
class Part:
    """Trainings that differ in the seed alone.

    Attributes:
        full: whether no image was held out.
        epochs: the number of epochs of each; None: its validation images decided.
    """

    trained: tuple[Trained, ...]
    objective: Objective
    full: bool = False
    epochs: int | None = None

    def rows(self) -> list[dict[str, Any]]:
        return [one.plain(self.objective) for one in self.trained]

    def summary(self) -> dict[str, Interval]:
        """Return mean and interval over the seeds: of the objective's metric, and of test loss and accuracy."""
        values: dict[str, list[float]] = {}
        for one in self.trained:
            best = one.record.best
            metrics = {self.objective.metric: best.value if best else math.nan, **one.test}
            for name, value in metrics.items():
                if math.isfinite(value):
                    values.setdefault(name, []).append(value)
        return {
            name: mean_interval(of_seeds, bounds=kept_bounds(bounds_of(name), of_seeds))
            for name, of_seeds in values.items()
        }

    def plain(self) -> dict[str, Any]:
        """Return the summary of one training, or those of several with mean and interval."""
        about = {"epochs_chosen": self.epochs} if self.epochs is not None else {}
        if len(self.trained) == 1:
            return about | self.rows()[0]
        summary = {name: interval.plain() for name, interval in self.summary().items()}
        return about | {"metric": self.objective.metric, "seeds": self.rows(), "summary": summary}


def train_requested(
    request: TrainingRequest, workers: Workers, listeners: Sequence[Listener], report: Callable[[str], None]
) -> list[Part]:
    """Train with validation images, on all images, or first the one and then the other, as requested.

    Raises:
        DataError: the dataset cannot be loaded.
        HpsearchError: the request does not fit the configuration, or every training diverged.
    """
    config = request.config
    if isinstance(config, TrainableConfig) and (request.full or request.test):
        option = "--full" if request.full else "--test"
        raise HpsearchError(f"{option}: {config.trainable} is your own training, so only you know its data")
    seeds = seeds_of(config, request.seeds)
    last = not (request.full and isinstance(config, TrialConfig) and needs_validation(config))
    parts = []
    if not request.full or not last:
        configs = dict(enumerate(with_seed(config, seed) for seed in seeds))
        trained = workers.train_all(configs, listeners, test=request.test and not request.full)
        parts.append(Part(_some_good(trained, request.objective), request.objective))
    if request.full and isinstance(config, TrialConfig):
        epochs = config.training.last_epoch if last else epochs_chosen(one.record for one in parts[0].trained)
        configs = dict(enumerate(_full_configs(config, seeds, epochs, parts), start=len(seeds)))
        report(f"training on everything, validation images included, for {epochs} epochs")
        trained = _some_good(workers.train_all(configs, listeners, test=request.test), request.objective)
        parts.append(Part(trained, request.objective, full=True, epochs=epochs))
    return parts


def _some_good(trained: tuple[Trained, ...], objective: Objective) -> tuple[Trained, ...]:
    """Return the trainings, if any has a best epoch.

    Raises:
        HpsearchError: all of them diverged in their first epoch.
    """
    if all(one.record.best is None for one in trained):
        raise HpsearchError(f"no epoch had a finite {objective.metric}: {Outcome.DIVERGED.value}")
    return trained


def seeds_of(config: AnyConfig, count: int) -> list[int]:
    """Return the configuration's own seed (0 where it has none), and those that follow it."""
    return [((config.seed or 0) + i) % 2**32 for i in range(count)]


def needs_validation(config: TrialConfig) -> bool:
    """Return whether only a training with validation shows the number of epochs, or the rates, for all images."""
    if config.data.validation == 0:
        return False
    return config.training.stop_after is None or watches_epochs(config)


def _full_configs(config: TrialConfig, seeds: Sequence[int], epochs: int, parts: Sequence[Part]) -> list[TrialConfig]:
    """Return the configuration of each seed for all images; a schedule that depends on metrics becomes fixed rates."""
    before = most_typical((one.record for part in parts for one in part.trained), epochs)
    rates = rates_of(before) if before else []
    return [without_validation(config.model_copy(update={"seed": seed}), epochs, rates) for seed in seeds]
