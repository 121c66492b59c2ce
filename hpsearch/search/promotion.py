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

from collections.abc import Iterator, Sequence

from hpsearch.config.file import Asha, Objective
from hpsearch.executors.protocol import Decision
from hpsearch.search.pruning import AshaStopPruner, Rung, rung_epochs


class AshaPruner(AshaStopPruner):
    """Pauses trials at rungs and promotes the best of them; see the module.

    Args:
        settings: of the study file.
        objective: of the study.
        max_epochs: the largest number of epochs of a trial.

    Attributes:
        rungs: their epochs, the first one first.
    """

    def __init__(self, settings: Asha, objective: Objective, max_epochs: int) -> None:
        super().__init__(settings, objective)
        self.rungs = tuple(rung_epochs(settings, max_epochs))
        self._rungs = {epoch: Rung(settings.reduction_factor) for epoch in self.rungs}

    def set_total(self, total: int, unprunable: int) -> None:
        """Set how many trials the study is to have, and how many of them are never paused."""
        limit = total
        for rung in self._rungs.values():
            limit = max(1, limit // self._settings.reduction_factor)
            rung.limit = limit
            # The best of a rung goes on at the end, and trials that are never pruned go on whatever their value.
            limit += 1 + unprunable

    def _rungs_up_to(self, epoch: int) -> Iterator[tuple[int, Rung]]:
        return ((each, rung) for each, rung in self._rungs.items() if each <= epoch)

    def reached(self, trial: int) -> Sequence[int]:
        return self._reached.get(trial, ())

    def decide(self, trial: int, epoch: int, *, pausable: bool) -> Decision:
        if not pausable:
            return super().decide(trial, epoch, pausable=False)
        for rung in (self._rungs[each] for each in self.reached(trial)):
            if not rung.is_promoted(trial):
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

    def end(self, trial: int, *, completed: bool) -> None:
        super().end(trial, completed=completed)
        for rung in self._rungs.values():
            rung.leave(trial)
