"""Add the objective's metric to the metrics that every trial records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from hpsearch.catalogue.metrics import METRICS, NOISE
from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.config.problems import Finding
from hpsearch.config.space import Branch, Fixed, Node, Options, Sequence

if TYPE_CHECKING:
    from hpsearch.config.study import StudySpec


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
