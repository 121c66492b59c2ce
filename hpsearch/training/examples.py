"""The examples that a trial trains on and is validated on, in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from hpsearch.config.trial import DataConfig
from hpsearch.data.arrays import Arrays, load_train
from hpsearch.data.splits import split_of
from hpsearch.training.epochs import Examples


@dataclass(frozen=True)
class TrainingData:
    """The training images of a dataset, split. The test images are not part of it.

    Attributes:
        examples: all training images, with the normalization that was fitted on the training part alone.
        training, validation: int64 indices into them; disjoint, stratified by class.
        sample_weight: float32 [n], what each example counts in the training loss; None: all the same.
    """

    examples: Examples
    training: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]
    sample_weight: npt.NDArray[np.float32] | None = None

    @staticmethod
    def load(config: DataConfig) -> TrainingData:
        """Read the dataset from the cache and split it.

        Raises:
            DataError: the dataset is not in the cache (`hpsearch data fetch`).
        """
        arrays = load_train(config.dataset)
        split = split_of(config.dataset, arrays.labels, config.held_out, config.split_seed)
        shift, scale = _fit_normalization(config.normalization, arrays.images, split.train)
        return TrainingData(examples_of(arrays, shift, scale), split.train, split.validation)

    def weighted(self, class_weight: Literal["balanced"] | tuple[float, ...] | None) -> Examples:
        """The examples with what each counts: its sample weight times the weight of its class.

        balanced: n / (classes n_c), n_c of the n training examples being of class c (King and Zeng 2001).
        """
        if class_weight is None and self.sample_weight is None:
            return self.examples
        labels = self.examples.labels.numpy()
        weights = np.ones(len(labels), np.float32) if self.sample_weight is None else self.sample_weight
        if class_weight is not None:
            counts = np.bincount(labels[self.training], minlength=int(labels.max()) + 1).clip(1)
            of_class = len(self.training) / (len(counts) * counts) if class_weight == "balanced" else class_weight
            weights = weights * np.asarray(of_class, np.float32)[labels]
        return self.examples._replace(weights=tf.constant(weights, tf.float32))


def _fit_normalization(
    name: str, images: npt.NDArray[np.uint8], training: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """Shift and scale of raw pixels in [0, 255]."""
    if name == "standardize":
        # Counted block by block: one array of all training pixels as float64 takes 330 MB.
        counts = np.zeros(256, np.int64)
        for some in np.array_split(training, 100):
            counts += np.bincount(images[some].ravel(), minlength=256)
        pixels = np.arange(256)
        mean = float(np.average(pixels, weights=counts))
        return mean, float(np.average((pixels - mean) ** 2, weights=counts) ** 0.5)
    return 0.0, 255.0 if name == "rescale" else 1.0


def examples_of(arrays: Arrays, shift: Any, scale: Any) -> Examples:
    """Images and labels as tensors, all of the same weight."""
    shift, scale = tf.constant(shift, tf.float32), tf.constant(scale, tf.float32)
    return Examples(tf.constant(arrays.images), tf.constant(arrays.labels), tf.zeros([0]), shift, scale)
