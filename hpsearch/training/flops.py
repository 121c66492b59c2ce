"""How many matrix operations a model's training takes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import keras


def matrix_flops(model: Any) -> tuple[int, int] | None:
    """Matrix operations for one example: (forward, training); None where the layers' shapes are not known.

    Counted are the products of Dense and Conv2D layers, a multiplication and an addition being two operations:
    forward, each entry of a kernel is used once at each position of the output (a Conv2D's output has
    height x width positions, padding counts; a Dense layer's has one). Training takes three times that: the
    output, the gradient by the kernel and the gradient by the input, which the first such layer need not
    have. Not counted is everything that is no matrix product (biases, activations, normalization, dropout,
    pooling, the loss), and the optimizer's update.

    Args:
        model: a Keras model, functional or sequential, whose layers are each used once and not frozen.
    """
    layers = [layer for layer in _leaves(model) if isinstance(layer, keras.layers.Dense | keras.layers.Conv2D)]
    try:
        products = [2 * math.prod(layer.kernel.shape) * _positions(layer) for layer in layers]
    except AttributeError:
        # The layers of a subclassed model have no output of their own.
        return None
    return sum(products), 3 * sum(products) - sum(products[:1])


def _leaves(model: Any) -> Iterator[Any]:
    """The layers in their order, those of nested models in their place."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer


def _positions(layer: Any) -> int:
    """Where a layer's kernel is applied, for one example."""
    shape = layer.output.shape[1:]
    return math.prod(shape[1:] if getattr(layer, "data_format", "") == "channels_first" else shape[:-1])
