"""Optuna's sampler for a study, and a configuration from one of its trials."""

from __future__ import annotations

import warnings
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from hpsearch.catalogue.distributions import Int, OneMinus
from hpsearch.config.file import SearchConfig, Tpe
from hpsearch.config.space import Branch, Options, Pick, Ranged, concrete

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def make_sampler(search: SearchConfig, number: int) -> BaseSampler:
    """The sampler that draws trial `number`.

    A fresh one for each trial, seeded by study seed and number: what is drawn depends on the number and on
    the trials before it alone, so a sequential study that was interrupted goes on as if it had not been.
    """
    seed = (search.seed * 1_000_003 + number) % 2**32
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


def optuna_distribution(node: Ranged | Options) -> BaseDistribution:
    """The node as Optuna's own distribution; of `one_minus` it is the x of 1 - x."""
    if isinstance(node, Options):
        return CategoricalDistribution(node.labels)
    distribution = node.distribution
    if isinstance(distribution, Int):
        return IntDistribution(distribution.low, distribution.high, log=distribution.log, step=distribution.step)
    return FloatDistribution(distribution.low, distribution.high, log=distribution.log)


def suggest(trial: optuna.Trial, space: Branch) -> dict[str, Any]:
    """One configuration, drawn by Optuna; only the parameters on the chosen branches are asked for."""

    def number(node: Ranged) -> int | float:
        distribution = node.distribution
        if isinstance(distribution, Int):
            return trial.suggest_int(
                node.name, distribution.low, distribution.high, log=distribution.log, step=distribution.step
            )
        x = trial.suggest_float(node.name, distribution.low, distribution.high, log=distribution.log)
        return 1.0 - x if isinstance(distribution, OneMinus) else x

    def option(node: Options) -> int:
        return node.labels.index(trial.suggest_categorical(node.name, node.labels))

    config: dict[str, Any] = concrete(space, Pick(number, option))
    return config
