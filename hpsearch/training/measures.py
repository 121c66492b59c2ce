"""Measurements beside a training: matrix operations, gradient noise, the speed of matrix products.

Gradient noise is the simple noise scale of McCandlish et al. 2018, arXiv:1812.06162.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from hpsearch.training.engine import Examples, Parts

# The number of batches in which the gradient is measured, and the examples of each.
BATCHES, SMALL = 32, 64


class GradientNoise:
    """Measures tr(S) / |G|^2 (equation 2.9), S the covariance of one example's gradient, G the gradient itself.

    In the gradient of a batch of B examples, the noise is (tr(S) / |G|^2) / B of the signal: if B is larger than the
    noise scale, a still larger batch hardly improves the step. The model is not changed.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._norms = tf.function(self._loop, autograph=False)

    def measure(self, examples: Examples, order: npt.NDArray[np.int64]) -> float:
        """Return the noise scale in examples, from the first 2,048 of `order` [n].

        It is NaN where noise hides the signal, and with fewer than 128 examples. The estimates of tr(S) and |G|^2 are
        unbiased; they use two batch sizes (appendix A.1).
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
        """Return (mean over batches of |g|^2, |mean over batches of g|^2)."""
        parts, variables = self._parts, self._parts.model.trainable_variables
        # It is 1 unless the model computes in float16.
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
    """Return tr(S) / |G|^2 from the mean of |g|^2 at two batch sizes (equations A.2 and A.3).

    Args:
        small_norm, big_norm: mean squared norm of the gradient of a batch.
        small, big: examples in a batch.
    """
    signal = (big * big_norm - small * small_norm) / (big - small)
    noise = (small_norm - big_norm) / (1 / small - 1 / big)
    return noise / signal if signal > 0 else math.nan


def matrix_flops(model: Any) -> tuple[int, int] | None:
    """Return the matrix operations for one example: (forward, training); None if they are not known.

    Only the matrix products of Dense, Conv2D and recurrent layers count, with a multiplication and an addition as two
    operations. Forward, each entry of a kernel is used once at each position of the output: a Conv2D's output has
    height x width positions (padding counts), a recurrent layer's one for each time step, a Dense layer's one. Training
    takes three times as many: for the output, for the gradient by the kernel, and for the gradient by the input, which
    the first such layer does not need. Biases, activations, normalization, dropout, pooling, the loss and the
    optimizer's update do not count. The result is None if any other kind of layer has matrices, or if a length is open.

    Args:
        model: a Keras model, functional or sequential, whose layers are each used once and not frozen.
    """
    products = []
    for layer in _leaves(model):
        try:
            found = _products(layer)
        except (AttributeError, TypeError):
            # The layers of a subclassed model have no output of their own, and a length may be open.
            return None
        if not found and any(len(weight.shape) > 1 for weight in layer.trainable_weights):
            return None
        products += found
    return sum(products), 3 * sum(products) - sum(products[:1])


def _leaves(model: Any) -> Iterator[Any]:
    """Yield the layers in their order, those of nested models in their place."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer


def _products(layer: Any) -> list[int]:
    """Return the operations of each matrix product of a layer, the product with its input first."""
    if isinstance(layer, keras.layers.SimpleRNN | keras.layers.GRU | keras.layers.LSTM):
        steps, cell = layer.input.shape[1], layer.cell
        return [2 * steps * math.prod(kernel.shape) for kernel in (cell.kernel, cell.recurrent_kernel)]
    # Subclasses of Dense and Conv2D do not count, since they may compute something else.
    if type(layer) in (keras.layers.Dense, keras.layers.Conv2D):
        return [2 * math.prod(layer.kernel.shape) * _positions(layer)]
    return []


def _positions(layer: Any) -> int:
    """Return how often a layer's kernel is applied to one example."""
    shape = layer.output.shape[1:]
    return math.prod(shape[1:] if getattr(layer, "data_format", "") == "channels_first" else shape[:-1])


# A batch of flattened images by a layer's kernel: [rows, inner] x [inner, columns].
ROWS, INNER, COLUMNS = 128, 784, 256


class ProductSpeed:
    """Measures the speed of float32 products [128, 784] x [784, 256].

    Args:
        threads: TensorFlow's threads in this process, which must not have computed anything yet.
    """

    def __init__(self, threads: int) -> None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self._left = tf.random.uniform([ROWS, INNER])
        self._right = tf.random.uniform([INNER, COLUMNS])
        tf.linalg.matmul(self._left, self._right).numpy()

    def gflops(self, seconds: float) -> float:
        """Multiply for a number of seconds; return the speed in 10^9 operations a second."""
        began, count = time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < seconds:
            for _ in range(10):
                product = tf.linalg.matmul(self._left, self._right)
            # Waits for a device that computes on its own.
            product.numpy()
            count += 10
        return 2e-9 * ROWS * INNER * COLUMNS * count / passed
