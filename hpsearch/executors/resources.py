"""Resource use of workers: limits on memory and time, a worker that is stuck, and system metrics for MLflow."""

from __future__ import annotations

import time

import psutil

from hpsearch.catalogue.metrics import SYSTEM
from hpsearch.config.file import Limits
from hpsearch.executors.protocol import TrialEnded, WorkerFailed
from hpsearch.training.results import EpochMetrics, Outcome

# The time between two checks. A check takes 0.1 ms; between two checks a process can allocate 0.2 GB.
WATCH_SECONDS = 0.2
# A longer time between two checks does not count: the coordinator itself was asleep.
ASLEEP_SECONDS = 5.0
# A process that was stopped (SIGSTOP) may be continued soon.
STOPPED_SECONDS = 10.0


class Watch:
    """Checks a worker while it trains one trial.

    Args:
        limits: the limits of the trial.
        seconds: how long the trial has trained in earlier workers.
        first: whether it is the worker's first trial; if not, earlier trials may have left the memory that it holds.
    """

    def __init__(self, limits: Limits, seconds: float, *, first: bool) -> None:
        self._limits, self._first = limits, first
        self._last_check = self._last_epoch = self._last_running = time.monotonic()
        self._began = self._last_check - seconds

    def epoch_done(self) -> None:
        """Record that an epoch has ended."""
        self._last_epoch = time.monotonic()

    def check(self, pid: int, trial: int) -> TrialEnded | WorkerFailed | None:
        """Return the event for a trial whose worker must be ended, or None. Call it often; early calls do nothing."""
        now = time.monotonic()
        passed = now - self._last_check
        if passed < WATCH_SECONDS:
            return None
        self._last_check = now
        if passed > ASLEEP_SECONDS:
            self._began += passed
            self._last_epoch += passed
            self._last_running += passed
        limits = self._limits
        try:
            process = psutil.Process(pid)
            held = process.memory_info().rss
            if process.status() != psutil.STATUS_STOPPED:
                self._last_running = now
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
        if limits.epoch_seconds is not None and now - self._last_epoch > limits.epoch_seconds:
            return WorkerFailed(trial, f"no epoch ended within limits.epoch_seconds of {limits.epoch_seconds:g} s")
        if now - self._last_running > STOPPED_SECONDS:
            return WorkerFailed(trial, f"its worker was stopped from outside for {STOPPED_SECONDS:g} s")
        return None


def _size(count: int) -> str:
    return f"{count / 2**30:.2f} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"


class SystemMetrics:
    """Measures the machine, as MLflow does, and this process, from epoch to epoch; the first one begins now."""

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
