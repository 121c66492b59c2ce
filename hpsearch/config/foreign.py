"""Suggestions for a distribution in another tool's notation, and for several values in the place of one.

{min: 0.001, max: 0.1}                          {float: [0.001, 0.1]}
{distribution: log_uniform_values, min: ...}    {float: [..., ...], log: true}
{values: [32, 64]}, {grid_search: [32, 64]}     {choice: [32, 64]}
tune.loguniform(1e-4, 1e-1)                     {float: [0.0001, 0.1], log: true}
"""

from __future__ import annotations

import ast
import math
import re
import sys
from collections.abc import Mapping
from typing import Any

from hpsearch.config.yaml_text import inline_yaml, is_number

# The names that other tools have for a kind of distribution, without case, underscores, dashes and what stands
# before them (`tune.`, `hp.`, `suggest_`), with hpsearch's kind and whether it is logarithmic.
_KINDS: dict[str, tuple[str, bool]] = {
    **dict.fromkeys(("uniform", "quniform", "floatuniform", "uniformfloat"), ("float", False)),
    **dict.fromkeys(("loguniform", "qloguniform", "loguniformvalues", "reciprocal"), ("float", True)),
    **dict.fromkeys(("randint", "qrandint", "intuniform", "uniformint", "quniformint"), ("int", False)),
    **dict.fromkeys(("lograndint", "qlograndint", "loguniformint"), ("int", True)),
    **dict.fromkeys(("choice", "choices", "categorical", "gridsearch", "values"), ("choice", False)),
}
# Names that are too common to mean a distribution unless a key such as `type` says so.
_TYPES: dict[str, tuple[str, bool]] = {
    **_KINDS,
    **dict.fromkeys(("float", "double", "real", "continuous", "range", "linear", "discrete"), ("float", False)),
    **dict.fromkeys(("int", "integer", "qint"), ("int", False)),
    **dict.fromkeys(("log", "logfloat", "logarithmic"), ("float", True)),
    "logint": ("int", True),
}
_CALLABLE = {*_KINDS, "float", "int", "interval"} - {"values", "choices"}
_LOW = {"min", "low", "lower", "minimum", "minvalue", "lowerbound"}
_HIGH = {"max", "high", "upper", "maximum", "maxvalue", "upperbound"}
_BOUNDS = {"bounds", "range", "value"}
# Names of options that need no key `type`.
_PLAIN_OPTIONS = {"values", "choices", "categories", "gridsearch"}
_OPTIONS = {*_PLAIN_OPTIONS, "options", "value"}
_KIND_KEYS = {"type", "distribution", "dist", "parametertype", "valuetype"}
_LOG_KEYS = {"log", "logscale", "scale", "sampling", "scaling", "scalingtype", "prior"}
_OTHERS = {"step", "q", "default", "defaultvalue"}
_NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"


def notation_hint(value: Any) -> str | None:
    """Return how to write a distribution that is in another tool's notation; None if the value is no distribution.

    Returns:
        For instance `write {float: [0.001, 0.1]}`.
    """
    if isinstance(value, Mapping):
        items = _plain_keys(value)
        ((name, inner),) = items.items() if len(items) == 1 else [("", None)]
        if name in _KINDS:
            # {uniform: [0, 1]}, {uniform: {min: 0, max: 1}}
            items = {"type": name, **(_plain_keys(inner) if isinstance(inner, Mapping) else {"value": inner})}
        if isinstance(items.get("feasiblespace"), Mapping):
            # Katib: `feasibleSpace: {min: "0.01", max: "0.03"}` beside `parameterType`.
            items |= _plain_keys(items.pop("feasiblespace"))
    else:
        items = _called(value) if isinstance(value, str) and "(" in value else {}
    found = _distribution(items)
    return f"write {_written(found)}" if found else None


def several_hint(value: Any, *, whole: bool = False) -> str | None:
    """Return how to write several values that stand in the place of one; None if `value` does not hold several.

    Args:
        whole: whether a whole number belongs there.
    """
    if isinstance(value, Mapping):
        value = next((item for item in value.values() if isinstance(item, list)), None)
    elif isinstance(value, str):
        two = re.fullmatch(rf"\W*?({_NUMBER})\s*(?:,|;|:|-|to|\.\.+)\s*({_NUMBER})\W*", value)
        value = [_number(text) for text in two.groups()] if two else None
    if not isinstance(value, list) or not value:
        return None
    if not all(isinstance(item, str | int | float | bool) for item in value):
        return None
    choice = f"{inline_yaml({'choice': value})} tries each of these"
    if len(value) != 2 or not all(map(is_number, value)) or not value[0] < value[1]:
        return choice
    kind = "int" if whole and all(isinstance(item, int) for item in value) else "float"
    return f"a range is {_written({kind: value})}; {choice}"


