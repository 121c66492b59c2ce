"""Optimizers, schedules and layers as Keras has them: its own serialization in JSON, and Python text.

`call` returns the text that makes an object: `keras.layers.Dense(256, use_bias=False)`.
"""

from __future__ import annotations

import inspect
import json
import math
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from hpsearch.config.trial import TrialConfig
from hpsearch.errors import HpsearchError, first_line
from hpsearch.export.selected import ReferenceValue
from hpsearch.training.callbacks import learning_rates, scheduling_callbacks

_PLACES = ("layers", "losses", "callbacks", "regularizers", "optimizers", "optimizers.schedules")
_WIDTH = 110


def call(thing: Any, indent: int = 0, **instead: str) -> str:
    """Return the text that makes a layer, optimizer, schedule, loss or callback; defaults are left out.

    Args:
        indent: spaces before it; a call that is too long for a line has one line for each argument.
        instead: texts that replace arguments of the object.
    """
    kind = type(thing)
    has = arguments(thing)
    required = [name for name, parameter in _parameters(kind).items() if parameter.default is inspect.Parameter.empty]
    default = arguments(kind(**{name: has[name] for name in required}))
    texts = []
    for name, value in has.items():
        if name in instead:
            texts.append(f"{name}={instead[name]}")
        elif name in required:
            texts.append(_text(value) if len(required) < 3 else f"{name}={_text(value)}")
        elif value != default[name] and not (name == "name" and _automatic(kind, value)):
            texts.append(f"{name}={_text(value)}")
    line = f"{_path(kind)}({', '.join(texts)})"
    if indent + len(line) < _WIDTH:
        return line
    deeper = indent + 4
    lines = [
        textwrap.fill(f"{text},", _WIDTH, initial_indent=" " * deeper, subsequent_indent=" " * (deeper + 4))
        for text in texts
    ]
    return "\n".join([f"{_path(kind)}(", *lines, f"{' ' * indent})"])


def is_stock(thing: Any) -> bool:
    """Return whether Keras has its class under a public name."""
    return _path(type(thing)).startswith("keras.")


def source(thing: Any) -> str:
    """Return the source of a class or function for the top of a file."""
    return textwrap.dedent(re.sub(r"  # type: ignore.*", "", inspect.getsource(thing))).strip()


def arguments(thing: Any) -> dict[str, Any]:
    """Return the arguments with which the class of a Keras object was called, by name."""
    config = thing.get_config() if hasattr(thing, "get_config") else {}
    found = {}
    for name in _parameters(type(thing)):
        if name in config:
            found[name] = config[name]
        elif hasattr(thing, name):
            found[name] = getattr(thing, name)
    return found


