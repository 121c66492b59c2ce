"""The search space: the tree below `trial:`, in which any value may be a distribution.

    parse            plain data -> Node          distributions recognized, ranges checked
    fill             Node -> Node                knobs left out take the catalogue's recommended range, but in a grid
    name_parameters  Node -> Node                each distribution gets its parameter name
    concrete         Node + Pick -> plain data   what one trial trains (TrialConfig validates it)

A choice may hold whole sub-trees, which makes the space conditional: only the distributions below the selected option
are sampled.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, islice, product
from typing import Any, NamedTuple

from pydantic import ValidationError

from hpsearch.config import foreign
from hpsearch.config.distributions import RANGES, Int, OneMinus, Range
from hpsearch.config.problems import Problem, problems_of
from hpsearch.config.trial import SEED, SELECTIONS
from hpsearch.config.yaml_text import KeyPath, inline_yaml, is_number, shown_value
from hpsearch.errors import unknown_name

# A larger grid would take days, and is nearly always a mistake.
MAX_POINTS = 2_000
# The largest number of configurations of one node that are listed.
MAX_LISTED = 10_000
BATCH_SIZES = (32, 64, 128, 256, 512)
# The middle one, which He et al. 2016 (arXiv:1512.03385, section 4.2) take for CIFAR-10.
RECOMMENDED_BATCH_SIZE = 128


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
    """One of several sub-trees to be sampled; `labels` distinguish them and are stored by Optuna.

    With `labelled` the file gave the labels: `{choice: {plain: {...}, l2: {...}}}`. `prior` is the index of the
    recommended option, if there is one.
    """

    options: tuple[Node, ...]
    where: KeyPath = ()
    name: str = ""
    labels: tuple[str | int | float | bool | None, ...] = ()
    labelled: bool = False
    prior: int | None = None


@dataclass(frozen=True)
class Branch:
    """A mapping of sub-trees, or a list of them by position."""

    items: Mapping[Any, Node]
    where: KeyPath = ()
    is_list: bool = False


Node = Fixed | Ranged | Options | Branch


def below(node: Node) -> Mapping[Any, Node]:
    """Return the nodes directly below a node: the options by index, the entries by key."""
    match node:
        case Options(options):
            return dict(enumerate(options))
        case Branch(items):
            return items
    return {}


def walk(node: Node, drawn: Mapping[str, Any] | None = None) -> Iterator[tuple[Node, Mapping[str, Any]]]:
    """Yield each node, outer ones first, with the parameters that lead to it: the labels of options by name."""
    drawn = drawn or {}
    yield node, drawn
    for key, child in below(node).items():
        is_option = isinstance(node, Options) and bool(node.labels)
        yield from walk(child, {**drawn, node.name: node.labels[key]} if is_option else drawn)  # type: ignore[union-attr]


def distributions(node: Node) -> Iterator[Ranged | Options]:
    """Yield each distribution of the tree, outer ones first."""
    return (found for found, _ in walk(node) if isinstance(found, Ranged | Options))


def choices(space: Node, *, always: bool = False) -> dict[str, Options]:
    """Return the choices of a space by the names of their parameters.

    Args:
        always: only those that every trial draws, not those below an option of another choice.
    """
    found = [(node, drawn) for node, drawn in walk(space) if isinstance(node, Options)]
    return {node.name: node for node, drawn in found if not (always and drawn)}


def find_choice(known: Mapping[str, Options], name: str) -> Options | None:
    """Return the choice that a user names; None if there is none.

    The last part of a parameter's name is enough where no other choice ends in it: `activation` for `model.activation`.
    `architecture` is the choice between models, unless the file labels its options.
    """
    if name in known:
        return known[name]
    ends = [node for full, node in known.items() if full.rpartition(".")[2] == name]
    sections = [section for section, (key, _) in SELECTIONS.items() if key == name != "name"]
    ends += [known[section] for section in sections if section in known and not known[section].labelled]
    return ends[0] if len(ends) == 1 else None


def numbers_outside_of_choices(space: Node) -> list[str]:
    """Return the names of the numbers that every configuration has."""
    return [node.name for node, drawn in walk(space) if isinstance(node, Ranged) and not drawn]


def plain_data(node: Node, draw: Callable[[Ranged | Options], Any]) -> Any:
    """Return the tree as plain data, with what `draw` returns in place of each distribution."""
    match node:
        case Fixed(value):
            return value
        case Branch(items):
            values = {key: plain_data(item, draw) for key, item in items.items()}
            return list(values.values()) if node.is_list else values
    return draw(node)


class Pick(NamedTuple):
    """Functions that draw: the value of a range, and the index of a choice's option."""

    number: Callable[[Ranged], int | float]
    option: Callable[[Options], int]


