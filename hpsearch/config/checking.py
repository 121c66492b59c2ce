"""A search space held against TrialConfig: every option of every choice, both ends of every range."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import chain, islice, product
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from hpsearch.catalogue.metrics import METRICS, NOISE
from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.config import problems as wording
from hpsearch.config.problems import Finding
from hpsearch.config.space import Branch, Fixed, Node, Options, Pick, Ranged, Sequence, concrete, origin
from hpsearch.config.trial import TrialConfig
from hpsearch.config.yaml_text import KeyPath

if TYPE_CHECKING:
    from hpsearch.config.study import StudySpec
from dataclasses import dataclass
from pathlib import Path

from hpsearch.config.file import Asha, check_compare
from hpsearch.config.matching import match
from hpsearch.config.trial import TRAINABLE, varying_terms
from hpsearch.config.user_modules import missing_module, missing_name

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


def with_metric(space: Branch, metric: str) -> Branch:
    """Return the space in which every training records a metric.

    Args:
        space: of hpsearch's own training; what it says itself about the metric is kept.
        metric: the objective's.
    """
    name = metric.removeprefix("val_")
    if name in METRICS:
        return _changed(space, "training", lambda training: _listed(training, name))
    if metric == NOISE:
        return _changed(space, "training", lambda training: _switched_on(training, "gradient_noise"))
    return space


def unrecorded(spec: StudySpec) -> Iterator[Finding]:
    """Yield why some training of a study would not record the objective's metric."""
    metric = spec.objective.metric
    if metric == NOISE and not all(config.training.gradient_noise for config in spec.keras_corners):
        yield ("trial", "training", "gradient_noise"), f"is false, but must be true where the objective is {metric}"
    solvers = {c.optimizer.selected() for c in spec.keras_corners if OPTIMIZERS[c.optimizer.selected()].needs_closure}
    if metric == "learning_rate" and solvers:
        yield ("objective", "metric"), f"{metric} cannot be the objective: {', '.join(solvers)} has no learning rate"


def _changed(space: Branch, key: str, change: Callable[[Node], Node]) -> Branch:
    section = space.items.get(key, Branch({}, (*space.where, key)))
    return replace(space, items={**space.items, key: change(section)})


def _listed(node: Node, name: str) -> Node:
    """The training's section with a metric among its `metrics`."""
    match node:
        case Options(options):
            return replace(node, options=tuple(_listed(option, name) for option in options))
        case Branch(items):
            metrics = items.get("metrics", Fixed([], (*node.where, "metrics")))
            return replace(node, items={**items, "metrics": _with_item(metrics, name)})
    return node


def _with_item(node: Node, name: str) -> Node:
    match node:
        case Options(options):
            return replace(node, options=tuple(_with_item(option, name) for option in options))
        case Fixed(list() as names) if name not in names:
            return replace(node, value=[*names, name])
        case Sequence(items) if not any(isinstance(item, Fixed) and item.value == name for item in items):
            return replace(node, items=(*items, Fixed(name, node.where)))
    return node


def _switched_on(node: Node, key: str) -> Node:
    match node:
        case Options(options):
            return replace(node, options=tuple(_switched_on(option, key) for option in options))
        case Branch(items):
            return replace(node, items={key: Fixed(True, (*node.where, key)), **items})
    return node


def broken_rules(spec: StudySpec) -> Iterator[wording.Finding]:
    """What is wrong with a study although each of its sections is right."""
    return chain(
        _impossible(spec), unrecorded(spec), _losses_that_differ(spec), _unfit_enqueued(spec), _incomparable(spec)
    )


def _impossible(spec: StudySpec) -> Iterator[wording.Finding]:
    """Combinations of sections that cannot work together."""
    pruner = spec.search.pruner
    if not spec.parameters and isinstance(spec.space.items.get("seed"), Fixed):
        yield ("trial",), "every trial would be the same: no distribution and a fixed seed; see `hpsearch train`"
    own = spec.trainable
    if own and (sentence := missing_module(own, spec.folders) or missing_name(own, spec.folders)):
        yield (TRAINABLE,), sentence
    if spec.objective.metric.startswith("val_") and any(c.data.validation == 0 for c in spec.keras_corners):
        yield (
            ("trial", "data", "validation"),
            f"validation is 0, but {spec.objective.metric} needs images that are held out",
        )
    engines = {config.training.engine for config in spec.keras_corners}
    if len(engines) > 1:
        training = spec.space.items.get("training")
        engine = training.items.get("engine") if isinstance(training, Branch) else None
        place = engine.where if isinstance(engine, Options) else ("trial", "training")
        yield place, "`engine` must be one value: all trials of a study are trained by the same engine"
    if not spec.trainable:
        yield from absent_modules(spec.space, spec.folders)
    # Where nobody wrote it, a rung beyond the last epoch prunes nothing and harms nobody.
    written = pruner.min_resource if isinstance(pruner, Asha) and "min_resource" in pruner.model_fields_set else 0
    if spec.longest is not None and written > spec.longest:
        yield (
            ("search", "pruner"),
            f"min_resource is {written}, but max_epochs is {spec.longest}",
        )


