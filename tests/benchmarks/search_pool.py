"""A pool of recorded learning curves, and the simulation of a search method on it.

A search method (see `SearchMethod`) names the member to train next, and decides after each epoch what becomes of it.
The simulation has one worker, which trains one member at a time. Every epoch costs 1. A paused member goes on after its
last epoch, so that its earlier epochs are not paid for again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.trial import FixedTrial

from hpsearch.config.matching import baselines
from hpsearch.config.study import StudySpec, load_mapping
from hpsearch.executors.protocol import Decision
from hpsearch.search.sampling import suggest
from hpsearch.training.results import Outcome


@dataclass(frozen=True, eq=False)
class Member:
    """A configuration of a pool and its recorded curve.

    Attributes:
        number: its place in the pool.
        params: its parameters as Optuna stores them.
        distributions: the distribution of each parameter.
        values: the validation accuracy of each epoch; None where the training diverged, which ends it.
    """

    number: int
    params: Mapping[str, Any]
    distributions: Mapping[str, BaseDistribution]
    values: tuple[float | None, ...]

    @property
    def final(self) -> float:
        """The best validation accuracy of the whole curve; 0 if no epoch had one."""
        return max((value for value in self.values if value is not None), default=0.0)


class SearchPool:
    """The configurations that a search may choose from.

    Args:
        study: the study file with the space of the pool, without a name and with any section `search`.
        content: `params` and `curve` of each member, the Keras defaults of the optimizers first.
        total: the number of trials that hpsearch's study has; the pruner `asha` is told it in advance.

    Attributes:
        members: all members, by number.
        defaults: the members that are the Keras defaults.
        epochs: the length of a full training.
    """

    def __init__(self, study: Mapping[str, Any], content: Sequence[Mapping[str, Any]], total: int) -> None:
        self._study, self.total = study, min(total, len(content))
        spec = self.spec({"sampler": "random", "pruner": "none"})
        self.epochs = max(len(each["curve"]["val_accuracy"]) for each in content)
        self.members = [self._member(number, each, spec) for number, each in enumerate(content)]
        self.defaults = self.members[: len(baselines(spec.space))]

    def spec(self, search: Mapping[str, Any]) -> StudySpec:
        """Return the checked study file with another section `search`."""
        return load_mapping({**self._study, "name": "search_methods", "search": dict(search)}, Path("search_methods"))

    def _member(self, number: int, content: Mapping[str, Any], spec: StudySpec) -> Member:
        trial = FixedTrial(content["params"])
        suggest(trial, spec.space)
        curve = content["curve"]
        names = [name for name in ("val_accuracy", "loss", "val_loss") if name in curve]
        epochs = zip(*(curve[name] for name in names), strict=True)
        values = [epoch[0] if all(map(_finite, epoch)) else None for epoch in epochs]
        if len(values) < self.epochs:
            # The training diverged in its last epoch, perhaps with finite losses and weights that were not.
            values[-1] = None
        return Member(number, trial.params, trial.distributions, tuple(values))


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


class Unused:
    """The members that a method has not begun yet.

    Args:
        pool: with all members.
    """

    def __init__(self, pool: SearchPool) -> None:
        self._members = {member.number: member for member in pool.members}

    def __bool__(self) -> bool:
        return bool(self._members)

    @property
    def members(self) -> list[Member]:
        return list(self._members.values())

    def take(self, member: Member) -> Member:
        return self._members.pop(member.number)

    def take_random(self, rng: np.random.Generator) -> Member:
        return self.take(self.members[rng.integers(len(self._members))])


class SearchMethod(Protocol):
    """A search method: it chooses the members that are trained."""

    def ask(self) -> Member | None:
        """Return the member to train next: a new one, or one that was paused. None ends the search."""

    def report(self, member: Member, epoch: int, value: float) -> Decision:
        """Return what becomes of the member after an epoch, counted from 1, with this validation accuracy."""

    def tell(self, member: Member, outcome: Outcome) -> None:
        """Take in how the training ended: COMPLETED, PRUNED, PAUSED or DIVERGED."""


class Simulation:
    """One search on a pool with one worker.

    Args:
        method: the search method.
        points: the numbers of trained epochs at which the incumbent is noted, in increasing order.

    Attributes:
        trained: the number of epochs trained of each member, by its number.
        spent: the number of epochs trained in all.
    """

    def __init__(self, method: SearchMethod, points: Sequence[int]) -> None:
        self._method, self._points = method, points
        self.trained: dict[int, int] = {}
        self.spent = 0
        self._ended: set[int] = set()
        self._best = -math.inf
        self._incumbent: Member | None = None

    def run(self) -> list[Member]:
        """Return the incumbent at each point: the member with the highest validation accuracy seen so far.

        If the method ends before a point, the last incumbent counts there.

        Raises:
            ValueError: the method trains a member again, or has trained none.
        """
        found: list[Member] = []
        while len(found) < len(self._points) and (member := self._method.ask()):
            self._train(member, found)
        if self._incumbent is None:
            raise ValueError("the method has trained no member")
        return found + [self._incumbent] * (len(self._points) - len(found))

    def _train(self, member: Member, found: list[Member]) -> None:
        """Train a member until it ends or pauses, or the last point is reached."""
        if member.number in self._ended:
            raise ValueError(f"member {member.number} has ended and is not trained again")
        self._incumbent = self._incumbent or member
        outcome = None
        while outcome is None:
            epoch = self.trained[member.number] = self.trained.get(member.number, 0) + 1
            self.spent += 1
            outcome = self._epoch(member, epoch)
            if self.spent == self._points[len(found)]:
                found.append(self._incumbent)
                if len(found) == len(self._points):
                    return
        if outcome is not Outcome.PAUSED:
            self._ended.add(member.number)
        self._method.tell(member, outcome)

    def _epoch(self, member: Member, epoch: int) -> Outcome | None:
        """Report an epoch; return how the training ended with it, or None."""
        value = member.values[epoch - 1]
        if value is None:
            return Outcome.DIVERGED
        if value > self._best:
            self._best, self._incumbent = value, member
        decision = self._method.report(member, epoch, value)
        if decision is Decision.PRUNE:
            return Outcome.PRUNED
        if epoch == len(member.values):
            return Outcome.COMPLETED
        return Outcome.PAUSED if decision is Decision.PAUSE else None
