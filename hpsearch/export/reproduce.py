"""A trial trained again, and its curve compared with the recorded one: every metric, bit by bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpsearch.catalogue.metrics import SYSTEM
from hpsearch.config.file import Objective
from hpsearch.config.trial import AnyConfig, TrainableConfig
from hpsearch.data.store import obtain_training
from hpsearch.errors import HpsearchError
from hpsearch.executors.local import LocalExecutor
from hpsearch.executors.protocol import Decision, Job, WorkerFailed
from hpsearch.search.provenance import Provenance, provenance_tags
from hpsearch.search.records import TrialRecord
from hpsearch.search.runner import JobList, run_trials
from hpsearch.training.results import CLOCKS, EpochMetrics, Outcome
from hpsearch.training.structure import needs_of

# The packages whose versions may change the results of a training.
_PACKAGES = ("version", "python", "tensorflow", "keras", "numpy")


@dataclass(frozen=True)
class Difference:
    """One metric that is not the same.

    Attributes:
        epoch: the first epoch at which the values differ.
        recorded, retrained: the values at this epoch; None: there is none.
        largest: the largest absolute difference of all epochs that have both values; None: no two numbers differ.
        largest_epoch: the first epoch with this difference.
    """

    metric: str
    epoch: int
    recorded: float | None
    retrained: float | None
    largest: float | None
    largest_epoch: int | None

    def plain(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "first_epoch": self.epoch,
            "recorded": self.recorded,
            "again": self.retrained,
            "largest_difference": self.largest,
            "at_epoch": self.largest_epoch,
        }


@dataclass(frozen=True)
class CurveComparison:
    """Two curves of one trial.

    Attributes:
        recorded, retrained: the number of epochs of each curve.
        metrics: the number of metrics that were compared.
    """

    recorded: int
    retrained: int
    metrics: int
    differences: tuple[Difference, ...]

    @property
    def identical(self) -> bool:
        return self.recorded == self.retrained and not self.differences

    @property
    def verdict(self) -> str:
        """The result in one line."""
        if self.identical:
            return f"identical: {_count(self.retrained, 'epoch')}, {_count(self.metrics, 'metric')}"
        if not self.differences:
            return f"different: identical for {_count(min(self.recorded, self.retrained), 'epoch')}, then one goes on"
        first = min(difference.epoch for difference in self.differences)
        return f"different: from epoch {first} on, in {len(self.differences)} of {_count(self.metrics, 'metric')}"


def compare_curves(recorded: Sequence[EpochMetrics], retrained: Sequence[EpochMetrics]) -> CurveComparison:
    """Compare every metric except those of time and of the machine, in the epochs that both curves have."""
    pairs = list(zip(recorded, retrained, strict=False))
    names = list(
        dict.fromkeys(name for pair in pairs for epoch in pair for name in epoch.metrics if _is_compared(name))
    )
    differences = [found for name in names if (found := _difference(name, pairs))]
    return CurveComparison(len(recorded), len(retrained), len(names), tuple(differences))


def reproduce(
    record: TrialRecord,
    config: AnyConfig,
    objective: Objective,
    *,
    threads: int,
    log: Path,
    folders: Sequence[Path],
    report: Callable[[str], None],
    each: Callable[[EpochMetrics, CurveComparison], None],
) -> CurveComparison:
    """Train a trial again in a worker like the study's own, and compare all of its epochs.

    Args:
        record: the trial; it has finished an epoch.
        config: the recorded configuration, or another one that is compared with it.
        threads: the number of threads that the worker of the trial had.
        log: file that takes what the worker prints.
        folders: where a user's own modules are looked for.
        report: called with a line where data is fetched.
        each: called with the metrics of every epoch and how they compare.

    Raises:
        DataError: the dataset cannot be loaded.
        HpsearchError: the worker died, or the training failed.
    """
    keras = not isinstance(config, TrainableConfig)
    if not isinstance(config, TrainableConfig):
        obtain_training(config.data.dataset, report)
    executor = LocalExecutor(1, log, report, folders, keras=keras, threads=threads)
    job = Job(record.number, config.plain(), objective.model_dump(mode="json"), needs_of(config))
    policy = _Retraining(record, job, each)
    try:
        run_trials(executor, policy)
    finally:
        executor.close()
    end = policy.ends[record.number]
    if isinstance(end, WorkerFailed) or end.outcome is Outcome.FAILED:
        raise HpsearchError(f"trial {record.number} could not be trained again: {end.detail}")
    return compare_curves(record.epochs, policy.epochs[record.number])


class _Retraining(JobList):
    """The policy that trains for as many epochs as are recorded.

    If the trial ended by itself, the training must end by itself, too: one more epoch is allowed, which shows if it
    does not.
    """

    def __init__(self, record: TrialRecord, job: Job, each: Callable[[EpochMetrics, CurveComparison], None]) -> None:
        super().__init__([job])
        self._recorded, self._each = record.epochs, each
        self._most = len(record.epochs) + record.good

    def epoch_done(self, trial: int, metrics: EpochMetrics) -> Decision:
        super().epoch_done(trial, metrics)
        if metrics.epoch <= len(self._recorded):
            self._each(metrics, compare_curves([self._recorded[metrics.epoch - 1]], [metrics]))
        return Decision.CONTINUE if metrics.epoch < self._most else Decision.PRUNE


def other_versions(provenance: Provenance, record: TrialRecord) -> list[str]:
    """Return `tensorflow 2.20.0, now 2.21.0` for each package of the training that has another version now."""
    then, now = provenance.tags(record.started), provenance_tags()
    keys = {"hpsearch" if name == "version" else name: f"hpsearch.{name}" for name in _PACKAGES}
    return [
        f"{name} {then[key]}, now {now.get(key, 'absent')}"
        for name, key in keys.items()
        if key in then and then[key] != now.get(key)
    ]


def _is_compared(metric: str) -> bool:
    return metric not in CLOCKS and not metric.startswith(SYSTEM)


def _difference(name: str, pairs: Sequence[tuple[EpochMetrics, EpochMetrics]]) -> Difference | None:
    values = [(epoch.epoch, epoch.metrics.get(name), other.metrics.get(name)) for epoch, other in pairs]
    wrong = [value for value in values if not _same(*value[1:])]
    if not wrong:
        return None
    numbers = [(abs(a - b), -epoch) for epoch, a, b in wrong if a is not None and b is not None]
    # NaN against a number has no size.
    largest = max((pair for pair in numbers if not math.isnan(pair[0])), default=None)
    return Difference(name, *wrong[0], *((largest[0], -largest[1]) if largest else (None, None)))


def _same(one: float | None, other: float | None) -> bool:
    """Return whether two values are equal to the last bit; NaN equals NaN."""
    return one is None is other or (one is not None and other is not None and one.hex() == other.hex())


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
