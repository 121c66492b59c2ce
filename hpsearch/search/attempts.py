"""The configurations that a study has trained, is training or failed to train, and when a run aborts.

A trial that failed does not count toward the study's total. A configuration that was trained is not trained again:
its seed is part of it, so the result would be the same. A grid enqueues a failed configuration again, up to `retries`
times; another sampler may draw it again as often.
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
from hpsearch.training.results import BROKEN, Outcome


class Attempts:
    """Count the trials of a study and remember their configurations.

    Args:
        records: the trials of the study so far.
        retries: how often a failed configuration is tried again without `--retry-failed`.

    Attributes:
        counted: the number of trials that have ended without failing. These count toward the study's total.
        continuing: the trials that take over a paused trial of an earlier search, which counts already.
    """

    def __init__(self, records: Iterable[TrialRecord], retries: int) -> None:
        self._retries = retries
        self.counted = 0
        # The configuration and the contents of each trial; the first trial and the failures of each configuration.
        self._keys: dict[int, tuple[str, str]] = {}
        # Trials that take over another one, which counts already.
        self.continuing: set[int] = set()
        self._first: dict[str, int] = {}
        self._failed: Counter[str] = Counter()
        # The trial that has trained, is training or is to continue each configuration, by the configuration and the
        # contents of the user's files.
        self._taken: dict[tuple[str, str], int] = {}
        for record in records:
            if record.continues is not None:
                self.continuing.add(record.number)
            if record.config:
                self.begin(record.number, record.config, record.contents)
            if record.state in FINISHED:
                self.end(record.number, failed=record.state == "FAIL")

    def begin(self, trial: int, config: AnyConfig, contents: Mapping[str, str]) -> None:
        """Note that a trial trains a configuration.

        Args:
            contents: digests of the user's own data and modules; a training with other contents is another training.
                Empty for trials of an early version, which are compared by their configuration alone.
        """
        key = _text(config.plain()), _text(contents)
        # A continued trial may have other contents than before; its old key is removed.
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
            self.counted += trial not in self.continuing
        elif key is not None:
            self._failed[key[0]] += 1
            self._taken.pop(key, None)

    def blocking_trial(self, config: AnyConfig, contents: Mapping[str, str]) -> int | None:
        """Return the trial because of which a configuration must not be tried (again); None if it may be tried."""
        text = _text(config.plain())
        if self._failed[text] > self._retries:
            return self._first[text]
        return self._taken.get((text, _text(contents)), self._taken.get((text, _text({}))))

    def failed(self, *, asked: bool) -> Iterator[int]:
        """Yield the first trial of each configuration whose trials have all failed.

        Args:
            asked: whether the user asks for these trials; otherwise only those with retries left are returned.
        """
        taken = {config for config, _ in self._taken}
        for config, times in self._failed.items():
            if config not in taken and (asked or times <= self._retries):
                yield self._first[config]


def left_failed(records: Iterable[TrialRecord]) -> list[int]:
    """Return the first trial of each configuration whose trials have all failed."""
    return list(Attempts(records, 0).failed(asked=True))


def enqueue_again(study: optuna.Study, trial: FrozenTrial) -> None:
    """Enqueue the configuration of a failed trial again, as a new trial that records the number of the failed one."""
    baseline = {BASELINE: True} if trial.user_attrs.get(BASELINE) else {}
    study.enqueue_trial(trial.params, user_attrs={RETRY_OF: trial.number, **baseline})


def enqueue_failed(study: StoredStudy) -> int:
    """Enqueue again each configuration whose trials all failed.

    Returns:
        The number of unfinished retries, earlier ones included.
    """
    trials = study.optuna.get_trials(deepcopy=False)
    waiting = {trial.user_attrs[RETRY_OF] for trial in unfinished_retries(trials)}
    numbers = [number for number in left_failed(study.records()) if number not in waiting]
    for number in numbers:
        enqueue_again(study.optuna, trials[number])
    return len(numbers) + len(waiting)


def unfinished_retries(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that try a failed configuration again and have not ended."""
    return [trial for trial in trials if RETRY_OF in trial.user_attrs and not trial.state.is_finished()]


def _text(plain: Mapping[str, Any]) -> str:
    return json.dumps(plain, sort_keys=True)


# The beginning of the message that refuses a user's model.
REFUSED_MODEL = "UserCodeError: model.builder must return "
# A run aborts if its first FIRST_BROKEN trials all break, since the next ones would, too. It also aborts if
# max(FEWEST_FAILURES, FAILURES_PER_TRIAL * total) of its trials fail: failed trials do not count toward the total, so
# it might never end.
FIRST_BROKEN = 5
FAILURES_PER_TRIAL, FEWEST_FAILURES = 2, 10


class AbortCheck:
    """Decide whether a run is to be stopped because too many of its trials fail.

    Args:
        total: the number of trials that the study is to have.
        same_model: whether all trials have the same model, with the same arguments and data.
    """

    def __init__(self, total: int, *, same_model: bool = False) -> None:
        self._same_model, self._refused = same_model, False
        self._most = max(FEWEST_FAILURES, FAILURES_PER_TRIAL * total)
        self._broken = self._failed = 0
        self._some_unbroken = False
        self._last = ""

    def trial_ended(self, outcome: Outcome, detail: str) -> None:
        self._failed += outcome is Outcome.FAILED
        self._refused |= self._same_model and detail.startswith(REFUSED_MODEL)
        if outcome in BROKEN:
            self._broken, self._last = self._broken + 1, detail or outcome.value
        else:
            self._some_unbroken = True

    @property
    def reason(self) -> str:
        """The reason to abort the run; empty: there is none."""
        if self._refused:
            return "every trial has the same model, which is refused"
        if not self._some_unbroken and self._broken >= FIRST_BROKEN:
            return f"the first {self._broken} trials of this run all failed, the last one so: {self._last}"
        if self._failed >= self._most:
            return f"{self._failed} trials of this run failed, the last one so: {self._last}"
        return ""
