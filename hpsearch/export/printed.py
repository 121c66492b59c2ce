"""Keras objects as the Python text that makes them: `keras.layers.Dense(256, use_bias=False)`."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Mapping
from typing import Any

import keras

_PLACES = ("layers", "losses", "callbacks", "regularizers", "optimizers", "optimizers.schedules")
_WIDTH = 110


def call(thing: Any, indent: int = 0, **instead: str) -> str:
    """The text that makes a layer, optimizer, schedule, loss or callback; arguments with their default are left out.

    Args:
        indent: spaces before it; what is too long for a line gets one for each argument.
        instead: text for arguments that are to be something else than the object says.
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
    """Return the source of a class or function as it stands at the top of a file."""
    return textwrap.dedent(re.sub(r"  # type: ignore.*", "", inspect.getsource(thing))).strip()


def arguments(thing: Any) -> dict[str, Any]:
    """What the class of a Keras object was called with, by name."""
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
    for place in _PLACES:
        module = keras.optimizers.schedules if place == "optimizers.schedules" else getattr(keras, place)
        if getattr(module, kind.__name__, None) is kind:
            return f"keras.{place}.{kind.__name__}"
    return kind.__name__


def _text(value: Any) -> str:
    if isinstance(value, dict) and "class_name" in value:
        return call(keras.saving.deserialize_keras_object(value))
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
