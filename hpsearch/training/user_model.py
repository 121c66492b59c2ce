"""Checks of a user's model: own training methods and metrics, float16, random layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from hpsearch.catalogue.models import overridden_methods
from hpsearch.errors import UserCodeError

_EXAMPLES = 4


def refuse_what_is_ignored(model: Any, engine: str) -> None:
    """Refuse a model with methods or metrics that only `model.fit` takes note of, unless that trains it.

    Raises:
        UserCodeError: it has such.
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
    kept = [(variable, variable.numpy()) for variable in model.variables]
    first, second = (keras.ops.convert_to_numpy(model(examples, training=True)) for _ in range(2))
    for variable, value in kept:
        variable.assign(value)
    if not np.array_equal(first, second, equal_nan=True):
        raise UserCodeError(
            f"model.builder: {solver} needs the same loss each time, but the model gives other outputs each time that "
            "it is trained on the same examples: leave dropout, noise and augmentation out"
        )


def uses_float16(model: Any) -> bool:
    """Whether a model computes in float16 with float32 weights, so that its loss must be scaled (`mixed_float16`)."""
    return any(policy.name == "mixed_float16" for policy in _policies(model))


def _policies(model: Any) -> Iterator[Any]:
    yield model.dtype_policy
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _policies(layer)
        else:
            yield layer.dtype_policy


def inner_optimizer(optimizer: Any) -> Any:
    """The optimizer itself, where another one scales the loss for it."""
    return getattr(optimizer, "inner_optimizer", optimizer)
