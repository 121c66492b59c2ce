"""Pruners: they decide whether a running trial continues after an epoch.

They decide as Optuna's pruners with the same settings do, but from the values that the coordinator reports to them.
Optuna's pruners read every unfinished trial with all its epochs from the database at each decision, so each epoch would
take longer than the one before.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Sequence
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
        # The gain of each trial at each rung, by the rung's epoch; and the rungs that each trial reached last.
        self._rungs: dict[int, dict[int, float]] = {}
        self._reached: dict[int, list[int]] = {}

    def report(self, trial: int, epoch: int, value: float) -> None:
        self._reached[trial] = []
        rung = self._settings.min_resource
        while rung <= epoch:
            # A trial whose value was not finite at the rung's epoch reaches the rung at its next finite value.
            if trial not in self._rungs.setdefault(rung, {}):
                self._rungs[rung][trial] = self.objective.gain(value)
                self._reached[trial].append(rung)
            rung *= self._settings.reduction_factor

    def prunes(self, trial: int, epoch: int) -> bool:  # noqa: ARG002
        return any(not self._promoted(trial, self._rungs[rung]) for rung in self._reached.get(trial, ()))

    def _promoted(self, trial: int, gains: dict[int, float]) -> bool:
        better = sum(gain > gains[trial] for gain in gains.values())
        return better < max(1, len(gains) // self._settings.reduction_factor)

    def end(self, trial: int, *, completed: bool) -> None:  # noqa: ARG002
        self._reached.pop(trial, None)

    def forget(self, trial: int) -> None:
        self._reached.pop(trial, None)
        for gains in self._rungs.values():
            gains.pop(trial, None)


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
