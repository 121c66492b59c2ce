"""Resource use of workers: limits on memory and time, a worker that is stuck, and system metrics for MLflow."""

from __future__ import annotations

import time

import psutil

from hpsearch.catalogue.metrics import SYSTEM
from hpsearch.config.file import Limits
from hpsearch.executors.protocol import TrialEnded, WorkerFailed
from hpsearch.training.results import EpochMetrics, Outcome

# A look takes 0.1 ms; a process that does nothing else fills 1 GB a second.
LOOK_SECONDS = 0.2
# A longer time between two looks does not count: the coordinator itself was asleep.
ASLEEP_SECONDS = 5.0
# A process that was stopped (SIGSTOP) may be continued soon.
STOPPED_SECONDS = 10.0


class Watch:
    """Looks at a worker while it trains one trial.

    Args:
        limits: of the trial.
        seconds: how long it has trained in earlier workers.
        first: whether it is the worker's first one; else the memory may be what others have left.
    """

    def __init__(self, limits: Limits, seconds: float, *, first: bool) -> None:
        self._limits, self._first = limits, first
        self._looked = self._sign = time.monotonic()
        self._began = self._looked - seconds
        self._running = self._looked

    def epoch_done(self) -> None:
        """Note a message of the worker."""
        self._sign = time.monotonic()

    def look(self, pid: int, trial: int) -> TrialEnded | WorkerFailed | None:
        """Return the reason why the worker must be ended, or None; called often."""
        now = time.monotonic()
        away = now - self._looked
        if away < LOOK_SECONDS:
            return None
        self._looked = now
        if away > ASLEEP_SECONDS:
            self._began, self._sign, self._running = self._began + away, self._sign + away, self._running + away
        limits = self._limits
        try:
            process = psutil.Process(pid)
            held = process.memory_info().rss
            if process.status() != psutil.STATUS_STOPPED:
                self._running = now
        except psutil.Error:
            return None  # it ended; its executor finds out
        if limits.memory is not None and held > limits.memory:
            detail = f"its worker held {_size(held)}, more than limits.memory of {_size(limits.memory)}"
            if self._first:
                return TrialEnded(trial, Outcome.OVER_MEMORY, detail, "", {})
            return WorkerFailed(trial, f"{detail}, with what earlier trials have left there")
        if limits.trial_seconds is not None and now - self._began > limits.trial_seconds:
            detail = f"it trained longer than limits.trial_seconds of {limits.trial_seconds:g} s"
            return TrialEnded(trial, Outcome.OVER_TIME, detail, "", {})
        if limits.epoch_seconds is not None and now - self._sign > limits.epoch_seconds:
            return WorkerFailed(trial, f"no epoch ended within limits.epoch_seconds of {limits.epoch_seconds:g} s")
        if now - self._running > STOPPED_SECONDS:
            return WorkerFailed(trial, f"its worker was stopped from outside for {STOPPED_SECONDS:g} s")
        return None


def _size(count: int) -> str:
    return f"{count / 2**30:.2f} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"


class SystemMetrics:
    """Measures from epoch to epoch, beginning now. Of the machine as MLflow does, and of this process."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        # psutil measures since its last call, so the first result has no meaning.
        self._measure()

    def added_to(self, epoch: EpochMetrics) -> EpochMetrics:
        """Return the metrics of the epoch that has just ended, with those measured during it."""
        measured = {f"{SYSTEM}{name}": value for name, value in self._measure().items()}
        return EpochMetrics(epoch.epoch, {**measured, **epoch.metrics})

    def _measure(self) -> dict[str, float]:
        memory = psutil.virtual_memory()
        return {
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_megabytes": round(memory.used / 1e6, 1),
            "system_memory_usage_percentage": round(100 * memory.used / memory.total, 1),
            # 100 is one core.
            "process_cpu_utilization_percentage": self._process.cpu_percent(),
            "process_memory_usage_megabytes": round(self._process.memory_info().rss / 1e6, 1),
        }
