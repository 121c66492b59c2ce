"""The pruner `asha`: a trial pauses at each rung, and the best of those that wait there is continued.

Asynchronous successive halving with promotion (Li et al. 2020, arXiv:1810.05934, algorithm 2). A rung is an epoch
min_resource * reduction_factor**k that is less than the largest `max_epochs` of the space. Of the n trials that have
reached a rung, the best n // reduction_factor may go on to the next one. Two rules are added:

* Once no new trial can begin, the best trial of a rung may go on even if it has fewer than reduction_factor trials:
  otherwise a small study would train nothing to its end.
* A trial that can never be among the best n // reduction_factor, however many trials the study still begins, is pruned
  at once, so that no more than a reduction_factor-th of the trials wait.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from hpsearch.config.file import Asha, Objective
from hpsearch.executors.protocol import Decision
from hpsearch.search.pruning import Pruner

# A trial's place in the order of a rung: its negative gain, then its number.
_Key = tuple[float, int]


class _Rung:
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


class AshaPruner(Pruner):
    """Pauses trials at rungs and promotes the best of them; see the module.

    Args:
        settings: of the study file.
        objective: of the study.
        max_epochs: the largest number of epochs of a trial.

    Attributes:
        rungs: their epochs, the first one first.
    """

    def __init__(self, settings: Asha, objective: Objective, max_epochs: int) -> None:
        super().__init__(objective)
        self._factor = settings.reduction_factor
        self.rungs = tuple(rung_epochs(settings, max_epochs))
        self._rungs = {epoch: _Rung(self._factor) for epoch in self.rungs}
        # The rungs that a trial reached in its last epoch.
        self._reached: dict[int, list[int]] = {}

    def set_total(self, total: int, unprunable: int) -> None:
        """Set how many trials the study is to have, and how many of them are never paused."""
        limit = total
        for rung in self._rungs.values():
            limit = max(1, limit // self._factor)
            rung.limit = limit
            # The best of a rung goes on at the end, and trials that are never pruned go on whatever their value.
            limit += 1 + unprunable

    def report(self, trial: int, epoch: int, value: float) -> None:
        # A trial reaches a rung later than at the rung's epoch if its value was not finite before.
        self._reached[trial] = [each for each in self.rungs if each <= epoch and trial not in self._rungs[each]]
        for each in self._reached[trial]:
            self._rungs[each].add(trial, self.objective.gain(value))

    def reached(self, trial: int) -> Sequence[int]:
        return self._reached.get(trial, ())

    def decide(self, trial: int, epoch: int, *, pausable: bool) -> Decision:  # noqa: ARG002
        for each in self.reached(trial):
            rung = self._rungs[each]
            if not pausable:
                if not rung.is_promoted(trial, least=1):
                    return Decision.PRUNE
            elif not rung.is_promoted(trial):
                return Decision.PAUSE if rung.rank(trial) < rung.limit else Decision.PRUNE
        return Decision.CONTINUE

    def pause(self, trial: int) -> None:
        self._rungs[max(epoch for epoch in self.rungs if trial in self._rungs[epoch])].wait(trial)

    def promote(self, *, last: bool) -> int | None:
        for epoch in reversed(self.rungs):
            trial = self._rungs[epoch].best_waiting()
            if trial is not None and self._rungs[epoch].is_promoted(trial, least=int(last)):
                return trial
        return None

    def hopeless(self, *, every: bool = False) -> list[int]:
        return [trial for rung in self._rungs.values() for trial in rung.hopeless(every=every)]

    def end(self, trial: int, *, completed: bool) -> None:  # noqa: ARG002
        self._reached.pop(trial, None)
        for rung in self._rungs.values():
            rung.leave(trial)

    def forget(self, trial: int) -> None:
        self._reached.pop(trial, None)
        for rung in self._rungs.values():
            rung.remove(trial)


def rung_epochs(settings: Asha, max_epochs: int) -> Iterator[int]:
    """Yield the epochs of the rungs, all less than `max_epochs`."""
    epoch = settings.min_resource
    while epoch < max_epochs:
        yield epoch
        epoch *= settings.reduction_factor
