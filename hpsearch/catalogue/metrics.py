"""The metrics: of an epoch (one entry each), of a whole training, and the names that are reserved.

Adding a metric of an epoch or of a whole training touches this file only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any, Literal

from hpsearch.catalogue.entries import Entry, by_name

# ------------------------------------------------------------------ of an epoch


def _keras(name: str, **arguments: Any) -> Callable[[], Any]:
    """Return a builder of a Keras metric over one-hot labels and probabilities float32 [batch, classes]."""

    def build() -> Any:
        import keras

        return getattr(keras.metrics, name)(**arguments)

    return build


# The metrics of an epoch beside loss and accuracy, which every training records.
METRICS = by_name(
    Entry(
        "top_2_accuracy",
        "share of examples whose class is among the two most probable",
        (),
        "keras.metrics.TopKCategoricalAccuracy",
        _keras("TopKCategoricalAccuracy", k=2),
        of_logits='keras.metrics.TopKCategoricalAccuracy(k=2, name="top_2_accuracy")',
        bounds=(0.0, 1.0),
    ),
    Entry(
        "f1_score",
        "(1 / K) sum_k 2 P_k R_k / (P_k + R_k): harmonic mean of precision P and recall R, averaged over the K classes",
        (),
        "van Rijsbergen 1979, Information Retrieval, chapter 7; keras.metrics.F1Score (macro)",
        _keras("F1Score", average="macro"),
        of_logits='keras.metrics.F1Score(average="macro", name="f1_score")',
        bounds=(0.0, 1.0),
    ),
    Entry(
        "mean_squared_error",
        "mean of (y_k - p_k)^2 over classes: the Brier score, divided by the number of classes",
        (),
        "Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2; keras.metrics.MeanSquaredError",
        _keras("MeanSquaredError"),
        of_logits="keras.metrics.MeanMetricWrapper(\n"
        "        lambda y, z: keras.losses.mean_squared_error(y, keras.ops.softmax(z)), name='mean_squared_error'\n"
        "    )",
        direction="minimize",
        bounds=(0.0, 1.0),
    ),
    Entry(
        "cross_entropy",
        "mean of -log p of the true class, without smoothing, weights and penalties",
        (),
        "keras.metrics.CategoricalCrossentropy",
        _keras("CategoricalCrossentropy"),
        of_logits='keras.metrics.CategoricalCrossentropy(from_logits=True, name="cross_entropy")',
        direction="minimize",
        bounds=(0.0, math.inf),
    ),
)
# Measured on request with `training.gradient_noise`.
NOISE = "gradient_noise_scale"
# Which values of each metric of an epoch are better. The direction of the others must be given in the study file.
DIRECTIONS: dict[str, Literal["maximize", "minimize"]] = {
    "val_accuracy": "maximize",
    "val_loss": "minimize",
    "accuracy": "maximize",
    "loss": "minimize",
    **{f"{part}{entry.name}": entry.direction for part in ("val_", "") for entry in METRICS.values()},
}
WITHOUT_DIRECTION = (NOISE, "learning_rate", "updates", "seconds_per_update", "epoch_seconds")
ACCURACIES = ("accuracy", "val_accuracy")
EPOCH_METRICS = (
    *("loss", "val_loss", *ACCURACIES, "learning_rate"),
    *(f"{part}{name}" for name in METRICS for part in ("", "val_")),
)
# What can be drawn over the epochs.
CURVES = (*EPOCH_METRICS, NOISE)


def bounds_of(metric: str) -> tuple[float, float] | None:
    """Return the smallest and the largest value of a metric; None where it has none, or they are not known.

    Args:
        metric: with or without `val_` or `test_` before its name.
    """
    name = metric.removeprefix("val_").removeprefix("test_")
    if name == "accuracy":
        return 0.0, 1.0
    return METRICS[name].bounds if name in METRICS else None


# ------------------------------------------------------------------ of a whole training


@dataclass(frozen=True)
class TrainingSummary:
    """A finished training, in the form from which the metrics of a whole training are computed.

    Attributes:
        epochs: the metrics of each epoch, in order.
        best: position of the best epoch by the study's objective; None: it diverged.
        reached: position of the first epoch whose objective is at the target or better; None: none is.
        weights: the number of the model's weights; None: not known.
        diverged: whether its loss or a weight became NaN or infinite.
        chance: the accuracy of guessing, 1 / classes; None: the classes are not known.
    """

    epochs: Sequence[Mapping[str, float]]
    best: int | None
    reached: int | None
    weights: int | None
    diverged: bool
    chance: float | None

    @property
    def last(self) -> int | None:
        """Position of the last epoch."""
        return len(self.epochs) - 1 if self.epochs else None

    def at(self, metric: str, epoch: int | None) -> float | None:
        """Return a metric at one epoch. A diverged training has the accuracy of guessing and no other metric."""
        if self.diverged:
            return self.chance if metric in ACCURACIES else None
        return None if epoch is None else self.epochs[epoch].get(metric)

    def gap(self, epoch: int | None) -> float | None:
        """Return the accuracy on the training images minus that on the validation images."""
        if self.diverged or epoch is None:
            return None
        return self.epochs[epoch]["accuracy"] - self.epochs[epoch]["val_accuracy"]

    def median(self, metric: str) -> float | None:
        """Return the lower median over the epochs, on which the compilation in one epoch has little effect."""
        values = [epoch[metric] for epoch in self.epochs if math.isfinite(epoch.get(metric, math.nan))]
        return median_low(values) if values else None

    def seconds(self, epochs: int | None) -> float | None:
        """Return the time of a number of epochs, each as long as the median epoch."""
        each = self.median("epoch_seconds")
        return None if epochs is None or each is None else epochs * each

    @property
    def to_target(self) -> int | None:
        """Epochs until the target was reached."""
        return None if self.reached is None else self.reached + 1

    @property
    def trained(self) -> int | None:
        """Epochs of the whole training."""
        return None if self.diverged else len(self.epochs)


@dataclass(frozen=True)
class SummaryMetric:
    """A metric of a whole training, for comparisons.

    Attributes:
        name: in study files.
        title: how tables and axes call it.
        of: returns its value for a training; None where the training has none.
        unit: of the value; empty where it has none.
    """

    name: str
    title: str
    of: Callable[[TrainingSummary], float | None]
    unit: str = ""

    @property
    def label(self) -> str:
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def plain(self) -> dict[str, Any]:
        """Return the metric as plain data, for tables and JSON."""
        return {"name": self.name, "title": self.title, "unit": self.unit}


def _of_epoch(metric: str) -> tuple[SummaryMetric, SummaryMetric]:
    """Return an epoch's metric at the best epoch and at the last one."""
    part, name = (
        "validation" if metric.startswith("val_") else "training",
        metric.removeprefix("val_").replace("_", " "),
    )
    title = name if metric == "learning_rate" else f"{part} {name}"
    return (
        SummaryMetric(metric, title, lambda training: training.at(metric, training.best)),
        SummaryMetric(f"final_{metric}", f"{title}, last epoch", lambda training: training.at(metric, training.last)),
    )


