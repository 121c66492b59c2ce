"""Plain data to the nodes of a search space, with every distribution's own rules checked."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from hpsearch.catalogue.distributions import Float, Int, OneMinus
from hpsearch.config import foreign
from hpsearch.config.problems import shown
from hpsearch.config.space import Branch, Fixed, Node, Options, Ranged, Sequence
from hpsearch.config.yaml_text import KeyPath
from hpsearch.errors import unknown_name

# What each kind of distribution takes beside its range.
KINDS: dict[str, frozenset[str]] = {
    "float": frozenset({"log"}),
    "int": frozenset({"log", "step"}),
    "one_minus": frozenset({"log"}),
    "choice": frozenset(),
}


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
        problems.add(where, f"{foreign.flow(value)} is another tool's notation; {instead}")
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
    for key in value:
        if key != kind and key not in KINDS[kind]:
            known = sorted(KINDS[kind] | {kind})
            problems.add((*where, str(key)), unknown_name(f"key beside '{kind}'", key, known))
    if kind == "choice":
        return _choice(value["choice"], where, problems)
    before = len(problems.found)
    _check_range(kind, value, where, problems)
    if len(problems.found) > before:
        return Fixed(None, where)
    low, high = value[kind]
    log = bool(value.get("log", False))
    if kind == "int":
        return Ranged(Int(low, high, log=log, step=value.get("step", 1)), where)
    return Ranged((Float if kind == "float" else OneMinus)(float(low), float(high), log=log), where)


def _choice(options: Any, where: KeyPath, problems: Problems) -> Node:
    """A list of options, or a mapping from a label to an option."""
    inside = (*where, "choice")
    if not isinstance(options, list | Mapping) or not options:
        problems.add(inside, f"a choice must be a list of at least one option, but got {shown(options)}")
        return Fixed(None, where)
    labelled = isinstance(options, Mapping)
    keyed: list[tuple[Any, Any]] = list(options.items() if isinstance(options, Mapping) else enumerate(options))
    seen: list[Any] = []
    for key, option in keyed:
        # 1 == True in Python, so the type belongs to the comparison.
        if any(type(option) is type(other) and option == other for other in seen):
            problems.add((*inside, key), f"each option must stand once, but {shown(option)} stands twice")
        seen.append(option)
    nodes = tuple(parse(option, (*inside, key), problems) for key, option in keyed)
    return Options(nodes, where, labels=tuple(options) if labelled else (), labelled=labelled)


def _check_range(kind: str, value: Mapping[str, Any], where: KeyPath, problems: Problems) -> None:
    """Rules of a range, each stated with the value that breaks it."""
    bounds = value[kind]
    inside = (*where, kind)
    number = int if kind == "int" else (int, float)
    if not isinstance(bounds, list) or len(bounds) != 2 or not all(_is(bound, number) for bound in bounds):
        wanted = "two whole numbers" if kind == "int" else "two numbers"
        instead = foreign.of_bounds(kind, bounds)
        after = f"; {instead}" if instead else ""
        problems.add(inside, f"a range must be {wanted} [low, high], but got {shown(bounds)}{after}")
        return
    low, high = bounds
    if not all(abs(bound) <= sys.float_info.max for bound in bounds) or abs(high - low) > sys.float_info.max:
        problems.add(inside, f"a range must be finite, but got {shown(bounds)}")
        return
    if not low < high:
        what = f"write the value {low} itself" if low == high else f"write [{high}, {low}]"
        problems.add(inside, f"the range is [{low}, {high}], but low must be less than high; {what}")
    log, step = value.get("log", False), value.get("step", 1)
    if not isinstance(log, bool):
        problems.add((*where, "log"), f"must be true or false, but got {log!r}")
    elif log and low <= 0:
        problems.add(inside, f"the range begins at {low}, but must begin above 0 with log: true")
    if kind != "int":
        return
    if not _is(step, int) or step < 1:
        problems.add((*where, "step"), f"must be a whole number >= 1, but got {step!r}")
    elif log is True and step != 1:
        problems.add((*where, "step"), f"step is {step}, but a range with log: true has no steps")
    elif low < high and (high - low) % step:
        end = high - (high - low) % step
        what = f"write [{low}, {end}]" if end > low else f"write [{low}, {low + step}]"
        problems.add(inside, f"the range is [{low}, {high}] with step {step}, but must end at a step; {what}")


def _is(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
