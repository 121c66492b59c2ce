"""The interface of an engine: training and evaluation of one model, an epoch in each call; and its parts."""

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
        images: tensor uint8 [n, height, width]; of a user's own dataset any shape, float32 and normalized already where
            it is not uint8.
        labels: tensor uint8 [n].
        weights: tensor float32 [n], what each example counts in the training loss; [0] where all count the same.
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
    """What is trained.

    Attributes:
        model: logits float32 [batch, classes] from normalized images float32 [batch, height, width].
        optimizer: a Keras optimizer; its learning rate is set at each update.
        loss: a Keras loss over one-hot labels and logits, averaged over the batch.
        metrics: Keras metrics over one-hot labels and probabilities, by name.
        classes: number of classes.
        weighted: whether the examples' weights count.
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
        """Raw pixels [batch, height, width] as the model takes them."""
        return (tf.cast(pixels, tf.float32) - examples.shift) / examples.scale

    def one_hot(self, labels: Any) -> Any:
        return tf.one_hot(tf.cast(labels, tf.int32), self.classes)

    def forget_metrics(self) -> None:
        for metric in self.metrics.values():
            metric.reset_state()

    def read_metrics(self) -> dict[str, float]:
        return {name: float(metric.result()) for name, metric in self.metrics.items()}


class Epochs(Protocol):
    """An engine. Metrics of two engines differ by the rounding of float32 sums, and with dropout by chance.

    XLA draws other random numbers from the same seed than TensorFlow's own kernels do, in stock Keras too.

    Attributes:
        converged: whether there is nothing left to train; only a solver with a stopping rule sets it.
    """

    converged: bool

    def train(
        self, examples: Examples, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32], batch: int
    ) -> Evaluation:
        """Return one epoch: the examples `order` [n] in batches of `batch` (the last may be smaller).

        Args:
            examples: what `order` points into.
            order: indices in the order of training.
            rates: learning rate of each update, [ceil(n / batch)].

        Returns:
            Means over the epoch's examples, each before the update that it takes part in.
        """
        ...

    def evaluate(self, examples: Examples, indices: npt.NDArray[np.int64]) -> Evaluation:
        """Mean loss (penalties included, as `model.evaluate` has it) and accuracy over `indices` [n], unweighted."""
        ...


def infer(model: Any, examples: Any) -> Any:
    """Return the model's outputs in inference mode.

    Nothing is dropped out or augmented, and batch normalization takes the statistics that it kept in training. Calling
    the model without `training=False` would leave augmentation on.
    """
    return model(examples, training=False)
