"""The search space: a `trial:` tree in which any value may be a distribution.

    parse            plain data -> Node          distributions recognized, ranges checked (in `parsing`)
    fill             Node -> Node                knobs left out take the catalogue's recommended range, but in a grid
    name_parameters  Node -> Node                each distribution gets its parameter name
    concrete         Node + pick -> plain data   what one trial trains (TrialConfig validates it)

A choice may hold whole sub-trees, which makes the space conditional: only the distributions on the
chosen path are ever asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import Any, NamedTuple

from hpsearch.catalogue.distributions import Choice, OneMinus, Range
from hpsearch.config.trial import SELECTIONS
from hpsearch.config.yaml_text import KeyPath

BATCH_SIZES = (32, 64, 128, 256, 512)


@dataclass(frozen=True)
class Fixed:
    """A value that does not vary. `where` is the key path in the file, here and below."""

    value: Any
    where: KeyPath = ()


@dataclass(frozen=True)
class Ranged:
    """A number to be sampled."""

    distribution: Range
    where: KeyPath = ()
    name: str = ""


@dataclass(frozen=True)
class Options:
    """One of several sub-trees to be sampled; `labels` tell them apart and are what Optuna stores.

    With `labelled` the file gave the labels: `{choice: {plain: {...}, l2: {...}}}`.
    """

    options: tuple[Node, ...]
    where: KeyPath = ()
    name: str = ""
    labels: tuple[str | int | float | bool | None, ...] = ()
    labelled: bool = False


@dataclass(frozen=True)
class Branch:
    """A mapping of sub-trees."""

    items: Mapping[str, Node]
    where: KeyPath = ()


@dataclass(frozen=True)
class Sequence:
    """A list of sub-trees."""

    items: tuple[Node, ...]
    where: KeyPath = ()


Node = Fixed | Ranged | Options | Branch | Sequence


def fill(tree: Branch, *, recommended: bool = True) -> Branch:
    """Add what the file leaves out: whole sections, and the knobs of each chosen row.

    Args:
        recommended: False in a grid, which takes no ranges: what is left out takes TrialConfig's default there.
    """
    items = dict(tree.items)
    if recommended:
        for section in ("optimizer", "schedule"):
            names = [row.name for row in SELECTIONS[section][1].values() if row.offered]
            every = Options(tuple(map(Fixed, names)), (*tree.where, section))
            items.setdefault(section, every)
        sizes = tuple(Fixed(size) for size in BATCH_SIZES)
        items.setdefault("batch_size", Options(sizes, (*tree.where, "batch_size")))
    for section in SELECTIONS:
        if section in items:
            items[section] = _fill_selection(items[section], section, recommended)
    return replace(tree, items=items)


def _fill_selection(node: Node, section: str, recommended: bool) -> Node:
    """Recommended ranges for the knobs of the rows that one section selects; bare names become mappings."""
    key, rows = SELECTIONS[section]
    match node:
        case Fixed(str()):
            return _fill_selection(Branch({key: node}, node.where), section, recommended)
        case Options(options):
            return replace(node, options=tuple(_fill_selection(option, section, recommended) for option in options))
        case Branch(items) if isinstance(items.get(key), Options):
            # `{name: {choice: [sgd, adam]}, ...}`: the same tree once for each name.
            names: Any = items[key]
            each = tuple(replace(node, items={**items, key: name}) for name in names.options)
            return _fill_selection(replace(names, options=each), section, recommended)
        case Branch(items):
            name = items.get(key)
            row = rows.get(name.value) if isinstance(name, Fixed) and isinstance(name.value, str) else None
            if row is None or not recommended:
                return node
            missing = {
                knob: _from_distribution(distribution, (*node.where, knob))
                for knob, distribution in row.recommended().items()
                if knob not in items
            }
            return replace(node, items={**items, **missing})
    return node


def _from_distribution(distribution: Any, where: KeyPath) -> Node:
    if isinstance(distribution, Choice):
        return Options(tuple(_from_distribution(option, where) for option in distribution.options), where)
    return Ranged(distribution, where) if isinstance(distribution, Range) else Fixed(distribution, where)


def name_parameters(node: Node, path: tuple[str, ...] = ()) -> Node:
    """Give each distribution its parameter name: the path to it, choices by their label.

    `optimizer.sgd.momentum` is another parameter than `optimizer.rmsprop.momentum`, because Optuna
    keeps one distribution for a name. What is drawn for `one_minus` is 1 - momentum, and is called so.
    """
    name = ".".join(path)
    match node:
        case Ranged(OneMinus()):
            return replace(node, name=".".join((*path[:-1], f"one_minus_{path[-1]}")))
        case Ranged():
            return replace(node, name=name)
        case Branch(items):
            return replace(node, items={key: name_parameters(item, (*path, key)) for key, item in items.items()})
        case Sequence(items):
            return replace(node, items=tuple(name_parameters(o, (*path, str(i))) for i, o in enumerate(items)))
        case Options(options):
            labels = node.labels if node.labelled else _labels(options)
            pairs = zip(options, labels, strict=True)
            named = tuple(name_parameters(option, (*path, str(label))) for option, label in pairs)
            return replace(node, name=name, options=named, labels=labels)
    return node


def _labels(options: tuple[Node, ...]) -> tuple[str | int | float | bool | None, ...]:
    """Plain values label themselves when all are plain; sub-trees go by their row's name."""
    values: list[Any] = [option.value if isinstance(option, Fixed) else option for option in options]
    plain_values = all(value is None or isinstance(value, bool | int | float | str) for value in values)
    # Optuna finds a value by ==, and 1 == True == 1.0: such twins are told apart by their texts.
    if plain_values and len({value for value in values}) == len(values):  # noqa: C416
        return tuple(values)
    texts: dict[str, None] = {}
    for text in map(_label, options):
        numbered = (f"{text}#{number}" for number in count(2))
        texts[next(candidate for candidate in chain([text], numbered) if candidate not in texts)] = None
    return tuple(texts)


