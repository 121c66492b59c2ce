"""What a worker and its machine are busy with, under MLflow's names: on request a part of each epoch's row."""

from __future__ import annotations

import psutil

from hpsearch.catalogue.metrics import SYSTEM
from hpsearch.training.results import EpochMetrics


class SystemMetrics:
    """Measures from epoch to epoch, beginning now. Of the machine as MLflow does, and of this process."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        # psutil takes a share of time since its last call, so the first one says nothing.
        self._measure()

    def added_to(self, row: EpochMetrics) -> EpochMetrics:
        """The row of the epoch that has just ended, with what was measured over it."""
        measured = {f"{SYSTEM}{name}": value for name, value in self._measure().items()}
        return EpochMetrics(row.epoch, {**measured, **row.metrics})

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
