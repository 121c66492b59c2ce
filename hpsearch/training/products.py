"""How fast TensorFlow multiplies matrices here, which no training of dense layers can outrun."""

from __future__ import annotations

import time

import tensorflow as tf

# A batch of flattened images by a layer's kernel: [rows, inner] x [inner, columns].
ROWS, INNER, COLUMNS = 128, 784, 256


class Products:
    """Products float32 [128, 784] x [784, 256], again and again.

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
        """Multiply for so many seconds: 10^9 operations a second."""
        began, count = time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < seconds:
            for _ in range(10):
                product = tf.linalg.matmul(self._left, self._right)
            # Waits for a device that computes on its own.
            product.numpy()
            count += 10
        return 2e-9 * ROWS * INNER * COLUMNS * count / passed
