"""Keras objects as the Python text that makes them: `keras.layers.Dense(256, use_bias=False)`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import keras

_PLACES = ("layers", "losses", "callbacks", "regularizers", "optimizers", "optimizers.schedules")


def call(thing: Any, **instead: str) -> str:
    """The text that makes a layer, optimizer, schedule, loss or callback; arguments that have their default are left out.

    Args:
        instead: text for arguments that are to be something else than the object says.
    """
    kind = type(thing)
    has = _arguments(thing)
    required = [name for name, parameter in _parameters(kind).items() if parameter.default is inspect.Parameter.empty]
    default = _arguments(kind(**{name: has[name] for name in required}))
    texts = []
    for name, value in has.items():
        if name in instead:
            texts.append(f"{name}={instead[name]}")
        elif name in required:
            texts.append(_text(value) if len(required) < 3 else f"{name}={_text(value)}")
        elif value != default[name] and not (name == "name" and _automatic(kind, value)):
            texts.append(f"{name}={_text(value)}")
    return f"{_path(kind)}({', '.join(texts)})"


def is_stock(thing: Any) -> bool:
    """Whether Keras has its class under a public name."""
    return _path(type(thing)).startswith("keras.")


def source(thing: Any) -> str:
    """The source of a class or function as it stands at the top of a file."""
    return inspect.cleandoc(re.sub(r"  # type: ignore.*", "", inspect.getsource(thing)))


def _arguments(thing: Any) -> dict[str, Any]:
    """What its class was called with, by name."""
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
    """Whether a name is the one that Keras gives: `max_pooling2d_1`."""
    return re.sub(r"_\d+$", "", name).replace("_", "") == kind.__name__.lower()


def _path(kind: type) -> str:
    for place in _PLACES:
        module = keras.optimizers.schedules if place == "optimizers.schedules" else getattr(keras, place)
        if getattr(module, kind.__name__, None) is kind:
            return f"keras.{place}.{kind.__name__}"
    return kind.__name__


def _text(value: Any) -> str:
    if isinstance(value, dict) and "class_name" in value:
        return call(keras.saving.deserialize_keras_object(value))
    return repr(value)
