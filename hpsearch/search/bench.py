"""The measurement of this machine: its matrix peak, a few configurations of a study trained, a forecast.

`hpsearch bench` calls it. Real worker processes train; no database is opened.

drawn     configurations drawn at random from a space
spread    a few of them that cover the values on which the time of an epoch depends
Forecast  the longest time that a study takes
"""

from __future__ import annotations

import math
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from statistics import fmean
from typing import Any

from hpsearch.config.distributions import Int
from hpsearch.config.space import FIRST_VALUES, Branch, Options, Pick, Ranged, concrete
from hpsearch.config.study import StudySpec
from hpsearch.config.trial import TrialConfig
from hpsearch.errors import HpsearchError
from hpsearch.executors.local import LocalExecutor, cores, threads_of
from hpsearch.executors.peak import Peak, measure_peak
from hpsearch.executors.protocol import Decision, Job, TrialEnded, WorkerFailed, WorkerSlot
from hpsearch.search.prepare import prepare_data
from hpsearch.search.runner import run_trials
from hpsearch.training.results import BROKEN, EpochMetrics
from hpsearch.training.structure import engines_for, needs_of, with_engine

# The first epoch may include compilation; the second does not.
EPOCHS = 2


@dataclass(frozen=True)
class MeasuredConfiguration:
    """One configuration, trained while all workers were busy.

    Attributes:
        fresh: whether its worker had to compile functions for it.
        first_seconds: from the submission of the job to the end of the first epoch.
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
        first_epoch_seconds: from the start of the workers to the first finished epoch, without the measurement
            of the peak.
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


def measure_study(spec: StudySpec, workers: int, report: Callable[[str], None]) -> Bench:
    """Measure this machine, and a few configurations of a study on it.

    Args:
        spec: the checked study file.
        workers: the number of trials that run at once.
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
        # The better of two measurements counts, since other work may have slowed the first.
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
            # The process from which workers are forked opens the file when it starts, and prints an error if it cannot.
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

    def epoch_done(self, trial: int, metrics: EpochMetrics) -> Decision:
        now, running = time.monotonic(), self._running[trial]
        self.first_seconds = self.first_seconds or now - self._began
        # The worker's own clock starts with the first epoch.
        running.seconds.append(metrics.metrics["epoch_seconds"] if running.seconds else now - running.submitted)
        return Decision.CONTINUE

    def trial_ended(self, end: TrialEnded) -> None:
        measured = _measured(end, self._running.pop(end.trial), self._log)
        if end.trial < len(self._configs):
            self.measured[end.trial] = measured

    def worker_failed(self, failure: WorkerFailed) -> None:
        raise _failed(failure, self._running[failure.trial], self._log)

    def interrupted(self, trial: int) -> None:
        """Do nothing: the trial only kept a worker busy."""

    def announce(self) -> None:
        """Do nothing: there are no listeners."""


def _for_two_epochs(config: TrialConfig, number: int) -> TrialConfig:
    """Return the configuration with two epochs, without early stopping, and with a seed."""
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


DRAWN = 500
# The largest number of configurations to train, unless optimizers or workers are more.
MOST = 12


def drawn(space: Branch, seed: int = 0) -> list[TrialConfig]:
    """Draw 500 configurations, add the one of first values, and return those that are valid.

    They are drawn independently, and every option of a choice is equally likely.
    """
    pick = _random_pick(random.Random(seed))
    found = []
    for plain in chain((concrete(space, pick) for _ in range(DRAWN)), [concrete(space, FIRST_VALUES)]):
        try:
            found.append(TrialConfig.model_validate(plain))
        except ValueError:  # pydantic's
            continue
    return found


def _random_pick(source: random.Random) -> Pick:
    def number(node: Ranged) -> int | float:
        of = node.distribution
        if not isinstance(of, Int):
            return of.value(_real(of.low, of.high, of.log))
        if of.log:
            return min(int(of.high), int(_real(of.low, of.high + 1, True)))
        return source.randrange(of.low, of.high + 1, of.step)

    def _real(low: float, high: float, log: bool) -> float:
        drawn = math.exp(source.uniform(math.log(low), math.log(high))) if log else source.uniform(low, high)
        return min(max(drawn, low), high)

    def option(node: Options) -> int:
        return source.randrange(len(node.options))

    return Pick(number, option)


