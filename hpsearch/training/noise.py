"""How noisy the gradient of a mini-batch is: the simple noise scale of McCandlish et al. 2018, arXiv:1812.06162."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from hpsearch.training.epochs import Examples, Parts

# The gradient is measured in so many batches of so many examples.
BATCHES, SMALL = 32, 64


class GradientNoise:
    """Measures tr(S) / |G|^2 (equation 2.9), S the covariance of one example's gradient, G the gradient itself.

    A batch of B examples has a gradient whose noise is (tr(S) / |G|^2) / B of its signal: beyond B = the noise scale a
    larger batch hardly makes a better step. The model is left as it was.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._norms = tf.function(self._loop, autograph=False)

    def measure(self, examples: Examples, order: npt.NDArray[np.int64]) -> float:
        """The noise scale in examples, from the first 2,048 of `order` [n]; NaN where the signal drowns in the noise.

        Unbiased estimates from two batch sizes (appendix A.1).
        """
        batches = min(BATCHES, len(order) // SMALL)
        if batches < 2:
            return math.nan
        kept = [(v, v.numpy()) for v in self._parts.model.non_trainable_variables]
        indices = tf.constant(order[: batches * SMALL].reshape(batches, SMALL), tf.int32)
        small, big = map(float, self._norms(examples, indices))
        for variable, value in kept:
            variable.assign(value)
        return noise_scale(small, big, SMALL, batches * SMALL)

    def _loop(self, examples: Examples, indices: Any) -> tuple[Any, Any]:
        """(mean over batches of |g|^2, |mean over batches of g|^2)."""
        parts, variables = self._parts, self._parts.model.trainable_variables
        # 1, unless the model computes in float16.
        scale = parts.optimizer.scale_loss(tf.constant(1.0))

        def body(step: Any, squares: Any, sums: list[Any]) -> tuple[Any, ...]:
            images, labels = tf.gather(examples.images, indices[step]), tf.gather(examples.labels, indices[step])
            with tf.GradientTape() as tape:
                logits = parts.model(parts.normalized(examples, images), training=True)
                loss = parts.optimizer.scale_loss(parts.loss(parts.one_hot(labels), logits))
            found = tape.gradient(loss, variables, unconnected_gradients="zero")
            gradients = [tf.convert_to_tensor(g) / scale for g in found]
            squares += tf.add_n([tf.reduce_sum(tf.square(g)) for g in gradients])
            return step + 1, squares, [s + g for s, g in zip(sums, gradients, strict=True)]

        count = tf.shape(indices)[0]
        start = (tf.constant(0), tf.constant(0.0), [tf.zeros(v.shape) for v in variables])
        _, squares, sums = tf.while_loop(lambda step, *_: step < count, body, start)
        n = tf.cast(count, tf.float32)
        return squares / n, tf.add_n([tf.reduce_sum(tf.square(s / n)) for s in sums])


def noise_scale(small_norm: float, big_norm: float, small: int, big: int) -> float:
    """tr(S) / |G|^2 from the mean of |g|^2 at two batch sizes (equations A.2 and A.3).

    Args:
        small_norm, big_norm: mean squared norm of the gradient of a batch.
        small, big: examples in a batch.
    """
    signal = (big * big_norm - small * small_norm) / (big - small)
    noise = (small_norm - big_norm) / (1 / small - 1 / big)
    return noise / signal if signal > 0 else math.nan
