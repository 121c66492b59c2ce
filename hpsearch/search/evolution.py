"""The evolutionary samplers `cmaes` and `nsga2`: Optuna's, whose state is in the trials that they have drawn.

Each trial has a generation, and CMA-ES keeps its mean and covariance with a trial, too. Optuna stores both in the study
in which the trial was drawn. `SamplerView.load` draws all recorded trials again, so that this state is there after an
interruption.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import CmaEsSampler
from optuna.trial import FrozenTrial


class NumbersCmaEs(CmaEsSampler):
    """CMA-ES over the numbers that every trial has.

    Optuna's sampler takes the numbers that all trials so far have had. If that set became smaller, it would draw at
    random from then on. Numbers inside of choices, and the choices themselves, are drawn at random here, too.

    Args:
        seed: of the proposal.
        number: the number of the trial. Optuna adds the number of its own trial to the seed, and that one is another
            after an interruption.
        numbers: the names of the numbers outside of choices.
        population: trials of a generation; None: 4 + floor(3 ln n) for n numbers (Hansen 2016, arXiv:1604.00772).
    """

    def __init__(self, *, seed: int, number: int, numbers: Sequence[str], population: int | None) -> None:
        super().__init__(seed=seed, popsize=population, warn_independent_sampling=False)
        self._number, self._numbers = number, frozenset(numbers)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        known = super().infer_relative_search_space(study, trial)
        found = {name: distribution for name, distribution in known.items() if name in self._numbers}
        # Before the first trial has a value, Optuna knows no parameters.
        return found if len(found) == len(self._numbers) else {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        numbered = copy(trial)
        numbered.number = self._number
        return super().sample_relative(study, numbered, search_space)