def bounds_hint(kind: str, bounds: Any) -> str | None:
    """Return how to write the bounds of a range that are not two numbers, or None."""
    if not isinstance(bounds, list):
        return notation_hint(bounds)
    numbers = [number for bound in bounds if (number := _number(bound)) is not None]
    words = [bound for bound in bounds if _number(bound) is None]
    found = _range(kind, any(map(_says_log, words)), numbers, None) if len(numbers) == 2 else None
    return f"write {inline_yaml(found)}" if found else None


def _written(distribution: Mapping[str, Any]) -> str:
    """Return a distribution as a study file writes it; a wide range with and without `log`."""
    text = inline_yaml(distribution)
    kind, values = next(iter(distribution.items()))
    if kind == "number":
        return f"{inline_yaml({'int': values})}, or {inline_yaml({'float': values})} if it need not be a whole number"
    if kind in ("float", "int") and "log" not in distribution and values[0] > 0 and values[1] >= 100 * values[0]:
        logarithmic = inline_yaml({**distribution, "log": True})
        return f"{text}, or {logarithmic} for the same chance of each order of magnitude"
    return text


def _plain_keys(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {_plain_name(key): item for key, item in value.items()}


def _plain_name(text: Any) -> str:
    return re.sub(r"[^a-z]", "", str(text).rpartition(".")[2].lower()).removeprefix("suggest")


def _called(text: str) -> dict[str, Any]:
    """Return a text such as `tune.loguniform(1e-4, 1e-1)` as the mapping of another tool; empty if it is none."""
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if not isinstance(call, ast.Call):
            return {}
        name = _plain_name(ast.unparse(call.func))
        values = [ast.literal_eval(argument) for argument in call.args]
        named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    # hyperopt and Optuna name the parameter first.
    values = values[1:] if len(values) > 1 and isinstance(values[0], str) else values
    kind, _ = _TYPES.get(name, ("float", False))
    if name not in _CALLABLE:
        return {}
    if kind == "choice":
        options = values[0] if len(values) == 1 else values
        return {"type": name, "value": list(options) if isinstance(options, list | tuple) else None}
    given: dict[str, Any] = {
        key: named[key] for key in ("log", "step", "low", "lower", "high", "upper") if key in named
    }
    return {"type": "float" if name == "interval" else name, **given, "value": values[: 3 if name[0] == "q" else 2]}


def _distribution(items: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the distribution of a mapping whose keys have been made plain."""
    if not set(items) <= _LOW | _HIGH | _BOUNDS | _OPTIONS | _KIND_KEYS | _LOG_KEYS | _OTHERS:
        return None
    types = [_TYPES[name] for key in _KIND_KEYS if (name := _plain_name(items.get(key))) in _TYPES]
    kind = min((kind for kind, _ in types), key=["choice", "int", "float"].index, default=None)
    log = any(log for _, log in types) or any(_says_log(items[key]) for key in _LOG_KEYS & set(items))
    low, high, bounds, options = (
        next((items[key] for key in items if key in names), None) for names in (_LOW, _HIGH, _BOUNDS, _OPTIONS)
    )
    if low is not None and high is not None:
        return _range(kind, log, [low, high], items.get("step", items.get("q")))
    if kind == "choice" or (kind is None and _PLAIN_OPTIONS & set(items) and not _KIND_KEYS & set(items)):
        return {"choice": options} if isinstance(options, list) and options else None
    if kind == "int" and bounds is not None and is_number(bounds):
        # NumPy's and hyperopt's randint(n): 0 to n - 1.
        bounds = [0, bounds - 1]
    return _range(kind, log, bounds, items.get("step")) if kind and bounds is not None else None


def _says_log(value: Any) -> bool:
    return value is True or (isinstance(value, str) and "log" in value.lower())


def _range(kind: str | None, log: bool, bounds: Any, step: Any) -> dict[str, Any] | None:
    """Return the range in hpsearch's notation; None if the bounds are not two numbers that go up."""
    if isinstance(bounds, list | tuple) and len(bounds) == 3 and step is None:
        *bounds, step = bounds
    if not isinstance(bounds, list | tuple) or len(bounds) != 2:
        return None
    low, high = map(_number, bounds)
    if low is None or high is None or not low < high:
        return None
    whole = isinstance(low, int) and isinstance(high, int)
    if log and low <= 0:
        # hyperopt and Weights & Biases write the ends of log-uniform as exponents of e.
        low, high = (float(f"{math.exp(min(bound, 300)):.4g}") for bound in (low, high))
        if not 0 < low < high:
            return None
        kind = kind or "float"
    if kind is None:
        kind = "float" if log or not whole else "int" if step is not None else "number"
    if kind == "int" and not whole:
        return None
    found: dict[str, Any] = {kind: [low, high]}
    if log:
        return {**found, "log": True}
    if kind == "int" and isinstance(step, int) and step > 1:
        # A range ends at a step.
        return {"int": [low, high - (int(high) - int(low)) % step], "step": step}
    return found


def _number(value: Any) -> int | float | None:
    if isinstance(value, str):
        try:
            value = float(value) if re.search(r"[.eE]", value) else int(value)
        except ValueError:
            return None
    # Every comparison with NaN is false.
    return value if is_number(value) and abs(value) <= sys.float_info.max else None
