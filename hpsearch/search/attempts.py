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
from optuna.trial import FrozenTrial, TrialState

from hpsearch.search.records import BASELINE, CONFIG, CONTENTS, FINISHED, RETRY_OF, TrialRecord

Config = Mapping[str, Any]


class Attempts:
    """Count the trials of a study and remember their configurations.

    Args:
        trials: of the study so far.
        retries: how often a configuration whose trial failed is tried again unless the user asks for more.

    Attributes:
        ended: how many trials have ended without failing.
    """

    def __init__(self, trials: Iterable[FrozenTrial], retries: int) -> None:
        self._retries = retries
        self.ended = 0
        # The configuration of each trial that has one, the first trial of each configuration, and how often it failed.
        self._keys: dict[int, tuple[str, str]] = {}
        self._first: dict[str, int] = {}
        self._failed: Counter[str] = Counter()
        # Configurations, with the contents of the user's files, that were trained or are being trained, and by which
        # trial; those of interrupted trials go on. An early version's trials have no contents: the text is empty.
        self._taken: dict[tuple[str, str], int] = {}
        for trial in trials:
            if config := trial.user_attrs.get(CONFIG):
                self.begin(trial.number, config, trial.user_attrs.get(CONTENTS))
            if trial.state.is_finished():
                self.end(trial.number, failed=trial.state == TrialState.FAIL)

    def begin(self, trial: int, config: Config, contents: Mapping[str, str] | None) -> None:
        """Note that a trial trains a configuration.

        Args:
            contents: digests of the user's own data and modules: with others it is not the same training. None where
                they are not known: the trial is then compared by its configuration alone.
        """
        key = _text(config), "" if contents is None else _text(contents)
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

    def first_of(self, config: Config, contents: Mapping[str, str]) -> int | None:
        """Return a trial with this configuration where it should not be tried (again), else None."""
        text = _text(config)
        if self._failed[text] > self._retries:
            return self._first[text]
        return self._taken.get((text, _text(contents)), self._taken.get((text, "")))

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
    attempts = Attempts((), 0)
    for record in records:
        if record.config:
            attempts.begin(record.number, record.config, record.contents)
        if record.state in FINISHED:
            attempts.end(record.number, failed=record.state == "FAIL")
    return list(attempts.failed(asked=True))


def enqueue_again(study: optuna.Study, trial: FrozenTrial) -> None:
    """Enqueue a trial's configuration as a new trial, which names it."""
    baseline = {BASELINE: True} if trial.user_attrs.get(BASELINE) else {}
    study.enqueue_trial(trial.params, user_attrs={RETRY_OF: trial.number, **baseline})


def enqueue_failed(study: optuna.Study) -> int:
    """Enqueue each configuration whose trials have all failed once more; return how many there are."""
    trials = study.get_trials(deepcopy=False)
    waiting = {trial.user_attrs[RETRY_OF] for trial in awaited(trials)}
    numbers = [number for number in Attempts(trials, 0).failed(asked=True) if number not in waiting]
    for number in numbers:
        enqueue_again(study, trials[number])
    return len(numbers) + len(waiting)


def awaited(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that try a failed configuration again and have not ended."""
    return [trial for trial in trials if RETRY_OF in trial.user_attrs and not trial.state.is_finished()]


def _text(plain: Mapping[str, Any]) -> str:
    return json.dumps(plain, sort_keys=True)