def _label(node: Node) -> str:
    if isinstance(node, Branch):
        for key in ("name", "architecture"):
            name = node.items.get(key)
            if isinstance(name, Fixed):
                return str(name.value)
    if isinstance(node, Fixed) and isinstance(node.value, str):
        return node.value
    if isinstance(node, Ranged):
        return "range"
    text = json.dumps(plain(node), separators=(",", ":"))
    return text if len(text) <= 60 else text[:57] + "..."


class Pick(NamedTuple):
    """How values are drawn: a number from a range, the index of a choice's option."""

    number: Callable[[Ranged], int | float]
    option: Callable[[Options], int]


def concrete(node: Node, pick: Pick) -> Any:
    """The tree with every distribution replaced by what `pick` draws; plain data."""
    match node:
        case Fixed(value):
            return value
        case Ranged():
            return pick.number(node)
        case Options(options):
            return concrete(options[pick.option(node)], pick)
        case Branch(items):
            return {key: concrete(item, pick) for key, item in items.items()}
        case Sequence(items):
            return [concrete(item, pick) for item in items]


def origin(node: Node, path: KeyPath, pick: Pick) -> KeyPath:
    """Where in the file the value at `path` of `concrete(node, pick)` was written."""
    if isinstance(node, Options):
        return origin(node.options[pick.option(node)], path, pick)
    if path and isinstance(node, Branch) and path[0] in node.items:
        return origin(node.items[str(path[0])], path[1:], pick)
    if path and isinstance(node, Sequence) and isinstance(path[0], int) and path[0] < len(node.items):
        return origin(node.items[path[0]], path[1:], pick)
    return (*node.where, *path)


def distributions(node: Node) -> Iterator[Ranged | Options]:
    """Every distribution of the tree, outer ones first."""
    match node:
        case Ranged():
            yield node
        case Options(options):
            yield node
            for option in options:
                yield from distributions(option)
        case Branch(items):
            for item in items.values():
                yield from distributions(item)
        case Sequence(items):
            for item in items:
                yield from distributions(item)


def plain(node: Node) -> Any:
    """The tree as a study file writes it: what is stored with a study and compared when it is continued."""
    match node:
        case Fixed(value):
            return value
        case Ranged(distribution):
            return distribution.plain()
        case Options(options, labels=labels, labelled=True):
            return {"choice": {str(label): plain(option) for label, option in zip(labels, options, strict=True)}}
        case Options(options):
            return {"choice": [plain(option) for option in options]}
        case Branch(items):
            return {key: plain(item) for key, item in items.items()}
        case Sequence(items):
            return [plain(item) for item in items]
