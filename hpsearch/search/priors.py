"""The sampler that draws around recommended values: at random, around the priors or around the best trial.

It is the sampling of PriorBand (Mallik et al. 2023, arXiv:2306.12370), without its Hyperband: rungs are the pruner's
business. Each trial is drawn in one of three ways: at random; around the priors of the study file and the catalogue;
or around the incumbent, which is the best trial so far. `shares` says how likely each way is. There are four
differences to PriorBand, as its authors' library NePS implements it:

* `level` is the rung from which the evidence comes. In PriorBand it is the rung at which the new trial begins, which
  for `asha` is always the lowest.
* If the best trials are less likely under the prior than under a uniform distribution, the share of random draws
  grows. In PriorBand a bad prior loses to the incumbent only.
* The incumbent does not count when prior and incumbent are compared, since it is always likely under a density around
  itself. Otherwise a prior is hardly used in a space of many parameters, whether it is good or bad (measured over the
  whole catalogue: 3 of 120 trials, where the objective did not depend on what the prior recommends).
* A space may have branches. Parameters that the best trial lacks are drawn around the best trial that has them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import Any, Literal, NamedTuple
from zlib import crc32

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from hpsearch.config.file import Objective
from hpsearch.config.space import Branch, Options, distributions
from hpsearch.search.independent import IndependentSampler, optuna_distribution, position, quantile

# The standard deviation of a number around its center, as a share of its range (of the logarithmic one if `log`).
SPREAD = 0.25
# The probability that a parameter of the incumbent is kept, and that a choice takes the prior's option at once.
KEPT = 0.5

# The reduction factor if the pruner has no rungs: the number of trials needed before one is drawn around the best.
FACTOR = 3

Way = Literal["random", "prior", "incumbent"]
WAYS: tuple[Way, ...] = ("random", "prior", "incumbent")


class Evidence(NamedTuple):
    """A trial to learn from.

    Attributes:
        params: by parameter name, as Optuna stores them.
        gain: its objective as something to maximize (`Objective.gain`).
    """

    params: Mapping[str, Any]
    gain: float


class Shares(NamedTuple):
    """The probability of each way to draw a trial; their sum is 1."""

    random: float
    prior: float
    incumbent: float


def priors(space: Branch) -> dict[str, Any]:
    """Return the priors of a space by parameter name, as Optuna stores them: of `one_minus` that is 1 - prior."""
    found: dict[str, Any] = {}
    for node in distributions(space):
        if isinstance(node, Options):
            if node.prior is not None:
                found[node.name] = node.labels[node.prior]
        elif node.distribution.prior is not None:
            found[node.name] = node.distribution.drawn(node.distribution.prior)
    return found


def optuna_distributions(space: Branch) -> dict[str, BaseDistribution]:
    """Return Optuna's distribution of each parameter of a space by name, those of all branches."""
    return {node.name: optuna_distribution(node) for node in distributions(space)}


def evidence_of(trials: Iterable[FrozenTrial], objective: Objective) -> list[Evidence]:
    """Return the trials that have a result. A trial that was pruned, failed or diverged has none."""
    return [
        Evidence(trial.params, objective.gain(trial.value))
        for trial in trials
        if trial.state is TrialState.COMPLETE and trial.value is not None
    ]


