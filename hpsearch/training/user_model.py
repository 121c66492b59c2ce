"""The user's own model: built, checked, and refused if a training here would ignore a part of it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from hpsearch.errors import UserCodeError, first_line

# Methods of keras.Model that decide how a model is trained and evaluated; only `model.fit` calls them.
_TRAINING_METHODS = (
    *("fit", "evaluate", "train_step", "test_step", "compute_loss", "compute_metrics"),
    *("make_train_function", "make_test_function"),
)
# Methods that decide what a model predicts. An exported model does not have them.
_PREDICTING_METHODS = ("predict", "predict_step", "make_predict_function")

# The number of random examples whose outputs are checked, and how far float16 may take a sum of probabilities from 1.
_EXAMPLES, _TOLERANCE = 8, 5e-3
# Builders whose outputs were checked, by identity and arguments: with the same ones they return the same kind of model.
# The value keeps the function alive, so that its id is not reused.
_checked: dict[tuple[int, str], Any] = {}


def build_user_model(
    build: Callable[..., Any], image_shape: tuple[int, ...], classes: int, knobs: Mapping[str, Any]
) -> Any:
    """Return the model of a user's builder, wrapped if its input has another shape (with a channel, for instance).

    A dtype policy that the builder sets holds for its own model and not for those that are built afterwards.

    Args:
        build: `build` of the catalogue's entry.
        knobs: the knobs of the entry, the user's builder among them.

    Raises:
        UserCodeError: the result is no Keras model from images to logits, is compiled, or predicts by its own methods.
    """
    before = keras.config.dtype_policy()
    try:
        model = _wrapped(build(image_shape, classes, **knobs), image_shape, classes)
    finally:
        keras.config.set_dtype_policy(before)
    # `user_code.load` has wrapped the function.
    function = inspect.unwrap(knobs["builder"])
    key = (id(function), json.dumps([image_shape, classes, knobs["arguments"]], default=repr))
    if key not in _checked:
        if problem := _no_logits(model, image_shape):
            raise UserCodeError(f"{_expected(image_shape, classes)}, but {problem}, the losses apply a softmax")
        _checked[key] = function
    return model


def overridden_methods(model: Any) -> list[str]:
    """Return the methods with which a model decides itself how it is trained and evaluated."""
    return [name for name in _TRAINING_METHODS if _is_own(model, name)]


def _is_own(model: Any, name: str) -> bool:
    return name in vars(model) or getattr(type(model), name) is not getattr(keras.Model, name)


def _expected(image_shape: tuple[int, ...], classes: int) -> str:
    return f"model.builder must return a Keras model from images {[None, *image_shape]} to logits {[None, classes]}"


def _wrapped(model: Any, image_shape: tuple[int, ...], classes: int) -> Any:
    """Return the model, or one around it that takes images of this shape."""
    expected = _expected(image_shape, classes)
    if not isinstance(model, keras.Model):
        raise UserCodeError(f"{expected}, but it returned {type(model).__name__}")
    if model.compiled:
        raise UserCodeError(
            f"{expected}, but it is compiled: leave `compile` out; the study's `optimizer`, `loss` and "
            "`training.metrics` take its place"
        )
    if own := [name for name in _PREDICTING_METHODS if _is_own(model, name)]:
        raise UserCodeError(
            f"{expected}, but it has a {own[0]} of its own, which exports would lose: put it into `call`"
        )
    inputs = keras.Input(image_shape, dtype="float32")
    try:
        outputs = model(inputs)
    except Exception as error:
        raise UserCodeError(f"{expected}, but it cannot take them: {first_line(error)}") from error
    if tuple(getattr(outputs, "shape", ())) != (None, classes):
        raise UserCodeError(f"{expected}, but its output is {getattr(outputs, 'shape', outputs)}")
    own = overridden_methods(model)
    # A subclassed model has no `input_shape`. With training methods of its own it is used as it is; otherwise it is
    # wrapped.
    if getattr(model, "input_shape", None if not own else (None, *image_shape)) == (None, *image_shape):
        return model
    if own:
        raise UserCodeError(
            f"{expected}, but it takes {list(model.input_shape)} and has a {own[0]} of its own, which a model around "
            "it would lose: let its input be that of the images"
        )
    return keras.Model(inputs, outputs, name="custom")


def _no_logits(model: Any, image_shape: tuple[int, ...]) -> str | None:
    """Return why the outputs of a model are no logits, with what to do about it; None if they may be logits.

    The values decide, since a softmax may be anywhere in the model: outputs that are probabilities, or lie between 0
    and 1, for every example and with other weights, too, are no logits. With its initial weights alone, logits may
    lie between 0 and 1 as well, for example where all are zero.
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
    """Yield a model's outputs for a few random examples in inference, with its weights and with other ones.

    The model has its own weights again afterwards.
    """
    draw = np.random.default_rng(0)
    pixels = draw.random((_EXAMPLES, *image_shape), np.float32)
    features = draw.normal(scale=3, size=(_EXAMPLES, *image_shape)).astype(np.float32)
    examples = np.concatenate([pixels, features])
    with _weights_kept(model):
        for scale in (0.0, 1.0, 5.0):
            for variable in model.trainable_variables if scale else ():
                # The scale that keeps the size of a layer's inputs.
                size = scale / max(1, int(np.prod(variable.shape[:-1]))) ** 0.5
                variable.assign_add(draw.normal(scale=size, size=variable.shape))
            try:
                found = model(examples, training=False)
            except Exception:
                # It may take batches of another size only. If it takes none at all, the training fails with the reason.
                return
            yield np.asarray(keras.ops.convert_to_numpy(found), np.float32)


