"""The samplers of studies, and the values that they draw for each trial."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import BaseTrial

from hpsearch.config.distributions import Int
from hpsearch.config.file import CmaEs, GaussianProcess, Nsga2, QuasiMonteCarlo, RandomForest, SearchConfig, Tpe
from hpsearch.config.space import (
    Branch,
    Options,
    Pick,
    Ranged,
    concrete,
    numbers_outside_of_choices,
)
from hpsearch.errors import UnknownNameError
from hpsearch.search.evolution import NumbersCmaEs
from hpsearch.search.forest import ForestSampler, Observation
from hpsearch.search.independent import QuasiRandomSampler
from hpsearch.search.priors import FACTOR, Evidence, PriorSampler

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


@dataclass(frozen=True)
class ProposalRequest:
    """What a sampler is made from for one proposal.

    Attributes:
        search: the section `search` of the study file.
        number: the number of the trial.
        attempt: the number of rejected proposals for this trial.
        names: the names of all parameters of the space, those of branches too.
        space: the section `trial` of the study file.
        observations: returns the results so far, for samplers that do not read them from Optuna's study.
        level: the number of the rung from which `evidence` comes, from 0.
        evidence: returns the trials that have reached that rung, with their best values so far.
    """

    search: SearchConfig
    number: int
    attempt: int = 0
    names: tuple[str, ...] = ()
    space: Branch = Branch({})  # noqa: RUF009
    observations: Callable[[], Sequence[Observation]] = tuple
    level: int = 0
    evidence: Callable[[], Sequence[Evidence]] = tuple

    @property
    def seed(self) -> int:
        """A seed that differs for each trial number and each attempt."""
        return (self.search.seed * 1_000_003 + self.number + self.attempt * 7_368_787) % 2**32


def _tpe(settings: Tpe, request: ProposalRequest) -> BaseSampler:
    # `group`: the parameters of one branch of a conditional space are modelled together.
    return TPESampler(
        n_startup_trials=settings.startup_trials, multivariate=True, group=True, constant_liar=True, seed=request.seed
    )


def _random(_settings: Any, request: ProposalRequest) -> BaseSampler:
    return RandomSampler(seed=request.seed)


def _qmc(settings: QuasiMonteCarlo, request: ProposalRequest) -> BaseSampler:
    # All trials share one sequence. After a rejected proposal, the next attempt uses another sequence.
    seed = replace(request, number=0).seed
    return QuasiRandomSampler(settings, seed, request.number, request.names)


def _forest(settings: RandomForest, request: ProposalRequest) -> BaseSampler:
    return ForestSampler(settings, request.seed, request.number, request.attempt, request.space, request.observations)


def _cmaes(settings: CmaEs, request: ProposalRequest) -> BaseSampler:
    numbers = numbers_outside_of_choices(request.space)
    return NumbersCmaEs(seed=request.seed, number=request.number, numbers=numbers, population=settings.population)


def _nsga2(settings: Nsga2, request: ProposalRequest) -> BaseSampler:
    return NSGAIISampler(population_size=settings.population, seed=request.seed)


def _priorband(_settings: Any, request: ProposalRequest) -> BaseSampler:
    factor = getattr(request.search.pruner, "reduction_factor", FACTOR)
    return PriorSampler(request.space, request.evidence(), level=request.level, factor=factor, seed=request.seed)


def _gp(settings: GaussianProcess, request: ProposalRequest) -> BaseSampler:
    return GPSampler(seed=request.seed, n_startup_trials=settings.startup_trials, warn_independent_sampling=False)


# The samplers whose state is in the trials that they have drawn; see `hpsearch.search.evolution`.
EVOLUTIONARY = frozenset({"cmaes", "nsga2"})

# How each sampler of the study file is made, from its settings and the request. The points of a grid are enqueued, so
# its sampler draws nothing.
SAMPLERS: dict[str, Callable[[Any, ProposalRequest], BaseSampler]] = {
    "tpe": _tpe,
    "random": _random,
    "qmc": _qmc,
    "forest": _forest,
    "cmaes": _cmaes,
    "nsga2": _nsga2,
    "priorband": _priorband,
    "gp": _gp,
    "grid": _random,
}


def make_sampler(request: ProposalRequest) -> BaseSampler:
    """Return the sampler that draws a proposal.

    Each proposal has a sampler of its own, seeded by the study's seed, the trial's number and the attempt. So the drawn
    values depend only on these and on the trials before, and an interruption of a sequential study changes nothing.

    Raises:
        UnknownNameError: there is no such sampler; the message lists the known ones.
    """
    settings = request.search.sampler
    if settings.name not in SAMPLERS:
        raise UnknownNameError("sampler", settings.name, list(SAMPLERS))
    return SAMPLERS[settings.name](settings, request)


def suggest(trial: BaseTrial, space: Branch) -> dict[str, Any]:
    """Return a configuration that Optuna draws; only parameters of selected branches are drawn."""

    def number(node: Ranged) -> int | float:
        distribution = node.distribution
        if isinstance(distribution, Int):
            return trial.suggest_int(
                node.name, distribution.low, distribution.high, log=distribution.log, step=distribution.step
            )
        x = trial.suggest_float(node.name, distribution.low, distribution.high, log=distribution.log)
        return distribution.value(x)

    def option(node: Options) -> int:
        return node.labels.index(trial.suggest_categorical(node.name, node.labels))

    config: dict[str, Any] = concrete(space, Pick(number, option))
    return config
