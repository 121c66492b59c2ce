"""Plain data to the nodes of a search space, with every distribution's own rules checked."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from hpsearch.catalogue.distributions import Float, Int, OneMinus
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


def parse(value: Any, where: KeyPath, problems: Problems) -> Node:
    """The node for a value of a study file; what breaks a rule is reported and replaced by `Fixed`."""
    if isinstance(value, Mapping):
        kinds = [key for key in value if key in KINDS]
        if kinds:
            return _distribution(kinds, value, where, problems)
        return Branch({str(key): parse(item, (*where, str(key)), problems) for key, item in value.items()}, where)
    if isinstance(value, list):
        items = tuple(parse(item, (*where, index), problems) for index, item in enumerate(value))
        if all(isinstance(item, Fixed) for item in items):
            return Fixed(value, where)
        return Sequence(items, where)
    return Fixed(value, where)


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
        problems.add(inside, f"a range must be {wanted} [low, high], but got {shown(bounds)}")
        return
    low, high = bounds
    if not all(abs(bound) <= sys.float_info.max for bound in bounds):
        problems.add(inside, f"a range must be finite, but got {shown(bounds)}")
        return
    if not low < high:
        hint = f"; write the value {low} itself" if low == high else ""
        problems.add(inside, f"low < high must hold, but got (low={low}, high={high}){hint}")
    log, step = value.get("log", False), value.get("step", 1)
    if not isinstance(log, bool):
        problems.add((*where, "log"), f"must be true or false, but got {log!r}")
    elif log and low <= 0:
        problems.add(inside, f"low > 0 must hold with log: true, but got (low={low}, high={high})")
    if kind != "int":
        return
    if not _is(step, int) or step < 1:
        problems.add((*where, "step"), f"must be a whole number >= 1, but got {step!r}")
    elif log is True and step != 1:
        problems.add((*where, "step"), f"log: true and a step exclude each other, but got step={step}")
    elif (high - low) % step:
        problems.add(inside, f"high must be low plus a multiple of step, but got [{low}, {high}] with step={step}")


def _is(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
