"""The one process that owns a running study: ask Optuna, dispatch, report, prune, tell, inform.

It imports no TensorFlow. It alone writes the Optuna database, and the listeners that it informs
write the rest.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import optuna
from optuna.trial import TrialState
from pydantic import ValidationError

from hpsearch.config.study import StudySpec
from hpsearch.config.trial import TrialConfig
from hpsearch.executors.protocol import EpochDone, Event, Executor, Job, TrialEnded
from hpsearch.search.dispatch import choose
from hpsearch.search.listeners import Listener, StudyEnded, StudyStarted, TrialStarted
from hpsearch.search.records import (
    BASELINE,
    CONFIG,
    DETAIL,
    FACTS,
    OUTCOME,
    ROW,
    TRACEBACK,
    best_trial,
)
from hpsearch.search.sampling import make_pruner, make_sampler, suggest
from hpsearch.search.stop import Stop
from hpsearch.search.storage import Study, forget_reports, put_back, settle, take
from hpsearch.training.results import GOOD, Best, Outcome, best_after
from hpsearch.training.structure import needs_of, with_engine

# How often clocks are updated and a stop is noticed, in seconds.
TICK = 0.2

_STATES = {
    Outcome.COMPLETED: TrialState.COMPLETE,
    Outcome.EARLY_STOPPED: TrialState.COMPLETE,
    Outcome.PRUNED: TrialState.PRUNED,
    # Optuna's samplers pass over failed trials and learn from pruned ones; a diverged trial must steer
    # the sampler away, so it is kept as pruned, worse than all others, and its outcome says why.
    Outcome.DIVERGED: TrialState.PRUNED,
    Outcome.FAILED: TrialState.FAIL,
}


class Coordinator:
    """Runs a study to its total number of trials.

    Args:
        study: from `open_study`; its lock is held by the caller.
        spec: the checked study file.
        executor: where trials run; the coordinator does not close it.
        listeners: makes those who are informed, in this order; called once the first trials are on their way,
            since MLflow takes longer to import than an epoch to train.
        total: the number of trials that the study is to have, those of earlier runs included.
        stop: asked between events.
    """

    def __init__(
        self,
        study: Study,
        spec: StudySpec,
        executor: Executor,
        listeners: Callable[[], Sequence[Listener]],
        *,
        total: int,
        stop: Stop,
    ) -> None:
        self._study, self._spec, self._executor = study, spec, executor
        self._make_listeners, self._total, self._stop = listeners, total, stop
        self._listeners: Sequence[Listener] = ()
        # What there is to tell while there is nobody to be told.
        self._untold: list[Callable[[Listener], None]] | None = []
        self._running: dict[int, optuna.Trial] = {}
        self._best: dict[int, Best] = {}
        self._epochs = 0
        self._deadline = math.inf
        study.optuna.pruner = make_pruner(spec.search)

    def run(self, text: str, workers: int) -> StudyEnded:
        """Train until the study has its total, its time is over, or a person stops it."""
        self._deadline = time.monotonic() + (self._spec.search.timeout or math.inf)
        began = time.monotonic()
        left = settle(self._study)
        started = StudyStarted(self._spec, text, self._study.records(), self._total, workers)
        self._inform(lambda listener: listener.study_started(started))
        if left:
            self.note(f"{left} trials were left running by an earlier run; they are run again")
        self._fill()
        self._meet_listeners()
        while self._running and not self._stop.asked:
            for event in self._executor.events(TICK):
                # Who stops a whole process group kills workers too; their trials have not failed.
                if not (self._stop.asked and isinstance(event, TrialEnded) and event.outcome is Outcome.FAILED):
                    self._handle(event)
            self._inform(lambda listener: listener.idle())
            self._fill()
        for number in list(self._running):
            self._interrupt(number)
        records = self._study.records()
        ended = StudyEnded(
            records=records,
            best=best_trial(records, self._study.objective),
            interrupted=self._stop.asked and sum(r.outcome in _STATES for r in records) < self._total,
            seconds=time.monotonic() - began,
            epochs=self._epochs,
        )
        self._inform(lambda listener: listener.study_ended(ended))
        return ended

    def note(self, line: str) -> None:
        self._inform(lambda listener: listener.note(line))

    def _inform(self, tell: Callable[[Listener], None]) -> None:
        if self._untold is not None:
            self._untold.append(tell)
        for listener in self._listeners:
            tell(listener)

    def _meet_listeners(self) -> None:
        """Make the listeners and tell them what has happened so far."""
        try:
            self._listeners = self._make_listeners()
        except BaseException:
            for number in list(self._running):
                put_back(self._study, self._running.pop(number)._trial_id)
            raise
        untold, self._untold = self._untold or [], None
        for tell in untold:
            self._inform(tell)

    def _fill(self) -> None:
        """Begin trials until no worker is free."""
        while self._free() and self._more():
            self._begin()

    def _more(self) -> bool:
        in_time = time.monotonic() < self._deadline
        return not self._stop.asked and in_time and self._spoken_for() < self._total

    def _spoken_for(self) -> int:
        """How many of the study's trials have ended or are running."""
        return sum(t.state != TrialState.WAITING for t in self._study.optuna.get_trials(deepcopy=False))

    def _free(self) -> bool:
        return any(not place.busy for place in self._executor.places())

    def _begin(self) -> None:
        """Take the next trial, fix its configuration and send it to a worker."""
        trial = self._next_trial()
        drawn = suggest(trial, self._spec.space)
        if drawn.get("seed") is None:
            drawn["seed"] = self._spec.search.seed + trial.number
        try:
            config = self._spec.recipe(drawn)
        except ValidationError as error:
            # Two values that are each allowed and cannot go together.
            first = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            self._tell(trial, TrialEnded(trial.number, Outcome.FAILED, first, "", {}))
            return
        if isinstance(config, TrialConfig):
            config = with_engine(config, self._study.engines)
        trial.set_user_attr(CONFIG, config.plain())
        self._running[trial.number] = trial
        self._best.pop(trial.number, None)
        objective = self._study.objective.model_dump(mode="json")
        self._executor.submit(Job(trial.number, config.plain(), objective, needs_of(config)))
        started = TrialStarted(trial.number, config, bool(trial.user_attrs.get(BASELINE)))
        self._inform(lambda listener: listener.trial_started(started))

    def _next_trial(self) -> optuna.Trial:
        """A waiting trial, or else what the sampler proposes next."""
        study = self._study.optuna
        waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if not waiting:
            study.sampler = make_sampler(self._spec.search, len(study.get_trials(deepcopy=False)))
            return study.ask()
        # Not all of them may have room in the study's total: those enqueued first do.
        waiting = sorted(waiting, key=lambda trial: trial.number)[: self._total - self._spoken_for()]
        chosen = choose(waiting, self._spec.space, self._study.engines, self._executor.places())
        study.sampler = make_sampler(self._spec.search, chosen.number)
        return take(self._study, chosen)

    def _handle(self, event: Event) -> None:
        trial = self._running.get(event.trial)
        if trial is None:
            return
        if isinstance(event, TrialEnded):
            del self._running[event.trial]
            self._tell(trial, event)
            return
        # The worker waits for this answer; everything else comes after it.
        if self._report(trial, event) and not trial.user_attrs.get(BASELINE):
            self._executor.prune(event.trial)
        else:
            self._executor.go_on(event.trial)
        self._epochs += 1
        self._inform(lambda listener: listener.epoch_done(event.trial, event.row))

    def _report(self, trial: optuna.Trial, event: EpochDone) -> bool:
        """Record the epoch; whether the trial should be pruned.

        What Optuna is told is the best value so far, not the epoch's own: so a pruned trial's value is
        its best epoch's, as everywhere else.
        """
        row = event.row
        trial.set_user_attr(f"{ROW}{row.epoch}", row.plain())
        best = best_after(self._best.get(event.trial), row, self._study.objective)
        if best is None or not row.finite:
            return False
        self._best[event.trial] = best
        trial.report(best.value, row.epoch)
        return trial.should_prune()

    def _tell(self, trial: optuna.Trial, end: TrialEnded) -> None:
        """Record the end before anything else; then inform."""
        best = self._best.get(end.trial)
        outcome, detail = end.outcome, end.detail
        if outcome in GOOD and best is None:
            outcome, detail = Outcome.FAILED, f"no epoch had a finite {self._study.objective.metric}"
        trial.set_user_attr(OUTCOME, outcome.name)
        trial.set_user_attr(FACTS, dict(end.facts))
        if detail:
            trial.set_user_attr(DETAIL, detail)
        if end.traceback:
            trial.set_user_attr(TRACEBACK, end.traceback[-20_000:])
        if outcome is Outcome.DIVERGED:
            # Optuna ranks pruned trials by how far they came, and one without a report last of all.
            forget_reports(self._study, trial)
        if outcome in GOOD and best is not None:
            self._study.optuna.tell(trial.number, best.value)
        else:
            self._study.optuna.tell(trial.number, state=_STATES[outcome])
        record = self._study.record(trial.number)
        self._inform(lambda listener: listener.trial_ended(record))

    def _interrupt(self, number: int) -> None:
        trial = self._running.pop(number)
        put_back(self._study, trial._trial_id)
        self._inform(lambda listener: listener.trial_interrupted(number))
