"""The examples that a trial trains on and is validated on, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from hpsearch.catalogue.datasets import DATASETS, is_user_dataset
from hpsearch.config.trial import DataConfig
from hpsearch.data.arrays import Arrays, load_test, load_train
from hpsearch.data.splits import Split, split_of, stratified_split
from hpsearch.data.store import obtain
from hpsearch.data.user_data import load_npz, load_returned
from hpsearch.errors import DataError
from hpsearch.training.engine import Examples
from hpsearch.training.user_code import load_function


class Normalization(NamedTuple):
    """x -> (x - shift) / scale.

    Attributes:
        shift, scale: a number, or float64 of one example's shape.
    """

    shift: Any = 0.0
    scale: Any = 1.0


NO_NORMALIZATION = Normalization()


@dataclass(frozen=True)
class TrainingData:
    """The training images of a dataset, split into training and validation. It contains no test images.

    Attributes:
        examples: all training images, with the normalization that was fitted on the training part alone.
        training, validation: int64 indices into them; disjoint, stratified by class. `validation` may be empty.
        classes: the number of classes.
        sample_weight: float32 [n], the weight of each example in the training loss; None: all have the same.
        normalization: from raw examples to normalized ones, fitted on the training part alone.
        raw_floats: the examples before normalization if they are not uint8; None if they are, since `examples` then
            holds them raw.
    """

    examples: Examples
    training: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]
    classes: int
    sample_weight: npt.NDArray[np.float32] | None = None
    normalization: Normalization = NO_NORMALIZATION
    raw_floats: Any = None

    @property
    def held_out(self) -> bool:
        """Whether there is a validation part."""
        return len(self.validation) > 0

    @property
    def raw(self) -> npt.NDArray[Any]:
        """The training images as the dataset has them."""
        images: npt.NDArray[Any] = self.examples.images.numpy() if self.raw_floats is None else self.raw_floats
        return images

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return tuple(self.examples.images.shape[1:])

    @staticmethod
    def load(config: DataConfig, folders: Sequence[Path] = (), own: Arrays | None = None) -> TrainingData:
        """Read the dataset, from the cache or from the user's own file or function, and split it.

        Args:
            folders: where a user's own file is looked for.
            own: the training part of a user's own dataset, if it has already been read.

        Raises:
            DataError: the dataset is not in the cache (`hpsearch data fetch`), or the user's own breaks a rule.
            UserCodeError: the user's own function cannot be found, or raises.
        """
        if own is None and is_user_dataset(config.dataset):
            own = load_user_data(config.dataset, "train", folders)
        arrays = load_train(config.dataset) if own is None else own
        try:
            count, held_out = config.examples_of(len(arrays.labels))
        except ValueError as error:
            raise DataError(str(error)) from None
        if not held_out:
            everything = np.arange(len(arrays.labels), dtype=np.int64)
            split = Split(train=everything, validation=everything[:0])
        elif own is not None:
            split = stratified_split(arrays.labels, held_out, config.split_seed)
        else:
            split = split_of(config.dataset, arrays.labels, held_out, config.split_seed)
        training = share_of(split.train, arrays.labels, count, config.split_seed)
        found = fit_normalization(config.normalization_of(arrays.images.dtype.name), arrays.images, training)
        classes = len(DATASETS[config.dataset].classes) if own is None else int(arrays.labels.max()) + 1
        examples = examples_of(arrays, found)
        return TrainingData(
            examples,
            training,
            split.validation,
            classes,
            normalization=found,
            raw_floats=None if arrays.images.dtype == np.uint8 else arrays.images,
        )

    def load_test(self, config: DataConfig, folders: Sequence[Path] = ()) -> Examples:
        """Return the test part, normalized as the training part is. Raises as `load`."""
        return examples_of(read_test_part(config, folders), self.normalization)

    def weighted(self, class_weight: Literal["balanced"] | tuple[float, ...] | None) -> Examples:
        """Return the examples with their weights: the sample weight times the weight of the class.

        With `balanced`, the weight of class c is n / (classes * n_c), where n_c of the n training examples are of class
        c (King and Zeng 2001).

        Raises:
            DataError: the number of weights is not the number of classes.
        """
        if class_weight is None and self.sample_weight is None:
            return self.examples
        labels = self.examples.labels.numpy()
        weights = np.ones(len(labels), np.float32) if self.sample_weight is None else self.sample_weight
        if class_weight is not None:
            if isinstance(class_weight, tuple) and len(class_weight) != self.classes:
                raise DataError(
                    f"training.class_weight has {len(class_weight)} numbers, but must have {self.classes}: "
                    "one for each class"
                )
            counts = np.bincount(labels[self.training], minlength=self.classes).clip(1)
            of_class = len(self.training) / (len(counts) * counts) if class_weight == "balanced" else class_weight
            weights = weights * np.asarray(of_class, np.float32)[labels]
        return self.examples._replace(weights=tf.constant(weights, tf.float32))


def read_test_part(config: DataConfig, folders: Sequence[Path] = ()) -> Arrays:
    """Return the test part, raw; a catalogue dataset's bytes are checked. Only this function reads it.

    Raises as `TrainingData.load`.
    """
    if is_user_dataset(config.dataset):
        return load_user_data(config.dataset, "test", folders)
    obtain(config.dataset, parts=("test",))
    return load_test(config.dataset)


def load_user_data(name: str, part: str, folders: Sequence[Path]) -> Arrays:
    """Load one part of a user's own dataset: `train` or `test`. Raises as `TrainingData.load`."""
    if name.endswith(".npz"):
        return load_npz(name, part, folders)
    return load_returned(name, load_function(name, "data.dataset"), part)