def _parameters(kind: type) -> Mapping[str, inspect.Parameter]:
    found = inspect.signature(kind).parameters
    plain = {name: p for name, p in found.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    # The name of a layer is among its `**kwargs`.
    return {**plain, "name": inspect.Parameter("name", inspect.Parameter.KEYWORD_ONLY, default=None)}


def _automatic(kind: type, name: str) -> bool:
    """Return whether a name is the one that Keras gives: `max_pooling2d_1`."""
    return re.sub(r"_\d+$", "", name).replace("_", "") == kind.__name__.lower()


def _path(kind: type) -> str:
    for context in _PLACES:
        module = keras.optimizers.schedules if context == "optimizers.schedules" else getattr(keras, context)
        if getattr(module, kind.__name__, None) is kind:
            return f"keras.{context}.{kind.__name__}"
    return kind.__name__


def _text(value: Any) -> str:
    if isinstance(value, dict) and "class_name" in value:
        return call(keras.saving.deserialize_keras_object(value))
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


@dataclass(frozen=True)
class KerasSchedule:
    """The schedule of a training with `model.fit`.

    Attributes:
        decay: a LearningRateSchedule over updates; None: the rate is the optimizer's own.
        callbacks: Keras callbacks that set the rate between epochs.
        updates: the number of updates in an epoch.
    """

    decay: Any
    callbacks: tuple[Any, ...]
    updates: int


def keras_schedule(config: TrialConfig, examples: int) -> KerasSchedule:
    """Return the schedule of a configuration.

    A schedule without a class in Keras becomes piecewise constant.

    Args:
        examples: the number of training examples.

    Raises:
        UserCodeError: the user's own schedule cannot be found, or raises.
    """
    updates = -(-examples // config.batch_of(examples))
    entry, total = config.schedule.entry, config.training.max_epochs
    if entry.callback:
        return KerasSchedule(None, tuple(scheduling_callbacks(config)), updates)
    start, knobs = config.optimizer.knobs()["learning_rate"], config.schedule.knobs()
    if entry.stock and (found := entry.stock(start, updates, total, **knobs)):
        name, arguments = found
        return KerasSchedule(getattr(keras.optimizers.schedules, name)(**arguments), (), updates)
    rates = [learning_rates(config, epoch, updates) for epoch in range(1, total + 1)]
    return KerasSchedule(_piecewise(np.concatenate(rates), start), (), updates)


def as_decay(schedule: KerasSchedule, config: TrialConfig) -> Any:
    """Return the LearningRateSchedule of a schedule, also that of a user's own function of the epoch; or None.

    Raises:
        UserCodeError: the function raises.
    """
    rate = config.optimizer.knobs()["learning_rate"]
    rates = []
    for callback in schedule.callbacks:
        if isinstance(callback, keras.callbacks.LearningRateScheduler):
            for epoch in range(config.training.max_epochs):
                rate = float(np.float32(callback.schedule(epoch, rate)))
                rates.append(rate)
    of_updates = np.repeat(np.array(rates, np.float32), schedule.updates)
    return _piecewise(of_updates, config.optimizer.knobs()["learning_rate"]) if rates else schedule.decay


def _piecewise(rates: npt.NDArray[np.float32], start: float) -> Any:
    """Return the rates of all updates [n] as a PiecewiseConstantDecay; None where they stay at `start`."""
    drops = np.flatnonzero(np.diff(rates))
    if not len(drops):
        if rates[0] == np.float32(start):
            return None
        # Keras requires two pieces.
        drops = np.array([0])
    # The shortest number that is the same float32; Keras's boundaries belong to the piece before them.
    values = [float(str(rates[at])) for at in (0, *(drops + 1))]
    return keras.optimizers.schedules.PiecewiseConstantDecay([int(at) for at in drops], values)


# keras.optimizers.deserialize of Keras 3.15 does not know all of its own optimizers (lamb).
_READ_WITH = "keras.optimizers.deserialize", "keras.saving.deserialize_keras_object"


def serialized(config: TrialConfig, examples: int) -> dict[str, Any]:
    """Return `{"optimizer": ..., "schedule": ...}`, and `callbacks` if one sets the learning rate.

    optimizer  for `read_with`, with the rate at the start
    schedule   for keras.optimizers.schedules.deserialize, in updates; null: the rate stays, or a callback sets it
    callbacks  the class in keras.callbacks and its arguments

    Args:
        examples: the number of training examples.

    Raises:
        HpsearchError: Keras has no such optimizer.
        UserCodeError: the user's own schedule cannot be found, or raises.
    """
    entry = config.optimizer.entry
    if entry.needs_closure:
        raise HpsearchError(f"{entry.name} is SciPy's: Keras has no such optimizer; export it as yaml")
    knobs = config.optimizer.knobs()
    optimizer = keras.optimizers.serialize(entry.build(**knobs))
    # Keras serializes the float32 value, and numbers the optimizers of a process.
    optimizer["config"] |= {"learning_rate": knobs["learning_rate"], "name": entry.name}
    schedule = keras_schedule(config, examples)
    decay = as_decay(schedule, config)
    others = [one for one in schedule.callbacks if not isinstance(one, keras.callbacks.LearningRateScheduler)]
    callbacks = [{"class_name": type(one).__name__, "config": arguments(one)} for one in others]
    return {
        "read_with": next(name for name in _READ_WITH if _reads(name, optimizer)),
        "optimizer": optimizer,
        "schedule": keras.optimizers.schedules.serialize(decay) if decay else None,
        **({"callbacks": callbacks} if callbacks else {}),
    }


def keras_json(config: TrialConfig, examples: int, about: str, reference: ReferenceValue | None) -> str:
    """Return what `serialized` returns as JSON text, with the trial's origin and its reference value.

    Raises:
        As `serialized`.
    """
    data = {"about": about, **serialized(config, examples), "figure": reference.plain() if reference else None}
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


def knob_differences(exported: Mapping[str, Any], config: TrialConfig) -> Iterator[str]:
    """Yield a line for each knob of an exported optimizer, rebuilt by Keras, that differs from the configuration.

    Raises:
        HpsearchError: Keras cannot build the optimizer.
    """
    try:
        optimizer = keras.saving.deserialize_keras_object(exported["optimizer"])
    except Exception as error:
        raise HpsearchError(f"Keras does not take this optimizer: {first_line(error)}") from None
    for name, value in config.optimizer.knobs().items():
        found = getattr(optimizer, name)
        # Keras holds it in float32.
        now = float(str(found.numpy())) if name == "learning_rate" else found
        if now != value and not (name == "learning_rate" and math.isclose(now, value, rel_tol=1e-6)):
            yield f"optimizer.{name}: was {value!r}, is now {now!r}"


def _reads(name: str, optimizer: Mapping[str, Any]) -> bool:
    """Return whether the function of this name can read a serialized optimizer."""
    function = keras.optimizers.deserialize if "optimizers" in name else keras.saving.deserialize_keras_object
    try:
        # The function changes its argument.
        return isinstance(function(json.loads(json.dumps(optimizer))), keras.optimizers.Optimizer)
    except (AttributeError, TypeError, ValueError):
        return False
