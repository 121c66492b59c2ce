"""Knobs as variables, so that one compiled function serves every trial of the same structure.

Stock Keras objects read `optimizer.beta_1`, `regularizer.l2` and the like while they are traced; a Python number would
become a constant of the graph. A variable is read at every step instead, and gives the same bits.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import keras

from hpsearch.training.structure import MODEL_KNOBS, turnable


class KnobVariable(keras.Variable):  # type: ignore[misc]
    """A knob h that is never zero, float32.

    With Python numbers, the `1 - self.beta_1` of Keras is rounded once, to float32. With a float32 h there would be two
    roundings: of h, then of the difference. So 1 - h is a variable of its own, as is 1 / h (`1.0 / global_clipnorm`).
    """

    def __init__(self, value: float, name: str) -> None:
        super().__init__(value, trainable=False, dtype="float32", name=name)
        self._complement = keras.Variable(1.0 - value, trainable=False, dtype="float32", name=f"one_minus_{name}")
        self._reciprocal = keras.Variable(1.0, trainable=False, dtype="float32", name=f"one_over_{name}")
        self._one_over_complement = keras.Variable(1.0, trainable=False, dtype="float32", name=f"inverse_{name}")
        self.turn(value)

    def turn(self, value: float) -> None:
        """Set the knob to another value."""
        self._exact = value
        self.assign(value)
        self._complement.assign(1.0 - value)
        self._reciprocal.assign(1.0 / value)
        self._one_over_complement.assign(1.0 / (1.0 - value) if value < 1 else 1.0)

    @property
    def one_over_complement(self) -> Any:
        """1 / (1 - h), rounded once; 1 where h >= 1."""
        return self._one_over_complement.value

    def __rsub__(self, other: Any) -> Any:
        return self._complement.value if _is(other, 1) else super().__rsub__(other)

    def __sub__(self, other: Any) -> Any:
        return -self._complement.value if _is(other, 1) else super().__sub__(other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._reciprocal.value if _is(other, 1) else super().__rtruediv__(other)

    # `momentum != 0`, `clipnorm > 0` and `if label_smoothing` decide what is traced; a knob that is zero is
    # never a variable.
    def __ne__(self, other: Any) -> Any:
        return True if _is(other, 0) else super().__ne__(other)

    def __gt__(self, other: Any) -> Any:
        return True if _is(other, 0) else super().__gt__(other)

    def __bool__(self) -> bool:
        return True

    def __float__(self) -> float:
        return self._exact

    __hash__ = keras.Variable.__hash__


def _is(value: Any, number: int) -> bool:
    return isinstance(value, int | float) and value == number


def as_variables(knobs: Mapping[str, Any], structural: Container[str] = ()) -> dict[str, KnobVariable]:
    """Return a variable for each knob that may differ between trials of one structure."""
    return {name: KnobVariable(value, name) for name, value in turnable(knobs, structural).items()}


def make_turnable(optimizer: Any, knobs: Mapping[str, Any], structural: Container[str] = ()) -> dict[str, KnobVariable]:
    """Replace an optimizer's numbers by variables; to be called before it is built.

    Args:
        optimizer: a Keras optimizer, as constructed with `knobs`.
        knobs: their values, by the names of its arguments, which are also the names of its attributes.
        structural: names of the numbers that stay numbers.
    """
    variables = as_variables(knobs, structural)
    for name, variable in variables.items():
        setattr(optimizer, name, variable)
    _save_numbers(optimizer)
    return variables


def _save_numbers(holder: Any) -> None:
    """Let an object's `get_config` return numbers in place of variables, so that it is saved as a stock object."""
    stock = holder.get_config

    def get_config() -> dict[str, Any]:
        return {key: float(value) if isinstance(value, KnobVariable) else value for key, value in stock().items()}

    holder.get_config = get_config


@keras.saving.register_keras_serializable(package="hpsearch")
class TurnableDropout(keras.layers.Dropout):  # type: ignore[misc]
    """Stock dropout whose rate is a variable; the same bits as `keras.layers.Dropout`."""

    def turn_by(self, rate: KnobVariable) -> None:
        # Keras would track the variable as a weight of the layer.
        object.__setattr__(self, "_turned_rate", rate)

    def get_config(self) -> dict[str, Any]:
        rate: Any = getattr(self, "_turned_rate", self.rate)
        return {**super().get_config(), "rate": float(rate)}

    def call(self, inputs: Any, training: bool = False) -> Any:
        rate = getattr(self, "_turned_rate", None)
        if not training or rate is None:
            return super().call(inputs, training=training)
        drawn = keras.random.uniform(keras.ops.shape(inputs), dtype=inputs.dtype, seed=self.seed_generator)
        return keras.ops.where(drawn >= rate.value, inputs * rate.one_over_complement, 0.0)


def turn_model(model: Any, knobs: Mapping[str, Any]) -> tuple[Any, dict[str, KnobVariable]]:
    """Return a clone of the model (without its weights) with dropout and penalties as variables, and these by name.

    Without variables it is the model itself.

    Args:
        model: a functional or sequential Keras model.
        knobs: of the model's entry: `dropout`, `l1`, `l2` where it has them.
    """
    variables = {name: v for name, v in as_variables(knobs).items() if name in MODEL_KNOBS}
    if not variables:
        return model, {}

    def turned(layer: Any) -> Any:
        if isinstance(layer, keras.layers.Dropout) and "dropout" in variables:
            dropout = TurnableDropout.from_config(layer.get_config())
            dropout.turn_by(variables["dropout"])
            return dropout
        clone = layer.__class__.from_config(layer.get_config())
        if hasattr(layer, "use_cudnn"):
            # The configuration of a recurrent layer does not contain it.
            clone.use_cudnn = layer.use_cudnn
        penalty = getattr(clone, "kernel_regularizer", None)
        if isinstance(penalty, keras.regularizers.L1L2):
            for name in variables.keys() & {"l1", "l2"}:
                setattr(penalty, name, variables[name])
            _save_numbers(penalty)
        return clone

    return keras.models.clone_model(model, clone_function=turned), variables
