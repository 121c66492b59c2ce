"""A whole epoch as one compiled function over data that stays in memory; the engines `graph` and `xla`.

A `tf.while_loop` walks the batches: it normalizes them, computes gradients and updates, and sums loss and hits. Python
takes no part in it.

graph  gathers each batch inside the loop; one function serves all batch sizes, since its shapes are open.
xla    gathers all full batches before the loop, which XLA compiles for each batch size; the last partial batch and
       evaluation run as in graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from hpsearch.training.engine import Evaluation, Examples, Parts, infer
from hpsearch.training.xla_cache import same_names

# Evaluation needs no gradients, so its batch size is free; at 1,000 the activations still fit the cache.
EVALUATION_BATCH = 1000


class CompiledEngine:
    """An Engine that compiles the loop over the batches of an epoch.

    Args:
        parts: with an optimizer that is built for the model's trainable variables.
        xla: whether full batches are compiled by XLA.
        name: identifies the function that XLA compiles (`xla_cache.same_names`).
    """

    converged = False

    def __init__(self, parts: Parts, *, xla: bool, name: str) -> None:
        self._parts, self._xla = parts, xla
        # Sizes that vary between trials are left open, so that nothing is traced twice.
        pixels = tf.TensorSpec([None, *parts.model.input_shape[1:]], parts.pixels)
        labels, floats = tf.TensorSpec([None], tf.uint8), tf.TensorSpec([None], tf.float32)
        number, some = tf.TensorSpec([], tf.float32), tf.TensorSpec([None], tf.int32)
        # Floats are normalized feature by feature.
        scale = number if parts.pixels == "uint8" else tf.TensorSpec(parts.model.input_shape[1:], tf.float32)
        self._signature = Examples(pixels, labels, floats, scale, scale)
        batch = tf.TensorSpec([], tf.int32)
        self._train = compiled_function(self._train_loop, self._signature, some, floats, batch)
        self._evaluate = compiled_function(self._evaluate_loop, self._signature, some)
        block = self._signature._replace(
            images=tf.TensorSpec([None, *pixels.shape], pixels.dtype),
            labels=tf.TensorSpec([None, None], tf.uint8),
            weights=tf.TensorSpec([None, None] if parts.weighted else [None], tf.float32),
        )
        self._train_block = compiled_function(self._block_loop, block, floats, xla=True)
        if xla:
            with same_names(name):
                self._train_block.get_concrete_function()

    def train(
        self, examples: Examples, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32], batch: int
    ) -> Evaluation:
        self._parts.forget_metrics()
        indices, learning_rates = tf.constant(order, tf.int32), tf.constant(rates, tf.float32)
        steps = len(order) // batch if self._xla else 0
        total = hits = 0.0
        if steps:
            # Gathered before the loop: inside it, XLA would gather pixel by pixel.
            block = self._gathered(examples, tf.reshape(indices[: steps * batch], [steps, batch]))
            sums = self._train_block(block, learning_rates[:steps])
            total, hits = float(sums[0]), float(sums[1])
        if steps * batch < len(order):
            sums = self._train(examples, indices[steps * batch :], learning_rates[steps:], tf.constant(batch))
            total, hits = total + float(sums[0]), hits + float(sums[1])
        return self._evaluation(total, hits, len(order))

    def evaluate(self, examples: Examples, indices: npt.NDArray[np.int64]) -> Evaluation:
        self._parts.forget_metrics()
        total, hits = self._evaluate(examples, tf.constant(indices, tf.int32))
        return self._evaluation(float(total), float(hits), len(indices))

    def _evaluation(self, total: float, hits: float, count: int) -> Evaluation:
        return Evaluation(total / count, hits / count, self._parts.read_metrics())

    def _gathered(self, examples: Examples, indices: Any) -> Examples:
        """Return the examples at `indices`, in that order."""
        weights = tf.gather(examples.weights, indices) if self._parts.weighted else examples.weights
        images, labels = tf.gather(examples.images, indices), tf.gather(examples.labels, indices)
        return examples._replace(images=images, labels=labels, weights=weights)

    def _block_loop(self, block: Examples, rates: Any) -> tuple[Any, Any]:
        """Train on full batches [steps, batch, ...], one after the other."""

        def batch_at(step: Any) -> Examples:
            weights = block.weights[step] if self._parts.weighted else block.weights
            return block._replace(images=block.images[step], labels=block.labels[step], weights=weights)

        return self._loop(tf.size(rates), batch_at, rates)

    def _train_loop(self, examples: Examples, order: Any, rates: Any, batch: Any) -> tuple[Any, Any]:
        # Slicing stops at the end by itself, which makes the last partial batch.
        return self._loop(
            tf.size(rates), lambda step: self._gathered(examples, order[step * batch : (step + 1) * batch]), rates
        )

    def _loop(self, steps: Any, batch_at: Callable[[Any], Examples], rates: Any) -> tuple[Any, Any]:
        """Train on one batch after the other; return (sum of losses over examples, hits)."""

        def body(step: Any, total: Any, hits: Any) -> tuple[Any, Any, Any]:
            loss, batch_hits = self._update(batch_at(step), rates[step])
            return step + 1, total + loss, hits + batch_hits

        return _while(steps, body)

    def _update(self, batch: Examples, rate: Any) -> tuple[Any, Any]:
        """Train on one batch; return (its loss times its size, its hits)."""
        optimizer, variables = self._parts.optimizer, self._parts.model.trainable_variables
        with tf.GradientTape() as tape:
            loss, hits = self._loss_and_hits(batch, training=True)
            # If the model computes in float16, its gradients would otherwise be rounded to zero.
            scaled = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, variables)
        optimizer.learning_rate.assign(rate)
        optimizer.apply(gradients, variables)
        return loss * tf.cast(tf.size(batch.labels), tf.float32), hits

    def _evaluate_loop(self, examples: Examples, indices: Any) -> tuple[Any, Any]:
        def body(step: Any, total: Any, hits: Any) -> tuple[Any, Any, Any]:
            start = step * EVALUATION_BATCH
            batch = self._gathered(examples, indices[start : start + EVALUATION_BATCH])
            loss, batch_hits = self._loss_and_hits(batch, training=False)
            return step + 1, total + loss * tf.cast(tf.size(batch.labels), tf.float32), hits + batch_hits

        return _while(-(-tf.size(indices) // EVALUATION_BATCH), body)

    def _loss_and_hits(self, batch: Examples, *, training: bool) -> tuple[Any, Any]:
        parts = self._parts
        targets = parts.one_hot(batch.labels)
        images = parts.normalized(batch, batch.images)
        logits = tf.cast(parts.model(images, training=True) if training else infer(parts.model, images), tf.float32)
        weights = batch.weights if parts.weighted and training else None
        loss = parts.loss(targets, logits, sample_weight=weights)
        if parts.model.losses:
            loss += tf.add_n(parts.model.losses)
        for metric in parts.metrics.values():
            metric.update_state(targets, tf.nn.softmax(logits))
        hits = tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.cast(batch.labels, tf.int32))
        return loss, tf.reduce_sum(tf.cast(hits, tf.float32))


def compiled_function(python: Callable[..., Any], *signature: Any, xla: bool = False) -> Any:
    # Nothing here needs autograph: rewriting the source code takes longer than tracing the function.
    return tf.function(python, autograph=False, jit_compile=xla or None, input_signature=signature)


def _while(steps: Any, body: Callable[..., tuple[Any, Any, Any]]) -> tuple[Any, Any]:
    start = (tf.constant(0), tf.constant(0.0), tf.constant(0.0))
    _, total, hits = tf.while_loop(lambda step, *_: step < steps, body, start)
    return total, hits
