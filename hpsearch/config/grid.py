"""A grid: every combination of a space's choices, those inside of options included, each once."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from hpsearch.config.checking import MAX_COMBINATIONS
from hpsearch.config.finite import configurations
from hpsearch.config.foreign import flow
from hpsearch.config.problems import Finding
from hpsearch.config.space import Branch, Node, Options, Ranged, Sequence, distributions

# More would take days, and one of them is nearly always a number too many in a list.
MAX_POINTS = MAX_COMBINATIONS


def size(node: Node) -> int:
    """The number of points."""
    match node:
        case Options(options):
            return sum(map(size, options))
        case Branch(items):
            return prod(map(size, items.values()))
        case Sequence(items):
            return prod(map(size, items))
    return 1


def points(space: Branch) -> Iterator[dict[str, Any]]:
    """Yield each point: the label of each option by the parameter's name, as Optuna holds it. The last varies first."""
    return configurations(space)


def check_grid(space: Branch) -> Iterator[Finding]:
    """Why a space is no grid."""
    ranges = [node for node in distributions(space) if isinstance(node, Ranged)]
    for node in ranges:
        given = flow(node.distribution.plain())
        yield node.where, f"a grid takes choices only, as in {{choice: [0.01, 0.1]}}, but got the range {given}"
    count = size(space)
    if not ranges and count == 1:
        yield ("trial",), "a grid must have at least one choice; several seeds are `seed: {choice: [0, 1, 2]}`"
    if count > MAX_POINTS:
        yield ("trial",), f"a grid must have at most {MAX_POINTS:,} points, but this one has {count:,}"
