"""`search.balance`: the same number of trials for every option of a choice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hpsearch.config.space import choices, find_choice
from hpsearch.config.study import StudySpec
from hpsearch.search.records import TrialRecord


class Balance:
    """Counts the trials of each option of the balanced choice, and says which options come next.

    A trial counts from its beginning, baselines and enqueued trials too. A failed trial stops counting, since it does
    not count toward the study's total either. Each option is forgiven `limits.retries` failures at most: an option that
    always fails would get all trials otherwise.

    Args:
        spec: the study file; without `search.balance`, nothing is counted.
    """

    def __init__(self, spec: StudySpec) -> None:
        name = spec.search.balance
        self._choice = None if name is None else find_choice(choices(spec.space, always=True), name)
        self._forgiven = spec.file.limits.retries
        # The index of the option of each trial that has begun; the failures of each option.
        self._options: dict[int, int] = {}
        self._failed: Counter[int] = Counter()

    def load(self, records: Iterable[TrialRecord]) -> None:
        """Count the trials of earlier runs."""
        for record in records:
            # Without a configuration it has not begun: it waits, or its configuration was refused.
            if record.config:
                self.begin(record.number, record.params)
            if record.state == "FAIL":
                self.fail(record.number)

    def begin(self, trial: int, params: Mapping[str, Any]) -> None:
        """Count a trial that begins, or that begins again.

        Args:
            params: of the trial, as Optuna stores them; a trial that lacks the choice is not counted.
        """
        if self._choice and self._choice.name in params:
            self._options[trial] = self._choice.labels.index(params[self._choice.name])

    def fail(self, trial: int) -> None:
        """Note that a trial has failed."""
        if trial in self._options:
            self._failed[self._options[trial]] += 1

    def options(self) -> Iterator[dict[str, Any]]:
        """Yield the fixed parameter of the next trial: that of the option with the fewest trials first.

        Options with equally many trials come in the order of the file. The caller takes the first option of which there
        is a new configuration. Without a balanced choice, nothing is fixed.
        """
        if self._choice is None:
            yield {}
            return
        begun = Counter(self._options.values())
        counts = [begun[i] - min(self._failed[i], self._forgiven) for i in range(len(self._choice.labels))]
        for index in sorted(range(len(counts)), key=counts.__getitem__):
            yield {self._choice.name: self._choice.labels[index]}