def share_of(
    training: npt.NDArray[np.int64], labels: npt.NDArray[np.uint8], count: int, seed: int
) -> npt.NDArray[np.int64]:
    """Return `count` of the training positions, stratified by class; a smaller share is part of a larger one.

    Args:
        training: int64 [n], positions in `labels`, ascending.

    Returns:
        int64 [count], ascending.
    """
    if count == len(training):
        return training
    shuffled = np.random.default_rng(seed).permutation(training)
    # The k-th of the m examples of a class is placed at (k + 1/2) / m, so the classes alternate in proportion.
    turn = np.empty(len(shuffled))
    for label in np.unique(labels[training]):
        members = np.flatnonzero(labels[shuffled] == label)
        turn[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.sort(shuffled[np.argsort(turn, kind="stable")[:count]])


def fit_normalization(name: str, images: npt.NDArray[Any], training: npt.NDArray[np.int64]) -> Normalization:
    """Fit the normalization of raw pixels in [0, 255], or of float features, each on its own, in float64."""
    if images.dtype != np.uint8 and name == "standardize":
        seen = images[training]
        # A feature that never varies is not scaled. Its deviation may be a rounding error instead of zero.
        varies = np.ptp(seen, axis=0) > 0
        deviation = seen.std(axis=0, dtype=np.float64)
        return Normalization(seen.mean(axis=0, dtype=np.float64), np.where(varies & (deviation > 0), deviation, 1.0))
    if name == "standardize":
        # Counted block by block: one array of all training pixels as float64 takes 330 MB.
        counts = np.zeros(256, np.int64)
        for some in np.array_split(training, 100):
            counts += np.bincount(images[some].ravel(), minlength=256)
        pixels = np.arange(256)
        mean = float(np.average(pixels, weights=counts))
        return Normalization(mean, float(np.average((pixels - mean) ** 2, weights=counts) ** 0.5))
    return Normalization(0.0, 255.0 if name == "rescale" else 1.0)


def examples_of(arrays: Arrays, normalization: Normalization) -> Examples:
    """Return images and labels as tensors, without weights.

    Pixels stay uint8 and are normalized batch by batch. Floats are normalized here, in float64: in float32 a feature
    with a mean that is large beside its deviation would lose its digits.
    """
    images, shift, scale = arrays.images, normalization.shift, normalization.scale
    if images.dtype != np.uint8:
        images = ((images - shift) / scale).astype(np.float32)
        shift, scale = np.zeros(images.shape[1:]), np.ones(images.shape[1:])
    shift, scale = tf.constant(shift, tf.float32), tf.constant(scale, tf.float32)
    return Examples(tf.constant(images), tf.constant(arrays.labels), tf.zeros([0]), shift, scale)
