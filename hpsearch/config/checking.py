"""A search space held against TrialConfig: every option of every choice, both ends of every range."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain, islice, product
from typing import Any

from pydantic import ValidationError

from hpsearch.config import problems as wording
from hpsearch.config.space import Branch, Fixed, Node, Options, Pick, Ranged, Sequence, concrete, origin
from hpsearch.config.trial import TrialConfig
from hpsearch.config.yaml_text import KeyPath

# The sections that one rule of TrialConfig ties together (a batch is no larger than the training set): of
# these, every combination is tried.
TIED = ("data", "batch_size")
MAX_COMBINATIONS = 2_000
_NUMBER = re.compile(r"\d[\d,.]*")

FIRST = Pick(number=lambda node: _bounds(node)[0], option=lambda _node: 0)


def _bounds(node: Ranged) -> tuple[int | float, int | float]:
    """The two ends of a range as values of the configuration."""
    distribution = node.distribution
    ends = sorted((distribution.value(distribution.low), distribution.value(distribution.high)))
    return ends[0], ends[1]


def corners(space: Node) -> Iterator[dict[str, Any]]:
    """Configurations that reach every option of every choice and both ends of every range."""
    return (concrete(space, _pick(drawn)) for drawn in chain([{}], _corner_draws(space, {})))


def _corner_draws(node: Node, outer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What to draw, by parameter name, to get to each corner; the rest stays at its first value.

    Args:
        outer: what must be drawn to get to `node`.
    """
    match node:
        case Ranged():
            yield from (outer | {node.name: end} for end in _bounds(node))
        case Options(options):
            for index, option in enumerate(options):
                yield outer | {node.name: index}
                yield from _corner_draws(option, outer | {node.name: index})
        case Branch(items):
            for item in items.values():
                yield from _corner_draws(item, outer)
        case Sequence(items):
            for item in items:
                yield from _corner_draws(item, outer)


def combinations(node: Node) -> Iterator[dict[str, Any]]:
    """Every way to draw the parameters of `node`: the index of each option, each range at either end."""
    match node:
        case Ranged():
            yield from ({node.name: end} for end in _bounds(node))
        case Options(options):
            for index, option in enumerate(options):
                yield from ({node.name: index, **below} for below in combinations(option))
        case Branch(items):
            yield from _all_of(items.values())
        case Sequence(items):
            yield from _all_of(items)
        case Fixed():
            yield {}


def _all_of(nodes: Iterable[Node]) -> Iterator[dict[str, Any]]:
    each = [list(islice(combinations(node), MAX_COMBINATIONS)) for node in nodes]
    for parts in product(*each):
        yield {name: value for part in parts for name, value in part.items()}


def _pick(drawn: Mapping[str, Any]) -> Pick:
    return Pick(
        number=lambda node: drawn.get(node.name, FIRST.number(node)),
        option=lambda node: drawn.get(node.name, 0),
    )


def check_space(space: Branch, *, grid: bool = False) -> list[wording.Finding]:
    """What TrialConfig refuses at any corner of the space, by the key path in the file.

    Args:
        grid: whether every combination will be trained, and not only those of the tied sections are to be right.
    """
    tied = Branch({section: node for section, node in space.items.items() if grid or section in TIED})
    found: dict[tuple[KeyPath, str], wording.Finding] = {}
    for drawn in chain([{}], _corner_draws(space, {}), islice(combinations(tied), MAX_COMBINATIONS)):
        pick = _pick(drawn)
        try:
            TrialConfig.model_validate(concrete(space, pick))
        except ValidationError as error:
            for path, sentence in wording.findings(error, TrialConfig):
                # Report a rule once, even if both ends of a range break it.
                place, rule = origin(space, path, pick), _NUMBER.sub("", sentence.partition(", but got ")[0])
                found.setdefault((place, rule), (place, sentence))
    return list(found.values())


def corners_with_data(space: Branch) -> Iterator[tuple[Pick, TrialConfig]]:
    """Every corner of the space with every combination of what `data` and `batch_size` may be.

    Args:
        space: in which `check_space` found nothing.
    """
    tied = Branch({section: node for section, node in space.items.items() if section in TIED})
    bases = chain([{}], islice(combinations(tied), MAX_COMBINATIONS))
    drawn = (base | corner for base in bases for corner in chain([{}], _corner_draws(space, {})))
    for pick in map(_pick, islice(drawn, MAX_COMBINATIONS)):
        # Two values that cannot go together fail their trial alone.
        with suppress(ValidationError):
            yield pick, TrialConfig.model_validate(concrete(space, pick))


def references(space: Branch) -> dict[KeyPath, str]:
    """Every `module:name` of a person's own code that a trial may name, by its key path in the file.

    Args:
        space: in which `check_space` found nothing.
    """
    found = {}
    for drawn in chain([{}], _corner_draws(space, {})):
        pick = _pick(drawn)
        for path, name in TrialConfig.model_validate(concrete(space, pick)).references():
            found[origin(space, path, pick)] = name
    return found
