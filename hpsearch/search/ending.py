"""How the end of a trial is recorded, and when the ends of a run's first trials end the run."""

from __future__ import annotations

import optuna
from optuna.trial import TrialState

from hpsearch.executors.protocol import TrialEnded
from hpsearch.search.records import DETAIL, INFO, OUTCOME, TRACEBACK, rows_of
from hpsearch.search.storage import StoredStudy
from hpsearch.training.results import BROKEN, GOOD, Best, Outcome

STATES = {
    Outcome.COMPLETED: TrialState.COMPLETE,
    Outcome.EARLY_STOPPED: TrialState.COMPLETE,
    Outcome.PRUNED: TrialState.PRUNED,
    # Optuna's samplers pass over failed trials and learn from pruned ones; a trial that diverged, is too slow or too
    # large must steer the sampler away, so it is kept as pruned, worse than all others, and its outcome says why.
    Outcome.DIVERGED: TrialState.PRUNED,
    Outcome.OVER_TIME: TrialState.PRUNED,
    Outcome.OVER_MEMORY: TrialState.PRUNED,
    Outcome.FAILED: TrialState.FAIL,
}
# How the refusal of a user's model begins, whatever else a trial is made of.
REFUSED_MODEL = "UserCodeError: model.builder must return "
# A run whose first trials all break is stopped: the next ones would too. Since failed trials do not count toward the
# total, so is a run in which this many for each trial of the total fail, or this many in a small study.
HOPELESS = 5
FAILURES_PER_TRIAL, FEWEST_FAILURES = 2, 10


def record_end(study: StoredStudy, trial: optuna.Trial, end: TrialEnded, best: Best | None) -> tuple[Outcome, str]:
    """Record the end of a trial in the study; return its outcome and the reason as they are recorded.

    Args:
        best: its best epoch.
    """
    outcome, detail = end.outcome, end.detail
    if outcome in GOOD and best is None:
        if rows_of(trial):
            outcome, detail = Outcome.DIVERGED, f"no epoch had a finite {study.objective.metric}"
        else:
            outcome, detail = Outcome.FAILED, "it ended without an epoch"
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
        self._some_did_not = False
        self._last = ""

    def trial_ended(self, outcome: Outcome, detail: str) -> None:
        self._failed += outcome is Outcome.FAILED
        self._refused |= self._same_model and detail.startswith(REFUSED_MODEL)
        if outcome in BROKEN:
            self._broken, self._last = self._broken + 1, detail or outcome.value
        else:
            self._some_did_not = True

    @property
    def reason(self) -> str:
        """Why the run is to be stopped; empty where it is not."""
        if self._refused:
            return "every trial has the same model, which is refused"
        if not self._some_did_not and self._broken >= HOPELESS:
            return f"the first {self._broken} trials of this run all failed, the last one so: {self._last}"
        if self._failed >= self._most:
            return f"{self._failed} trials of this run failed, the last one so: {self._last}"
        return ""
