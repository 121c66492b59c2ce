"""Search with priors on a pool: hpsearch's PriorSampler, which draws at random, around priors or around the best trial.

A draw from a density becomes a draw from the unused members, each with a probability that is proportional to its
density. The priors are made in hindsight from the pool: for each parameter, a good prior is the median over the best
tenth of the members that have it, and a bad one the median over the worst tenth; a useless one is drawn at random anew
for each search. For a choice it is the most frequent option.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution

from hpsearch.config.space import Branch, Node, Options, Ranged
from hpsearch.search.priors import PriorSampler, density, evidence_of, optuna_distributions, priors

from .search_choosers import Chooser, TpeChooser
from .search_pool import Member, SearchPool

KINDS = ("good", "useless", "bad")
# The reduction factor of hpsearch's rungs.
FACTOR = 3
# The share of trials for which the prior is asked, once TPE has enough trials.
SHARE = 1 / 3


def with_priors(node: Node, values: Mapping[str, Any]) -> Node:
    """Return a space whose priors are these values, as Optuna stores them."""
    match node:
        case Branch():
            return replace(node, items={key: with_priors(below, values) for key, below in node.items.items()})
        case Options():
            options = tuple(with_priors(below, values) for below in node.options)
            chosen = node.labels.index(values[node.name]) if node.name in values else None
            return replace(node, options=options, prior=chosen)
        case Ranged() if node.name in values:
            prior = node.distribution.value(values[node.name])
            return replace(node, distribution=node.distribution.model_copy(update={"prior": prior}))
    return node


def hindsight(pool: SearchPool, kind: str, seed: int) -> dict[str, Any]:
    """Return a prior of this kind for each parameter of the pool."""
    ranked = sorted(pool.members, key=lambda member: -member.final)
    tenth = len(ranked) // 10
    rng = np.random.default_rng(seed)
    chosen = {"good": ranked[:tenth], "bad": ranked[-tenth:], "useless": ranked}[kind]
    found: dict[str, Any] = {}
    for name in {name: None for member in pool.members for name in member.params}:
        having = [m for m in chosen if name in m.params] or [m for m in ranked if name in m.params]
        values = [member.params[name] for member in having]
        if kind == "useless":
            found[name] = values[rng.integers(len(values))]
        elif isinstance(having[0].distributions[name], CategoricalDistribution):
            found[name] = Counter(values).most_common(1)[0][0]
        else:
            found[name] = sorted(values)[len(values) // 2]
    return found


class PriorChooser:
    """Draws an unused member as PriorSampler draws a configuration.

    Args:
        pool: to choose from.
        values: the prior of each parameter, as Optuna stores it.
        seed: of the draws.
    """

    def __init__(self, pool: SearchPool, values: Mapping[str, Any], seed: int) -> None:
        space = with_priors(pool.spec({"sampler": "random", "pruner": "none"}).space, values)
        assert isinstance(space, Branch)
        self._space, self._objective = space, pool.spec({"sampler": "random", "pruner": "none"}).objective
        self._known, self._rng = optuna_distributions(space), np.random.default_rng(seed)

    def choose(self, unused: Sequence[Member], evidence: optuna.Study, level: int = 0) -> Member:
        found = evidence_of(evidence.get_trials(deepcopy=False), self._objective)
        seed = int(self._rng.integers(2**31))
        sampler = PriorSampler(self._space, found, level=level, factor=FACTOR, seed=seed)
        centers: Mapping[str, Any] = {}
        if sampler.way == "prior":
            centers = priors(self._space)
        elif sampler.way == "incumbent":
            centers = max(found, key=lambda each: each.gain).params
        weights = np.array([density(self._known, centers, member.params) for member in unused])
        return unused[self._rng.choice(len(unused), p=weights / weights.sum())]


class PriorThenTpe:
    """Asks the prior until TPE has enough trials, then each of them in turn, at random.

    Args:
        prior: draws around the prior.
        tpe: chooses by TPE.
        seed: of the choice between them.
        startup: the number of trials that TPE needs.
    """

    def __init__(self, prior: PriorChooser, tpe: TpeChooser, seed: int, startup: int = 10) -> None:
        self._prior, self._tpe, self._startup = prior, tpe, startup
        self._rng = np.random.default_rng(seed)

    def choose(self, unused: Sequence[Member], evidence: optuna.Study, level: int = 0) -> Member:
        starting = len(evidence.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))) < self._startup
        asked: Chooser = self._prior if starting or self._rng.random() < SHARE else self._tpe
        return asked.choose(unused, evidence, level)
