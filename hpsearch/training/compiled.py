"""A whole epoch as one compiled function over data that stays in memory.

Python takes no part in the loop over batches: `train` walks an index vector with a `tf.while_loop`,
gathers uint8 images, normalizes, computes gradients and updates, and sums loss and hits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

# Evaluation needs no gradients, so its batch size is free; at 1,000 the activations still fit the cache.
EVALUATION_BATCH = 1000


@dataclass(frozen=True)
class Normalization:
    """x -> (x - shift) / scale on raw pixels in [0, 255]."""

    shift: float
    scale: float


@dataclass(frozen=True)
class Figures:
    """Means over the examples of one pass."""

    loss: float
    accuracy: float


class CompiledEpochs:
    """Training and evaluation of one Keras model, an epoch a call.

    Args:
        model: logits float32 [batch, classes] from normalized images float32 [batch, height, width].
        optimizer: built here for the model's trainable variables; its learning rate is set at each update.
        loss: a Keras loss over one-hot labels and logits, averaged over the batch.
        normalization: of the raw pixels.
        classes: number of classes.
    """

    def __init__(self, model: Any, optimizer: Any, loss: Any, normalization: Normalization, classes: int) -> None:
        self._model, self._optimizer, self._loss = model, optimizer, loss
        self._shift, self._scale = normalization.shift, normalization.scale
        self._classes = classes
        optimizer.build(model.trainable_variables)
        self._train = tf.function(self._train_loop)
        self._evaluate = tf.function(self._evaluate_loop)

    def train(
        self,
        images: Any,
        labels: Any,
        order: npt.NDArray[np.int64],
        rates: npt.NDArray[np.float32],
        batch: int,
    ) -> Figures:
        """One epoch: the examples `order` [n] in batches of `batch` (the last may be smaller).

        Args:
            images: tensor uint8 [all, height, width].
            labels: tensor uint8 [all].
            order: indices into both, in the order of training.
            rates: learning rate of each update, [ceil(n / batch)].

        Returns:
            Means over the epoch's examples, each as it was trained on (before its own update).
        """
        total, hits = self._train(
            images, labels, tf.constant(order, tf.int32), tf.constant(rates, tf.float32), tf.constant(batch)
        )
        return Figures(float(total) / len(order), float(hits) / len(order))

    def evaluate(self, images: Any, labels: Any, indices: npt.NDArray[np.int64]) -> Figures:
        """Mean loss (penalties included, as `model.evaluate` has it) and accuracy over `indices` [n]."""
        total, hits = self._evaluate(images, labels, tf.constant(indices, tf.int32))
        return Figures(float(total) / len(indices), float(hits) / len(indices))

    def _batch(self, images: Any, labels: Any, indices: Any) -> tuple[Any, Any]:
        x = (tf.cast(tf.gather(images, indices), tf.float32) - self._shift) / self._scale
        return x, tf.cast(tf.gather(labels, indices), tf.int32)

    def _loss_and_hits(self, x: Any, labels: Any, training: bool) -> tuple[Any, Any]:
        logits = self._model(x, training=training)
        loss = self._loss(tf.one_hot(labels, self._classes), logits)
        if self._model.losses:
            loss += tf.add_n(self._model.losses)
        hits = tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), labels)
        return loss, tf.reduce_sum(tf.cast(hits, tf.float32))

    def _train_loop(self, images: Any, labels: Any, order: Any, rates: Any, batch: Any) -> tuple[Any, Any]:
        total, hits = tf.constant(0.0), tf.constant(0.0)
        variables = self._model.trainable_variables
        for step in tf.range(tf.size(rates)):
            # Slicing stops at the end by itself, which makes the last partial batch.
            x, y = self._batch(images, labels, order[step * batch : (step + 1) * batch])
            with tf.GradientTape() as tape:
                loss, batch_hits = self._loss_and_hits(x, y, training=True)
            gradients = tape.gradient(loss, variables)
            self._optimizer.learning_rate.assign(rates[step])
            self._optimizer.apply(gradients, variables)
            total += loss * tf.cast(tf.size(y), tf.float32)
            hits += batch_hits
        return total, hits

    def _evaluate_loop(self, images: Any, labels: Any, indices: Any) -> tuple[Any, Any]:
        total, hits = tf.constant(0.0), tf.constant(0.0)
        for start in tf.range(0, tf.size(indices), EVALUATION_BATCH):
            x, y = self._batch(images, labels, indices[start : start + EVALUATION_BATCH])
            loss, batch_hits = self._loss_and_hits(x, y, training=False)
            total += loss * tf.cast(tf.size(y), tf.float32)
            hits += batch_hits
        return total, hits


def clear() -> None:
    """Forget every model and function of the trials before: memory stays flat over a study."""
    keras.backend.clear_session(free_memory=True)
