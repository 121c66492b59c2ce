"""Metrics beside loss and accuracy, one row each.

Every `build` returns a Keras metric over one-hot labels and probabilities float32 [batch, classes].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from hpsearch.catalogue.rows import Entry, catalogue


def _keras(name: str, **arguments: Any) -> Callable[[], Any]:
    def build() -> Any:
        import keras

        return getattr(keras.metrics, name)(**arguments)

    return build


METRICS = catalogue(
    Entry(
        "top_2_accuracy",
        "share of examples whose class is among the two most probable",
        (),
        "keras.metrics.TopKCategoricalAccuracy",
        _keras("TopKCategoricalAccuracy", k=2),
        of_logits='keras.metrics.TopKCategoricalAccuracy(k=2, name="top_2_accuracy")',
        direction="maximize",
        bounds=(0.0, 1.0),
    ),
    Entry(
        "f1_score",
        "harmonic mean of precision and recall of each class, averaged over the classes",
        (),
        "van Rijsbergen 1979, Information Retrieval, chapter 7; keras.metrics.F1Score (macro)",
        _keras("F1Score", average="macro"),
        of_logits='keras.metrics.F1Score(average="macro", name="f1_score")',
        direction="maximize",
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
# Which way each metric of an epoch of hpsearch's own training is better.
DIRECTIONS: dict[str, Literal["maximize", "minimize"]] = {
    "val_accuracy": "maximize",
    "val_loss": "minimize",
    "accuracy": "maximize",
    "loss": "minimize",
    **{f"{part}{entry.name}": entry.direction for part in ("val_", "") for entry in METRICS.values()},
}
# The direction of the others must be given in the study file.
WITHOUT_DIRECTION = (NOISE, "learning_rate", "updates", "seconds_per_update", "epoch_seconds")
# The metric that every Keras training has beside its loss, which depends on what is chosen as loss.
_ACCURACY_BOUNDS = (0.0, 1.0)


def bounds_of(metric: str) -> tuple[float, float] | None:
    """The smallest and the largest value of a metric of this name; None where it has none, or nobody knows them.

    Args:
        metric: with or without `val_` or `test_` before its name.
    """
    name = metric.removeprefix("val_").removeprefix("test_")
    if name == "accuracy":
        return _ACCURACY_BOUNDS
    return METRICS[name].bounds if name in METRICS else None
