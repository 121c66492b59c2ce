"""The rules of a study beyond those of its sections, at every corner of its search space.

A corner is one concrete configuration: some option of some choice, or one end of a range, the rest at its first value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from hpsearch.catalogue.metrics import METRICS, NOISE
from hpsearch.config.file import Asha, AshaStop, CmaEs, Compare, as_number
from hpsearch.config.matching import match
from hpsearch.config.problems import Problem, problems_of
from hpsearch.config.space import (
    MAX_POINTS,
    Branch,
    Fixed,
    Node,
    Options,
    Pick,
    Ranged,
    choices,
    combinations,
    concrete,
    corners,
    distributions,
    each_option,
    find_choice,
    numbers_outside_of_choices,
    origin,
    pick_from,
    size,
)
from hpsearch.config.trial import TRAINABLE, TrialConfig, varying_terms
from hpsearch.config.user_modules import reference_problem
from hpsearch.config.yaml_text import KeyPath, inline_yaml
from hpsearch.errors import unknown_name

if TYPE_CHECKING:
    from hpsearch.config.study import StudySpec

# The sections that one rule of TrialConfig ties together (a batch is no larger than the training set). Every
# combination of their values is checked.
TIED = ("data", "batch_size")
MAX_COMBINATIONS = 2_000
_NUMBER = re.compile(r"\d[\d,.]*")


def check_space(space: Branch, *, grid: bool = False) -> list[Problem]:
    """Return what TrialConfig refuses at any corner of the space, by the key path in the file.

    Args:
        grid: whether to check every combination, since a grid trains them all; else only those of the tied sections.
    """
    tied = _tied(space.items if grid else TIED, space)
    found: dict[tuple[KeyPath, str], Problem] = {}
    for pick, config in _drawn(space, chain(corners(space), islice(tied, MAX_COMBINATIONS))):
        if isinstance(config, ValidationError):
            for path, sentence in problems_of(config, TrialConfig):
                # Report a rule once, even if both ends of a range break it.
                where, rule = origin(space, path, pick), _NUMBER.sub("", sentence.partition(", but got ")[0])
                found.setdefault((where, rule), (where, sentence))
    return list(found.values())


def _tied(sections: Iterable[str], space: Branch) -> Iterator[dict[str, Any]]:
    """Yield every combination of the parameters of some sections, ranges at either end."""
    tied = {key: node for key, node in space.items.items() if key in sections}
    return combinations(Branch(tied), lambda node: node.distribution.ends)


def _drawn(space: Branch, params: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Pick, TrialConfig | ValidationError]]:
    for pick in map(pick_from, params):
        try:
            yield pick, TrialConfig.model_validate(concrete(space, pick))
        except ValidationError as error:
            yield pick, error


def check_grid(space: Branch) -> Iterator[Problem]:
    """Yield why a space is no grid."""
    ranges = [node for node in distributions(space) if isinstance(node, Ranged)]
    for node in ranges:
        given = inline_yaml(node.distribution.plain())
        yield node.where, f"a grid takes choices only, as in {{choice: [0.01, 0.1]}}, but got the range {given}"
    points = int(size(space, 1))
    if not ranges and points == 1:
        yield ("trial",), "a grid must have at least one choice; several seeds are `seed: {choice: [0, 1, 2]}`"
    if points > MAX_POINTS:
        yield ("trial",), f"a grid must have at most {MAX_POINTS:,} points, but this one has {points:,}"


def with_metric(space: Branch, metric: str) -> Branch:
    """Return the space in which every training records a metric.

    Args:
        space: of hpsearch's own training; what the file says about the metric is kept.
        metric: the objective's.
    """
    name = metric.removeprefix("val_")
    if name not in METRICS and metric != NOISE:
        return space

    def recorded(training: Node) -> Node:
        if not isinstance(training, Branch) or training.is_list:
            return training
        if metric == NOISE:
            switch = Fixed(True, (*training.where, "gradient_noise"))
            return replace(training, items={"gradient_noise": switch, **training.items})
        metrics = training.items.get("metrics", Fixed([], (*training.where, "metrics")))
        return replace(training, items={**training.items, "metrics": each_option(metrics, listed)})

    def listed(metrics: Node) -> Node:
        if isinstance(metrics, Fixed) and isinstance(metrics.value, list) and name not in metrics.value:
            return replace(metrics, value=[*metrics.value, name])
        if isinstance(metrics, Branch) and name not in [
            getattr(item, "value", None) for item in metrics.items.values()
        ]:
            return replace(metrics, items={**metrics.items, len(metrics.items): Fixed(name, metrics.where)})
        return metrics

    training = space.items.get("training", Branch({}, (*space.where, "training")))
    return replace(space, items={**space.items, "training": each_option(training, recorded)})


def broken_rules(spec: StudySpec) -> Iterator[Problem]:
    """Yield the errors of a study whose sections are valid one by one."""
    yield from _bad_space(spec)
    yield from _impossible(spec)
    yield from _bad_balance(spec)
    yield from _bad_objective(spec)
    if spec.enqueue and spec.points:
        yield ("enqueue",), "a grid tries all of its points and nothing else; leave `enqueue` out"
    for index, config in enumerate(spec.enqueue):
        yield from ((("enqueue", index, *path), sentence) for path, sentence in match(spec.space, config).problems)
    if spec.file.compare is not None:
        yield from ((("compare", *path), sentence) for path, sentence in _check_compare(spec.file.compare, spec))


def _bad_space(spec: StudySpec) -> Iterator[Problem]:
    """Yield the error of a study whose trials would all be the same, and references to code that does not exist."""
    if not spec.parameters and isinstance(spec.space.items.get("seed"), Fixed):
        yield ("trial",), "every trial would be the same: no distribution and a fixed seed; see `hpsearch train`"
    if isinstance(spec.search.sampler, CmaEs) and not numbers_outside_of_choices(spec.space):
        instead = "take forest, nsga2 or tpe"
        yield ("search", "sampler"), f"cmaes adapts numbers outside of choices, but `trial` has none; {instead}"
    if not spec.trainable:
        yield from absent_modules(spec.space, spec.folders)
    elif sentence := reference_problem(spec.trainable, spec.folders):
        yield (TRAINABLE,), sentence


def absent_modules(space: Branch, folders: Sequence[Path]) -> Iterator[Problem]:
    """Yield references to the user's own code whose module or name does not exist; nothing is imported.

    Args:
        space: in which `check_space` found nothing.
    """
    named = {}
    for pick, config in _drawn(space, corners(space)):
        assert isinstance(config, TrialConfig)
        named.update({origin(space, path, pick): name for path, name in config.references()})
    for where, name in named.items():
        if sentence := reference_problem(name, folders):
            yield where, sentence


def _impossible(spec: StudySpec) -> Iterator[Problem]:
    """Yield values of different sections that cannot work together."""
    if spec.objective.metric.startswith("val_") and any(c.data.validation == 0 for c in spec.keras_corners):
        needs = f"{spec.objective.metric} needs images that are held out"
        yield ("trial", "data", "validation"), f"validation is 0, but {needs}"
    if len({config.training.engine for config in spec.keras_corners}) > 1:
        training = spec.space.items.get("training")
        engine = training.items.get("engine") if isinstance(training, Branch) else None
        where = engine.where if isinstance(engine, Options) else ("trial", "training")
        yield where, "`engine` must be one value: all trials of a study are trained by the same engine"
    pruner = spec.search.pruner
    # Rungs beyond the last epoch have no effect; a default may be one.
    rung = (
        pruner.min_resource if isinstance(pruner, Asha | AshaStop) and "min_resource" in pruner.model_fields_set else 0
    )
    if spec.longest is not None and rung > spec.longest:
        yield ("search", "pruner"), f"min_resource is {rung}, but max_epochs is {spec.longest}"


def _bad_balance(spec: StudySpec) -> Iterator[Problem]:
    """Yield why the trials cannot be balanced between the options of a choice."""
    name = spec.search.balance
    if name is None or find_choice(known := choices(spec.space, always=True), name):
        return
    if not known:
        yield ("search", "balance"), f"is {name}, but no parameter of the study is a choice"
    elif find_choice(choices(spec.space), name):
        listed = ", ".join(known)
        yield ("search", "balance"), f"must be a choice that every trial draws ({listed}), but got {name}"
    else:
        yield ("search", "balance"), unknown_name("choice", name, known)


def _bad_objective(spec: StudySpec) -> Iterator[Problem]:
    """Yield why some trial does not record the objective, or records what cannot be compared with other trials."""
    metric = spec.objective.metric
    if metric == NOISE and not all(config.training.gradient_noise for config in spec.keras_corners):
        yield ("trial", "training", "gradient_noise"), f"is false, but must be true where the objective is {metric}"
    rateless = ", ".join({c.optimizer.selected() for c in spec.keras_corners if c.optimizer.entry.needs_closure})
    if metric == "learning_rate" and rateless:
        yield ("objective", "metric"), f"{metric} cannot be the objective: {rateless} has no learning rate"
    if varying := varying_terms(config.loss_terms(metric) for config in spec.keras_corners):
        yield (
            ("objective", "metric"),
            f"{metric} cannot be compared between trials that differ in {' and '.join(varying)}; use val_accuracy, or "
            "val_cross_entropy with `training.metrics: [cross_entropy]`",
        )


def _check_compare(section: Compare, spec: StudySpec) -> Iterator[Problem]:
    """Yield the errors of the section `compare`: names that the study does not have."""
    if spec.trainable:
        yield (), "compares what hpsearch's own trainer measures; leave it out beside `trainable`"
        return
    varied = {node.name: node.labels if isinstance(node, Options) else () for node in spec.parameters}
    flats = [config.flat() for config in spec.keras_corners]
    known = {*varied, *(name for flat in flats for name in flat)}
    named = [(key, i, name) for key in ("by", "best_of") for i, name in enumerate(getattr(section, key))]
    unknown = [((key, i), unknown_name("name", name, known)) for key, i, name in named if name not in known]
    yield from unknown
    if unknown or not (section.growth or section.log_x):
        return
    first = section.by[0]
    if section.growth and len(section.by) > 1:
        yield ("growth",), f"a power law is fitted over one name of `by`, but got {', '.join(section.by)}"
    for config, flat in zip(spec.keras_corners, flats, strict=True):
        for value in varied.get(first) or [flat.get(first)]:
            number = as_number(value, config)
            if number is None or number <= 0:
                yield ("by", 0), f"`growth` and `log_x` need numbers above 0, but {first} can be {value!r}"
                return


@dataclass(frozen=True)
class UserDataset:
    """The training part of a user's own dataset.

    Attributes:
        examples: the number of examples.
        classes: the number of classes.
        smallest: the number of examples of the rarest class.
        shape: of one example.
        dtype: of the examples: uint8, float32 or float64.
    """

    examples: int
    classes: int
    smallest: int
    shape: tuple[int, ...]
    dtype: str


def _corners_with_data(spec: StudySpec) -> Iterator[tuple[Pick, TrialConfig]]:
    """Yield every corner of the space with each combination of `data` and `batch_size`, MAX_COMBINATIONS at most."""
    space = spec.space
    all_tied = chain([{}], islice(_tied(TIED, space), MAX_COMBINATIONS))
    drawn = (tied | corner for tied in all_tied for corner in corners(space))
    for pick, config in _drawn(space, islice(drawn, MAX_COMBINATIONS)):
        # Values that are not allowed together make only their own trial fail.
        if isinstance(config, TrialConfig):
            yield pick, config


def dataset_paths(spec: StudySpec) -> dict[str, KeyPath]:
    """Return the key path in the study file of each dataset that it names."""
    found: dict[str, KeyPath] = {}
    for pick, config in _corners_with_data(spec) if not spec.trainable else ():
        found.setdefault(config.data.dataset, origin(spec.space, ("data", "dataset"), pick))
    return found


def dataset_problems(spec: StudySpec, known: Mapping[str, UserDataset]) -> Iterator[Problem]:
    """Yield the values of a study that do not fit its datasets.

    Args:
        known: the user's own datasets that have been read, by name.
    """
    for pick, config in _corners_with_data(spec) if known else ():
        if config.data.dataset in known:
            for path, sentence in _unfit(config, known[config.data.dataset]):
                yield origin(spec.space, path, pick), sentence


def with_normalization(config: TrialConfig, known: Mapping[str, UserDataset]) -> TrialConfig:
    """Return the configuration with the default normalization for its dataset, if it names none."""
    name = config.data.dataset
    return config.for_data(known[name].dtype) if name in known else config


def _unfit(config: TrialConfig, data: UserDataset) -> Iterator[Problem]:
    name = config.data.dataset
    if problem := config.shape_problem(data.shape):
        # The sentence begins with the key that is wrong: `filters`, for instance.
        yield ("model", problem.split("`")[1]), problem
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
