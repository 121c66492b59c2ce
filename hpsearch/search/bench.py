"""What this machine does with a study: its matrix peak, a few configurations trained, a forecast.

What `hpsearch bench` calls. The real worker processes train; no database is opened.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import fmean
from typing import Any

from hpsearch.config.study import StudySpec
from hpsearch.config.trial import TrialConfig
from hpsearch.errors import HpsearchError
from hpsearch.executors.local import LocalExecutor, cores, threads_of
from hpsearch.executors.peak import Peak, measure_peak
from hpsearch.executors.protocol import Job, TrialEnded, WorkerFailed, WorkerSlot
from hpsearch.search.forecast import Forecast, drawn, spread
from hpsearch.search.prepare import prepare_data
from hpsearch.search.runner import run_trials
from hpsearch.training.results import BROKEN, EpochMetrics
from hpsearch.training.structure import engines_for, needs_of, with_engine

# One with compilation, one without.
EPOCHS = 2


@dataclass(frozen=True)
class MeasuredConfiguration:
    """One configuration, trained while all workers were busy.

    Attributes:
        fresh: whether its worker had to compile functions for it.
        first_seconds: from the moment it was given to its worker to the end of its first epoch.
        second_seconds: of the second epoch; None where the first one diverged.
        gflop: 10^9 matrix operations of the training in one epoch; validation is not counted. None: not known.
        weights: of the model.
    """

    config: TrialConfig
    fresh: bool
    first_seconds: float
    second_seconds: float | None
    gflop: float | None
    weights: int

    @property
    def steady_seconds(self) -> float:
        """An epoch without compilation, as far as is known."""
        return self.first_seconds if self.second_seconds is None else self.second_seconds

    def plain(self, peak: Peak) -> dict[str, Any]:
        return {
            "optimizer": self.config.optimizer.selected(),
            "architecture": self.config.model.selected(),
            "weights": self.weights,
            "batch_size": self.config.batch_size,
            "engine": self.config.training.engine,
            "compiled": self.fresh,
            "first_epoch_seconds": self.first_seconds,
            "second_epoch_seconds": self.second_seconds,
            "matrix_gflop_per_epoch": self.gflop,
            "matrix_peak_share": self._share_of(peak),
        }

    def _share_of(self, peak: Peak) -> float | None:
        if self.gflop is None or self.second_seconds is None:
            return None
        return self.gflop / self.second_seconds / peak.mean


@dataclass(frozen=True)
class Bench:
    """What was measured.

    Attributes:
        threads: of each worker.
        first_epoch_seconds: from the start of the workers to the first finished epoch, the measuring of the
            peak left out.
    """

    study: str
    workers: int
    threads: int
    peak: Peak
    measured: tuple[MeasuredConfiguration, ...]
    first_epoch_seconds: float
    forecast: Forecast

    def machine(self) -> dict[str, Any]:
        return {
            "workers": self.workers,
            "threads_per_worker": self.threads,
            "matrix_peak_gflops": self.peak.total,
            "matrix_peak_gflops_per_worker": [round(gflops, 3) for gflops in self.peak.gflops],
            "epochs_per_second": self.workers / self.forecast.epoch_seconds,
            "seconds_to_first_epoch": self.first_epoch_seconds,
        }

    def configurations(self) -> list[dict[str, Any]]:
        return [one.plain(self.peak) for one in self.measured]


def bench(spec: StudySpec, workers: int, report: Callable[[str], None]) -> Bench:
    """Measure this machine, and a few configurations of a study on it.

    Args:
        spec: the checked study file.
        workers: trials at once.
        report: called with one line for each message.

    Raises:
        HpsearchError: the data cannot be loaded, or a worker failed; then the message names the log that is kept.
    """
    if spec.longest is None:
        raise HpsearchError(f"study '{spec.name}' trains by your own {spec.trainable}; its time cannot be forecast")
    engines = engines_for(spec.longest)
    candidates = [with_engine(config, engines) for config in drawn(spec.space)]
    chosen = spread(candidates, workers)
    threads = threads_of(workers)
    with _log() as log:
        if hasattr(os, "getloadavg") and (load := os.getloadavg()[0]) > 0.5:
            report(f"note: other work runs here (load {load:.1f}, {cores()} cores); the figures are of what it leaves")
        report(f"starting {workers} worker{'s' if workers > 1 else ''} ...")
        began = time.monotonic()
        executor = LocalExecutor(workers, log, report, spec.folders)
        try:
            prepare_data(spec, report)
            peak = measure_peak(workers, threads, log)
            start_seconds = time.monotonic() - began - peak.seconds
            report(f"training {len(chosen)} configurations for {EPOCHS} epochs each ...")
            policy = _AllBusy(chosen, spec.objective.model_dump(mode="json"), log)
            run_trials(executor, policy)
            measured = [policy.measured[number] for number in range(len(chosen))]
        finally:
            executor.close()
        # Once more, and the better one counts: other work may have slowed the first.
        peak = max(peak, measure_peak(workers, threads, log), key=lambda peak: peak.total)
    fresh = [one.first_seconds - one.steady_seconds for one in measured if one.fresh]
    trials, structures = spec.total(), len({needs_of(config) for config in candidates})
    forecast = Forecast(
        trials=trials,
        epochs=spec.longest,
        workers=workers,
        epoch_seconds=fmean(one.steady_seconds for one in measured),
        compilations=min(trials, structures * workers),
        compilation_seconds=max(0.0, fmean(fresh)),
        start_seconds=start_seconds,
    )
    return Bench(spec.name, workers, threads, peak, tuple(measured), start_seconds + policy.first_seconds, forecast)


@contextmanager
def _log() -> Iterator[Path]:
    """Make a file for what workers print; its folder is kept only if an error names it."""
    folder = Path(tempfile.mkdtemp(prefix="hpsearch-bench-"))
    log, named = folder / "workers.log", False
    try:
        yield log
    except HpsearchError as error:
        named = str(folder) in str(error)
        raise
    finally:
        if not named:
            # The process that workers are forked from opens it when it starts, and prints an error where it cannot.
            deadline = time.monotonic() + 3
            while not log.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            shutil.rmtree(folder, ignore_errors=True)


@dataclass
class _Running:
    config: TrialConfig
    fresh: bool
    submitted: float
    seconds: list[float]


class _AllBusy:
    """The policy that trains each configuration for two epochs with all workers busy.

    Once all configurations have been submitted they are submitted again, so that all workers stay busy.

    Attributes:
        measured: by the position of the configuration.
        first_seconds: the time until the first epoch had ended.
    """

    def __init__(self, configs: Sequence[TrialConfig], objective: Mapping[str, Any], log: Path) -> None:
        self._configs, self._objective, self._log = configs, objective, log
        self._numbers = count()
        self._running: dict[int, _Running] = {}
        self._began = time.monotonic()
        self.measured: dict[int, MeasuredConfiguration] = {}
        self.first_seconds = 0.0

    @property
    def over(self) -> bool:
        return len(self.measured) == len(self._configs)

    def next_job(self, slots: Sequence[WorkerSlot]) -> Job:
        number = next(self._numbers)
        config = _for_two_epochs(self._configs[number % len(self._configs)], number)
        needs = needs_of(config)
        # The executor gives it to the free worker that has compiled most of the functions it needs.
        fresh = not any(needs <= slot.compiled for slot in slots if not slot.busy)
        self._running[number] = _Running(config, fresh, time.monotonic(), [])
        return Job(number, config.plain(), self._objective, needs)

    def epoch_done(self, trial: int, metrics: EpochMetrics) -> bool:
        now, running = time.monotonic(), self._running[trial]
        self.first_seconds = self.first_seconds or now - self._began
        # The worker's own clock starts with the first epoch.
        running.seconds.append(metrics.metrics["epoch_seconds"] if running.seconds else now - running.submitted)
        return True

    def trial_ended(self, end: TrialEnded) -> None:
        measured = _measured(end, self._running.pop(end.trial), self._log)
        if end.trial < len(self._configs):
            self.measured[end.trial] = measured

    def worker_failed(self, failure: WorkerFailed) -> None:
        raise _failed(failure, self._running[failure.trial], self._log)

    def interrupted(self, trial: int) -> None:
        """It trained only to keep a worker busy."""

    def announce(self) -> None:
        """There are no listeners."""


def _for_two_epochs(config: TrialConfig, number: int) -> TrialConfig:
    """Neither early stopping nor a shorter training ends it; its engine is the one that the study would take."""
    training = config.training.model_copy(update={"max_epochs": EPOCHS, "early_stopping": None})
    seed = number if config.seed is None else config.seed
    return config.model_copy(update={"training": training, "seed": seed})


def _failed(end: TrialEnded | WorkerFailed, trial: _Running, log: Path) -> HpsearchError:
    where = "" if str(log) in end.detail else f"; the worker's output is in {log}"
    about = f"{trial.config.optimizer.selected()}, batch size {trial.config.batch_size}"
    return HpsearchError(f"configuration {end.trial} ({about}) failed: {end.detail}{where}")


def _measured(end: TrialEnded, trial: _Running, log: Path) -> MeasuredConfiguration:
    if end.outcome in BROKEN:
        raise _failed(end, trial, log)
    flops, examples = end.info.get("matrix_flops_per_example"), trial.config.data.training_examples
    return MeasuredConfiguration(
        config=trial.config,
        fresh=trial.fresh,
        first_seconds=trial.seconds[0],
        second_seconds=trial.seconds[1] if len(trial.seconds) > 1 else None,
        gflop=None if flops is None or examples is None else 1e-9 * flops * examples,
        weights=end.info["weights"],
    )