def spread(configs: Sequence[TrialConfig], workers: int) -> list[TrialConfig]:
    """Return a few configurations: every optimizer, architecture and batch size once, then their combinations.

    Their number is that of the combinations, but at most 12 (or the number of optimizers, if that is larger), and at
    least the number of workers. Among equals, new model shapes come first.
    """
    combinations = len({_axes(config) for config in configs})
    optimizers = len({config.optimizer.selected() for config in configs})
    wanted = max(workers, min(combinations, max(MOST, optimizers)))
    remaining, taken, covered = list(configs), list[TrialConfig](), set[Any]()

    def novelty(config: TrialConfig) -> tuple[int, int, int]:
        axes = _axes(config)
        return _new(axes, covered), _new([axes], covered), _new(_shape(config), covered)

    while remaining and len(taken) < wanted:
        best = max(remaining, key=novelty)
        covered.update(_axes(best), [_axes(best)], _shape(best))
        remaining.remove(best)
        taken.append(best)
    return taken


def _axes(config: TrialConfig) -> tuple[tuple[str, Any], ...]:
    return (
        ("optimizer", config.optimizer.selected()),
        ("architecture", config.model.selected()),
        ("batch_size", config.batch_size),
    )


def _shape(config: TrialConfig) -> list[tuple[str, Any]]:
    """Return the model's knobs except real numbers: widths, filters, activation, normalization."""
    # As text, since not every argument of a user's own builder can be hashed.
    return [(name, repr(value)) for name, value in config.model.knobs().items() if not isinstance(value, float)]


def _new(traits: Iterable[Any], covered: set[Any]) -> int:
    return len(set(traits) - covered)


@dataclass(frozen=True)
class Forecast:
    """How long a study takes if every trial trains for all its epochs.

    Attributes:
        trials: the number of trials of the study.
        epochs: the number of epochs of each trial.
        workers: the number of trials that run at once.
        epoch_seconds: mean over the configurations that were measured.
        compilations: the largest number of compilations; each worker compiles what it has not compiled yet.
        compilation_seconds: the mean time that compilation adds to a first epoch.
        start_seconds: the time until the first worker has a trial.
    """

    trials: int
    epochs: int
    workers: int
    epoch_seconds: float
    compilations: int
    compilation_seconds: float
    start_seconds: float

    @property
    def seconds(self) -> float:
        work = self.trials * self.epochs * self.epoch_seconds + self.compilations * self.compilation_seconds
        return self.start_seconds + work / min(self.workers, self.trials)

    @property
    def assumptions(self) -> str:
        return (
            f"{self.trials} trials x {self.epochs} epochs x {self.epoch_seconds:.3g} s, and {self.compilations} "
            f"compilations x {self.compilation_seconds:.2g} s, on {min(self.workers, self.trials)} workers, "
            f"after {self.start_seconds:.2g} s of start-up; assuming that trials cost on average what the "
            "configurations above did; pruning and early stopping only shorten it"
        )

    def plain(self) -> dict[str, Any]:
        return {
            "trials": self.trials,
            "epochs_per_trial": self.epochs,
            "seconds_per_epoch": self.epoch_seconds,
            "compilations": self.compilations,
            "seconds_per_compilation": self.compilation_seconds,
            "start_seconds": self.start_seconds,
            "seconds_at_most": self.seconds,
            "assumptions": self.assumptions,
        }


def at_most(seconds: float) -> str:
    """Return `about 12 min at most`."""
    if seconds < 90:
        duration = f"{seconds:.0f} s"
    elif seconds < 90 * 60:
        duration = f"{seconds / 60:.0f} min"
    else:
        duration = f"{seconds / 3600:.1f} h"
    return f"about {duration} at most"
