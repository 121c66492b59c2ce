"""Rules of a study file that tie its sections together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from hpsearch.config import problems as wording
from hpsearch.config.checking import references
from hpsearch.config.compare import check_compare
from hpsearch.config.file import Asha
from hpsearch.config.matching import match
from hpsearch.config.own import TRAINABLE
from hpsearch.config.recording import unrecorded
from hpsearch.config.reference import missing_module
from hpsearch.config.sources import missing_name
from hpsearch.config.space import Branch, Fixed, Options
from hpsearch.config.trial import varying_terms

if TYPE_CHECKING:
    from hpsearch.config.study import StudySpec


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
