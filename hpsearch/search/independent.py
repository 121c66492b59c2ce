"""Samplers that draw each parameter by itself: given values (`DrawnValues`) and quasi-random points (`qmc`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from hpsearch.config.file import QuasiMonteCarlo


class IndependentSampler(BaseSampler):
    """A sampler that draws no parameters together."""

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002
        return {}

    def sample_relative(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
        search_space: dict[str, BaseDistribution],  # noqa: ARG002
    ) -> dict[str, Any]:
        return {}


class DrawnValues(IndependentSampler):
    """Give a stored trial the values that `SamplerView` has drawn for it.

    Args:
        params: values by the names of the parameters, as Optuna holds them.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params

    def sample_independent(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
        param_name: str,
        param_distribution: BaseDistribution,  # noqa: ARG002
    ) -> Any:
        return self._params[param_name]


class QuasiRandomSampler(IndependentSampler):
    """Draw one point of a scrambled Sobol sequence (Owen 1998) or of a scrambled Halton sequence (Owen 2017).

    The points cover the space more evenly than random ones. Optuna's own sampler of this kind counts its points in the
    storage, and takes only the parameters that every trial has. Here the number of the trial is the position in the
    sequence, so an interruption changes nothing, and each parameter has a dimension of its own, those of a branch too.

    Args:
        settings: of the study file.
        seed: of the scrambling; the same for every trial of a study.
        position: of the point in the sequence, from 0.
        names: of the parameters of the whole space; each is a dimension.
    """

    def __init__(self, settings: QuasiMonteCarlo, seed: int, position: int, names: Sequence[str]) -> None:
        # It takes half a second to import, and only this sampler needs it.
        from scipy.stats import qmc

        sequences = {"sobol": qmc.Sobol, "halton": qmc.Halton}
        sequence = sequences[settings.sequence](d=max(1, len(names)), scramble=True, rng=seed)
        if position:
            sequence.fast_forward(position)
        self._point: dict[str, float] = dict(zip(names, sequence.random(1)[0].tolist(), strict=False))

    def sample_independent(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return quantile(param_distribution, self._point[param_name])


def quantile(distribution: BaseDistribution, share: float) -> Any:
    """Return the value of a distribution below which this share of it lies.

    Args:
        distribution: uniform, in the logarithm where it says so; the options of a choice in their order.
        share: at least 0, less than 1.
    """
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(share * len(distribution.choices))]
    if isinstance(distribution, FloatDistribution):
        x = _between(distribution.low, distribution.high, share, log=distribution.log)
        return min(max(x, distribution.low), distribution.high)
    if not isinstance(distribution, IntDistribution):
        raise TypeError(f"unknown distribution {distribution}")
    low, high, step = distribution.low, distribution.high, distribution.step
    if distribution.log:
        # Each whole number has the share of the logarithmic axis that is nearest to it.
        return min(max(round(_between(low - 0.5, high + 0.5, share, log=True)), low), high)
    return low + step * int(share * ((high - low) // step + 1))


def _between(low: float, high: float, share: float, *, log: bool) -> float:
    if log:
        return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return low + share * (high - low)
