"""A configuration, whole or partial, as the parameters of a search space.

match      an `enqueue:` entry; what does not fit is a problem
baselines  each optimizer's Keras defaults, moved into the space where it does not hold them
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hpsearch.config.problems import Problem
from hpsearch.config.space import (
    Branch,
    Fixed,
    Node,
    Options,
    Ranged,
    concrete,
    corners,
    entry_name,
    pick_from,
)
from hpsearch.config.trial import SELECTIONS, TrialConfig
from hpsearch.config.yaml_text import KeyPath, inline_yaml, is_number, shown_value
from hpsearch.errors import unknown_name

# The keys that name a catalogue entry.
_NAME_KEYS = ("name", "architecture")


@dataclass
class Match:
    """Parameters by name (as Optuna holds them), and what did not fit, by path in the configuration."""

    params: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def match(node: Node, value: Any, path: KeyPath = ()) -> Match:
    """Return the parameters that make `node` yield `value`; keys that `value` leaves out are left to the sampler."""
    given = shown_value(value)
    match node:
        case Fixed(fixed):
            return Match() if value == fixed else _misfit(path, f"the study fixes this to {fixed!r}, but got {given}")
        case Ranged(distribution):
            if distribution.contains(value):
                return Match({node.name: distribution.drawn(value)})
            return _misfit(path, f"must lie in {inline_yaml(distribution.plain())}, but got {given}")
        case Options():
            return _match_options(node, value, path)
        case Branch(items, is_list=True):
            if not isinstance(value, list) or len(value) != len(items):
                return _misfit(path, f"must be a list of {len(items)}, but got {given}")
            return _together(items, dict(enumerate(value)), path)
    key = next((key for key in _NAME_KEYS if key in node.items), None)
    value = {key: value} if isinstance(value, str) and key else value
    if not isinstance(value, Mapping):
        return _misfit(path, f"must be a mapping of keys to values, but got {given}")
    name = node.items.get(key)
    if key in value and isinstance(name, Fixed) and name.value != value[key]:
        # The entry's name first: a wrong entry is one problem, not one for each of its knobs.
        return _misfit(path, f"the study has {name.value!r} here, but got {shown_value(value[key])}")
    return _together(node.items, value, path)


def _together(items: Mapping[Any, Node], values: Mapping[Any, Any], path: KeyPath) -> Match:
    result = Match()
    for key, below in values.items():
        if key in items:
            found = match(items[key], below, (*path, key))
            result.params |= found.params
            result.problems += found.problems
        elif not _same(below, _default(items, path, key)):
            result.problems.append(((*path, key), _absent(items, path, key)))
    return result


def _misfit(path: KeyPath, sentence: str) -> Match:
    return Match(problems=[(path, sentence)])


def _match_options(node: Options, value: Any, path: KeyPath) -> Match:
    """Return the first option that fits; else the problems of the option that was meant."""
    keys = {key for option in node.options for key in _NAME_KEYS if isinstance(option, Branch) and key in option.items}
    if isinstance(value, Mapping) and keys and not keys & set(value):
        # Without the entry's name several options may fit, and none is guessed.
        return _misfit(path, f"the key '{min(keys)}' is missing")
    attempts = []
    for label, option in zip(node.labels, node.options, strict=True):
        attempt = match(option, value, path)
        if not attempt.problems:
            return Match({**attempt.params, node.name: label})
        attempts.append(attempt)
    deepest = max(attempts, key=_depth)
    if _depth(deepest) > len(path):
        return deepest
    known = ", ".join(map(str, node.labels))
    return _misfit(path, f"must be one of the study's options ({known}), but got {shown_value(value)}")


def _depth(attempt: Match) -> int:
    return max(len(where) for where, _ in attempt.problems)


def _default(items: Mapping[Any, Node], path: KeyPath, key: str) -> Any:
    """Return what TrialConfig takes for a key that the study leaves out, so that a whole configuration fits."""
    if len(path) == 1 and path[0] in SELECTIONS:
        name_key, entries = SELECTIONS[str(path[0])]
        name = items.get(name_key)
        entry = entries.get(name.value) if isinstance(name, Fixed) else None
        default = entry.defaults().get(key) if entry else None
        return list(default) if isinstance(default, tuple) else default
    whole: Any = TrialConfig().plain()
    for step in (*path, key):
        whole = whole.get(step) if isinstance(whole, Mapping) else None
    return whole


def _same(given: Any, default: Any) -> bool:
    """Return whether a value is the default; of a mapping, only the given keys are compared."""
    if isinstance(given, Mapping) and isinstance(default, Mapping):
        return all(key in default and _same(value, default[key]) for key, value in given.items())
    return bool(given == default)


def _absent(items: Mapping[Any, Node], path: KeyPath, key: str) -> str:
    if not path and key in TrialConfig.model_fields:
        return f"the study leaves '{key}' at its default, so it cannot be enqueued; name it under `trial:`"
    return unknown_name("key", key, items)


def baselines(space: Branch) -> list[dict[str, Any]]:
    """Return, for each optimizer of the space, the parameters nearest to its Keras defaults.

    All other values, too, are as near as the space allows to the defaults of TrialConfig: a constant rate, Keras's
    batch size of 32. A value without a default (the width of a third layer, say) is the first option or the middle of
    its range.
    """
    wanted = TrialConfig().plain()
    optimizer = space.items.get("optimizer", Fixed(wanted["optimizer"]))
    names = {entry_name(concrete(optimizer, pick_from(params))) for params in corners(optimizer)}
    entries = SELECTIONS["optimizer"][1].items()
    configs = ({**wanted, "optimizer": {"name": name, **entry.defaults()}} for name, entry in entries if name in names)
    return [_nearest(space, config) for config in configs]


def _nearest(node: Node, value: Any) -> dict[str, Any]:
    """Return parameters that bring `node` as near to `value` as the space allows."""
    match node:
        case Ranged(distribution):
            return {node.name: distribution.nearest(value)}
        case Options(options, labels=labels):
            index = min(range(len(options)), key=lambda index: (_distance(options[index], value), index))
            return {node.name: labels[index], **_nearest(options[index], value)}
        case Branch(items, is_list=True):
            given: Any = dict(enumerate(value)) if isinstance(value, list) and len(value) == len(items) else {}
        case Branch(items):
            given = value if isinstance(value, Mapping) else {}
        case _:
            return {}
    return {name: number for key, item in items.items() for name, number in _nearest(item, given.get(key)).items()}


def _distance(option: Node, value: Any) -> float:
    """Return the distance of an option from a value: the same, the same name, the nearest number, any other."""
    if not match(option, value).problems:
        return 0.0
    if entry_name(option) is not None and entry_name(option) == entry_name(value):
        return 0.5
    if isinstance(option, Fixed) and is_number(option.value) and is_number(value):
        return 1.0 + abs(float(option.value) - float(value))
    return float("inf")