@contextmanager
def _weights_kept(model: Any) -> Iterator[None]:
    """Give a model its weights and states back afterwards."""
    kept = [(variable, variable.numpy()) for variable in model.variables]
    try:
        yield
    finally:
        for variable, value in kept:
            variable.assign(value)


def refuse_what_is_ignored(model: Any, engine: str) -> None:
    """Refuse a model with methods or metrics that only `model.fit` uses, unless the engine is `fit`.

    Raises:
        UserCodeError: it has some.
    """
    if engine == "fit":
        return
    what_to_do = f"which `engine` {engine} would ignore: set `training.engine: fit`"
    if own := overridden_methods(model):
        raise UserCodeError(f"model.builder: the model has a {own[0]} of its own, {what_to_do}")
    if model.metrics:
        names = ", ".join(metric.name for metric in model.metrics)
        raise UserCodeError(f"model.builder: the model has metrics of its own ({names}), {what_to_do}")


def refuse_for_solver(model: Any, solver: str) -> None:
    """Refuse a model whose loss a solver cannot minimize, since it is not the same each time or has too few digits.

    Raises:
        UserCodeError: it is such a model.
    """
    if uses_float16(model):
        raise UserCodeError(f"model.builder: the model computes in float16, which is too coarse for {solver}")
    examples = np.random.default_rng(0).random((_EXAMPLES, *model.input_shape[1:]), np.float32)
    with _weights_kept(model):
        first, second = (keras.ops.convert_to_numpy(model(examples, training=True)) for _ in range(2))
    if not np.array_equal(first, second, equal_nan=True):
        raise UserCodeError(
            f"model.builder: {solver} needs the same loss each time, but the model gives other outputs each time that "
            "it is trained on the same examples: leave dropout, noise and augmentation out"
        )


def uses_float16(model: Any) -> bool:
    """Return whether a model computes in float16 with float32 weights, so that its loss is scaled (`mixed_float16`)."""
    return any(policy.name == "mixed_float16" for policy in _policies(model))


def _policies(model: Any) -> Iterator[Any]:
    yield model.dtype_policy
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _policies(layer)
        else:
            yield layer.dtype_policy


def inner_optimizer(optimizer: Any) -> Any:
    """Return the optimizer inside a LossScaleOptimizer, else `optimizer` itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)