def shares(space: Branch, evidence: Sequence[Evidence], *, level: int, factor: int) -> Shares:
    """Return how likely each way is.

    The share of random draws is 1 / (1 + factor^level) or more. As long as there are fewer than `factor` trials, the
    prior has the rest. Then prior and incumbent divide the rest in proportion to their scores. The score of a density
    is its weighted sum over the best max(n // factor, factor) of n trials except the incumbent; the k-th of m weighs
    m + 1 - k. Densities are relative to the uniform one, whose score is the sum of the weights. If the prior's score is
    smaller than that, the difference is the score of further random draws.

    Args:
        space: the space, with the priors.
        evidence: the trials of the rung, in any order; of equal ones the first counts as better.
        level: the number of the rung from which the evidence comes, from 0.
        factor: the reduction factor of the rungs, at least 2.
    """
    at_random = 1 / (1 + factor**level)
    rest = 1 - at_random
    if len(evidence) < factor:
        return Shares(at_random, rest, 0.0)
    best, *others = _ranked(evidence)[: max(len(evidence) // factor, factor)]
    weights = range(len(others), 0, -1)
    known = optuna_distributions(space)

    def score(centers: Mapping[str, Any]) -> float:
        scores = (weight * density(known, centers, each.params) for weight, each in zip(weights, others, strict=True))
        return sum(scores)

    prior, incumbent = score(priors(space)), score(best.params)
    # Not in PriorBand; 0 where the prior is as good as a uniform distribution or better.
    lost = max(0.0, sum(weights) - prior)
    each = rest / (prior + incumbent + lost)
    return Shares(at_random + each * lost, each * prior, each * incumbent)


def _ranked(evidence: Iterable[Evidence]) -> list[Evidence]:
    return sorted(evidence, key=lambda each: -each.gain)


def density(known: Mapping[str, BaseDistribution], centers: Mapping[str, Any], params: Mapping[str, Any]) -> float:
    """Return the probability density of parameters that are drawn around centers, relative to a uniform draw.

    A parameter without a center is uniform. More than 1: more likely than in a uniform draw.

    Args:
        known: the distribution of each parameter of the space.
        centers: values by parameter name.
        params: of one trial; parameters that the space does not have are ignored.
    """
    return math.prod(
        _density(known[name], centers[name], value)
        for name, value in params.items()
        if name in known and name in centers
    )


def _density(distribution: BaseDistribution, center: Any, value: Any) -> float:
    if isinstance(distribution, CategoricalDistribution):
        # With probability KEPT the center, else any option.
        return KEPT * len(distribution.choices) * int(value == center) + 1 - KEPT
    around = NormalDist(position(distribution, center), SPREAD)
    return around.pdf(position(distribution, value)) / (around.cdf(1) - around.cdf(0))


def _draw_around(distribution: BaseDistribution, center: Any, rng: np.random.Generator) -> Any:
    """Draw a number from the truncated normal distribution around the center; a choice as `_density` has it."""
    if isinstance(distribution, CategoricalDistribution):
        return center if rng.random() < KEPT else quantile(distribution, rng.random())
    around = NormalDist(position(distribution, center), SPREAD)
    low, high = around.cdf(0), around.cdf(1)
    drawn = around.inv_cdf(low + rng.random() * (high - low))
    return quantile(distribution, min(max(drawn, 0.0), math.nextafter(1, 0)))


class PriorSampler(IndependentSampler):
    """Draw one trial: at random, around the priors or around the incumbent (PriorBand, arXiv:2306.12370).

    * random: each parameter uniformly.
    * prior: each number from a normal distribution around its prior, truncated to the range, with standard deviation
      0.25 in units of the range (of its logarithm if `log`); each choice has the prior's option with probability 0.5,
      else any; a parameter without a prior uniformly.
    * incumbent: each parameter has the value of the best trial with probability 0.5, else a number is drawn around it
      in the same way, and a choice uniformly. Parameters that the best trial lacks have the best trial's that has them,
      else the prior.

    The way is drawn once for the trial. Each parameter has random numbers of its own, seeded by `seed` and its name, so
    a trial of which some values are stored already gets the same rest. The sampler has no state: the draws depend on
    its arguments alone.

    Args:
        space: the space, with the priors.
        evidence, level, factor: as of `shares`.
        seed: of the proposal (`ProposalRequest.seed`).

    Attributes:
        shares: how likely each way was.
        way: in which way this trial is drawn.
    """

    def __init__(self, space: Branch, evidence: Sequence[Evidence], *, level: int, factor: int, seed: int) -> None:
        self._seed = seed
        self._priors = priors(space)
        self._incumbent = {name: value for each in reversed(_ranked(evidence)) for name, value in each.params.items()}
        self.shares = shares(space, evidence, level=level, factor=factor)
        self.way: Way = WAYS[int(np.searchsorted(np.cumsum(self.shares)[:-1], self._rng("").random(), side="right"))]

    def _rng(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self._seed, crc32(name.encode())])

    def sample_independent(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        rng = self._rng(param_name)
        if self.way == "incumbent" and param_name in self._incumbent:
            center = self._incumbent[param_name]
            if rng.random() < KEPT:
                return center
            if not isinstance(param_distribution, CategoricalDistribution):
                return _draw_around(param_distribution, center, rng)
        elif self.way != "random" and param_name in self._priors:
            return _draw_around(param_distribution, self._priors[param_name], rng)
        return quantile(param_distribution, rng.random())