def _losses_that_differ(spec: StudySpec) -> Iterator[wording.Finding]:
    """An objective whose values mean something else in each trial, so that there is no best one."""
    metric = spec.objective.metric
    if varying := varying_terms(config.loss_terms(metric) for config in spec.keras_corners):
        yield (
            ("objective", "metric"),
            f"{metric} cannot be compared between trials that differ in {' and '.join(varying)}; use val_accuracy, or "
            "val_cross_entropy with `training.metrics: [cross_entropy]`",
        )


def absent_modules(space: Branch, folders: list[Path]) -> Iterator[wording.Finding]:
    """Return references to a user's own code that name no module, or nothing in it; nothing is imported."""
    for place, name in references(space).items():
        if sentence := missing_module(name, folders) or missing_name(name, folders):
            yield place, sentence


def _unfit_enqueued(spec: StudySpec) -> Iterator[wording.Finding]:
    if spec.enqueue and spec.points:
        yield ("enqueue",), "a grid tries all of its points and nothing else; leave `enqueue` out"
    for index, config in enumerate(spec.enqueue):
        result = match(spec.space, config)
        yield from (((("enqueue", index, *path)), sentence) for path, sentence in result.problems)


def _incomparable(spec: StudySpec) -> Iterator[wording.Finding]:
    section = spec.file.compare
    if section is not None and spec.trainable:
        yield ("compare",), "compares what hpsearch's own trainer measures; leave it out beside `trainable`"
    elif section is not None:
        varied = {node.name: node.labels if isinstance(node, Options) else () for node in spec.parameters}
        yield from ((("compare", *path), told) for path, told in check_compare(section, varied, spec.keras_corners))


@dataclass(frozen=True)
class UserDataset:
    """The training part of a user's own dataset.

    Attributes:
        examples: how many there are.
        classes: how many there are.
        smallest: examples of the rarest class.
        shape: of one example.
        dtype: of the examples: uint8, float32 or float64.
    """

    examples: int
    classes: int
    smallest: int
    shape: tuple[int, ...]
    dtype: str


def dataset_paths(spec: StudySpec) -> dict[str, KeyPath]:
    """Where in the study file each of its datasets is named."""
    found: dict[str, KeyPath] = {}
    for pick, config in corners_with_data(spec.space) if not spec.trainable else ():
        found.setdefault(config.data.dataset, origin(spec.space, ("data", "dataset"), pick))
    return found


def dataset_problems(spec: StudySpec, known: Mapping[str, UserDataset]) -> Iterator[wording.Finding]:
    """Yield what does not fit between the study and its datasets.

    Args:
        known: the user's own datasets that have been read, by name.
    """
    for pick, config in corners_with_data(spec.space) if known else ():
        if config.data.dataset in known:
            for path, sentence in _problems(config, known[config.data.dataset]):
                yield origin(spec.space, path, pick), sentence


def with_normalization(config: TrialConfig, known: Mapping[str, UserDataset]) -> TrialConfig:
    """Return the configuration with the normalization that it gets where none is written."""
    name = config.data.dataset
    return config.for_data(known[name].dtype) if name in known else config


def _problems(config: TrialConfig, data: UserDataset) -> Iterator[wording.Finding]:
    name = config.data.dataset
    if problem := config.shape_problem(data.shape):
        yield ("model", "architecture"), problem
    weights = config.training.class_weight
    if isinstance(weights, tuple) and len(weights) != data.classes:
        yield (
            ("training", "class_weight"),
            f"`class_weight` has {len(weights)} numbers, but must have {data.classes}: one for each class of {name}",
        )
    try:
        training, held_out = config.data.examples_of(data.examples)
    except ValueError as error:
        key = re.search("validation|train_examples", str(error))
        yield ("data", key[0] if key else "dataset"), str(error)
        return
    left = data.examples - held_out
    if held_out and (min(held_out, left) < data.classes or data.smallest < 2):
        yield (
            ("data", "validation"),
            f"training and validation must each hold an example of each class, but {name} has {data.examples:,} "
            f"examples of {data.classes} classes, {data.smallest:,} of the rarest, and {held_out:,} are held out",
        )
    elif config.batch_of(training) > training:
        yield (
            ("batch_size",),
            f"batch_size is {config.batch_size:,}, but there are only {training:,} training examples in {name}; "
            f"give `trial.batch_size` a value or a choice up to {training:,}",
        )