def pick_from(params: Mapping[str, Any]) -> Pick:
    """Return the Pick of given Optuna parameters; a missing one has its first option or its smallest value."""

    def number(node: Ranged) -> int | float:
        of = node.distribution
        return of.value(params.get(node.name, of.ends[0]))

    return Pick(number, lambda node: node.labels.index(params[node.name]) if node.name in params else 0)


FIRST_VALUES = pick_from({})


def concrete(node: Node, pick: Pick) -> Any:
    """Return the tree with every distribution replaced by what `pick` draws; plain data."""

    def draw(found: Ranged | Options) -> Any:
        return pick.number(found) if isinstance(found, Ranged) else concrete(found.options[pick.option(found)], pick)

    return plain_data(node, draw)


def plain(node: Node) -> Any:
    """Return the tree in the notation of study files, without priors.

    It is stored with a study, and compared when it is continued.
    """

    def written(found: Ranged | Options) -> dict[str, Any]:
        if isinstance(found, Ranged):
            return found.distribution.plain()
        options = list(map(plain, found.options))
        return {"choice": dict(zip(map(str, found.labels), options, strict=True)) if found.labelled else options}

    return plain_data(node, written)


def shown_distribution(node: Ranged | Options) -> dict[str, Any]:
    """Return a distribution with its prior, for users; each option of a choice is its label."""
    if isinstance(node, Ranged):
        return node.distribution.plain(prior=True)
    prior = {} if node.prior is None else {"prior": node.labels[node.prior]}
    return {"choice": list(node.labels), **prior}


def origin(node: Node, path: KeyPath, pick: Pick) -> KeyPath:
    """Return the key path in the study file of the value that `concrete(node, pick)` has at `path`."""
    if isinstance(node, Options):
        return origin(node.options[pick.option(node)], path, pick)
    if path and path[0] in below(node):
        return origin(below(node)[path[0]], path[1:], pick)
    return (*node.where, *path)


def each_option(node: Node, change: Callable[[Node], Node]) -> Node:
    """Apply `change` to each option of a choice and of nested choices, or to the node itself if it is no choice."""
    if isinstance(node, Options):
        return replace(node, options=tuple(each_option(option, change) for option in node.options))
    return change(node)


