"""The search space: a `trial:` tree in which any value may be a distribution.

    parse            plain data -> Node          distributions recognized, ranges checked
    fill             Node -> Node                knobs left out take the catalogue's recommended range, but in a grid
    name_parameters  Node -> Node                each distribution gets its parameter name
    concrete         Node + pick -> plain data   what one trial trains (TrialConfig validates it)

A choice may hold whole sub-trees, which makes the space conditional: only the distributions on the
chosen path are ever asked for.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as Many
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import Any, ClassVar, NamedTuple

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from hpsearch.config import foreign
from hpsearch.config.problems import Finding, findings
from hpsearch.config.trial import SEED, SELECTIONS, Frozen
from hpsearch.config.yaml_text import KeyPath, inline_yaml, shown_value
from hpsearch.errors import unknown_name

# A larger grid would take days, and has nearly always a number too many in a list.
MAX_POINTS = 2_000
BATCH_SIZES = (32, 64, 128, 256, 512)
# What makes a mapping a distribution.
KINDS = ("float", "int", "one_minus", "choice")


class Range(Frozen):
    """A number to be drawn between two bounds, as a study file writes it: `{float: [0.001, 1.0], log: true}`."""

    kind: ClassVar[str]
    log: bool = Field(False, description="uniform in the logarithm")

    @property
    def low(self) -> Any:
        """The smallest number that is drawn."""
        return self.bounds[0]  # type: ignore[attr-defined]

    @property
    def high(self) -> Any:
        """The largest number that is drawn."""
        return self.bounds[1]  # type: ignore[attr-defined]

    @field_validator("bounds", mode="before", check_fields=False)
    @classmethod
    def _check_bounds(cls, bounds: Any, info: ValidationInfo) -> tuple[int | float, int | float]:
        """Apply the rules of a range, each stated with the value that breaks it."""
        number = int if cls.kind == "int" else (int, float)
        if not isinstance(bounds, list | tuple) or len(bounds) != 2 or not all(_is(bound, number) for bound in bounds):
            wanted = "two whole numbers" if cls.kind == "int" else "two numbers"
            instead = foreign.of_bounds(cls.kind, bounds)
            after = f"; {instead}" if instead else ""
            raise ValueError(f"a range must be {wanted} [low, high], but got {shown_value(bounds)}{after}")
        low, high = bounds
        if not all(abs(bound) <= sys.float_info.max for bound in bounds) or abs(high - low) > sys.float_info.max:
            raise ValueError(f"a range must be finite, but got {shown_value(bounds)}")
        if not low < high:
            what = f"write the value {low} itself" if low == high else f"write [{high}, {low}]"
            raise ValueError(f"the range is [{low}, {high}], but low must be less than high; {what}")
        if info.data.get("log") and low <= 0:
            raise ValueError(f"the range begins at {low}, but must begin above 0 with log: true")
        step = info.data.get("step", 1)
        if (high - low) % step and cls.kind == "int":
            end = high - (high - low) % step
            what = f"write [{low}, {end}]" if end > low else f"write [{low}, {low + step}]"
            raise ValueError(f"the range is [{low}, {high}] with step {step}, but must end at a step; {what}")
        return (low, high) if cls.kind == "int" else (float(low), float(high))

    def plain(self) -> dict[str, Any]:
        """Return the distribution as a study file writes it."""
        extra = self.model_dump(exclude={"bounds"}, exclude_defaults=True)
        return {self.kind: [self.low, self.high], **extra}

    def contains(self, value: Any) -> bool:
        """Return whether a value of a configuration can be drawn."""
        return _is(value, (int, float)) and bool(self.low <= value <= self.high)

    def value(self, drawn: float) -> int | float:
        """Return the value of a configuration for a number that was drawn."""
        return drawn

    def drawn(self, value: float) -> int | float:
        """Return the number to draw for a value of a configuration; rounding never leaves the range."""
        return float(min(max(float(value), self.low), self.high))


class Float(Range):
    """A real number in [low, high]."""

    kind: ClassVar = "float"
    bounds: tuple[float, float] = Field(alias="float", strict=False)


class Int(Range):
    """A whole number low, low + step, ... up to high."""

    kind: ClassVar = "int"
    step: int = Field(1, ge=1)
    bounds: tuple[int, int] = Field(alias="int", strict=False)

    @field_validator("step")
    @classmethod
    def _check_step(cls, step: int, info: ValidationInfo) -> int:
        if step != 1 and info.data.get("log"):
            raise ValueError(f"step is {step}, but a range with log: true has no steps")
        return step

    def contains(self, value: Any) -> bool:
        return _is(value, int) and super().contains(value) and bool((value - self.low) % self.step == 0)

    def drawn(self, value: float) -> int:
        return int(value)


class OneMinus(Range):
    """The value 1 - x with x in [low, high], for momentum and betas.

    Their effect depends on 1 / (1 - value): on a logarithmic scale of x, 0.9, 0.99 and 0.999 lie equally far apart
    (Choi et al. 2019, arXiv:1910.05446, appendix D).
    """

    kind: ClassVar = "one_minus"
    bounds: tuple[float, float] = Field(alias="one_minus", strict=False)

    def contains(self, value: Any) -> bool:
        # 1 - x is rounded, so a bound written as 0.9 meets 1 - 0.1 within one part in 1e12.
        return _is(value, (int, float)) and self.low - 1e-12 <= 1 - value <= self.high + 1e-12

    def value(self, drawn: float) -> float:
        return 1.0 - drawn

    def drawn(self, value: float) -> float:
        return float(min(max(1.0 - value, self.low), self.high))


RANGES: dict[str, type[Range]] = {model.kind: model for model in (Float, Int, OneMinus)}


def _is(value: object, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


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


class Problems:
    """Collects what is wrong with a file, each with its key path, so that all is told at once."""

    def __init__(self) -> None:
        self.found: list[tuple[KeyPath, str]] = []

    def add(self, where: KeyPath, sentence: str) -> None:
        if (where, sentence) not in self.found:
            self.found.append((where, sentence))


def not_finite(value: Any, where: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Every number in plain data that is NaN or infinite, by its path, with the sentence that refuses it.

    NaN is not equal to itself, and JSON, in which configurations are stored and exported, has neither of them.
    """
    if isinstance(value, float) and not math.isfinite(value):
        yield where, f"must be a finite number, but got {value}; {_INSTEAD}"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from not_finite(item, (*where, str(key)))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from not_finite(item, (*where, index))


