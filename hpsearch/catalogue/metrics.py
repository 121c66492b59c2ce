"""Metrics beside loss and accuracy, one row each.

Every `build` returns a Keras metric over one-hot labels and probabilities float32 [batch, classes].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

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
        bounds=(0.0, 1.0),
    ),
    Entry(
        "f1_score",
        "harmonic mean of precision and recall of each class, averaged over the classes",
        (),
        "van Rijsbergen 1979, Information Retrieval, chapter 7; keras.metrics.F1Score (macro)",
        _keras("F1Score", average="macro"),
        bounds=(0.0, 1.0),
    ),
    Entry(
        "mean_squared_error",
        "mean of (y_k - p_k)^2 over classes: the Brier score, divided by the number of classes",
        (),
        "Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2; keras.metrics.MeanSquaredError",
        _keras("MeanSquaredError"),
        bounds=(0.0, 1.0),
    ),
    Entry(
        "cross_entropy",
        "mean of -log p of the true class, without smoothing, weights and penalties",
        (),
        "keras.metrics.CategoricalCrossentropy",
        _keras("CategoricalCrossentropy"),
        bounds=(0.0, math.inf),
    ),
)
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
