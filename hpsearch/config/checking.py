"""A search space held against TrialConfig: every option of every choice, both ends of every range."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from hpsearch.config import problems as wording
from hpsearch.config.space import Branch, Node, Options, Pick, Ranged, Sequence, concrete, origin
from hpsearch.config.trial import TrialConfig
from hpsearch.config.yaml_text import KeyPath

FIRST = Pick(number=lambda node: _bounds(node)[0], option=lambda _node: 0)


def _bounds(node: Ranged) -> tuple[int | float, int | float]:
    """The two ends of a range as values of the configuration."""
    kind, (low, high) = next(iter(node.distribution.plain().items()))
    return (1 - high, 1 - low) if kind == "one_minus" else (low, high)


def corners(space: Node) -> Iterator[dict[str, Any]]:
    """Configurations that reach every option of every choice and both ends of every range."""
    return (concrete(space, _pick(corner)) for corner in _corners(space, {}))


def _corners(node: Node, outer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What to draw, by parameter name, to get to each corner; the rest stays at its first value."""
    if not outer:
        yield outer
    match node:
        case Ranged():
            yield from (outer | {node.name: end} for end in _bounds(node))
        case Options(options):
            for index, option in enumerate(options):
                yield outer | {node.name: index}
                yield from _corners(option, outer | {node.name: index})
        case Branch(items):
            for item in items.values():
                yield from _corners(item, outer)
        case Sequence(items):
            for item in items:
                yield from _corners(item, outer)


def _pick(drawn: Mapping[str, Any]) -> Pick:
    return Pick(
        number=lambda node: drawn.get(node.name, FIRST.number(node)),
        option=lambda node: drawn.get(node.name, 0),
    )


def check_space(space: Branch) -> list[wording.Finding]:
    """What TrialConfig refuses at any corner of the space, by the key path in the file."""
    found: list[wording.Finding] = []
    for corner in _corners(space, {}):
        pick = _pick(corner)
        try:
            TrialConfig.model_validate(concrete(space, pick))
        except ValidationError as error:
            for path, sentence in wording.findings(error, lambda path: known_keys(TrialConfig, path)):
                found.append((origin(space, path, pick), sentence))
    return found


def known_keys(model: type[BaseModel], location: KeyPath) -> list[str]:
    """The keys that a mapping may have, for the hint after a misspelt one.

    Args:
        location: of the mapping, as pydantic gives it: with the name of each chosen row.
    """
    schema = model.model_json_schema()
    node: Any = schema
    for key in location:
        node = _resolve(node, schema)
        rows = node.get("discriminator", {}).get("mapping", {})
        node = {"$ref": rows[key]} if key in rows else node.get("properties", {}).get(key, {})
    return sorted(_resolve(node, schema).get("properties", {}))


def _resolve(node: Any, schema: Any) -> Any:
    """Follow references, and go through `null or this` to this."""
    while "$ref" in node or "anyOf" in node:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
        else:
            node = next(option for option in node["anyOf"] if option.get("type") != "null")
    return node
