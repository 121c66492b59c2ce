"""Which configurations of a study have been trained, are being trained, or have failed, and what counts as a trial.

A trial that failed does not count toward the study's total. A configuration that was trained is not trained again:
its seed is part of it, so the result would be the same. One whose trial failed may be tried again a few times.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from hpsearch.config.trial import AnyConfig
from hpsearch.search.records import BASELINE, FINISHED, RETRY_OF, TrialRecord
from hpsearch.search.storage import StoredStudy


class Attempts:
    """Count the trials of a study and remember their configurations.

    Args:
        records: the trials of the study so far.
        retries: how often a configuration whose trial failed is tried again unless the user asks for more.

    Attributes:
        ended: how many trials have ended without failing.
    """

    def __init__(self, records: Iterable[TrialRecord], retries: int) -> None:
        self._retries = retries
        self.ended = 0
        # The configuration of each trial that has one, the first trial of each configuration, and how often it failed.
        self._keys: dict[int, tuple[str, str]] = {}
        self._first: dict[str, int] = {}
        self._failed: Counter[str] = Counter()
        # The trial that has trained, is training or is to continue each configuration, by the configuration and the
        # contents of the user's files.
        self._taken: dict[tuple[str, str], int] = {}
        for record in records:
            if record.config:
                self.begin(record.number, record.config, record.contents)
            if record.state in FINISHED:
                self.end(record.number, failed=record.state == "FAIL")

    def begin(self, trial: int, config: AnyConfig, contents: Mapping[str, str]) -> None:
        """Note that a trial trains a configuration.

        Args:
            contents: digests of the user's own data and modules: with others it is not the same training. Empty in
                trials of an early version, which are compared by their configuration alone.
        """
        key = _text(config.plain()), _text(contents)
        # An interrupted trial of an early version has contents once it goes on.
        before = self._keys.get(trial)
        if before and self._taken.get(before) == trial:
            del self._taken[before]
        self._keys[trial] = key
        self._first.setdefault(key[0], trial)
        self._taken[key] = trial

    def end(self, trial: int, *, failed: bool) -> None:
        """Note that a trial has ended."""
        key = self._keys.get(trial)
        if not failed:
            self.ended += 1
        elif key is not None:
            self._failed[key[0]] += 1
            self._taken.pop(key, None)

    def first_of(self, config: AnyConfig, contents: Mapping[str, str]) -> int | None:
        """Return a trial with this configuration where it should not be tried (again), else None."""
        text = _text(config.plain())
        if self._failed[text] > self._retries:
            return self._first[text]
        return self._taken.get((text, _text(contents)), self._taken.get((text, _text({}))))

    def failed(self, *, asked: bool) -> Iterator[int]:
        """Yield the first trial of each configuration whose trials have all failed.

        Args:
            asked: whether the user asks for them; else only those that have retries left.
        """
        taken = {config for config, _ in self._taken}
        for config, times in self._failed.items():
            if config not in taken and (asked or times <= self._retries):
                yield self._first[config]


def left_failed(records: Iterable[TrialRecord]) -> list[int]:
    """Return the first trial of each configuration whose trials have all failed."""
    return list(Attempts(records, 0).failed(asked=True))


def enqueue_again(study: optuna.Study, trial: FrozenTrial) -> None:
    """Enqueue a trial's configuration as a new trial, which names it."""
    baseline = {BASELINE: True} if trial.user_attrs.get(BASELINE) else {}
    study.enqueue_trial(trial.params, user_attrs={RETRY_OF: trial.number, **baseline})


def enqueue_failed(study: StoredStudy) -> int:
    """Enqueue each configuration whose trials have all failed once more; return how many there are."""
    trials = study.optuna.get_trials(deepcopy=False)
    waiting = {trial.user_attrs[RETRY_OF] for trial in awaited(trials)}
    numbers = [number for number in left_failed(study.records()) if number not in waiting]
    for number in numbers:
        enqueue_again(study.optuna, trials[number])
    return len(numbers) + len(waiting)


def awaited(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that try a failed configuration again and have not ended."""
    return [trial for trial in trials if RETRY_OF in trial.user_attrs and not trial.state.is_finished()]


def _text(plain: Mapping[str, Any]) -> str:
    return json.dumps(plain, sort_keys=True)
