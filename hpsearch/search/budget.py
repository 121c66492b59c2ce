"""The budget of a search: when no new trial starts although the study has fewer than its total, and why."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from datetime import datetime

from hpsearch.config.file import Objective, SearchConfig
from hpsearch.search.records import FINISHED, TrialRecord

TIMEOUT = "its timeout has passed"


class Budget:
    """Counts what a search has spent. The limit that is reached first decides; running trials train to their end.

    Args:
        search: the section `search` of the study file.
        objective: of the study.
    """

    def __init__(self, search: SearchConfig, objective: Objective) -> None:
        self._search, self._objective = search, objective
        self._deadline = time.monotonic() + (search.timeout or math.inf)
        self._epochs = self._without_improvement = 0
        # The best gain of a trial that ended well; and the best gain of such a trial or of any epoch of this run.
        self._best = self._highest = -math.inf

    def load(self, records: Iterable[TrialRecord]) -> None:
        """Count the trials of earlier runs, in the order in which they ended."""
        ended = []
        for record in records:
            self._epochs += len(record.epochs)
            if record.best:
                self._highest = max(self._highest, self._objective.gain(record.best.value))
            if record.state in FINISHED:
                ended.append(record)
        for record in sorted(ended, key=lambda record: record.ended or datetime.min):
            self.trial_ended(record)

    def epoch_done(self, value: float | None) -> None:
        """Count an epoch.

        Args:
            value: the best value of its trial so far; None: it has none.
        """
        self._epochs += 1
        if value is not None:
            self._highest = max(self._highest, self._objective.gain(value))

    def trial_ended(self, record: TrialRecord) -> None:
        """Count the end of a trial; one that failed does not count."""
        if record.state == "FAIL":
            return
        gain = self._objective.gain(record.best.value) if record.best and record.good else -math.inf
        self._without_improvement = 0 if gain > self._best else self._without_improvement + 1
        self._best = max(self._best, gain)
        self._highest = max(self._highest, gain)

    @property
    def reason(self) -> str:
        """Why no new trial starts; empty while trials may start."""
        search = self._search
        if search.stop_at is not None and self._highest >= self._objective.gain(search.stop_at):
            return f"{self._objective.metric} reached search.stop_at of {search.stop_at:g}"
        if search.total_epochs is not None and self._epochs >= search.total_epochs:
            return f"its trials have trained {self._epochs:,} epochs, search.total_epochs is {search.total_epochs:,}"
        if search.patience_trials is not None and self._without_improvement >= search.patience_trials:
            return f"no better trial among the last {self._without_improvement} (search.patience_trials)"
        return TIMEOUT if time.monotonic() >= self._deadline else ""


def reason_of_records(search: SearchConfig, objective: Objective, records: Iterable[TrialRecord]) -> str:
    """Return why no further trial starts, given the trials so far; the timeout of a run does not count."""
    budget = Budget(search.model_copy(update={"timeout": None}), objective)
    budget.load(records)
    return budget.reason
