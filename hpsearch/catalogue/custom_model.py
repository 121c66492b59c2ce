"""The model that a user's own builder returns, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from hpsearch.errors import UserCodeError, first_line


def build(
    image_shape: tuple[int, ...], classes: int, *, builder: Callable[..., Any], arguments: Mapping[str, Any]
) -> Any:
    """What a person's builder returns, wrapped where its input has another shape (a channel, or none yet).

    Raises:
        UserCodeError: it is no model from images to logits.
    """
    model = builder(image_shape, classes, **arguments)
    wanted = f"model.builder must return a Keras model from images {[None, *image_shape]} to logits {[None, classes]}"
    if not isinstance(model, keras.Model):
        raise UserCodeError(f"{wanted}, but it returned {type(model).__name__}")
    inputs = keras.Input(image_shape, dtype="float32")
    try:
        outputs = model(inputs)
    except Exception as error:
        raise UserCodeError(f"{wanted}, but it cannot take them: {first_line(error)}") from error
    if tuple(getattr(outputs, "shape", ())) != (None, classes):
        raise UserCodeError(f"{wanted}, but its output is {getattr(outputs, 'shape', outputs)}")
    if any(getattr(last, "activation", None) is keras.activations.softmax for last in model.layers[-1:]):
        raise UserCodeError(f"{wanted}, but its last layer is a softmax: leave that out, the losses apply it")
    fits = getattr(model, "input_shape", None) == (None, *image_shape)
    return model if fits else keras.Model(inputs, outputs, name="custom")