# What to write instead of NaN or infinity.
_INSTEAD = "write null, or a word for your own code to convert"


def parse(value: Any, where: KeyPath, problems: Problems) -> Node:
    """The node for a value of a study file; what breaks a rule is reported and replaced by `Fixed`."""
    kinds = [key for key in value if key in KINDS] if isinstance(value, Mapping) else []
    if isinstance(value, Mapping) and kinds:
        return _distribution(kinds, value, where, problems)
    if _may_be_distribution(where) and (instead := foreign.hint(value)):
        problems.add(where, f"{inline_yaml(value)} is another tool's notation; {instead}")
        return Fixed(None, where)
    if isinstance(value, Mapping):
        return Branch({str(key): parse(item, (*where, str(key)), problems) for key, item in value.items()}, where)
    if isinstance(value, list):
        items = tuple(parse(item, (*where, index), problems) for index, item in enumerate(value))
        if all(isinstance(item, Fixed) for item in items):
            return Fixed(value, where)
        return Sequence(items, where)
    for place, sentence in not_finite(value, where):
        problems.add(place, sentence)
    return Fixed(value, where)


def _may_be_distribution(where: KeyPath) -> bool:
    """Whether a mapping at a path may be meant as a distribution: not `trial` itself, nor a builder's arguments."""
    return len(where) > 1 and where[-1] != "arguments"


def _distribution(kinds: list[str], value: Mapping[str, Any], where: KeyPath, problems: Problems) -> Node:
    kind = kinds[0]
    if len(kinds) > 1:
        problems.add(where, f"one distribution must stand here, but got {' and '.join(kinds)}")
        return Fixed(None, where)
    if kind == "choice":
        for key in value:
            if key != kind:
                problems.add((*where, str(key)), unknown_name("key beside 'choice'", key, ["choice"]))
        return _choice(value["choice"], where, problems)
    try:
        return Ranged(RANGES[kind].model_validate(value), where)
    except ValidationError as error:
        for path, sentence in findings(error, RANGES[kind]):
            problems.add((*where, *path), sentence)
        return Fixed(None, where)


def _choice(options: Any, where: KeyPath, problems: Problems) -> Node:
    """A list of options, or a mapping from a label to an option."""
    inside = (*where, "choice")
    if not isinstance(options, list | Mapping) or not options:
        problems.add(inside, f"a choice must be a list of at least one option, but got {shown_value(options)}")
        return Fixed(None, where)
    labelled = isinstance(options, Mapping)
    keyed: list[tuple[Any, Any]] = list(options.items() if isinstance(options, Mapping) else enumerate(options))
    seen: list[Any] = []
    for key, option in keyed:
        # 1 == True in Python, so the type belongs to the comparison.
        if any(type(option) is type(other) and option == other for other in seen):
            problems.add((*inside, key), f"each option must stand once, but {shown_value(option)} stands twice")
        seen.append(option)
    nodes = tuple(parse(option, (*inside, key), problems) for key, option in keyed)
    return Options(nodes, where, labels=tuple(options) if labelled else (), labelled=labelled)


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
                knob: parse(distribution, (*node.where, knob), Problems())
                for knob, distribution in row.recommended().items()
                if knob not in items
            }
            return replace(node, items={**items, **missing})
    return node


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


def points(space: Branch) -> Iterator[dict[str, Any]]:
    """Yield each point: the label of each option by the parameter's name, as Optuna holds it. The last varies first."""
    return configurations(space)


def check_grid(space: Branch) -> Iterator[Finding]:
    """Why a space is no grid."""
    ranges = [node for node in distributions(space) if isinstance(node, Ranged)]
    for node in ranges:
        given = inline_yaml(node.distribution.plain())
        yield node.where, f"a grid takes choices only, as in {{choice: [0.01, 0.1]}}, but got the range {given}"
    count = int(_size(space, 1))
    if not ranges and count == 1:
        yield ("trial",), "a grid must have at least one choice; several seeds are `seed: {choice: [0, 1, 2]}`"
    if count > MAX_POINTS:
        yield ("trial",), f"a grid must have at most {MAX_POINTS:,} points, but this one has {count:,}"
