"""The sampler `forest`: a random forest over configuration and epoch, and expected improvement, as in SMAC.

Hutter, Hoos and Leyton-Brown 2011, "Sequential model-based optimization for general algorithm configuration" (LION 5).
Their forest has the configuration as its input. Here the epoch is one more input, so that the values of paused and
pruned trials count, too. Each proposal fits a forest to all observations and predicts the value at the last epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial

from hpsearch.config.file import RandomForest
from hpsearch.config.space import Branch, Options, Ranged, walk
from hpsearch.search.independent import IndependentSampler, optuna_distribution, position, quantile
from hpsearch.search.records import enqueued_params

_Array = NDArray[np.float64]

# SMAC has 10 trees. More give a smoother variance between trees, and take longer.
TREES = 50
# The share of the inputs that each split looks at, as in SMAC; the fewest observations of a leaf; and the most
# observations that a tree is made from, which bounds the time of a proposal.
INPUTS_PER_SPLIT = 5 / 6
LEAF_SIZE = 1
TREE_SIZE = 400
# The number of random candidates; the number of points whose neighbours are candidates, and of neighbours of each.
RANDOM_CANDIDATES = 500
CENTRES, NEIGHBOURS = 10, 20
# Trials whose number is a multiple of this have random parameters, as every second one in SMAC. With every third one, a
# few studies of 30 trials never left a branch whose first trials were better than those of the best branch.
RANDOM_EVERY = 2
# After this many rejected proposals for a trial, the next ones are random, so that no more forests are fitted.
FORESTS = 5


class Observation(NamedTuple):
    """The result of a trial at an epoch.

    Attributes:
        trial: the number of the trial.
        params: its parameters, as Optuna stores them.
        epoch: the epoch. The end of a training counts as the study's last epoch, even if early stopping came before.
        gain: the best value up to this epoch, as something to maximize; None: the trial diverged or broke a limit.
    """

    trial: int
    params: Mapping[str, Any]
    epoch: int
    gain: float | None


@dataclass(frozen=True)
class _Parameter:
    """A parameter of the space.

    Attributes:
        conditions: the parameter exists if one of these holds: the options, by name of the choice, that lead to it.
    """

    name: str
    distribution: BaseDistribution
    conditions: list[Mapping[str, Any]]

    @property
    def options(self) -> tuple[Any, ...]:
        """The options of a choice; empty for a number."""
        return self.distribution.choices if isinstance(self.distribution, CategoricalDistribution) else ()


class EncodedSpace:
    """A search space as a cube: a point has a number in [0, 1) for each parameter, as of `quantile`.

    Args:
        space: the section `trial` of the study file.
    """

    def __init__(self, space: Branch) -> None:
        found: dict[str, _Parameter] = {}
        for node, drawn in walk(space):
            if isinstance(node, Ranged | Options):
                parameter = found.setdefault(node.name, _Parameter(node.name, optuna_distribution(node), []))
                parameter.conditions.append(drawn)
        self.parameters = list(found.values())
        self._index = {name: index for index, name in enumerate(found)}

    def points(self, configurations: Iterable[Mapping[str, Any]]) -> _Array:
        """Return the points of configurations, [n, parameters]; 0.5 for parameters that they lack."""
        rows = [
            [position(each.distribution, params[each.name]) if each.name in params else 0.5 for each in self.parameters]
            for params in configurations
        ]
        return np.array(rows, np.float64).reshape(len(rows), len(self.parameters))

    def rounded(self, points: _Array) -> _Array:
        """Return the points with each whole number and each choice in the middle of its part of [0, 1)."""
        result = points.copy()
        for index, each in enumerate(self.parameters):
            if not isinstance(each.distribution, FloatDistribution):
                result[:, index] = [
                    position(each.distribution, quantile(each.distribution, x)) for x in points[:, index].tolist()
                ]
        return result

    def active(self, points: _Array) -> NDArray[np.bool_]:
        """Return which parameters exist at each point, [n, parameters]: those of the selected options."""
        result = np.zeros(points.shape, bool)
        for index, each in enumerate(self.parameters):
            for condition in each.conditions:
                holds = np.ones(len(points), bool)
                for name, label in condition.items():
                    holds &= self._selected(points, name) == self.parameters[self._index[name]].options.index(label)
                result[:, index] |= holds
        return result

    def _selected(self, points: _Array, name: str) -> NDArray[np.int64]:
        index = self._index[name]
        return (points[:, index] * len(self.parameters[index].options)).astype(np.int64)

    def encoded(self, points: _Array) -> _Array:
        """Return the inputs of the forest: a number as it is, a choice as one column for each option (0 or 1).

        All columns of a parameter that does not exist at a point are -1 there.
        """
        active, columns = self.active(points), list[_Array]()
        for index, each in enumerate(self.parameters):
            if each.options:
                values = np.eye(len(each.options))[self._selected(points, each.name)]
            else:
                values = points[:, index : index + 1]
            columns.append(np.where(active[:, index : index + 1], values, -1.0))
        return np.concatenate(columns, axis=1) if columns else np.zeros((len(points), 0))

    def fix(self, points: _Array, fixed: Mapping[str, Any]) -> None:
        """Set the parameters of all points that have a given value."""
        for name, value in fixed.items():
            if name in self._index:
                points[:, self._index[name]] = position(self.parameters[self._index[name]].distribution, value)

    def neighbours(self, centres: _Array, free: NDArray[np.bool_], rng: np.random.Generator) -> _Array:
        """Return `NEIGHBOURS` points for each centre, which differ from it in one parameter that exists there.

        A number moves by a normal deviate, as in SMAC (of 0.2; half of them of 0.05); a choice is drawn again. What
        exists only after that choice is drawn at random.

        Args:
            free: which parameters may differ.
        """
        points = np.repeat(centres, NEIGHBOURS, axis=0)
        active = self.active(points)
        points = np.where(active | ~free, points, rng.random(points.shape))
        changed = np.argmax(rng.random(points.shape) * (active & free), axis=1)
        rows = np.arange(len(points))
        moved = points[rows, changed] + rng.normal(0, rng.choice([0.2, 0.05], len(points)))
        # Beyond an end of the range it is reflected.
        moved = np.clip(1 - np.abs(1 - np.abs(moved)), 0, np.nextafter(1, 0))
        is_choice = np.array([bool(each.options) for each in self.parameters])[changed]
        moved = np.where(is_choice, rng.random(len(points)), moved)
        points[rows, changed] = np.where((active & free)[rows, changed], moved, points[rows, changed])
        return points


class ForestSampler(IndependentSampler):
    """Draw the point with the largest expected improvement under a random forest.

    The improvement is that of the value at the last epoch over the best value so far at the highest epoch with a value;
    see `expected_improvement`. Candidates are random points, and neighbours of the observed points with the best
    predicted values. Every second trial is random, and so are all trials until `startup_trials` trials have a value.

    Args:
        settings: the sampler's section of the study file.
        seed: of the proposal. Equal seeds and observations, in any order, give equal proposals.
        number: the number of the trial.
        attempt: the number of rejected proposals for the trial.
        space: the section `trial` of the study file.
        observations: returns the results so far.
    """

    def __init__(
        self,
        settings: RandomForest,
        seed: int,
        number: int,
        attempt: int,
        space: Branch,
        observations: Callable[[], Sequence[Observation]],
    ) -> None:
        self._settings, self._seed, self._number, self._attempt = settings, seed, number, attempt
        self._space_tree, self._observations = space, observations
        self._point: dict[str, float] | None = None

    @cached_property
    def _space(self) -> EncodedSpace:
        return EncodedSpace(self._space_tree)

    def sample_independent(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        if self._point is None:
            point = self._proposal(enqueued_params(trial))
            self._point = dict(zip((each.name for each in self._space.parameters), point.tolist(), strict=True))
        return quantile(param_distribution, self._point[param_name])

    def _proposal(self, fixed: Mapping[str, Any]) -> _Array:
        """Return the point to try.

        Args:
            fixed: the parameters that are given, for instance by an enqueued configuration.
        """
        rng, space = np.random.default_rng(self._seed), self._space
        points = rng.random((RANDOM_CANDIDATES, len(space.parameters)))
        space.fix(points, fixed)
        observations = self._observations()
        observed = {each.trial for each in observations if each.gain is not None}
        at_random = self._number % RANDOM_EVERY == 0 or self._attempt >= FORESTS
        if at_random or len(observed) < max(1, self._settings.startup_trials):
            first: _Array = points[0]
            return first
        free = np.array([each.name not in fixed for each in space.parameters], bool)
        known = space.points(each.params for each in observations)
        forest = _Forest(space, known, observations, seed=self._seed)
        known = np.unique(known, axis=0)
        means, _ = forest.predict(known)
        order = np.argsort(-means, kind="stable")
        centres = known[order[:CENTRES]]
        space.fix(centres, fixed)
        # The best value at the highest epoch that a trial has reached.
        top = max(each.epoch for each in observations if each.gain is not None)
        incumbent = max(each.gain for each in observations if each.epoch == top and each.gain is not None)
        tried = {row.tobytes() for row in space.encoded(known)}
        candidates = space.rounded(np.concatenate([points, space.neighbours(centres, free, rng)]))
        candidates = candidates[[row.tobytes() not in tried for row in space.encoded(candidates)]]
        if not len(candidates):
            candidates = points[:1]
        means, variances = forest.predict(candidates)
        # Among points without any expected improvement the one with the best mean is the best.
        best = np.lexsort((means, expected_improvement(means, variances, incumbent)))[-1]
        chosen: _Array = candidates[best]
        return chosen


def expected_improvement(means: _Array, variances: _Array, incumbent: float) -> _Array:
    """Return E[max(0, y - incumbent)] for normal y; Jones et al. 1998, equation 15."""
    from scipy.special import ndtr

    deviations = np.sqrt(np.maximum(variances, 1e-24))
    z = (means - incumbent) / deviations
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    improvement: _Array = ((means - incumbent) * ndtr(z) + deviations * density).clip(0)
    return improvement


class _Forest:
    """A random forest of the gain, from the encoded parameters and log2(epoch) / log2(last epoch).

    A trial that diverged or broke a limit has the worst gain of all. Gains that are further below the median than
    twice the distance of the best one above it are raised to there: otherwise a single loss of 1e6 would give every
    tree a leaf of a huge variance.

    Args:
        points: those of the observations, in their order.
    """

    def __init__(self, space: EncodedSpace, points: _Array, observations: Sequence[Observation], seed: int) -> None:
        # It takes longer to import than Optuna, and only this sampler needs it.
        from sklearn.ensemble import RandomForestRegressor

        epochs = np.log2([each.epoch for each in observations])
        inputs = np.column_stack([space.encoded(points), epochs / max(1.0, epochs.max())])
        gains = np.array([np.nan if each.gain is None else each.gain for each in observations])
        best, median = np.nanmax(gains), np.nanmedian(gains)
        gains = np.maximum(np.where(np.isnan(gains), np.nanmin(gains), gains), median - 2 * (best - median))
        self._space, self._last = space, inputs[:, -1].max()
        # The trees depend on the order of the observations, which may be another one after an interruption.
        order = np.lexsort((gains, *inputs.T))
        self._forest = RandomForestRegressor(
            TREES,
            min_samples_leaf=LEAF_SIZE,
            max_features=INPUTS_PER_SPLIT,
            max_samples=min(len(gains), TREE_SIZE),
            random_state=seed,
        ).fit(inputs[order], gains[order])

    def predict(self, points: _Array) -> tuple[_Array, _Array]:
        """Return mean and variance of the gain at the last epoch that was observed.

        The variance is that of the trees' means plus the mean of the variances within leaves (Hutter et al. 2014,
        Artificial Intelligence 206, section 4.3.2).
        """
        last = np.full((len(points), 1), self._last)
        inputs = np.hstack([self._space.encoded(points), last]).astype(np.float32)
        trees = [tree.tree_ for tree in self._forest.estimators_]
        leaves = [tree.apply(inputs) for tree in trees]
        means = np.array([tree.value[leaf, 0, 0] for tree, leaf in zip(trees, leaves, strict=True)])
        within = np.array([tree.impurity[leaf] for tree, leaf in zip(trees, leaves, strict=True)])
        return means.mean(axis=0), means.var(axis=0) + within.mean(axis=0)
