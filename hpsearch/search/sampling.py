"""Optuna's sampler for a study, and a configuration from one of its trials."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import copy as copy_of
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import BaseTrial, FixedTrial, TrialState

from hpsearch.config.file import SearchConfig, Tpe
from hpsearch.config.space import Branch, Int, Options, Pick, Ranged, concrete, configurations, size
from hpsearch.config.study import StudySpec

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

# How many proposals of the sampler may be turned down for a trial, and how large a space may be to be gone through.
PROPOSALS = 50
MOST_LISTED = 10_000


def make_sampler(search: SearchConfig, number: int, attempt: int = 0) -> BaseSampler:
    """The sampler that draws trial `number`.

    A fresh one for each trial, seeded by study seed and number: what is drawn depends on the number and on
    the trials before it alone, so a sequential study that was interrupted goes on as if it had not been.

    Args:
        attempt: how many proposals for this trial were turned down.
    """
    seed = _seed(search, number, attempt)
    if isinstance(search.sampler, Tpe):
        # group: parameters of one branch of a conditional space are modelled together.
        return TPESampler(
            n_startup_trials=search.sampler.startup_trials,
            multivariate=True,
            group=True,
            constant_liar=True,
            seed=seed,
        )
    return RandomSampler(seed=seed)


def _seed(search: SearchConfig, number: int, attempt: int) -> int:
    """Return the seed of a proposal; it differs for each number of a trial and each attempt."""
    return (search.seed * 1_000_003 + number + attempt * 7_368_787) % 2**32


def optuna_distribution(node: Ranged | Options) -> BaseDistribution:
    """The node as Optuna's own distribution; of `one_minus` it is the x of 1 - x."""
    if isinstance(node, Options):
        return CategoricalDistribution(node.labels)
    distribution = node.distribution
    if isinstance(distribution, Int):
        return IntDistribution(distribution.low, distribution.high, log=distribution.log, step=distribution.step)
    return FloatDistribution(distribution.low, distribution.high, log=distribution.log)


def suggest(trial: BaseTrial, space: Branch) -> dict[str, Any]:
    """One configuration, drawn by Optuna; only the parameters on the chosen branches are asked for."""

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


class Proposals:
    """Draws configurations that a study has not trained.

    The sampler proposes in a copy of the study in memory, so that no trial remains of a proposal that is turned down.

    Args:
        study: of the search.
        spec: its file.
    """

    def __init__(self, study: optuna.Study, spec: StudySpec) -> None:
        self._study, self._spec = study, spec
        self._copy = optuna.create_study(direction=study.direction)
        self._copied: set[int] = set()

    def draw(self, number: int, is_new: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        """Draw the parameters of a new configuration.

        After `PROPOSALS` of the sampler the first new configuration of the whole space is taken; where the space has no
        end or is too large to be gone through, as many more are drawn at random.

        Args:
            number: of the coming trial.
            is_new: whether a configuration, given as the space yields it, may be trained.

        Returns:
            Parameters as Optuna holds them; None: nothing new was found.
        """
        running = self._catch_up()
        try:
            return self._proposed(number, is_new)
        finally:
            # The sampler passes over failed trials; in the next copy these may have ended.
            for copied in running:
                self._copy.tell(copied, state=TrialState.FAIL)

    def _proposed(self, number: int, is_new: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        search, space = self._spec.search, self._spec.space
        finite = size(space) <= MOST_LISTED
        for attempt in range(PROPOSALS if finite else 2 * PROPOSALS):
            by_chance = RandomSampler(seed=_seed(search, number, attempt))
            self._copy.sampler = make_sampler(search, number, attempt) if attempt < PROPOSALS else by_chance
            drawn = self._copy.ask()
            new = is_new(suggest(drawn, space))
            self._copy.tell(drawn, state=TrialState.FAIL)
            if new:
                return drawn.params
        every = configurations(space) if finite else ()
        return next((params for params in every if is_new(suggest(FixedTrial(params), space))), None)

    def _catch_up(self) -> list[int]:
        """Copy the trials that have ended since the last call, and those that run; return the numbers of these."""
        running = []
        for trial in self._study.get_trials(deepcopy=False):
            if trial.state == TrialState.WAITING or trial.number in self._copied:
                continue
            # Samplers look at parameters and values; the attributes hold every epoch.
            bare = copy_of(trial)
            bare.user_attrs = {}
            self._copy.add_trial(bare)
            if trial.state.is_finished():
                self._copied.add(trial.number)
            else:
                running.append(self._copy.get_trials(deepcopy=False)[-1].number)
        return running
