"""Functions that a user gives as objects, written as modules for workers to import.

A function that was defined in a notebook or in a script without a `__main__` guard cannot be imported elsewhere. Its
text, and that of everything it refers to there, is written to a module: what trains can be read, and its digest is part
of the study as that of every other module of the user's.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from hpsearch.errors import HpsearchError


def with_references(content: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a study file's content in which each function is replaced by a reference `module:function`.

    Args:
        content: of a study file; any value may be a function.
        folder: where the modules are written.

    Raises:
        HpsearchError: a function has no name or text of its own, or refers to something that cannot be written.
    """

    def replaced(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(key): replaced(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [replaced(each) for each in value]
        return _reference(value, folder) if isinstance(value, FunctionType) else value

    return {str(key): replaced(value) for key, value in content.items()}


def _reference(function: FunctionType, folder: Path) -> str:
    """Write the module of a function; return the reference to it."""
    name = function.__name__
    if not name.isidentifier():
        raise HpsearchError("a lambda cannot be given to workers: give a function that is defined with `def`")
    text = f'"""The function `{name}` as it was given to `hpsearch.run`."""\n\n{_text(function)}'
    folder.mkdir(parents=True, exist_ok=True)
    module = folder / f"{name}_{sha256(text.encode()).hexdigest()[:8]}.py"
    module.write_text(text, encoding="utf-8")
    return f"{module.stem}:{name}"


def _text(function: FunctionType) -> str:
    """Return the text of a module with a function and all that it refers to, imports and values first."""
    before: dict[str, str] = {}
    functions: dict[str, str] = {}
    waiting = [function]
    while waiting:
        current = waiting.pop()
        if current.__name__ in functions:
            continue
        functions[current.__name__] = _source(current)
        for name, value in _used(current).items():
            if isinstance(value, FunctionType) and value.__module__ == function.__module__:
                waiting.append(value)
            else:
                before[name] = _statement(name, value, function.__name__)
    return "\n".join([*(before[name] for name in sorted(before)), "", *reversed(functions.values())])


def _used(function: FunctionType) -> dict[str, Any]:
    """Return what a function refers to outside of itself, by name; what Python itself has is left out."""
    used = inspect.getclosurevars(function)
    return {**used.globals, **used.nonlocals}


def _source(function: FunctionType) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        raise HpsearchError(
            f"the text of the function {function.__name__} is not known: define it in a file or a notebook"
        ) from None


def _statement(name: str, value: Any, function: str) -> str:
    """Return the line that gives a name its value."""
    if isinstance(value, ModuleType):
        return f"import {value.__name__} as {name}"
    if isinstance(value, int | float | str | list | tuple | dict | None) and _is_literal(value):
        return f"{name} = {value!r}"
    module, own_name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if isinstance(module, str) and module != "__main__" and own_name.isidentifier():
        return f"from {module} import {own_name} as {name}"
    raise HpsearchError(
        f"the function {function} refers to `{name}`, a {type(value).__name__}, which cannot be given to workers: "
        f"make it inside of the function, or put both into a module and give its name as `module:{function}`"
    )


def _is_literal(value: Any) -> bool:
    """Return whether a value can be written as Python writes it."""
    if isinstance(value, dict):
        return all(map(_is_literal, [*value, *value.values()]))
    if isinstance(value, list | tuple):
        return all(map(_is_literal, value))
    return value is None or type(value) in (int, float, str, bool)
