"""The figures of a training that comparisons report, one row each. Adding one touches this file only.

Every `of(training)` gives a number, or None where the training has none (a target that it never reached).
Times are those of the median epoch (of two the faster), so that a compilation, which few of the trials pay, is not
counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median_low

from hpsearch.catalogue.metrics import METRICS

ACCURACIES = ("accuracy", "val_accuracy")
# What a training says of each epoch.
EPOCH_METRICS = (
    "loss",
    "val_loss",
    *ACCURACIES,
    "learning_rate",
    *(f"{part}{name}" for name in METRICS for part in ("", "val_")),
)
# What can be drawn over the epochs.
CURVES = (*EPOCH_METRICS, "gradient_noise_scale")


@dataclass(frozen=True)
class Training:
    """One finished training.

    Attributes:
        epochs: the metrics of each epoch, in order.
        best: position of the best epoch by the study's objective; None of one that diverged.
        reached: position of the first epoch whose objective is at the target or better; None: none is.
        weights: how many the model has; None where it is not known.
        diverged: whether its loss or a weight became NaN or infinite.
        chance: the accuracy of guessing, 1 / classes; None where the classes are not known.
    """

    epochs: Sequence[Mapping[str, float]]
    best: int | None
    reached: int | None
    weights: int | None
    diverged: bool
    chance: float | None


@dataclass(frozen=True)
class Figure:
    """One row.

    Attributes:
        name: how a study file asks for it.
        title: how tables and axes call it.
        unit: of the number; empty where it has none.
        of: the number for a training.
    """

    name: str
    title: str
    unit: str
    of: Callable[[Training], float | None]

    @property
    def label(self) -> str:
        return f"{self.title} ({self.unit})" if self.unit else self.title


def _at(name: str, position: Callable[[Training], int | None]) -> Callable[[Training], float | None]:
    """A metric at one epoch; what has diverged answers by chance and has no loss."""

    def of(training: Training) -> float | None:
        if training.diverged:
            return training.chance if name in ACCURACIES else None
        epoch = position(training)
        return training.epochs[epoch].get(name) if epoch is not None else None

    return of


def _best(training: Training) -> int | None:
    return training.best


def _last(training: Training) -> int | None:
    return len(training.epochs) - 1 if training.epochs else None


def _gap(position: Callable[[Training], int | None]) -> Callable[[Training], float | None]:
    """Accuracy on the training images minus that on the validation images."""

    def of(training: Training) -> float | None:
        epoch = position(training)
        if training.diverged or epoch is None:
            return None
        return training.epochs[epoch]["accuracy"] - training.epochs[epoch]["val_accuracy"]

    return of


def _median(name: str) -> Callable[[Training], float | None]:
    def of(training: Training) -> float | None:
        values = [epoch[name] for epoch in training.epochs if isfinite(epoch.get(name, float("nan")))]
        return median_low(values) if values else None

    return of


def _epochs(training: Training) -> float | None:
    return None if training.diverged else len(training.epochs)


def _epochs_to_target(training: Training) -> float | None:
    return None if training.reached is None else training.reached + 1


def _times(epochs: Callable[[Training], float | None]) -> Callable[[Training], float | None]:
    """Seconds for so many epochs."""

    def of(training: Training) -> float | None:
        count, seconds = epochs(training), _median("epoch_seconds")(training)
        return None if count is None or seconds is None else count * seconds

    return of


def _title(metric: str) -> str:
    part = "validation" if metric.startswith("val_") else "training"
    name = metric.removeprefix("val_").replace("_", " ")
    return name if metric == "learning_rate" else f"{part} {name}"


_ROWS = (
    *(Figure(name, _title(name), "", _at(name, _best)) for name in EPOCH_METRICS),
    *(Figure(f"final_{name}", f"{_title(name)}, last epoch", "", _at(name, _last)) for name in EPOCH_METRICS),
    Figure("gap", "training minus validation accuracy", "", _gap(_best)),
    Figure("final_gap", "training minus validation accuracy, last epoch", "", _gap(_last)),
    Figure("epochs", "epochs trained", "", _epochs),
    Figure("best_epoch", "best epoch", "", lambda training: None if training.best is None else training.best + 1),
    Figure("epochs_to_target", "epochs to the target", "", _epochs_to_target),
    Figure("seconds_to_target", "time to the target", "s", _times(_epochs_to_target)),
    Figure("seconds", "training time", "s", _times(_epochs)),
    Figure("seconds_per_epoch", "time per epoch", "s", _median("epoch_seconds")),
    Figure("updates", "updates per epoch", "", _median("updates")),
    Figure("seconds_per_update", "time per update", "s", _median("seconds_per_update")),
    Figure("gradient_noise_scale", "gradient noise scale", "examples", _median("gradient_noise_scale")),
    Figure("weights", "parameters", "", lambda training: training.weights),
)
FIGURES = {row.name: row for row in _ROWS}
