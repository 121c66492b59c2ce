"""How a method chooses the next member of a pool from the results so far.

A chooser is an object with `choose(unused, evidence)`. Every chooser takes one of the unused members, so no method can
train a configuration whose curve was not recorded, and no model of unrecorded curves is needed.

The rule of all choosers that use Optuna's TPE: Optuna draws candidates from the density of the good trials and takes
the one with the largest acquisition log l(x) - log g(x). Here the unused members are the candidates.

* First the branch is chosen. Optuna models `optimizer` and `schedule` jointly with the other parameters that all trials
  have. The unused member with the largest acquisition of these parameters gives optimizer and schedule.
* Then the unused members with this optimizer and this schedule are compared by the sum of the acquisitions of all their
  parameters: of each group that the sampler models jointly, and of each parameter that it models by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from .search_pool import Member

# The parameters that decide which other parameters a member has.
BRANCHES = ("optimizer", "schedule")


class Chooser(Protocol):
    """Chooses the next member."""

    def choose(self, unused: Sequence[Member], evidence: optuna.Study, level: int = 0) -> Member:
        """Return one of the unused members.

        Args:
            unused: at least one member.
            evidence: an Optuna study with the trials that the method learns from.
            level: the number of the rung from which the evidence comes, from 0.
        """


class RandomChooser:
    """Chooses each unused member with the same probability.

    Args:
        seed: of the choices.
    """

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def choose(self, unused: Sequence[Member], evidence: optuna.Study, level: int = 0) -> Member:
        return unused[self._rng.integers(len(unused))]


class TpeChooser:
    """Chooses the unused member with the largest acquisition of Optuna's TPE; see the module.

    The first choices are random, as the sampler's `n_startup_trials` says. Equal acquisitions are decided at random.

    Args:
        seed: of the random choices.
        settings: arguments of Optuna's TPESampler.
    """

    def __init__(self, seed: int, **settings: Any) -> None:
        self._rng, self._settings = np.random.default_rng(seed), settings

    def choose(self, unused: Sequence[Member], evidence: optuna.Study, level: int = 0) -> Member:
        # A sampler keeps the groups of the study that it has seen, and a method may have several studies.
        acquisition = PoolAcquisition(evidence, **self._settings)
        if acquisition.starting:
            return unused[self._rng.integers(len(unused))]
        branches = acquisition.of_branches(unused)
        if branches is not None:
            chosen = self._largest(unused, branches)
            unused = [member for member in unused if _branch(member) == _branch(chosen)]
        return self._largest(unused, acquisition.total(unused))

    def _largest(self, members: Sequence[Member], values: np.ndarray) -> Member:
        return members[self._rng.choice(np.flatnonzero(values == values.max()))]


def _branch(member: Member) -> list[Any]:
    return [member.params.get(name) for name in BRANCHES]


class PoolAcquisition(TPESampler):
    """The acquisition log l(x) - log g(x) of Optuna's TPE, for members of a pool in place of its own candidates.

    It overrides and calls private functions of Optuna 5: `_sample` builds the densities l and g from the trials and
    passes them to `_compute_acquisition_func`, and `_search_space_group` holds the groups of parameters.

    Args:
        evidence: the study with the trials.
        settings: arguments of TPESampler.
    """

    def __init__(self, evidence: optuna.Study, **settings: Any) -> None:
        # Candidates of its own are not used: one is the least that it can draw.
        super().__init__(**settings, seed=0, n_ei_candidates=1)
        self._evidence = evidence
        # A trial that is in no study: `_sample` leaves out the trial for which it draws.
        self._trial = optuna.trial.create_trial(state=TrialState.RUNNING)
        ended = evidence.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        self.starting = len(ended) < self._n_startup_trials
        joint = self.infer_relative_search_space(evidence, self._trial)
        # The groups of parameters that are modelled jointly. Without `group`, it is what all trials have in common.
        found = self._search_space_group.search_spaces if self._search_space_group else [joint]
        self._groups = [dict(sorted(group.items())) for group in found if group]
        self._points: dict[str, np.ndarray] = {}
        self._values = np.empty(0)

    def of_branches(self, members: Sequence[Member]) -> np.ndarray | None:
        """Return each member's acquisition in the group that holds the branches; None if no group holds them."""
        group = next((group for group in self._groups if set(BRANCHES) <= group.keys()), None)
        return None if group is None else self._acquisition(group, members)

    def total(self, members: Sequence[Member]) -> np.ndarray:
        """Return the sum of the acquisitions of each member's parameters."""
        sums = np.zeros(len(members))
        left = [dict(sorted(member.distributions.items())) for member in members]
        for group in self._groups:
            self._add(group, members, left, sums)
        for single in {name: each for names in left for name, each in names.items()}.items():
            self._add(dict([single]), members, left, sums)
        return sums

    def _add(
        self,
        space: Mapping[str, BaseDistribution],
        members: Sequence[Member],
        left: Sequence[dict[str, BaseDistribution]],
        sums: np.ndarray,
    ) -> None:
        """Add the acquisition of some parameters to the sums of the members that have all of them left."""
        rows = [row for row, names in enumerate(left) if space.keys() <= names.keys()]
        if rows:
            sums[rows] += self._acquisition(space, [members[row] for row in rows])
        for row in rows:
            for name in space:
                del left[row][name]

    def _acquisition(self, space: Mapping[str, BaseDistribution], members: Sequence[Member]) -> np.ndarray:
        self._points = {
            name: np.array([each.to_internal_repr(member.params[name]) for member in members], dtype=float)
            for name, each in space.items()
        }
        self._sample(self._evidence, self._trial, dict(space))
        return self._values

    def _compute_acquisition_func(self, samples: dict[str, np.ndarray], mpe_below: Any, mpe_above: Any) -> np.ndarray:
        self._values = super()._compute_acquisition_func(self._points, mpe_below, mpe_above)
        # `_sample` goes on with its own candidates, and its result is not used.
        return np.zeros(len(next(iter(samples.values()))))


def ask(study: optuna.Study, member: Member) -> optuna.Trial:
    """Return a running trial of a study with the parameters of a member."""
    # The trial's parameters are all fixed, so the sampler draws nothing; a random one does so without work.
    study.sampler = optuna.samplers.RandomSampler()
    study.enqueue_trial(dict(member.params))
    return study.ask(dict(member.distributions))