_PAIRS = [_of_epoch(metric) for metric in EPOCH_METRICS]
SUMMARY_METRICS = {
    metric.name: metric
    for metric in (
        *(best for best, _ in _PAIRS),
        *(final for _, final in _PAIRS),
        SummaryMetric("gap", "training minus validation accuracy", lambda t: t.gap(t.best)),
        SummaryMetric("final_gap", "training minus validation accuracy, last epoch", lambda t: t.gap(t.last)),
        SummaryMetric("epochs", "epochs trained", lambda t: t.trained),
        SummaryMetric("best_epoch", "best epoch", lambda t: None if t.best is None else t.best + 1),
        SummaryMetric("epochs_to_target", "epochs to the target", lambda t: t.to_target),
        SummaryMetric("seconds_to_target", "time to the target", lambda t: t.seconds(t.to_target), "s"),
        SummaryMetric("seconds", "training time", lambda t: t.seconds(t.trained), "s"),
        SummaryMetric("seconds_per_epoch", "time per epoch", lambda t: t.median("epoch_seconds"), "s"),
        SummaryMetric("updates", "updates per epoch", lambda t: t.median("updates")),
        SummaryMetric("seconds_per_update", "time per update", lambda t: t.median("seconds_per_update"), "s"),
        SummaryMetric(NOISE, "gradient noise scale", lambda t: t.median(NOISE), "examples"),
        SummaryMetric("weights", "parameters", lambda t: t.weights),
    )
}

# ------------------------------------------------------------------ reserved names

# A user's own training may give its metrics any name. A metric that has one of hpsearch's names gets the prefix
# `user_`, so that neither replaces the other: `epoch` becomes `user_epoch`. A metric called `user_epoch` then becomes
# `user_user_epoch`, so that two metrics never share a name.
PREFIX = "user_"
# The prefix of the metrics of the machine, in a study and in MLflow.
SYSTEM = "system/"
# Names beside the metrics of an epoch: in a study's records, in tables and in files.
RECORDED = frozenset({"epoch", "epoch_seconds", "trial"})
# Names beside the metrics of an epoch in the MLflow run of a trial: the number of epochs, and `best_` with the name of
# a metric for its value at the best epoch.
LOGGED, BEST = frozenset({"epochs"}), "best_"


def is_reserved(name: str) -> bool:
    """Return whether hpsearch records something under this name beside the metrics of a user's training."""
    return name in RECORDED or name.startswith(SYSTEM)


def recorded_name(name: str) -> str:
    """Return the name under which a study keeps a metric that a user's training calls `name`."""
    return _renamed(name, is_reserved)


def logged_name(name: str) -> str:
    """Return the name of an epoch's metric in MLflow, given its name in the study."""
    return _renamed(name, lambda bare: bare in LOGGED or bare.startswith(BEST))


def column_name(name: str, taken: frozenset[str]) -> str:
    """Return the title of a metric's column in a table that has columns called `taken` already."""
    return _renamed(name, taken.__contains__)


def _renamed(name: str, reserved: Callable[[str], bool]) -> str:
    bare = name
    while bare.startswith(PREFIX):
        bare = bare.removeprefix(PREFIX)
    return f"{PREFIX}{name}" if reserved(bare) else name
