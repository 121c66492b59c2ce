"""The one process that owns a running study: ask Optuna, dispatch, report, prune, tell, inform.

It imports no TensorFlow. It alone writes the Optuna database, and the listeners that it informs
write the rest.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import optuna
from optuna.trial import TrialState
from pydantic import ValidationError

from hpsearch.config.own_data import OwnData
from hpsearch.config.study import StudySpec
from hpsearch.errors import StudyChangedError
from hpsearch.executors.protocol import EpochDone, Event, Executor, TrialEnded, TrialLost
from hpsearch.search.contents import Contents
from hpsearch.search.dispatch import choose
from hpsearch.search.ending import STATES, Hope, record_end
from hpsearch.search.jobs import Jobs
from hpsearch.search.listeners import Listener, StudyEnded, StudyStarted, TrialStarted
from hpsearch.search.pruning import make_pruner
from hpsearch.search.records import BASELINE, CONFIG, CONTENTS, OF, ROW, best_trial
from hpsearch.search.resume import Checkpoints, record_loss
from hpsearch.search.sampling import make_sampler
from hpsearch.search.stages import Stage
from hpsearch.search.stop import Stop
from hpsearch.search.storage import Study, put_back, settle, take
from hpsearch.training.results import GOOD, WORST, Best, EpochRow, Outcome, best_after, best_of

# How often clocks are updated and a stop is noticed, in seconds.
TICK = 0.2


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
        checkpoints: folder for the state of running trials.
        models: folder for what is trained; None: it is not kept.
        stage: which part of a study this is.
        contents: digests of the user's own data and modules, as trials are to be trained with them.
        known: what the user's own datasets hold, by name.
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
        checkpoints: Path,
        models: Path | None = None,
        stage: Stage = Stage.SEARCH,
        contents: Contents | None = None,
        known: Mapping[str, OwnData] | None = None,
    ) -> None:
        self._study, self._spec, self._executor = study, spec, executor
        self._make_listeners, self._total, self._stop = listeners, total, stop
        self._listeners: Sequence[Listener] = ()
        # What there is to tell while there is nobody to be told.
        self._untold: list[Callable[[Listener], None]] | None = []
        self._checkpoints = Checkpoints(checkpoints)
        self._jobs = Jobs(study, spec, self._checkpoints, models, contents or Contents(), known or {})
        self._stage = stage
        # Why the run must end early: the user's own data or modules have changed.
        self._content_changed = ""
        self._running: dict[int, optuna.Trial] = {}
        self._best: dict[int, Best] = {}
        # Trials that are never pruned, and those that were told to stop and have not ended yet.
        self._unprunable: set[int] = set()
        self._stopping: set[int] = set()
        self._pruner = make_pruner(spec.search, study.objective)
        self._epochs = 0
        self._hope = Hope()
        self._deadline = math.inf

    def run(self, text: str, workers: int) -> StudyEnded:
        """Train until the study has its total, its time is over, or a person stops it."""
        self._deadline = time.monotonic() + (self._spec.search.timeout or math.inf)
        began = time.monotonic()
        left = settle(self._study)
        waiting = self._study.optuna.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        self._checkpoints.tidy([trial.number for trial in waiting])
        records = self._study.records()
        self._pruner.load(records)
        started = StudyStarted(self._spec, text, records, self._total, workers, self._stage)
        self._inform(lambda listener: listener.study_started(started))
        if left:
            self.note(f"{left} {self._stage.many} were left running by an earlier run; they go on")
        self._fill()
        self._meet_listeners()
        while self._running and not self._stop.asked and not self._hope.none and not self._content_changed:
            for event in self._executor.events(TICK):
                # Who stops a whole process group kills workers too; that is not their trials' fault.
                if not (self._stop.asked and isinstance(event, TrialLost)):
                    self._handle(event)
            self._inform(lambda listener: listener.idle())
            self._fill()
        for number in list(self._running):
            self._interrupt(number)
        records = self._study.records()
        complete = sum(record.outcome in STATES for record in records) >= self._total
        ended = StudyEnded(
            records=records,
            best=best_trial(records, self._study.objective),
            interrupted=self._stop.asked and not complete,
            seconds=time.monotonic() - began,
            epochs=self._epochs,
            stopped="" if complete else self._hope.none,
        )
        self._inform(lambda listener: listener.study_ended(ended))
        if self._content_changed:
            raise StudyChangedError(self._content_changed)
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
        going_on = in_time and not self._stop.asked and not self._hope.none and not self._content_changed
        return going_on and self._spoken_for() < self._total

    def _spoken_for(self) -> int:
        """How many of the study's trials have ended or are running."""
        return sum(t.state != TrialState.WAITING for t in self._study.optuna.get_trials(deepcopy=False))

    def _free(self) -> bool:
        return any(not place.busy for place in self._executor.places())

    def _begin(self) -> None:
        """Take the next trial, fix its configuration and send it to a worker."""
        trial, rows = self._next_trial()
        try:
            config = self._jobs.config_of(trial)
        except ValidationError as error:
            # Two values that are each allowed and cannot go together.
            first = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            self._tell(trial, TrialEnded(trial.number, Outcome.FAILED, first, "", {}))
            return
        contents = self._jobs.contents.of(config)
        trial.set_user_attr(CONFIG, config.plain())
        trial.set_user_attr(CONTENTS, contents)
        self._running[trial.number] = trial
        # `user_attrs` copies every epoch each time it is asked.
        attrs = trial.user_attrs
        if attrs.get(BASELINE):
            self._unprunable.add(trial.number)
        self._pruner.forget(trial.number)
        self._pruner.replay(trial.number, rows)
        self._best.pop(trial.number, None)
        if best := best_of(rows, self._study.objective):
            self._best[trial.number] = best
        self._executor.submit(self._jobs.job(trial, config, rows))
        started = TrialStarted(trial.number, config, bool(attrs.get(BASELINE)), rows, attrs.get(OF), contents)
        self._inform(lambda listener: listener.trial_started(started))

    def _next_trial(self) -> tuple[optuna.Trial, Sequence[EpochRow]]:
        """A waiting trial with the epochs that it goes on after, or else what the sampler proposes next."""
        study = self._study.optuna
        waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if not waiting:
            study.sampler = make_sampler(self._spec.search, len(study.get_trials(deepcopy=False)))
            return study.ask(), ()
        # Not all of them may have room in the study's total: those enqueued first do.
        waiting = sorted(waiting, key=lambda trial: trial.number)[: self._total - self._spoken_for()]
        chosen = choose(waiting, self._spec.space, self._study.engines, self._executor.places())
        study.sampler = make_sampler(self._spec.search, chosen.number)
        rows = self._jobs.rows_kept(chosen)
        return take(self._study, chosen, len(rows)), rows

    def _handle(self, event: Event) -> None:
        trial = self._running.get(event.trial)
        if trial is None:
            return
        if isinstance(event, TrialEnded) and event.changed:
            self._content_changed = event.detail
            self._interrupt(event.trial)
            return
        if isinstance(event, TrialEnded):
            del self._running[event.trial]
            self._tell(trial, event)
            return
        if isinstance(event, TrialLost):
            self._lost(trial, event)
            return
        # The worker waits for this answer; everything else comes after it.
        if self._report(trial, event):
            self._stopping.add(event.trial)
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
        self._pruner.report(event.trial, row.epoch, best.value)
        return event.trial not in self._unprunable and self._pruner.prunes(event.trial, row.epoch)

    def _tell(self, trial: optuna.Trial, end: TrialEnded) -> None:
        """Record the end before anything else; then inform."""
        if end.trial in self._stopping and end.outcome not in GOOD:
            # Whatever happened to it after it was told to stop does not matter.
            end = TrialEnded(end.trial, Outcome.PRUNED, "", "", end.facts)
        self._stopping.discard(end.trial)
        outcome, detail = record_end(self._study, trial, end, self._best.get(end.trial))
        if outcome in WORST:
            self._pruner.forget(end.trial)
        self._pruner.end(end.trial, completed=outcome in GOOD)
        self._hope.trial_ended(outcome, detail)
        self._checkpoints.forget(trial.number)
        record = self._study.record(trial.number)
        self._inform(lambda listener: listener.trial_ended(record))

    def _lost(self, trial: optuna.Trial, event: TrialLost) -> None:
        """Its worker is gone: it is tried again, unless it was to stop anyhow or that was in vain too often."""
        if event.trial in self._stopping:
            del self._running[event.trial]
            self._tell(trial, TrialEnded(event.trial, Outcome.PRUNED, "", "", {}))
            return
        times, most = record_loss(trial, event.detail), self._spec.file.limits.retries
        if times > most:
            del self._running[event.trial]
            detail = f"{event.detail}; given up after {most} retries"
            self._tell(trial, TrialEnded(event.trial, Outcome.FAILED, detail, "", {}))
            return
        self.note(f"{self._stage.one} {event.trial}: {event.detail}; it is tried again")
        self._interrupt(event.trial)

    def _interrupt(self, number: int) -> None:
        trial = self._running.pop(number)
        put_back(self._study, trial._trial_id)
        self._inform(lambda listener: listener.trial_interrupted(number))
