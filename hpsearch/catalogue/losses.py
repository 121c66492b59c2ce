"""The losses, one entry each. Every `build` returns a Keras loss over one-hot labels and logits [batch, classes]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hpsearch.catalogue.entries import REQUIRED, Entry, Knob, Reference, by_name
from hpsearch.errors import UserCodeError


def _categorical_crossentropy(*, label_smoothing: float) -> Any:
    import keras

    return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing)


def _mean_squared_error() -> Any:
    import keras

    def brier_score(labels: Any, logits: Any) -> Any:
        return keras.losses.mean_squared_error(labels, keras.ops.softmax(logits))

    return _loss_of(brier_score, "mean_squared_error")


def _custom(*, function: Callable[[Any, Any], Any]) -> Any:
    import keras

    def for_each_example(labels: Any, logits: Any) -> Any:
        losses = keras.ops.convert_to_tensor(function(labels, logits), "float32")
        if len(losses.shape) > 1:
            raise UserCodeError(f"loss.function must return [batch] or a scalar, but its shape is {losses.shape}")
        # A scalar is the loss of each example, so that class weights have something to weigh.
        return keras.ops.broadcast_to(losses, keras.ops.shape(logits)[:1])

    return _loss_of(for_each_example, "custom")


def _loss_of(function: Callable[[Any, Any], Any], name: str) -> Any:
    """Return a Keras loss: the mean over the batch of function(labels, logits) [batch], its attribute `function`."""
    import keras

    class Loss(keras.losses.Loss):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name=name)
            self.function = function

        def call(self, labels: Any, logits: Any) -> Any:
            return function(labels, logits)

    return Loss()


LOSSES = by_name(
    Entry(
        "categorical_crossentropy",
        "-sum_k y_k log softmax(z)_k, with y <- (1 - s) y + s / K for label_smoothing s",
        (
            Knob(
                "label_smoothing",
                float,
                0.0,
                "share of each label spread evenly over the classes",
                source="Szegedy et al. 2016, arXiv:1512.00567, section 7",
                ge=0,
                lt=1,
            ),
        ),
        "keras.losses.CategoricalCrossentropy",
        _categorical_crossentropy,
    ),
    Entry(
        "mean_squared_error",
        "(1 / K) sum_k (y_k - softmax(z)_k)^2, between one-hot labels and probabilities: the Brier score over K",
        (),
        "Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2; keras.losses.MeanSquaredError",
        _mean_squared_error,
    ),
    Entry(
        "custom",
        "the mean of function(one-hot labels [batch, classes], logits [batch, classes]) -> [batch] or a scalar",
        (Knob("function", Reference, REQUIRED, "a user's own loss of keras.ops or tf operations as `module:name`"),),
        "keras.losses.Loss",
        _custom,
    ),
)
