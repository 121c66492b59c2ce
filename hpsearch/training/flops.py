"""How many matrix operations a model's training takes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import keras


def matrix_flops(model: Any) -> tuple[int, int] | None:
    """Matrix operations for one example: (forward, training); None where they cannot be told from the layers.

    Counted are the products of Dense, Conv2D and recurrent layers, a multiplication and an addition being two
    operations: forward, each entry of a kernel is used once at each position of the output (a Conv2D's output has
    height x width positions, padding counts; a recurrent layer's one for each time step; a Dense layer's has one).
    Training takes three times that: the output, the gradient by the kernel and the gradient by the input, which
    the first such layer need not have. Not counted is everything that is no matrix product (biases, activations,
    normalization, dropout, pooling, the loss), and the optimizer's update. A model that has matrices in any other
    kind of layer is not counted at all.

    Args:
        model: a Keras model, functional or sequential, whose layers are each used once and not frozen.
    """
    products = []
    for layer in _leaves(model):
        try:
            found = _products(layer)
        except (AttributeError, TypeError):
            # The layers of a subclassed model have no output of their own, and a length may be open.
            return None
        if not found and any(len(weight.shape) > 1 for weight in layer.trainable_weights):
            return None
        products += found
    return sum(products), 3 * sum(products) - sum(products[:1])


def _leaves(model: Any) -> Iterator[Any]:
    """The layers in their order, those of nested models in their place."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer


def _products(layer: Any) -> list[int]:
    """Operations of each matrix product of a layer, that with its input first."""
    if isinstance(layer, keras.layers.SimpleRNN | keras.layers.GRU | keras.layers.LSTM):
        steps, cell = layer.input.shape[1], layer.cell
        return [2 * steps * math.prod(kernel.shape) for kernel in (cell.kernel, cell.recurrent_kernel)]
    # Those that inherit from Conv2D or Dense and mean something else are not counted.
    if type(layer) in (keras.layers.Dense, keras.layers.Conv2D):
        return [2 * math.prod(layer.kernel.shape) * _positions(layer)]
    return []


def _positions(layer: Any) -> int:
    """Where a layer's kernel is applied, for one example."""
    shape = layer.output.shape[1:]
    return math.prod(shape[1:] if getattr(layer, "data_format", "") == "channels_first" else shape[:-1])
