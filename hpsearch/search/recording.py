"""Record in Optuna that a trial was interrupted, is continued, lost its worker or ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.trial import TrialState

from hpsearch.executors.protocol import TrialEnded
from hpsearch.search.records import (
    DETAIL,
    EARLIER,
    EPOCH_PREFIX,
    INFO,
    OUTCOME,
    PAUSED_AT,
    STARTED,
    TRACEBACK,
    WORKER_FAILURES,
    epochs_of,
)
from hpsearch.search.storage import StoredStudy
from hpsearch.training.results import GOOD, Best, Outcome

STATES = {
    Outcome.COMPLETED: TrialState.COMPLETE,
    Outcome.EARLY_STOPPED: TrialState.COMPLETE,
    Outcome.PRUNED: TrialState.PRUNED,
    # Optuna's samplers pass over failed trials and learn from pruned ones; a trial that diverged, is too slow or too
    # large must steer the sampler away, so it is recorded as pruned, and samplers rank it last.
    Outcome.DIVERGED: TrialState.PRUNED,
    Outcome.OVER_TIME: TrialState.PRUNED,
    Outcome.OVER_MEMORY: TrialState.PRUNED,
    Outcome.FAILED: TrialState.FAIL,
}


def interrupt(trial: optuna.Trial) -> None:
    """Record that a trial was interrupted. It stays RUNNING in the storage until a run continues it."""
    trial.set_user_attr(OUTCOME, Outcome.INTERRUPTED.name)


def pause(trial: optuna.Trial) -> None:
    """Record that a trial is paused. It stays RUNNING in the storage until it is continued or pruned."""
    trial.set_user_attr(PAUSED_AT, datetime.now().isoformat())
    trial.set_user_attr(OUTCOME, Outcome.PAUSED.name)


def begin_again(trial: optuna.Trial, epochs: int) -> None:
    """Record that a trial is continued, and drop the record of its end and of later epochs.

    Args:
        epochs: the number of its epochs that it keeps.
    """
    attrs = trial.user_attrs
    later = [key for key in attrs if key.startswith(EPOCH_PREFIX) and int(key.removeprefix(EPOCH_PREFIX)) > epochs]
    # A coordinator that died while it recorded the end may have left a part of the record.
    for key in (OUTCOME, EARLIER, DETAIL, INFO, TRACEBACK, PAUSED_AT, *later):
        if attrs.get(key):
            trial.set_user_attr(key, None)
    trial.set_user_attr(STARTED, datetime.now().isoformat())


def record_worker_failure(trial: optuna.Trial, reason: str) -> int:
    """Record that the worker of a running trial failed; return the failures since it last trained a new epoch."""
    worker_failures = [*trial.user_attrs.get(WORKER_FAILURES, []), {"epoch": len(epochs_of(trial)), "reason": reason}]
    trial.set_user_attr(WORKER_FAILURES, worker_failures)
    return failures_in_vain(worker_failures)


def failures_in_vain(worker_failures: Sequence[Mapping[str, Any]]) -> int:
    """Return the number of worker failures since the trial last trained a new epoch."""
    furthest, count = -1, 0
    for failure in worker_failures:
        count = 1 if failure["epoch"] > furthest else count + 1
        furthest = max(furthest, failure["epoch"])
    return count


def record_end(study: StoredStudy, trial: optuna.Trial, end: TrialEnded, best: Best | None) -> tuple[Outcome, str]:
    """Record the end of a trial in the study; return its outcome and the reason as they are recorded.

    Args:
        best: the best epoch of the trial, or None.
    """
    outcome, detail = end.outcome, end.detail
    if outcome in GOOD and best is None:
        if epochs_of(trial):
            outcome, detail = Outcome.DIVERGED, f"no epoch had a finite {study.objective.metric}"
        else:
            outcome, detail = Outcome.FAILED, "it ended without an epoch"
    if outcome is not Outcome.PRUNED and trial.user_attrs.get(PAUSED_AT):
        # It was to be paused and has trained to its end with that epoch.
        trial.set_user_attr(PAUSED_AT, None)
    trial.set_user_attr(OUTCOME, outcome.name)
    trial.set_user_attr(INFO, dict(end.info))
    if detail:
        trial.set_user_attr(DETAIL, detail)
    if end.traceback:
        trial.set_user_attr(TRACEBACK, end.traceback[-20_000:])
    if outcome in GOOD and best is not None:
        study.optuna.tell(trial.number, best.value)
    else:
        study.optuna.tell(trial.number, state=STATES[outcome])
    return outcome, detail
