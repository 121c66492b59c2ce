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
    PAUSED = "paused at a rung; it goes on if it is among the best there"

    @property
    def label(self) -> str:
        """The name in lower case, as tags and tables show it: `early_stopped`."""
        return self.name.lower()


# Metrics that measure time.
CLOCKS = frozenset({"epoch_seconds", "seconds_per_update"})
# Keys of `info`: a model's confusion matrix on the validation images; the test results of several models; the number of
# test images.
CONFUSION, TEST, TEST_EXAMPLES = "confusion_matrix", "test", "examples"
# Keys of `info`: the metrics of a trained model on the test images.
TEST_METRICS = ("test_loss", "test_accuracy")
GOOD = frozenset({Outcome.COMPLETED, Outcome.EARLY_STOPPED})
OVER_LIMITS = frozenset({Outcome.OVER_TIME, Outcome.OVER_MEMORY})
# Something was wrong, with the trial or around it; diverging and being pruned are part of a search.
BROKEN = OVER_LIMITS | {Outcome.FAILED}
# Outcomes of a trial that has not ended.
UNFINISHED = frozenset({Outcome.INTERRUPTED, Outcome.PAUSED})
# Trials with these outcomes rank below every other trial.
WORST = OVER_LIMITS | {Outcome.DIVERGED}


@dataclass(frozen=True)
class EpochMetrics:
    """The metrics of one finished epoch.

    Attributes:
        epoch: counted from 1.
        metrics: values by name. A Keras model gives loss, accuracy and the metrics in `training.metrics` on training
            batches, each before its update; the same on the validation images, if there are any, as val_loss and so on;
            gradient_noise_scale, if it is measured; learning_rate at the last update, unless a solver trains; updates,
            seconds_per_update, and epoch_seconds (wall time, validation included). A user's own training gives its
            metrics and epoch_seconds. `system_metrics` adds the use of processor and memory. No metric is named
            `epoch` (see `hpsearch.catalogue.metrics`).
    """

    epoch: int
    metrics: Mapping[str, float]

    def plain(self) -> dict[str, Any]:
        return {"epoch": self.epoch, **self.metrics}

    @staticmethod
    def of(plain: Mapping[str, Any], epoch: int | None = None) -> EpochMetrics:
        """Return the EpochMetrics whose `plain()` gave this mapping.

        Args:
            epoch: the epoch's number, if the caller knows it. Earlier versions let a user's metric `epoch` replace it.
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
