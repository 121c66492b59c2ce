"""The interface of an engine, which trains and evaluates one model, an epoch in each call; and what it works on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf


class Examples(NamedTuple):
    """Labelled images in memory, and how their raw pixels are normalized: x -> (x - shift) / scale.

    Attributes:
        images: tensor uint8 [n, height, width]. Those of a user's own dataset have any shape; if they are not uint8,
            they are float32 and already normalized.
        labels: tensor uint8 [n].
        weights: tensor float32 [n], the weight of each example in the training loss; [0] if all have the same.
        shift, scale: tensors float32 [], or of one example's shape where the examples are float32.
    """

    images: Any
    labels: Any
    weights: Any
    shift: Any
    scale: Any


@dataclass(frozen=True)
class Evaluation:
    """Means over the examples of one pass; `more` holds further metrics by name."""

    loss: float
    accuracy: float
    more: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Parts:
    """A model, and all that its training needs besides the examples.

    Attributes:
        model: logits float32 [batch, classes] from normalized images float32 [batch, height, width].
        optimizer: a Keras optimizer; its learning rate is set at each update.
        loss: a Keras loss over one-hot labels and logits, averaged over the batch.
        metrics: Keras metrics over one-hot labels and probabilities, by name.
        classes: number of classes.
        weighted: whether the examples have weights.
        pixels: type of the raw examples: uint8 or float32.
    """

    model: Any
    optimizer: Any
    loss: Any
    metrics: Mapping[str, Any]
    classes: int
    weighted: bool
    pixels: str = "uint8"

    def normalized(self, examples: Examples, pixels: Any) -> Any:
        """Return the model's input, float32 and normalized, from raw pixels [batch, height, width]."""
        return (tf.cast(pixels, tf.float32) - examples.shift) / examples.scale

    def one_hot(self, labels: Any) -> Any:
        return tf.one_hot(tf.cast(labels, tf.int32), self.classes)

    def forget_metrics(self) -> None:
        for metric in self.metrics.values():
            metric.reset_state()

    def read_metrics(self) -> dict[str, float]:
        return {name: float(metric.result()) for name, metric in self.metrics.items()}


class Engine(Protocol):
    """Trains and evaluates one model.

    The metrics of two engines differ by the rounding of float32 sums. With dropout they also differ by chance: from the
    same seed, XLA draws other random numbers than TensorFlow's own kernels do, in stock Keras too.

    Attributes:
        converged: whether there is nothing left to train; only a solver with a stopping rule sets it.
    """

    converged: bool

    def train(
        self, examples: Examples, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32], batch: int
    ) -> Evaluation:
        """Train one epoch on the examples `order` [n] in batches of `batch` (the last may be smaller).

        Args:
            examples: the examples to which `order` refers.
            order: indices in the order of training.
            rates: learning rate of each update, [ceil(n / batch)].

        Returns:
            Means over the epoch's examples, each computed before the update that uses the example.
        """
        ...

    def evaluate(self, examples: Examples, indices: npt.NDArray[np.int64]) -> Evaluation:
        """Return the unweighted metrics over `indices` [n]; the loss includes penalties, as in `model.evaluate`."""
        ...


def infer(model: Any, examples: Any) -> Any:
    """Return the model's outputs in inference mode.

    Nothing is dropped out or augmented, and batch normalization takes the statistics that it kept in training. Calling
    the model without `training=False` would leave augmentation on.
    """
    return model(examples, training=False)