def size(node: Node, real: float = math.inf) -> float:
    """Return the number of configurations of a node, counting `real` values for a range of real numbers."""
    match node:
        case Ranged(Int() as whole):
            # Not `len`, which ends at 2**63.
            return int((whole.high - whole.low) // whole.step + 1)
        case Ranged():
            return real
        case Options(options):
            return sum(size(option, real) for option in options)
    return math.prod(size(item, real) for item in below(node).values())


def can_repeat(space: Branch) -> bool:
    """Return whether the same configuration can be drawn twice.

    This is possible if `trial.seed` is set and some branch has no range of real numbers. If the file sets no seed, each
    trial has its own.
    """
    seed = space.items.get(SEED, Fixed(None))
    return not (isinstance(seed, Fixed) and seed.value is None) and size(space, 0) > 0


def combinations(node: Node, numbers: Callable[[Ranged], Iterable[int | float]]) -> Iterator[dict[str, Any]]:
    """Yield every combination of the parameters of a node, as Optuna stores them; the last parameter varies fastest.

    Args:
        numbers: returns the values of a range.
    """
    match node:
        case Ranged():
            yield from ({node.name: number} for number in numbers(node))
        case Options(options, labels=labels):
            for label, option in zip(labels, options, strict=True):
                yield from ({node.name: label, **params} for params in combinations(option, numbers))
        case _:
            each = [list(islice(combinations(item, numbers), MAX_LISTED)) for item in below(node).values()]
            for parts in product(*each):
                yield {name: value for part in parts for name, value in part.items()}


def configurations(space: Node) -> Iterator[dict[str, Any]]:
    """Yield the parameters of each configuration of a space without real numbers: the points of a grid."""
    return combinations(space, lambda node: node.distribution.numbers() if isinstance(node.distribution, Int) else ())


def corners(space: Node) -> Iterator[dict[str, Any]]:
    """Yield parameters that reach every option of every choice and both ends of every range.

    Parameters that are left out have their first value.
    """
    seen = set[tuple[tuple[str, Any], ...]]()
    for node, drawn in walk(space):
        # Labels are compared with their type, since 1 == True in Python.
        key = tuple((name, repr(label)) for name, label in drawn.items())
        if key not in seen:
            seen.add(key)
            yield dict(drawn)
        if isinstance(node, Ranged):
            yield from ({**drawn, node.name: end} for end in node.distribution.ends)


def not_finite(value: Any, where: KeyPath = ()) -> Iterator[Problem]:
    """Yield the path of every NaN or infinite number in plain data, with the error message.

    JSON, in which configurations are stored and exported, has neither NaN nor infinity.
    """
    if isinstance(value, float) and not math.isfinite(value):
        instead = "write null, or a word for your own code to convert"
        yield where, f"must be a finite number, but got {value}; {instead}"
    elif isinstance(value, Mapping | list | tuple):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in items:
            yield from not_finite(item, (*where, key))


def parse(value: Any, where: KeyPath, problems: list[Problem]) -> Node:
    """Return the node for a value of a study file. A value that breaks a rule is reported and replaced by `Fixed`.

    Args:
        problems: the list to which errors are added.
    """
    kinds = [key for key in value if key == "choice" or key in RANGES] if isinstance(value, Mapping) else []
    if kinds:
        return _distribution(kinds, value, where, problems)
    # A mapping may be meant as a distribution, but not `trial` itself, nor a builder's arguments.
    if len(where) > 1 and where[-1] != "arguments" and (instead := foreign.notation_hint(value)):
        problems.append((where, f"{inline_yaml(value)} is another tool's notation; {instead}"))
        return Fixed(None, where)
    if isinstance(value, Mapping):
        return Branch({str(key): parse(item, (*where, str(key)), problems) for key, item in value.items()}, where)
    if isinstance(value, list):
        items = {index: parse(item, (*where, index), problems) for index, item in enumerate(value)}
        if not all(isinstance(item, Fixed) for item in items.values()):
            return Branch(items, where, is_list=True)
    else:
        problems += not_finite(value, where)
    return Fixed(value, where)


def _distribution(kinds: list[str], value: Mapping[str, Any], where: KeyPath, problems: list[Problem]) -> Node:
    kind = kinds[0]
    if len(kinds) > 1:
        problems.append((where, f"one distribution must stand here, but got {' and '.join(kinds)}"))
    elif kind == "choice":
        known = [kind, "prior"]
        unknown = [key for key in value if key not in known]
        problems += [((*where, str(key)), unknown_name("key beside 'choice'", key, known)) for key in unknown]
        node = _choice(value[kind], where, problems)
        if "prior" in value and isinstance(node, Options):
            return replace(node, prior=_prior_option(value["prior"], value[kind], where, problems))
        return node
    else:
        try:
            return Ranged(RANGES[kind].model_validate(value), where)
        except ValidationError as error:
            problems += [((*where, *path), sentence) for path, sentence in problems_of(error, RANGES[kind])]
    return Fixed(None, where)


def _choice(options: Any, where: KeyPath, problems: list[Problem]) -> Node:
    """Return the node of a list of options, or of a mapping from a label to an option."""
    inside = (*where, "choice")
    if not isinstance(options, list | Mapping) or not options:
        sentence = f"a choice must be a list of at least one option, but got {shown_value(options)}"
        problems.append((inside, sentence))
        return Fixed(None, where)
    labelled = isinstance(options, Mapping)
    keyed: list[tuple[Any, Any]] = list(options.items() if isinstance(options, Mapping) else enumerate(options))
    seen: list[Any] = []
    for key, option in keyed:
        # The types are compared too, since 1 == True in Python.
        if any(type(option) is type(other) and option == other for other in seen):
            problems.append(((*inside, key), f"each option must stand once, but {shown_value(option)} stands twice"))
        seen.append(option)
    nodes = tuple(parse(option, (*inside, key), problems) for key, option in keyed)
    return Options(nodes, where, labels=tuple(options) if labelled else (), labelled=labelled)


def _prior_option(prior: Any, options: Any, where: KeyPath, problems: list[Problem]) -> int | None:
    """Return the index of the option that a choice recommends; None, with a problem, if that is not exactly one.

    Args:
        prior: an option as it is written, else its label, else the name of the catalogue entry that it selects.
        options: a list of options, or a mapping from a label to an option.
    """
    labels: list[Any] = list(options) if isinstance(options, Mapping) else []
    written: list[Any] = list(options.values()) if isinstance(options, Mapping) else list(options)
    names = list(map(entry_name, written)) if isinstance(prior, str) else []
    for known in (written, labels, names):
        found = [index for index, name in enumerate(known) if _is_same(name, prior)]
        if len(found) == 1:
            return found[0]
        if found:
            instead = "give the options labels: {choice: {one: ..., other: ...}, prior: one}"
            sentence = f"prior is {shown_value(prior)}, but this is the name of {len(found)} options; {instead}"
            problems.append(((*where, "prior"), sentence))
            return None
    known = labels or [entry_name(option) or option for option in written]
    sentence = f"prior is {shown_value(prior)}, but must be one of the options {', '.join(map(shown_value, known))}"
    problems.append(((*where, "prior"), sentence))
    return None


def _is_same(one: Any, other: Any) -> bool:
    """Return whether two plain values are the same in a study file: 1 is 1.0, but not true."""
    return bool(one == other) and (type(one) is type(other) or (is_number(one) and is_number(other)))


def fill(tree: Branch, *, recommended: bool = True) -> Branch:
    """Add the sections that the file leaves out, and the knobs of each selected entry of the catalogue.

    Args:
        recommended: False for a grid, which cannot have ranges: left-out values have the defaults of TrialConfig.
    """
    left_out: dict[str, list[Any]] = {}
    if recommended:
        for section in ("optimizer", "schedule"):
            left_out[section] = [entry.name for entry in SELECTIONS[section][1].values() if entry.offered]
        left_out["batch_size"] = list(BATCH_SIZES)
    items = dict(tree.items)
    for key, values in left_out.items():
        where = (*tree.where, key)
        prior = values.index(RECOMMENDED_BATCH_SIZE) if key == "batch_size" else None
        items.setdefault(key, Options(tuple(Fixed(value, where) for value in values), where, prior=prior))
    for section in SELECTIONS:
        if section in items:
            items[section] = each_option(items[section], partial(_selection, section=section, recommended=recommended))
    return replace(tree, items=items)


def _selection(node: Node, section: str, recommended: bool) -> Node:
    """Return an option of a section as a mapping, with recommended ranges for the knobs that the file leaves out."""
    key, entries = SELECTIONS[section]
    if isinstance(node, Fixed) and isinstance(node.value, str):
        node = Branch({key: node}, node.where)
    if not isinstance(node, Branch):
        return node
    name = node.items.get(key)
    if isinstance(name, Options):
        # `{name: {choice: [sgd, adam]}, ...}`: the same tree once for each name.
        each = tuple(replace(node, items={**node.items, key: option}) for option in name.options)
        return each_option(replace(name, options=each), partial(_selection, section=section, recommended=recommended))
    entry = entries.get(name.value) if isinstance(name, Fixed) and isinstance(name.value, str) else None
    if entry is None or not recommended:
        return node
    missing = {
        knob: parse(distribution, (*node.where, knob), [])
        for knob, distribution in entry.recommended().items()
        if knob not in node.items
    }
    return replace(node, items={**node.items, **missing})


def name_parameters(node: Node, path: tuple[str, ...] = ()) -> Node:
    """Give each distribution its parameter name: the path to it, with the labels of options.

    `optimizer.sgd.momentum` and `optimizer.rmsprop.momentum` are two parameters, because Optuna has one distribution
    for a name. The parameter of `one_minus` is named `one_minus_momentum`, since 1 - momentum is drawn.
    """
    match node:
        case Ranged(OneMinus()):
            return replace(node, name=".".join((*path[:-1], f"one_minus_{path[-1]}")))
        case Ranged():
            return replace(node, name=".".join(path))
        case Branch(items):
            return replace(node, items={key: name_parameters(item, (*path, str(key))) for key, item in items.items()})
        case Options(options):
            labels = node.labels if node.labelled else _labels(options)
            pairs = zip(options, labels, strict=True)
            named = tuple(name_parameters(option, (*path, str(label))) for option, label in pairs)
            return replace(node, name=".".join(path), options=named, labels=labels)
    return node


def _labels(options: tuple[Node, ...]) -> tuple[str | int | float | bool | None, ...]:
    """Return a label for each option: the value itself if all options are plain values, else a text."""
    values: list[Any] = [option.value if isinstance(option, Fixed) else option for option in options]
    plain_values = all(value is None or isinstance(value, bool | int | float | str) for value in values)
    # Optuna compares values by ==, and 1 == True == 1.0: such options are distinguished by texts.
    if plain_values and len({value for value in values}) == len(values):  # noqa: C416
        return tuple(values)
    texts: dict[str, None] = {}
    for text in map(_label, options):
        numbered = (f"{text}#{number}" for number in count(2))
        texts[text if text not in texts else next(label for label in numbered if label not in texts)] = None
    return tuple(texts)


def _label(node: Node) -> str:
    name = entry_name(node)
    if name is not None:
        return str(name)
    if isinstance(node, Ranged):
        return "range"
    text = json.dumps(plain(node), separators=(",", ":"))
    return text if len(text) <= 60 else text[:57] + "..."


def entry_name(node: Any) -> Any:
    """Return the name of the catalogue entry that a node or plain data selects; None if it selects none."""
    if isinstance(node, Branch):
        node = {key: item.value for key, item in node.items.items() if isinstance(item, Fixed)}
    elif isinstance(node, Fixed):
        node = node.value
    if isinstance(node, Mapping):
        return node.get("name", node.get("architecture"))
    return node if isinstance(node, str) else None
