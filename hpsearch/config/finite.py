"""Spaces in which a configuration can be drawn twice, and the list of all configurations of a finite space."""

from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Sequence as Many
from typing import Any

from hpsearch.config.own import SEED
from hpsearch.config.space import Branch, Fixed, Int, Node, Options, Ranged, Sequence


def size(node: Node) -> float:
    """Return how many configurations a space holds: infinity where a real number is drawn."""
    return _size(node, math.inf)


def can_repeat(space: Branch) -> bool:
    """Return whether the same configuration can be drawn twice.

    This is possible if `trial.seed` is set and some branch has no float range. Where the file leaves the
    seed out, each trial has its own.
    """
    seed = space.items.get(SEED, Fixed(None))
    return not (isinstance(seed, Fixed) and seed.value is None) and _size(space, 0) > 0


def _size(node: Node, real: float) -> float:
    """The number of configurations if a real range counts as `real` of them."""
    match node:
        case Ranged(Int() as distribution):
            return len(_whole_numbers(distribution))
        case Ranged():
            return real
        case Options(options):
            return sum(_size(option, real) for option in options)
        case Branch(items):
            return math.prod(_size(item, real) for item in items.values())
        case Sequence(items):
            return math.prod(_size(item, real) for item in items)
    return 1


def configurations(node: Node) -> Iterator[dict[str, Any]]:
    """Yield the parameters of each configuration of a space that draws no real number, as Optuna holds them."""
    match node:
        case Ranged(Int() as distribution):
            yield from ({node.name: number} for number in _whole_numbers(distribution))
        case Options(options, labels=labels):
            for label, option in zip(labels, options, strict=True):
                yield from ({node.name: label, **below} for below in configurations(option))
        case Branch(items):
            yield from _together(list(items.values()))
        case Sequence(items):
            yield from _together(items)
        case Fixed():
            yield {}


def _together(nodes: Many[Node]) -> Iterator[dict[str, Any]]:
    if not nodes:
        yield {}
        return
    for first in configurations(nodes[0]):
        yield from ({**first, **rest} for rest in _together(nodes[1:]))


def _whole_numbers(distribution: Int) -> range:
    return range(distribution.low, distribution.high + 1, distribution.step)
