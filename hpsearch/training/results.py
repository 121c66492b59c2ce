"""The results of a training: one EpochMetrics after each epoch, and an Outcome. Plain data, no TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hpsearch.catalogue.metrics import recorded_name
from hpsearch.config.file import Objective


class Outcome(Enum):
    """How a trial ended; the value is the sentence that the user sees."""

    COMPLETED = "trained to its end"
    EARLY_STOPPED = "the objective had stopped improving"
    PRUNED = "worse than other trials at the same epoch"
    DIVERGED = "the loss or a weight became NaN or infinite"
    OVER_TIME = "it trained longer than limits.trial_seconds"
    OVER_MEMORY = "its worker held more than limits.memory"
    FAILED = "an error ended it"
    INTERRUPTED = "stopped before its end; it will go on"

    @property
    def label(self) -> str:
        """`early_stopped`, as tags and tables show it."""
        return self.name.lower()


# Metrics of an epoch's speed.
CLOCKS = frozenset({"epoch_seconds", "seconds_per_update"})
# Facts about a trained model: on the validation images, where there are any; of several on the test images, and how
# many of those there are.
CONFUSION, TEST, TEST_EXAMPLES = "confusion_matrix", "test", "examples"
# Of a training that is evaluated on the test images when it has ended.
TEST_METRICS = ("test_loss", "test_accuracy")
GOOD = frozenset({Outcome.COMPLETED, Outcome.EARLY_STOPPED})
OVER_LIMITS = frozenset({Outcome.OVER_TIME, Outcome.OVER_MEMORY})
# Something was wrong, with the trial or around it; diverging and being pruned are part of a search.
BROKEN = OVER_LIMITS | {Outcome.FAILED}
# Trials with these outcomes rank below every other trial.
WORST = OVER_LIMITS | {Outcome.DIVERGED}


@dataclass(frozen=True)
class EpochMetrics:
    """One finished epoch.

    Attributes:
        epoch: counted from 1.
        metrics: loss, accuracy (of the training batches as they were trained on), val_loss,
            val_accuracy, learning_rate (in force at the epoch's last update), updates, seconds_per_update,
            epoch_seconds (wall, validation included); of a user's own training its metrics and epoch_seconds.
            None is called `epoch` (see `hpsearch.catalogue.metrics`).
    """

    epoch: int
    metrics: Mapping[str, float]

    def plain(self) -> dict[str, Any]:
        return {"epoch": self.epoch, **self.metrics}

    @staticmethod
    def of(plain: Mapping[str, Any], epoch: int | None = None) -> EpochMetrics:
        """Return the metrics that `plain` gave.

        Args:
            epoch: its number, where the caller knows it. Earlier versions let a user's metric `epoch` replace it.
        """
        metrics = {key: float(value) for key, value in plain.items() if key != "epoch"}
        if epoch is not None and plain["epoch"] != epoch:
            metrics[recorded_name("epoch")] = float(plain["epoch"])
        return EpochMetrics(int(plain["epoch"]) if epoch is None else epoch, metrics)

    @property
    def finite(self) -> bool:
        """Whether the losses are finite, so that training can continue."""
        return all(math.isfinite(self.metrics.get(name, 0.0)) for name in ("loss", "val_loss"))


@dataclass(frozen=True)
class Best:
    """The best epoch of a training by the objective's metric."""

    epoch: int
    value: float


def best_after(best: Best | None, epoch: EpochMetrics, objective: Objective) -> Best | None:
    """Return the best epoch so far: `epoch` if it is finite and better than `best`, else `best`."""
    value = epoch.metrics.get(objective.metric, math.nan)
    if epoch.finite and math.isfinite(value) and objective.better(value, best.value if best else None):
        return Best(epoch.epoch, value)
    return best


def best_of(epochs: Iterable[EpochMetrics], objective: Objective) -> Best | None:
    """Return the best finite epoch, the earliest among equals; None where there is none."""
    best: Best | None = None
    for epoch in epochs:
        best = best_after(best, epoch, objective)
    return best
