"""A trained model to take away: raw examples in, probabilities out, nothing but stock Keras layers.

What hpsearch trains takes normalized images, gives logits, and may hold layers and variables of hpsearch's own
(`knobs`). Normalization and softmax travel inside of what is made here, so it needs none of that.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from hpsearch.training.executable import build_model
from hpsearch.training.trainer import Trainer

# Examples in a call; at 1,000 the activations still fit the cache.
BATCH = 1000


def portable_model(trainer: Trainer) -> Any:
    """The trainer's model with the weights that it has now, as a Keras model of its own.

    Returns:
        From raw images uint8 [batch, height, width] (a user's own examples of floats: float32) to probabilities
        float32 [batch, classes]. Loads with `keras.saving.load_model` where hpsearch cannot be imported.
    """
    model = build_model(trainer.config, trainer.data)
    model.set_weights(trainer.model.get_weights())
    examples = trainer.data.examples
    shift, scale = (np.asarray(number, np.float64) for number in (examples.shift, examples.scale))
    # Of pixels one number, of a user's own features one each: (x - mean) / sqrt(variance).
    axis = tuple(range(1, 1 + shift.ndim)) or None
    normalized = keras.layers.Normalization(axis=axis, mean=shift.tolist(), variance=(scale**2).tolist())
    inputs = keras.Input(trainer.data.shape, dtype=examples.images.dtype.name, name="images")
    outputs = keras.layers.Softmax(name="probabilities")(model(normalized(inputs)))
    return keras.Model(inputs, outputs, name=trainer.config.model.selected())


def save_portable(trainer: Trainer, file: Path) -> Any:
    """Write the portable model, which is returned, as a `.keras` file: whole, or not at all."""
    model = portable_model(trainer)
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(suffix=".keras", dir=file.parent)
    os.close(handle)
    try:
        model.save(draft)
        # A temporary file is for its owner alone.
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
    """The model of a file that `save_portable` wrote; nothing in it is executed."""
    return keras.saving.load_model(file, compile=False, safe_mode=True)


def predicted_classes(model: Any, images: Any) -> npt.NDArray[np.int64]:
    """The most probable class of each example, [n].

    Args:
        model: a portable one.
        images: raw, [n, ...].
    """
    call = tf.function(model, reduce_retracing=True)
    parts = [call(images[first : first + BATCH]) for first in range(0, len(images), BATCH)]
    return np.concatenate([np.argmax(part, axis=-1) for part in parts])


def confusion_matrix(labels: Any, predicted: Any, classes: int) -> list[list[int]]:
    """How often each class (rows) was taken for each class (columns), [classes, classes]."""
    found: list[list[int]] = tf.math.confusion_matrix(labels, predicted, classes).numpy().tolist()
    return found
