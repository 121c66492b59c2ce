"""The model that a user's own builder returns, checked."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from hpsearch.errors import UserCodeError, first_line

# Methods of keras.Model that decide how a model is trained and evaluated; `model.fit` alone calls them.
_TRAINING_METHODS = (
    *("fit", "evaluate", "train_step", "test_step", "compute_loss", "compute_metrics"),
    *("make_train_function", "make_test_function"),
)
# Methods that decide what a model predicts. A model that is exported no longer has them.
_PREDICTING_METHODS = ("predict", "predict_step", "make_predict_function")

# How many examples a model's outputs are looked at for, and how far float16 may take a sum of probabilities from 1.
_EXAMPLES, _TOLERANCE = 8, 5e-3
# Builders whose outputs were looked at, by identity and arguments: with the same ones they give the same kind of model.
_seen: dict[tuple[int, str], Any] = {}


def build(
    image_shape: tuple[int, ...], classes: int, *, builder: Callable[..., Any], arguments: Mapping[str, Any]
) -> Any:
    """What a person's builder returns, wrapped where its input has another shape (a channel, or none yet).

    A dtype policy that the builder sets holds for its own model and not for those that are built afterwards.

    Raises:
        UserCodeError: it is no model from images to logits, or has something that a training here would ignore.
    """
    before = keras.config.dtype_policy()
    try:
        model = _wrapped(builder(image_shape, classes, **arguments), image_shape, classes)
    finally:
        keras.config.set_dtype_policy(before)
    # A function that is named as `module:name` comes wrapped.
    function = inspect.unwrap(builder)
    key = (id(function), json.dumps([image_shape, classes, arguments], default=repr))
    if key not in _seen:
        if problem := _no_logits(model, image_shape):
            raise UserCodeError(f"{_wanted(image_shape, classes)}, but {problem}, the losses apply a softmax")
        _seen[key] = function
    return model


def own_methods(model: Any) -> list[str]:
    """The methods with which a model decides itself how it is trained and evaluated."""
    return [name for name in _TRAINING_METHODS if _is_own(model, name)]


def _is_own(model: Any, name: str) -> bool:
    return name in vars(model) or getattr(type(model), name) is not getattr(keras.Model, name)


def _wanted(image_shape: tuple[int, ...], classes: int) -> str:
    return f"model.builder must return a Keras model from images {[None, *image_shape]} to logits {[None, classes]}"


def _wrapped(model: Any, image_shape: tuple[int, ...], classes: int) -> Any:
    """The model, or one around it that takes images of this shape."""
    wanted = _wanted(image_shape, classes)
    if not isinstance(model, keras.Model):
        raise UserCodeError(f"{wanted}, but it returned {type(model).__name__}")
    if model.compiled:
        raise UserCodeError(
            f"{wanted}, but it is compiled: leave `compile` out; the study's `optimizer`, `loss` and "
            "`training.metrics` take its place"
        )
    if own := [name for name in _PREDICTING_METHODS if _is_own(model, name)]:
        raise UserCodeError(f"{wanted}, but it has a {own[0]} of its own, which exports would lose: put it into `call`")
    inputs = keras.Input(image_shape, dtype="float32")
    try:
        outputs = model(inputs)
    except Exception as error:
        raise UserCodeError(f"{wanted}, but it cannot take them: {first_line(error)}") from error
    if tuple(getattr(outputs, "shape", ())) != (None, classes):
        raise UserCodeError(f"{wanted}, but its output is {getattr(outputs, 'shape', outputs)}")
    own = own_methods(model)
    # A subclass of keras.Model has no shape of its own: it took the images.
    if getattr(model, "input_shape", None if not own else (None, *image_shape)) == (None, *image_shape):
        return model
    if own:
        raise UserCodeError(
            f"{wanted}, but it takes {list(model.input_shape)} and has a {own[0]} of its own, which a model around it "
            "would lose: let its input be that of the images"
        )
    return keras.Model(inputs, outputs, name="custom")


def _no_logits(model: Any, image_shape: tuple[int, ...]) -> str | None:
    """Why the outputs of a model are no logits, and what to do; None where they are.

    The values decide, since a softmax may stand anywhere: outputs that are probabilities, or lie between 0 and 1, for
    every example and with other weights, too, are no logits. With its initial weights alone a model of logits
    may also lie between 0 and 1, for example all zeros.
    """
    found = [values for values in _outputs(model, image_shape) if np.isfinite(values).all()]
    if len(found) < 2 or found[0].shape[1] < 2:
        return None
    every = np.concatenate(found)
    if every.min() < -_TOLERANCE or every.max() > 1 + _TOLERANCE:
        return None
    if np.abs(every.sum(axis=1) - 1).max() < _TOLERANCE:
        return "it gives probabilities, as where its last layer is a softmax: leave that out"
    # A dead ReLU gives nothing but zeros.
    if min(np.ptp(values) for values in found[1:]) > 0:
        return "its outputs lie between 0 and 1, as where its last layer is a sigmoid: leave that out"
    return None


def _outputs(model: Any, image_shape: tuple[int, ...]) -> Iterator[npt.NDArray[np.float32]]:
    """What a model gives for a few random examples in inference, with its weights and with others.

    It has its own weights again afterwards.
    """
    draw = np.random.default_rng(0)
    pixels = draw.random((_EXAMPLES, *image_shape), np.float32)
    features = draw.normal(scale=3, size=(_EXAMPLES, *image_shape)).astype(np.float32)
    examples = np.concatenate([pixels, features])
    kept = [(variable, variable.numpy()) for variable in model.variables]
    try:
        for scale in (0.0, 1.0, 5.0):
            for variable in model.trainable_variables if scale else ():
                # About as large as what keeps the size of a layer's inputs.
                size = scale / max(1, int(np.prod(variable.shape[:-1]))) ** 0.5
                variable.assign_add(draw.normal(scale=size, size=variable.shape))
            try:
                found = model(examples, training=False)
            except Exception:
                # It may take batches of another size only; where it takes none at all the training says why.
                return
            yield np.asarray(keras.ops.convert_to_numpy(found), np.float32)
    finally:
        for variable, value in kept:
            variable.assign(value)
