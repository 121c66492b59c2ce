"""The paused trials of a study: those that wait at a rung, and those that an ended search left with a checkpoint.

A paused trial that cannot go on is recorded as PRUNED, which is final in Optuna; some of their checkpoints are kept. If
the study is continued with a larger total and such a trial may go on, a new trial with the same
configuration and seed takes over its epochs and its checkpoint, and records its number (`CONTINUES`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from optuna.trial import FrozenTrial

from hpsearch.search.jobs import Checkpoints
from hpsearch.search.pruning import Pruner
from hpsearch.search.records import (
    BASELINE,
    CONFIG,
    CONTENTS,
    CONTINUES,
    EPOCH_PREFIX,
    PAUSED_AT,
    RUNG_PREFIX,
    TrialRecord,
)
from hpsearch.search.storage import StoredStudy
from hpsearch.training.results import Outcome

# The largest number of checkpoints of pruned trials that a study keeps.
MOST_CHECKPOINTS = 50


class PausedTrials:
    """Holds the paused trials of a study, and says which of them goes on.

    Args:
        study: the study.
        pruner: decides which trial may go on.
        checkpoints: the checkpoints of the study's trials.

    Attributes:
        waiting: the trials that wait at a rung, by number.
    """

    def __init__(self, study: StoredStudy, pruner: Pruner, checkpoints: Checkpoints) -> None:
        self._study, self._pruner, self._checkpoints = study, pruner, checkpoints
        self.waiting: dict[int, FrozenTrial] = {}
        # Trials that were pruned while paused, in an earlier search, and whose checkpoints were kept.
        self._left: dict[int, FrozenTrial] = {}
        # The trials whose checkpoints are kept although they were pruned, in the order of their ends.
        self._kept: deque[int] = deque()

    def load(self, trials: Sequence[FrozenTrial], records: Sequence[TrialRecord]) -> None:
        """Find the paused trials of earlier runs; remove the checkpoints of all other trials that have ended."""
        continued = {record.continues for record in records}
        for trial, record in zip(trials, records, strict=True):
            number = record.number
            if record.outcome is Outcome.PAUSED:
                self.waiting[number] = trial
            elif (
                record.outcome is Outcome.PRUNED
                and trial.user_attrs.get(PAUSED_AT)
                and number not in continued
                and self._checkpoints.file(number).exists()
            ):
                self._left[number] = trial
        unfinished = (trial.number for trial in trials if not trial.state.is_finished())
        # A trial that takes over another one may not have its checkpoint yet.
        taken_over = (r.continues for r in records if r.continues is not None and r.state not in {"COMPLETE", "PRUNED"})
        self._checkpoints.tidy({*unfinished, *self._left, *taken_over})
        self._pruner.load([record for record in records if record.number not in continued])
        for number in self._left:
            self._pruner.pause(number)
            self.keep_checkpoint(number)

    def pause(self, number: int) -> FrozenTrial:
        """Let a trial wait; return it as it is stored."""
        self._pruner.pause(number)
        self.waiting[number] = self._study.stored(number)
        return self.waiting[number]

    def next(self, new_number: int, *, last: bool) -> FrozenTrial | None:
        """Return the trial that goes on now; None: there is none.

        Args:
            new_number: the number of the next new trial, which takes over a trial that an earlier search left.
            last: whether no new trial can begin.
        """
        number = self._pruner.promote(last=last)
        if number is None:
            return None
        if number in self.waiting:
            return self.waiting.pop(number)
        return self._take_over(self._left.pop(number), new_number)

    def _take_over(self, left: FrozenTrial, new_number: int) -> FrozenTrial:
        attrs = left.user_attrs
        copied = {key: value for key, value in attrs.items() if key.startswith((EPOCH_PREFIX, RUNG_PREFIX))}
        copied |= {key: attrs[key] for key in (CONFIG, CONTENTS, BASELINE) if key in attrs}
        # In one step, since this process may die at any time.
        self._study.optuna.enqueue_trial(left.params, user_attrs={**copied, CONTINUES: left.number})
        self._pruner.forget(left.number)
        return self._study.stored(new_number)

    def hopeless(self, *, every: bool = False) -> list[int]:
        """Return waiting trials that can never go on with this total; forget such trials of earlier searches."""
        found = self._pruner.hopeless(every=every)
        for number in found:
            if self._left.pop(number, None):
                self._pruner.end(number, completed=False)
        return [number for number in found if number in self.waiting]

    def keep_checkpoint(self, number: int) -> None:
        """Keep the checkpoint of a paused trial that is pruned; remove the oldest one if they are too many."""
        self._kept.append(number)
        if len(self._kept) > MOST_CHECKPOINTS:
            self._checkpoints.forget(self._kept.popleft())
