"""A whole epoch as one compiled function over data that stays in memory.

Python takes no part in the loop over batches: `train` walks an index vector with a `tf.while_loop`,
gathers uint8 images, normalizes, computes gradients and updates, and sums loss and hits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

# Evaluation needs no gradients, so its batch size is free; at 1,000 the activations still fit the cache.
EVALUATION_BATCH = 1000


class Examples(NamedTuple):
    """Labelled images in memory, and how their raw pixels are normalized: x -> (x - shift) / scale.

    Attributes:
        images: tensor uint8 [n, height, width].
        labels: tensor uint8 [n].
        shift, scale: tensors float32 [].
    """

    images: Any
    labels: Any
    shift: Any
    scale: Any


@dataclass(frozen=True)
class Figures:
    """Means over the examples of one pass."""

    loss: float
    accuracy: float


class CompiledEpochs:
    """Training and evaluation of one Keras model, an epoch a call.

    Args:
        model: logits float32 [batch, classes] from normalized images float32 [batch, height, width].
        optimizer: built for the model's trainable variables; its learning rate is set at each update.
        loss: a Keras loss over one-hot labels and logits, averaged over the batch.
        classes: number of classes.
    """

    def __init__(self, model: Any, optimizer: Any, loss: Any, classes: int) -> None:
        self._model, self._optimizer, self._loss = model, optimizer, loss
        self._classes = classes
        # Sizes that vary between trials are left open, so that nothing is traced twice.
        some = tf.TensorSpec([None], tf.int32)
        pixels = tf.TensorSpec([None, *model.input_shape[1:]], tf.uint8)
        number = tf.TensorSpec([], tf.float32)
        examples = Examples(pixels, tf.TensorSpec([None], tf.uint8), number, number)
        rates, batch = tf.TensorSpec([None], tf.float32), tf.TensorSpec([], tf.int32)
        self._train = tf.function(self._train_loop, input_signature=(examples, some, rates, batch))
        self._evaluate = tf.function(self._evaluate_loop, input_signature=(examples, some))

    def train(
        self, examples: Examples, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32], batch: int
    ) -> Figures:
        """One epoch: the examples `order` [n] in batches of `batch` (the last may be smaller).

        Args:
            examples: what `order` points into.
            order: indices in the order of training.
            rates: learning rate of each update, [ceil(n / batch)].

        Returns:
            Means over the epoch's examples, each as it was trained on (before its own update).
        """
        total, hits = self._train(
            examples, tf.constant(order, tf.int32), tf.constant(rates, tf.float32), tf.constant(batch, tf.int32)
        )
        return Figures(float(total) / len(order), float(hits) / len(order))

    def evaluate(self, examples: Examples, indices: npt.NDArray[np.int64]) -> Figures:
        """Mean loss (penalties included, as `model.evaluate` has it) and accuracy over `indices` [n]."""
        total, hits = self._evaluate(examples, tf.constant(indices, tf.int32))
        return Figures(float(total) / len(indices), float(hits) / len(indices))

    def _batch(self, examples: Examples, indices: Any) -> tuple[Any, Any]:
        pixels = tf.cast(tf.gather(examples.images, indices), tf.float32)
        labels = tf.cast(tf.gather(examples.labels, indices), tf.int32)
        return (pixels - examples.shift) / examples.scale, labels

    def _loss_and_hits(self, x: Any, labels: Any, training: bool) -> tuple[Any, Any]:
        logits = self._model(x, training=training)
        loss = self._loss(tf.one_hot(labels, self._classes), logits)
        if self._model.losses:
            loss += tf.add_n(self._model.losses)
        hits = tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), labels)
        return loss, tf.reduce_sum(tf.cast(hits, tf.float32))

    def _train_loop(self, examples: Examples, order: Any, rates: Any, batch: Any) -> tuple[Any, Any]:
        total, hits = tf.constant(0.0), tf.constant(0.0)
        variables = self._model.trainable_variables
        for step in tf.range(tf.size(rates)):
            # Slicing stops at the end by itself, which makes the last partial batch.
            x, y = self._batch(examples, order[step * batch : (step + 1) * batch])
            with tf.GradientTape() as tape:
                loss, batch_hits = self._loss_and_hits(x, y, training=True)
            gradients = tape.gradient(loss, variables)
            self._optimizer.learning_rate.assign(rates[step])
            self._optimizer.apply(gradients, variables)
            total += loss * tf.cast(tf.size(y), tf.float32)
            hits += batch_hits
        return total, hits

    def _evaluate_loop(self, examples: Examples, indices: Any) -> tuple[Any, Any]:
        total, hits = tf.constant(0.0), tf.constant(0.0)
        for start in tf.range(0, tf.size(indices), EVALUATION_BATCH):
            x, y = self._batch(examples, indices[start : start + EVALUATION_BATCH])
            loss, batch_hits = self._loss_and_hits(x, y, training=False)
            total += loss * tf.cast(tf.size(y), tf.float32)
            hits += batch_hits
        return total, hits
