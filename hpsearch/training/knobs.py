"""Optimizer knobs as variables, so that one compiled function serves every trial of the same structure.

Stock Keras optimizers read `self.beta_1` and its like while they are traced; a Python number would be
baked into the graph. A variable in its place is read at every step instead, and gives the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras


class KnobVariable(keras.Variable):  # type: ignore[misc]
    """A knob h in (0, 1] or above, float32.

    Keras writes `1 - self.beta_1` with Python numbers, which rounds 1 - h once, to float32. With a float32
    h the difference would be rounded from an h that is rounded already, so 1 - h is a variable of its own.
    """

    def __init__(self, value: float, name: str) -> None:
        super().__init__(value, trainable=False, dtype="float32", name=name)
        self._complement = keras.Variable(1.0 - value, trainable=False, dtype="float32", name=f"one_minus_{name}")

    def turn(self, value: float) -> None:
        """Set another value."""
        self.assign(value)
        self._complement.assign(1.0 - value)

    def __rsub__(self, other: Any) -> Any:
        return self._complement.value if other == 1 else super().__rsub__(other)

    # `momentum != 0` and `momentum > 0` decide what is traced; a knob that is zero is never a variable.
    def __ne__(self, other: Any) -> Any:
        return True if _is_zero(other) else super().__ne__(other)

    def __gt__(self, other: Any) -> Any:
        return True if _is_zero(other) else super().__gt__(other)

    __hash__ = keras.Variable.__hash__


def _is_zero(value: Any) -> bool:
    return isinstance(value, int | float) and value == 0


def turnable(knobs: Mapping[str, Any]) -> dict[str, float]:
    """The knobs that may differ between trials of one structure: non-zero numbers.

    The learning rate is a variable in every Keras optimizer already. Switches and zeros decide which
    operations there are, so they belong to the structure.
    """
    return {
        name: float(value)
        for name, value in knobs.items()
        if isinstance(value, float) and value != 0 and name != "learning_rate"
    }


def make_turnable(optimizer: Any, knobs: Mapping[str, Any]) -> dict[str, KnobVariable]:
    """Replace an optimizer's numbers by variables; to be called before it is built.

    Args:
        optimizer: a stock Keras optimizer, as constructed with `knobs`.
        knobs: by the names of its arguments, which are the names of its attributes.
    """
    variables = {name: KnobVariable(value, name) for name, value in turnable(knobs).items()}
    for name, variable in variables.items():
        setattr(optimizer, name, variable)
    return variables
