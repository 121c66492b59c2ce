"""The trained model to export: raw examples in, probabilities out, stock Keras layers only; and what it predicts.

The model in training takes normalized images, returns logits, and may hold layers and variables of hpsearch's own
(`knobs`). The portable model contains normalization and softmax, so it needs none of these.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from hpsearch.config.trial import TrialConfig
from hpsearch.training.engine import infer
from hpsearch.training.examples import TrainingData, read_test_part
from hpsearch.training.executable import build_model
from hpsearch.training.results import CONFUSION, TEST, TEST_EXAMPLES
from hpsearch.training.trainer import Trainer
from hpsearch.training.user_code import with_user_code

# Examples in each call; at 1,000 the activations still fit the cache.
BATCH = 1000


def portable_model(trainer: Trainer) -> Any:
    """Return the trainer's model with the weights that it has now, as a Keras model of its own.

    Returns:
        From raw images uint8 [batch, height, width] (a user's own examples of floats: float32 or float64, as
        `Arrays` has them) to probabilities float32 [batch, classes]. Loads with `keras.saving.load_model` where
        hpsearch cannot be imported.
    """
    model = build_model(trainer.config, trainer.data)
    model.set_weights(trainer.model.get_weights())
    inputs, normalized = _normalized(trainer.data)
    # Augmentation layers are active unless `training=False` is passed.
    outputs = keras.layers.Softmax(dtype="float32", name="probabilities")(infer(model, normalized))
    return keras.Model(inputs, outputs, name=trainer.config.model.selected())


def _normalized(data: TrainingData) -> tuple[Any, Any]:
    """Return two symbolic tensors: raw examples as the input, and the normalized examples.

    Keras keeps a layer's numbers as float32. So the mean of a feature is subtracted in two steps, its value as float32
    and the remainder, both in float64.
    """
    shift, scale = (np.asarray(number, np.float64) for number in data.normalization)
    if data.raw.dtype == np.uint8:
        inputs = keras.Input(data.shape, dtype="uint8", name="images")
        mean, variance = float(shift), float(scale) ** 2
        return inputs, keras.layers.Normalization(axis=None, mean=mean, variance=variance, dtype="float32")(inputs)
    if not shift.ndim:
        # `normalization: none`.
        inputs = keras.Input(data.shape, dtype="float32", name="images")
        return inputs, inputs
    inputs = keras.Input(data.shape, dtype=data.raw.dtype.name, name="images")
    most = shift.astype(np.float32).astype(np.float64)
    left, factor = shift - most, 1 / scale
    x = keras.layers.Rescaling(1.0, offset=(-most).tolist(), dtype="float64", name="most_of_the_mean")(inputs)
    offset = (-left * factor).tolist()
    x = keras.layers.Rescaling(factor.tolist(), offset=offset, dtype="float64", name="standardized")(x)
    return inputs, keras.layers.Activation("linear", dtype="float32", name="as_float32")(x)


def save_portable(trainer: Trainer, file: Path) -> Any:
    """Write the portable model as a `.keras` file, whole or not at all; return the model."""
    model = portable_model(trainer)
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(suffix=".keras", dir=file.parent)
    os.close(handle)
    try:
        model.save(draft)
        # Only its owner may read a temporary file.
        Path(draft).chmod(0o666 & ~_umask())
        Path(draft).replace(file)
    finally:
        with suppress(OSError):
            Path(draft).unlink(missing_ok=True)
    return model


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def load_portable(file: str | Path) -> Any:
    """Return the model of a file that `save_portable` wrote; no code in it is executed."""
    return keras.saving.load_model(file, compile=False, safe_mode=True)


def predicted_classes(model: Any, images: Any) -> npt.NDArray[np.int64]:
    """Return the most probable class of each example, [n].

    Args:
        model: a portable one.
        images: raw, [n, ...].
    """
    call = tf.function(lambda some: infer(model, some), reduce_retracing=True)
    parts = [call(images[first : first + BATCH]) for first in range(0, len(images), BATCH)]
    return np.concatenate([np.argmax(part, axis=-1) for part in parts])


def confusion_matrix(labels: Any, predicted: Any, classes: int) -> list[list[int]]:
    """Return the confusion matrix [classes, classes]: rows are true classes, columns predicted ones."""
    found: list[list[int]] = tf.math.confusion_matrix(labels, predicted, classes).numpy().tolist()
    return found


def keep_model(trainer: Trainer, file: Path) -> dict[str, Any]:
    """Write the model to a file; return its validation confusion matrix, if there are validation images.

    Args:
        trainer: a trainer that has trained to its end.
    """
    model = save_portable(trainer, file)
    held_out = trainer.data.validation
    if not len(held_out):
        return {}
    images, labels = trainer.data.raw[held_out], np.asarray(trainer.data.examples.labels)[held_out]
    return {CONFUSION: confusion_matrix(labels, predicted_classes(model, images), trainer.data.classes)}


def read_test(config: TrialConfig, models: Sequence[str], folders: Sequence[Path]) -> dict[str, Any]:
    """Evaluate models on the test images, which are opened once for all of them.

    Args:
        config: names the dataset and the user's own model, if any, whose module is imported: it may register layers.
        models: files that `keep_model` wrote.
        folders: where a user's own file is looked for.

    Returns:
        TEST: for each model, in their order, a mapping with `accuracy`, `confusion_matrix` and `hits`: a hexadecimal
        text with one bit for each image, 1 if its class was predicted; the first image has the highest bit of the first
        byte. TEST_EXAMPLES: the number of images.
    """
    arrays = read_test_part(config.data, folders)
    with_user_code("model", config.model.entry, config.model.knobs())
    found = []
    for file in models:
        model = load_portable(file)
        predicted = predicted_classes(model, arrays.images)
        hits = predicted == arrays.labels
        found.append(
            {
                "accuracy": float(np.mean(hits)),
                CONFUSION: confusion_matrix(arrays.labels, predicted, model.output_shape[-1]),
                "hits": np.packbits(hits).tobytes().hex(),
            }
        )
    return {TEST: found, TEST_EXAMPLES: len(arrays.labels)}
