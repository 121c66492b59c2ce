"""KerasTuner's oracles, written anew after version 1.4.8 and choosing from a pool.

The benchmark needs only their rules, which are in `keras_tuner/src/tuners/hyperband.py` and `.../tuners/bayesian.py`.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hpsearch.executors.protocol import Decision
from hpsearch.training.results import Outcome

from .search_pool import Member, SearchPool, Unused


class KerasTunerHyperband:
    """KerasTuner's Hyperband (`HyperbandOracle`) with factor 3, begun anew after its last bracket.

    A trial of a later round trains on with the weights of the earlier round. KerasTuner takes the weights of the best
    epoch of that round and the recorded curve those of the last; apart from that the further epochs are the same.
    KerasTuner stops if no new configuration is left. Here the first round then has as many members as are left.

    Args:
        pool: to choose from.
        seed: of the random choices.
        factor: of which share a round keeps, and by which the epochs grow.
    """

    def __init__(self, pool: SearchPool, seed: int, factor: int = 3) -> None:
        self._unused, self._rng = Unused(pool), np.random.default_rng(seed)
        self._max_epochs, self._factor = pool.epochs, factor
        brackets, epochs = 0, float(pool.epochs)
        while epochs >= 1:
            brackets, epochs = brackets + 1, epochs / factor
        self._brackets = self._bracket = brackets
        self._rounds: list[list[Member]] = []
        # The best value of each member in the round that it was trained in last, and that round's last epoch.
        self._scores: dict[int, float] = {}
        self._target = 0
        self._next_bracket()

    def _next_bracket(self) -> None:
        """Begin the next bracket: from the one with the most rounds down to the one that only trains to the end."""
        self._bracket = (self._bracket or self._brackets) - 1
        self._rounds = [[] for _ in range(self._bracket + 1)]

    def _size(self, round_number: int) -> int:
        """Return `_get_size` of the oracle; less in the first round if the pool has no more members."""
        end_size = math.ceil(1 + math.log(self._max_epochs, self._factor)) / (self._bracket + 1)
        size = math.ceil(end_size * self._factor ** (self._bracket - round_number))
        return size if self._unused else min(size, len(self._rounds[0]))

    def _epochs(self, round_number: int) -> int:
        """Return `_get_epochs` of the oracle."""
        return math.ceil(self._max_epochs / self._factor ** (self._bracket - round_number))

    def ask(self) -> Member | None:
        """Choose as `populate_space` of the oracle does."""
        while True:
            if len(self._rounds[0]) < self._size(0):
                return self._begin(self._unused.take_random(self._rng), 0)
            for number in range(1, len(self._rounds)):
                ready = [member for member in self._rounds[number - 1] if member not in self._rounds[number]]
                if len(ready) > self._size(number - 1) - self._size(number):
                    best = max(ready, key=lambda member: self._scores[member.number])
                    if self._scores[best.number] > -math.inf:
                        return self._begin(best, number)
                    # It has diverged, and takes its place in the round without training.
                    self._rounds[number].append(best)
            if self._complete():
                if not self._unused:
                    return None
                self._next_bracket()

    def _complete(self) -> bool:
        return all(len(members) >= self._size(number) for number, members in enumerate(self._rounds))

    def _begin(self, member: Member, round_number: int) -> Member:
        self._rounds[round_number].append(member)
        self._scores[member.number], self._target = 0.0, self._epochs(round_number)
        return member

    def report(self, member: Member, epoch: int, value: float) -> Decision:
        self._scores[member.number] = max(self._scores[member.number], value)
        return Decision.PAUSE if epoch == self._target else Decision.CONTINUE

    def tell(self, member: Member, outcome: Outcome) -> None:
        if outcome is Outcome.DIVERGED:
            self._scores[member.number] = -math.inf


class KerasTunerBayesian:
    """KerasTuner's BayesianOptimization (`BayesianOptimizationOracle`): a Gaussian process and a confidence bound.

    Each member is trained to its end. KerasTuner minimizes the bound over the whole space; here it is compared at the
    unused members.

    Args:
        pool: to choose from.
        seed: of the random choices.
        initial_points: the number of random members before the model is used; None: three times the dimensions, the
            oracle's default.
    """

    def __init__(self, pool: SearchPool, seed: int, initial_points: int | None = None) -> None:
        self._unused, self._rng = Unused(pool), np.random.default_rng(seed)
        self._seed = seed
        self._vectors = _keras_tuner_vectors(pool)
        self._initial_points = initial_points or max(3 * self._vectors.shape[1], 3)
        self._scores: dict[int, float] = {}

    def ask(self) -> Member | None:
        if not self._unused:
            return None
        if len(self._scores) < self._initial_points:
            return self._unused.take_random(self._rng)
        members = self._unused.members
        bounds = self._bounds([member.number for member in members])
        return self._unused.take(members[int(np.argmin(bounds))])

    def _bounds(self, numbers: list[int]) -> np.ndarray:
        """Return the lower confidence bound of the negative score, as the oracle minimizes it."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import Matern

        process = GaussianProcessRegressor(
            kernel=Matern(nu=2.5), n_restarts_optimizer=20, normalize_y=True, alpha=1e-4, random_state=self._seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            process.fit(self._vectors[list(self._scores)], -np.array(list(self._scores.values())))
        mean, deviation = process.predict(self._vectors[numbers], return_std=True)
        return np.asarray(mean - 2.6 * deviation)

    def report(self, member: Member, epoch: int, value: float) -> Decision:
        self._scores[member.number] = max(self._scores.get(member.number, 0.0), value)
        return Decision.CONTINUE

    def tell(self, member: Member, outcome: Outcome) -> None:
        self._scores.setdefault(member.number, 0.0)


def _keras_tuner_vectors(pool: SearchPool) -> np.ndarray:
    """Return each member as the oracle's `_vectorize_trials` does: one row each, every parameter within [0, 1].

    A parameter that a member lacks has KerasTuner's default: the first choice, or the lower end of a range.
    """
    found = {name: each for member in pool.members for name, each in member.distributions.items()}

    def place(member: Member, name: str) -> float:
        match found[name]:
            case CategoricalDistribution(choices=choices):
                return (choices.index(member.params.get(name, choices[0])) + 0.5) / len(choices)
            case (FloatDistribution() | IntDistribution()) as numeric:
                value, low, high = member.params.get(name, numeric.low), numeric.low, numeric.high
                if numeric.log:
                    value, low, high = math.log(value), math.log(low), math.log(high)
                return float((value - low) / (high - low))
            case other:
                raise TypeError(f"KerasTuner has no parameter like {other}")

    return np.array([[place(member, name) for name in found] for member in pool.members])
