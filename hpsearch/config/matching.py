"""A configuration, whole or partial, as the parameters of a search space: what is enqueued.

match     an `enqueue:` entry; what does not fit is a problem
baselines each optimizer's Keras defaults, moved into the space where it does not hold them
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hpsearch.config.space import Branch, Fixed, Int, Node, Options, Range, Ranged, Sequence
from hpsearch.config.trial import SELECTIONS, TrialConfig
from hpsearch.config.yaml_text import KeyPath, inline_yaml, shown_value
from hpsearch.errors import unknown_name

# The keys that name a catalogue row.
_ROW_KEYS = ("name", "architecture")


@dataclass
class Match:
    """Parameters by name (as Optuna holds them), and what did not fit, by path in the configuration."""

    params: dict[str, Any] = field(default_factory=dict)
    problems: list[tuple[KeyPath, str]] = field(default_factory=list)

    def include(self, other: Match) -> None:
        self.params |= other.params
        self.problems += other.problems


def match(node: Node, value: Any, path: KeyPath = ()) -> Match:
    """The parameters that make `node` yield `value`; keys that `value` leaves out are left to the sampler."""
    result = Match()
    match node:
        case Fixed(fixed):
            if value != fixed:
                result.problems.append((path, f"the study fixes this to {fixed!r}, but got {shown_value(value)}"))
        case Ranged():
            _match_number(node, value, path, result)
        case Options():
            result.include(_match_option(node, value, path))
        case Branch(items):
            _match_branch(items, value, path, result)
        case Sequence(items):
            if not isinstance(value, list) or len(value) != len(items):
                result.problems.append((path, f"must be a list of {len(items)}, but got {shown_value(value)}"))
            else:
                for index, (item, below) in enumerate(zip(items, value, strict=True)):
                    result.include(match(item, below, (*path, index)))
    return result


def _match_number(node: Ranged, value: Any, path: KeyPath, result: Match) -> None:
    if node.distribution.contains(value):
        result.params[node.name] = node.distribution.drawn(value)
    else:
        result.problems.append(
            (path, f"must lie in {inline_yaml(node.distribution.plain())}, but got {shown_value(value)}")
        )


def _match_option(node: Options, value: Any, path: KeyPath) -> Match:
    """The first option that fits; else the problems of the option that was meant."""
    keys = {key for option in node.options for key in _ROW_KEYS if isinstance(option, Branch) and key in option.items}
    if isinstance(value, Mapping) and keys and not keys & set(value):
        # Without the row's name several options may fit: which one is meant is not guessed.
        return Match(problems=[(path, f"the key '{min(keys)}' is missing")])
    attempts = []
    for label, option in zip(node.labels, node.options, strict=True):
        attempt = match(option, value, path)
        attempt.params[node.name] = label
        if not attempt.problems:
            return attempt
        attempts.append(attempt)
    deepest = max(attempts, key=lambda attempt: max(len(where) for where, _ in attempt.problems))
    if max(len(where) for where, _ in deepest.problems) > len(path):
        return deepest
    known = ", ".join(map(str, node.labels))
    return Match(problems=[(path, f"must be one of the study's options ({known}), but got {shown_value(value)}")])


def _match_branch(items: Mapping[str, Node], value: Any, path: KeyPath, result: Match) -> None:
    if isinstance(value, str):
        key = next((key for key in _ROW_KEYS if key in items), None)
        value = {key: value} if key else value
    if not isinstance(value, Mapping):
        result.problems.append((path, f"must be a mapping of keys to values, but got {shown_value(value)}"))
        return
    # The row's name first: a wrong row is one problem, not one for each of its knobs.
    for key in _ROW_KEYS:
        name = items.get(key)
        if key in value and isinstance(name, Fixed) and name.value != value[key]:
            result.problems.append((path, f"the study has {name.value!r} here, but got {shown_value(value[key])}"))
            return
    for key, below in value.items():
        if key in items:
            result.include(match(items[key], below, (*path, key)))
        elif not _same(below, _default(items, path, key)):
            result.problems.append(((*path, key), _absent(items, path, key)))


def _default(items: Mapping[str, Node], path: KeyPath, key: str) -> Any:
    """What TrialConfig takes for a key that the study leaves out, so that a whole configuration fits."""
    if len(path) == 1 and path[0] in SELECTIONS:
        tag, rows = SELECTIONS[str(path[0])]
        name = items.get(tag)
        row = rows.get(name.value) if isinstance(name, Fixed) else None
        default = row.defaults().get(key) if row else None
        return list(default) if isinstance(default, tuple) else default
    whole: Any = TrialConfig().plain()
    for step in (*path, key):
        whole = whole.get(step) if isinstance(whole, Mapping) else None
    return whole


def _same(given: Any, default: Any) -> bool:
    """Whether a value is the default, of a mapping as far as it is written."""
    if isinstance(given, Mapping) and isinstance(default, Mapping):
        return all(key in default and _same(value, default[key]) for key, value in given.items())
    return bool(given == default)


def _absent(items: Mapping[str, Node], path: KeyPath, key: str) -> str:
    if not path and key in TrialConfig.model_fields:
        return f"the study leaves '{key}' at its default, so it cannot be enqueued; name it under `trial:`"
    return unknown_name("key", key, items)


def baselines(space: Branch) -> list[dict[str, Any]]:
    """For each optimizer of the space, the parameters nearest to its Keras defaults.

    The rest, too, is as near as the space allows to what TrialConfig takes by default: a constant rate,
    Keras's batch size of 32. What has no default (the width of a third layer, say) is the first option or
    the middle of its range.
    """
    wanted = TrialConfig().plain()
    found = []
    names = _optimizer_names(space.items.get("optimizer", Fixed(wanted["optimizer"]["name"])))
    for name, row in SELECTIONS["optimizer"][1].items():
        if name in names:
            config = {**wanted, "optimizer": {"name": name, **row.defaults()}}
            found.append(_nearest(space, config))
    return found


def _optimizer_names(node: Node) -> set[Any]:
    match node:
        case Fixed(value):
            return {value}
        case Options(options):
            return set().union(*map(_optimizer_names, options))
        case Branch(items):
            return _optimizer_names(items["name"])
    return set()


def _nearest(node: Node, value: Any) -> dict[str, Any]:
    """Parameters that bring `node` as near to `value` as the space allows."""
    match node:
        case Ranged(distribution):
            return {node.name: _nearest_number(distribution, value)}
        case Options(options, labels=labels):
            index = _nearest_option(options, value)
            return {node.name: labels[index], **_nearest(options[index], value)}
        case Branch(items):
            given = value if isinstance(value, Mapping) else {}
            return {n: p for key, item in items.items() for n, p in _nearest(item, given.get(key)).items()}
        case Sequence(items):
            values = value if isinstance(value, list) and len(value) == len(items) else [None] * len(items)
            pairs = zip(items, values, strict=True)
            return {n: p for item, below in pairs for n, p in _nearest(item, below).items()}
    return {}


def _nearest_number(distribution: Range, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        low, high = distribution.low, distribution.high
        middle = (low * high) ** 0.5 if distribution.log else (low + high) / 2
        value = distribution.value(middle)
    if isinstance(distribution, Int):
        clipped = min(max(float(value), distribution.low), distribution.high)
        return int(distribution.low + round((clipped - distribution.low) / distribution.step) * distribution.step)
    return distribution.drawn(value)


def _nearest_option(options: tuple[Node, ...], value: Any) -> int:
    """The option that equals the value, or has its name, or is the nearest number; else the first."""

    def distance(option: Node) -> float:
        if not match(option, value).problems:
            return 0.0
        if _name_of(option) is not None and _name_of(option) == _name_of(value):
            return 0.5
        number: Any = option.value if isinstance(option, Fixed) else None
        if _is_number(number) and _is_number(value):
            return 1.0 + abs(float(number) - float(value))
        return float("inf")

    return min(range(len(options)), key=lambda index: (distance(options[index]), index))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name_of(thing: Node | Any) -> Any:
    if isinstance(thing, Branch):
        name = thing.items.get("name", thing.items.get("architecture"))
        return name.value if isinstance(name, Fixed) else None
    if isinstance(thing, Fixed):
        return thing.value if isinstance(thing.value, str) else None
    if isinstance(thing, Mapping):
        return thing.get("name", thing.get("architecture"))
    return thing if isinstance(thing, str) else None
