"""Pruners: they decide whether a running trial continues after an epoch.

They decide as Optuna's pruners with the same settings do, but from the values that the coordinator reports to them.
Optuna's pruners read every unfinished trial with all its epochs from the database at each decision, so each epoch would
take longer than the one before.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Any

from hpsearch.config.file import Asha, AshaStop, Median, Objective, Percentile, SearchConfig, Threshold
from hpsearch.errors import UnknownNameError
from hpsearch.executors.protocol import Decision
from hpsearch.search.records import FINISHED, TrialRecord
from hpsearch.training.results import GOOD, WORST, EpochMetrics, Outcome, best_after


class Pruner:
    """The pruner that prunes nothing, and what all pruners have in common.

    Args:
        objective: of the study.
    """

    # The epochs after which trials are compared, in increasing order, where a pruner has such and pauses trials there.
    rungs: tuple[int, ...] = ()

    def __init__(self, objective: Objective) -> None:
        self.objective = objective

    def set_total(self, total: int, unprunable: int) -> None:
        """Set how many trials the study is to have, and how many of them are never pruned."""

    def load(self, records: Iterable[TrialRecord]) -> None:
        """Record the finished and the paused trials of earlier runs."""
        for record in records:
            if record.state in FINISHED and record.outcome not in WORST:
                self.replay(record.number, record.epochs)
                self.end(record.number, completed=record.outcome in GOOD)
            elif record.outcome is Outcome.PAUSED:
                self.replay(record.number, record.epochs)
                self.pause(record.number)

    def replay(self, trial: int, epochs: Iterable[EpochMetrics]) -> None:
        """Report the epochs that a trial has already trained."""
        best = None
        for epoch in epochs:
            best = best_after(best, epoch, self.objective)
            if best and epoch.finite:
                self.report(trial, epoch.epoch, best.value)

    def report(self, trial: int, epoch: int, value: float) -> None:
        """Record the best value of a trial up to this epoch."""

    def prunes(self, trial: int, epoch: int) -> bool:  # noqa: ARG002
        """Return whether a trial should stop after the epoch that was just reported."""
        return False

    def reached(self, trial: int) -> Sequence[int]:  # noqa: ARG002
        """Return the rungs that a trial has reached in the epoch just reported."""
        return ()

    def decide(self, trial: int, epoch: int, *, pausable: bool) -> Decision:  # noqa: ARG002
        """Return what becomes of a trial after the epoch just reported.

        Args:
            pausable: whether the trial's state can be kept.
        """
        return Decision.PRUNE if self.prunes(trial, epoch) else Decision.CONTINUE

    def pause(self, trial: int) -> None:
        """Note that a trial waits at the last rung that it has reached."""

    def promote(self, *, last: bool) -> int | None:  # noqa: ARG002
        """Return the paused trial that is to be continued now; None: there is none.

        Args:
            last: whether no new trial can begin.
        """
        return None

    def hopeless(self, *, every: bool = False) -> list[int]:  # noqa: ARG002
        """Return paused trials that can never be promoted.

        Args:
            every: whether to look for all of them; else for those that the last report has displaced.
        """
        return []

    def end(self, trial: int, *, completed: bool) -> None:
        """Note that a trial has ended, and whether it trained to its end."""

    def forget(self, trial: int) -> None:
        """Drop the reports of a trial that is run again or whose values do not count."""


# A trial's place in the order of a rung: its negative gain, then its number.
_Key = tuple[float, int]


class Rung:
    """The trials that have reached one rung.

    Attributes:
        limit: the number of trials that may ever go on from here.
    """

    def __init__(self, factor: int) -> None:
        self._factor, self.limit = factor, 1
        self._keys: dict[int, _Key] = {}
        self._order: list[_Key] = []
        # The trials that wait here; and a heap of their keys, which may hold keys of trials that have left.
        self._waiting: set[int] = set()
        self._heap: list[_Key] = []

    def __contains__(self, trial: int) -> bool:
        return trial in self._keys

    def add(self, trial: int, gain: float) -> None:
        self._keys[trial] = (-gain, trial)
        insort(self._order, self._keys[trial])

    def remove(self, trial: int) -> None:
        self._waiting.discard(trial)
        if key := self._keys.pop(trial, None):
            del self._order[bisect_left(self._order, key)]

    def wait(self, trial: int) -> None:
        self._waiting.add(trial)
        heappush(self._heap, self._keys[trial])

    def leave(self, trial: int) -> None:
        self._waiting.discard(trial)

    def rank(self, trial: int) -> int:
        """Return how many trials are better here; equal ones are not."""
        return self._better_than(self._keys[trial])

    def _better_than(self, key: _Key) -> int:
        return bisect_left(self._order, (key[0], -1))

    def is_promoted(self, trial: int, least: int = 0) -> bool:
        """Return whether a trial is among those that may go on now.

        Args:
            least: the number of trials that may go on, even if few have reached this rung.
        """
        return self.rank(trial) < max(least, len(self._order) // self._factor)

    def best_waiting(self) -> int | None:
        while self._heap:
            _, trial = key = self._heap[0]
            if trial in self._waiting and self._keys[trial] == key:
                return trial
            heappop(self._heap)
        return None

    def hopeless(self, *, every: bool) -> list[int]:
        """Return waiting trials that can never go on: those that the last trial has displaced, or all of them."""
        end = len(self._order)
        if not every and end > self.limit:
            end = bisect_right(self._order, (self._order[self.limit][0], math.inf), self.limit)
        beyond = self._order[self.limit : end]
        return [key[1] for key in beyond if key[1] in self._waiting and self._better_than(key) >= self.limit]


def rung_epochs(settings: Asha | AshaStop, max_epochs: int) -> Iterator[int]:
    """Yield the epochs of the rungs, all less than `max_epochs`."""
    epoch = settings.min_resource
    while epoch < max_epochs:
        yield epoch
        epoch *= settings.reduction_factor


class AshaStopPruner(Pruner):
    """Asynchronous successive halving that only stops trials (Li et al. 2020, arXiv:1810.05934).

    A rung is an epoch min_resource * reduction_factor**k. A trial continues after a rung if its value is among the best
    1/reduction_factor of all trials that have reached that rung. While fewer than reduction_factor trials have reached
    it, only the best one continues. Between rungs nothing is compared.

    Args:
        settings: of the study file.
    """

    def __init__(self, settings: Asha | AshaStop, objective: Objective) -> None:
        super().__init__(objective)
        self._settings = settings
        # The rungs by their epochs; and the rungs that each trial reached in its last epoch.
        self._rungs: dict[int, Rung] = {}
        self._reached: dict[int, list[int]] = {}

    def _rungs_up_to(self, epoch: int) -> Iterator[tuple[int, Rung]]:
        """Yield each rung up to an epoch, with its epoch."""
        for each in rung_epochs(self._settings, epoch + 1):
            yield each, self._rungs.setdefault(each, Rung(self._settings.reduction_factor))

    def report(self, trial: int, epoch: int, value: float) -> None:
        # A trial whose value was not finite at the rung's epoch reaches the rung at its next finite value.
        self._reached[trial] = [each for each, rung in self._rungs_up_to(epoch) if trial not in rung]
        for each in self._reached[trial]:
            self._rungs[each].add(trial, self.objective.gain(value))

    def prunes(self, trial: int, epoch: int) -> bool:  # noqa: ARG002
        return any(not self._rungs[rung].is_promoted(trial, least=1) for rung in self._reached.get(trial, ()))

    def end(self, trial: int, *, completed: bool) -> None:  # noqa: ARG002
        self._reached.pop(trial, None)

    def forget(self, trial: int) -> None:
        self._reached.pop(trial, None)
        for rung in self._rungs.values():
            rung.remove(trial)


class PercentilePruner(Pruner):
    """Prunes a trial whose best value is worse than a percentile of the completed trials at the same epoch.

    Args:
        settings: of the study file. The pruner `median` has the percentile 50.
    """

    def __init__(self, settings: Median | Percentile, objective: Objective) -> None:
        super().__init__(objective)
        self._settings = settings
        # A trial is pruned if its gain is below this quantile of the gains of the completed trials.
        self._cutoff = 0.5 if isinstance(settings, Median) else 1 - settings.percentile / 100
        # The gains of each running trial by epoch; and the gains of all completed trials at each epoch, sorted.
        self._running: dict[int, dict[int, float]] = {}
        self._at: dict[int, list[float]] = {}
        self._completed = 0

    def report(self, trial: int, epoch: int, value: float) -> None:
        self._running.setdefault(trial, {})[epoch] = self.objective.gain(value)

    def prunes(self, trial: int, epoch: int) -> bool:
        if self._completed < max(1, self._settings.startup_trials) or epoch < self._settings.warmup_epochs:
            return False
        others = self._at.get(epoch, [])
        return len(others) > 0 and self._running[trial][epoch] < _interpolated_quantile(others, self._cutoff)

    def end(self, trial: int, *, completed: bool) -> None:
        gains = self._running.pop(trial, {})
        if completed:
            self._completed += 1
            for epoch, gain in gains.items():
                insort(self._at.setdefault(epoch, []), gain)

    def forget(self, trial: int) -> None:
        self._running.pop(trial, None)


def _interpolated_quantile(values: Sequence[float], share: float) -> float:
    """Return the quantile of sorted values, interpolated linearly as NumPy does by default."""
    position = (len(values) - 1) * share
    index = min(int(position), len(values) - 1)
    above = values[min(index + 1, len(values) - 1)]
    return values[index] + (above - values[index]) * (position - index)


class ThresholdPruner(Pruner):
    """Prunes a trial whose best value is outside of fixed bounds.

    Args:
        settings: of the study file.
    """

    def __init__(self, settings: Threshold, objective: Objective) -> None:
        super().__init__(objective)
        self._settings = settings
        self._best: dict[int, float] = {}

    def report(self, trial: int, epoch: int, value: float) -> None:  # noqa: ARG002
        self._best[trial] = value

    def prunes(self, trial: int, epoch: int) -> bool:
        lower, upper, best = self._settings.lower, self._settings.upper, self._best[trial]
        outside = (lower is not None and best < lower) or (upper is not None and best > upper)
        return outside and epoch >= self._settings.warmup_epochs

    def end(self, trial: int, *, completed: bool) -> None:  # noqa: ARG002
        self._best.pop(trial, None)

    def forget(self, trial: int) -> None:
        self._best.pop(trial, None)


def _asha(settings: Asha, objective: Objective, max_epochs: int | None) -> Pruner:
    """Return the pruner `asha`. A user's own function has no checkpoint, so its trials are stopped and not paused."""
    from hpsearch.search.promotion import AshaPruner

    return AshaStopPruner(settings, objective) if max_epochs is None else AshaPruner(settings, objective, max_epochs)


# How each pruner of the study file is made, from its settings, the objective and the largest number of epochs of a
# trial, which is None where the user's own function trains.
PRUNERS: dict[str, Callable[[Any, Objective, int | None], Pruner]] = {
    "asha": _asha,
    "asha_stop": lambda settings, objective, _: AshaStopPruner(settings, objective),
    "median": lambda settings, objective, _: PercentilePruner(settings, objective),
    "percentile": lambda settings, objective, _: PercentilePruner(settings, objective),
    "threshold": lambda settings, objective, _: ThresholdPruner(settings, objective),
    "none": lambda _settings, objective, _: Pruner(objective),
}


def make_pruner(search: SearchConfig, objective: Objective, max_epochs: int | None = None) -> Pruner:
    """Return the pruner of a study file.

    Args:
        search: the section `search` of the study file.
        objective: of the study.
        max_epochs: the largest number of epochs of a trial; None where the user's own function trains.

    Raises:
        UnknownNameError: there is no such pruner; the message lists the known ones.
    """
    settings = search.pruner
    if settings.name not in PRUNERS:
        raise UnknownNameError("pruner", settings.name, list(PRUNERS))
    return PRUNERS[settings.name](settings, objective, max_epochs)
