"""Which of several waiting trials starts next.

The sampler has proposed them all already (they were enqueued, or interrupted), so their order is free: first
what a free worker has compiled, then what no busy one has, and the longest first, so that no worker
is left with a long trial at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial

from hpsearch.config.distributions import Int
from hpsearch.config.space import Branch, Options, Pick, Ranged, concrete
from hpsearch.config.trial import AnyConfig, TrialConfig, parse_config
from hpsearch.errors import InvalidConfigError
from hpsearch.executors.protocol import WorkerSlot
from hpsearch.search.records import PLANNED, enqueued_params
from hpsearch.training.structure import needs_of, with_engine

# What an update costs beside its examples, in examples: an MLP's epoch at batch 64 takes 1.4 times one at 512.
UPDATE_COST = 30


def choose_waiting(
    waiting: Sequence[FrozenTrial], space: Branch, engines: Mapping[str, str], places: Sequence[WorkerSlot]
) -> FrozenTrial:
    """The waiting trial to start now.

    Args:
        waiting: by number; at least one.
        space: the study's.
        engines: what `engine: auto` means; empty where the user's own function trains.
        places: of the executor; at least one is free.
    """
    if len(waiting) == 1 or len(places) == 1:
        return waiting[0]
    free = [place.compiled for place in places if not place.busy]
    busy = frozenset[str]().union(*(place.compiled for place in places if place.busy))

    def suits(trial: FrozenTrial) -> tuple[int, int, float]:
        config = _outline(trial, space) if engines else None
        if not isinstance(config, TrialConfig):
            return 0, 0, 0.0
        needs = needs_of(with_engine(config, engines))
        cost = config.training.max_epochs * (1 + UPDATE_COST / config.examples_per_update)
        return max(len(needs & compiled) for compiled in free), -len(needs & busy), cost

    return max(waiting, key=suits)


def _outline(trial: FrozenTrial, space: Branch) -> AnyConfig | None:
    """The trial's configuration as far as it is fixed; the rest from the middle of ranges, the first of options."""
    if planned := trial.user_attrs.get(PLANNED):
        return parse_config(planned)
    fixed = {**enqueued_params(trial), **trial.params}

    def number(node: Ranged) -> int | float:
        distribution = node.distribution
        if isinstance(distribution, Int):
            return int(fixed.get(node.name, distribution.low))
        x: float = fixed.get(node.name, (distribution.low + distribution.high) / 2)
        return distribution.value(x)

    def option(node: Options) -> int:
        return node.labels.index(fixed[node.name]) if fixed.get(node.name) in node.labels else 0

    try:
        return parse_config(concrete(space, Pick(number, option)))
    except InvalidConfigError:
        return None
