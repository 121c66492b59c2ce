"""The policy of a study: asks Optuna for trials, records their epochs and ends, prunes, and informs listeners.

Its process is the only one that writes the Optuna database, and imports no TensorFlow. Everything else, such as MLflow
runs and the terminal view, is written by the listeners.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from hpsearch.config.checking import UserDataset
from hpsearch.config.file import Grid
from hpsearch.config.space import can_repeat, distributions
from hpsearch.config.study import StudySpec
from hpsearch.config.trial import TrialConfig
from hpsearch.errors import InvalidConfigError, StudyChangedError
from hpsearch.executors.protocol import Decision, Executor, Job, TrialEnded, WorkerFailed, WorkerSlot
from hpsearch.search.attempts import AbortCheck, Attempts, enqueue_again, unfinished_retries
from hpsearch.search.balance import Balance
from hpsearch.search.budget import TIMEOUT, Budget
from hpsearch.search.contents import Contents
from hpsearch.search.independent import DrawnValues
from hpsearch.search.jobs import Checkpoints, Jobs, choose_waiting
from hpsearch.search.listeners import Listener, StudyEnded, StudyStarted
from hpsearch.search.paused import PausedTrials
from hpsearch.search.pruning import make_pruner
from hpsearch.search.recording import begin_again, interrupt, pause, record_end, record_worker_failure
from hpsearch.search.records import (
    BASELINE,
    CONFIG,
    CONTENTS,
    CONTINUES,
    END,
    EPOCH_PREFIX,
    FINISHED,
    INFO,
    OF,
    OUTCOME,
    PLANNED,
    RETRY_OF,
    RUNG_PREFIX,
    TrialRecord,
    best_trial,
    enqueued_params,
    read_trial,
)
from hpsearch.search.runner import POLL_SECONDS, run_trials
from hpsearch.search.sampler_view import SamplerView
from hpsearch.search.stages import Stage
from hpsearch.search.stop import Stop
from hpsearch.search.storage import NO_NEW_CONFIGURATION, StoredStudy
from hpsearch.training.results import GOOD, WORST, Best, EpochMetrics, Outcome, best_after, best_of


class Coordinator:
    """Runs a study to its total number of trials.

    Args:
        study: from `begin_study`; its lock is held by the caller.
        spec: the checked study file.
        executor: where trials run; the coordinator does not close it.
        listeners: returns the listeners, in the order in which they are informed. It is called after the first jobs
            were submitted, since importing MLflow takes longer than training an epoch.
        total: the number of trials that the study should have; those of earlier runs count, failed ones do not.
        stop: says whether the user asks to stop; checked between events.
        checkpoints: folder for the state of running trials.
        models: the folder for trained models; None if they are not kept.
        stage: the stage of the study to run.
        contents: digests of the user's own data and modules, as they are now.
        user_datasets: shape, type and size of the user's own datasets, by name.
    """

    def __init__(
        self,
        study: StoredStudy,
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
        user_datasets: Mapping[str, UserDataset] | None = None,
    ) -> None:
        self._study, self._spec, self._executor = study, spec, executor
        self._make_listeners, self._total, self._stop = listeners, total, stop
        self._listeners: Sequence[Listener] | None = None
        # The events that the listeners have not been informed of yet, in order.
        self._events: list[Callable[[Listener], None]] = []
        self._last_idle = 0.0
        self._checkpoints = Checkpoints(checkpoints)
        self._jobs = Jobs(study, spec, self._checkpoints, models, contents or Contents(), user_datasets or {})
        self._stage = stage
        # The change of the user's own data or modules that ends the run early; empty if nothing has changed.
        self._content_changed = ""
        self._running: dict[int, optuna.Trial] = {}
        self._best: dict[int, Best] = {}
        # The running trials that are never pruned; and those that were pruned and have not ended yet.
        self._unprunable: set[int] = set()
        self._being_pruned: set[int] = set()
        self._pruner = make_pruner(spec.search, study.objective, spec.longest)
        # The paused trials; those that were paused and whose worker still keeps their state; the running trials whose
        # state can be kept.
        self._paused = PausedTrials(study, self._pruner, self._checkpoints)
        self._being_paused: set[int] = set()
        self._pausable: set[int] = set()
        # The only baselines that are never paused; None: the pruner does not pause, and prunes no baseline.
        self._unpausable: set[int] | None = None
        # The number of times that a trial has reached a rung or ended.
        self._steps = 0
        # The last epoch of each running trial that was reported to Optuna, which warns of a second report of an epoch.
        self._reported: dict[int, int] = {}
        self._epochs = 0
        sections = (spec.space.items[name] for name in ("model", "data") if name in spec.space.items)
        self._abort = AbortCheck(total, same_model=not any(True for node in sections for _ in distributions(node)))
        self._budget = Budget(spec.search, study.objective)
        self._attempts = Attempts([], spec.file.limits.retries)
        # Whether a configuration is trained once only. Not in later stages: a finalist and the untuned default may be
        # the same configuration with the same seeds, and both are trained.
        self._distinct = stage is Stage.SEARCH and can_repeat(spec.space)
        self._sampler = SamplerView(spec, self._pruner.rungs)
        self._balance = Balance(spec)
        # The waiting trials, by number; and the number of trials in the storage.
        self._waiting: list[FrozenTrial] = []
        self._count = 0
        # Whether no new valid configuration was found; for a grid, whether no failed point has retries left. Reset when
        # a trial fails.
        self._no_new_configuration = False

    def run(self, text: str, workers: int) -> StudyEnded:
        """Train until the study has its total, or until the run ends for another reason.

        It also ends if the budget is spent, no new configuration is found, too many trials fail, the user's files have
        changed, or the user stops it.

        Args:
            text: the study file as it is run, for the listeners.
            workers: the number of trials that run at once, for the listeners.

        Raises:
            StudyChangedError: the user's own data or modules have changed during the run.
        """
        began = time.monotonic()
        trials = self._study.optuna.get_trials(deepcopy=False)
        records = [read_trial(trial, self._study.objective) for trial in trials]
        left_running = sum(record.state == "RUNNING" for record in records)
        self._count = len(trials)
        self._waiting = [
            trial
            for trial, record in zip(trials, records, strict=True)
            if not trial.state.is_finished() and record.outcome is not Outcome.PAUSED
        ]
        self._attempts = Attempts(records, self._spec.file.limits.retries)
        self._steps = max((step + 1 for record in records for step in record.rungs.values()), default=0)
        self._unpausable = _references(trials) if self._pruner.rungs else None
        self._pruner.set_total(self._total, len(self._unpausable or ()))
        self._paused.load(trials, records)
        self._budget.load(records)
        if self._stage is Stage.SEARCH:
            self._sampler.load(trials, records)
            self._balance.load(records)
        # The trials of `--retry-failed` may exceed the total.
        total_with_retries = max(self._total, self._attempts.counted + len(unfinished_retries(trials)))
        started = StudyStarted(self._spec, text, records, total_with_retries, workers, self._stage)
        self._queue_event(lambda listener: listener.study_started(started))
        if left_running:
            self.note(f"{left_running} {self._stage.plural} were left running by an earlier run; they go on")
        self._prune_paused(self._paused.hopeless(every=True))
        run_trials(self._executor, self, lambda: self._stop.asked)
        if not (self._stop.asked or self.over or self._budget.reason == TIMEOUT):
            self._prune_paused(list(self._paused.waiting))
        records = self._study.records()
        no_new_configuration = self._no_new_configuration and not self._stop.asked and not self._content_changed
        # The trials of `--retry-failed` belong to the run, although the study may have its total without them.
        retrying = bool(unfinished_retries(self._waiting))
        complete = (self._attempts.counted >= self._total and not retrying) or no_new_configuration
        if self._stage is not Stage.SEARCH:
            complete = all(record.state in FINISHED for record in records)
        elif no_new_configuration:
            self._study.optuna.set_user_attr(NO_NEW_CONFIGURATION, True)
        ended = StudyEnded(
            records=records,
            best=best_trial(records, self._study.objective),
            interrupted=self._stop.asked and not complete,
            seconds=time.monotonic() - began,
            epochs=self._epochs,
            abort_reason="" if complete else self._abort.reason,
            no_new_configuration=no_new_configuration and self._stage is Stage.SEARCH,
            budget_reason="" if complete else self._budget.reason,
        )
        self._queue_event(lambda listener: listener.study_ended(ended))
        self.announce()
        if self._content_changed:
            raise StudyChangedError(self._content_changed)
        return ended

    def note(self, line: str) -> None:
        self._queue_event(lambda listener: listener.note(line))

    def _queue_event(self, event: Callable[[Listener], None]) -> None:
        self._events.append(event)

    def announce(self) -> None:
        """Inform the listeners of the events since the last call."""
        if self._listeners is None:
            self._listeners = self._make_listeners()
        events, self._events = self._events, []
        for event in events:
            for listener in self._listeners:
                event(listener)
        if time.monotonic() - self._last_idle >= POLL_SECONDS:
            self._last_idle = time.monotonic()
            for listener in self._listeners:
                listener.idle()

    @property
    def over(self) -> bool:
        """Whether the run ends although trials still run."""
        return bool(self._abort.reason or self._content_changed)

    def _room(self) -> int:
        """Return the number of trials that the study may still begin."""
        begun = {*self._running, *self._paused.waiting} - self._attempts.continuing
        return self._total - self._attempts.counted - len(begun)

    def next_job(self, slots: Sequence[WorkerSlot]) -> Job | None:
        """Return the job of the next trial; None if there is none now."""
        while not self.over and not self._budget.reason:
            found = self._next_trial(slots)
            if found is None:
                return None
            if job := self._begin(*found):
                return job
        return None

    def _begin(self, trial: optuna.Trial, epochs: Sequence[EpochMetrics]) -> Job | None:
        """Return the job of a trial; None if its configuration must not be trained, which is recorded as a failure."""
        try:
            config = self._jobs.config_of(trial)
        except InvalidConfigError as error:
            self._end(trial, TrialEnded(trial.number, Outcome.FAILED, str(error), "", {}))
            return None
        # `user_attrs` copies every epoch at each access.
        attrs = trial.user_attrs
        contents = self._jobs.contents.for_config(config)
        first_trial = self._attempts.blocking_trial(config, contents)
        if self._distinct and CONFIG not in attrs and RETRY_OF not in attrs and first_trial is not None:
            # The study file enqueues this configuration, and the sampler has drawn the same values.
            detail = f"its configuration is that of trial {first_trial}, which is not trained twice"
            self._end(trial, TrialEnded(trial.number, Outcome.FAILED, detail, "", {}))
            return None
        self._balance.begin(trial.number, trial.params)
        trial.set_user_attr(CONFIG, config.plain())
        trial.set_user_attr(CONTENTS, contents)
        self._attempts.begin(trial.number, config, contents)
        self._running[trial.number] = trial
        if attrs.get(BASELINE) and (self._unpausable is None or attrs.get(RETRY_OF, trial.number) in self._unpausable):
            self._unprunable.add(trial.number)
        if isinstance(config, TrialConfig) and not config.optimizer.entry.needs_closure:
            self._pausable.add(trial.number)
        self._pruner.forget(trial.number)
        self._pruner.replay(trial.number, epochs)
        self._best.pop(trial.number, None)
        if best := best_of(epochs, self._study.objective):
            self._best[trial.number] = best
        started = TrialRecord(
            trial.number,
            "RUNNING",
            None,
            config,
            tuple(epochs),
            self._best.get(trial.number),
            baseline=bool(attrs.get(BASELINE)),
            started=datetime.now(),
            of=attrs.get(OF),
            contents=contents,
            retry_of=attrs.get(RETRY_OF),
            continues=attrs.get(CONTINUES),
            metric=self._study.objective.metric,
        )
        self._queue_event(lambda listener: listener.trial_started(started))
        return self._jobs.job(trial, config, epochs)

    def _next_trial(self, slots: Sequence[WorkerSlot]) -> tuple[optuna.Trial, Sequence[EpochMetrics]] | None:
        """Return the next trial, and the epochs that it has already trained; None if there is no next trial now.

        Waiting trials come first. When none may start, the sampler proposes a new configuration. A grid's points are
        all enqueued, so a grid tries a failed point again instead.
        """
        room = self._room()
        # The total may be smaller than the number of enqueued trials: then only the first of these start. Retries of
        # failed configurations start even if the study has its total.
        retries = unfinished_retries(self._waiting)
        others = [trial for trial in self._waiting if trial not in retries]
        waiting = [*others[: max(0, room)], *retries]
        if all(trial.state == TrialState.WAITING for trial in waiting) and (promoted := self._promoted(last=False)):
            return promoted
        if waiting:
            chosen = choose_waiting(waiting, self._spec.space, self._study.engines, slots)
            self._waiting.remove(chosen)
            return self._take_waiting(chosen)
        if room > 0 and self._stage is Stage.SEARCH and not self._no_new_configuration:
            trial = self._new_trial()
            self._no_new_configuration = trial is None
            if trial:
                return trial, ()
        return self._promoted(last=True)

    def _promoted(self, *, last: bool) -> tuple[optuna.Trial, Sequence[EpochMetrics]] | None:
        """Continue a paused trial that may go on; None: there is none.

        Args:
            last: whether no new trial can begin.
        """
        chosen = self._paused.next(self._count, last=last)
        if chosen is None:
            return None
        self._count = max(self._count, chosen.number + 1)
        return self._take_waiting(chosen)

    def _take_waiting(self, chosen: FrozenTrial) -> tuple[optuna.Trial, Sequence[EpochMetrics]]:
        """Set a waiting or interrupted trial to running; return it, and the epochs after which it continues."""
        continues = chosen.user_attrs.get(CONTINUES)
        if continues is not None:
            self._checkpoints.rename(continues, chosen.number)
            self._attempts.continuing.add(chosen.number)
        epochs = self._jobs.resumable_epochs(chosen)
        if PLANNED not in chosen.user_attrs:
            self._study.optuna.sampler = DrawnValues(self._sampler.begin(chosen, next(self._balance.options())))
        trial = self._study.take(chosen)
        if chosen.state == TrialState.RUNNING or chosen.user_attrs.get(OUTCOME) or continues is not None:
            begin_again(trial, len(epochs))
        self._reported[chosen.number] = max(chosen.intermediate_values, default=0)
        return trial, epochs

    def _new_trial(self) -> optuna.Trial | None:
        """Create a trial; None if no new valid configuration was found.

        For a grid, it is a retry of a failed point; None if no failed point has retries left.
        """
        study = self._study.optuna
        if isinstance(self._spec.search.sampler, Grid):
            failed = next(self._attempts.failed(asked=False), None)
            if failed is None:
                return None
            enqueue_again(study, self._study.stored(failed))
            trial, _ = self._take_waiting(self._study.stored(self._count))
        else:
            is_new = self._is_new if self._distinct else lambda *_, **__: True
            new = partial(is_new, number=self._count)
            proposals = (self._sampler.begin_new(self._count, new, fixed) for fixed in self._balance.options())
            params = next((params for params in proposals if params is not None), None)
            if params is None:
                return None
            study.sampler = DrawnValues(params)
            trial = study.ask()
        self._count += 1
        return trial

    def _is_new(self, drawn: dict[str, Any], number: int) -> bool:
        """Return whether a configuration is valid, and no earlier trial blocks it."""
        try:
            config = self._jobs.config_from(drawn, number)
        except InvalidConfigError:
            return False
        return self._attempts.blocking_trial(config, self._jobs.contents.for_config(config)) is None

    def epoch_done(self, number: int, metrics: EpochMetrics) -> Decision:
        """Record an epoch; return what becomes of the trial."""
        trial = self._running[number]
        decision = self._report(trial, metrics)
        if decision is Decision.PRUNE:
            self._being_pruned.add(number)
        elif decision is Decision.PAUSE:
            # Before its worker keeps its state: if this process dies, the trial is paused all the same.
            pause(trial)
            self._being_paused.add(number)
        self._epochs += 1
        best = self._best.get(number)
        self._budget.epoch_done(best.value if best else None)
        self._queue_event(lambda listener: listener.epoch_done(number, metrics))
        self._prune_paused(self._paused.hopeless())
        return decision

    def trial_ended(self, end: TrialEnded) -> None:
        """Record the end of a trial. One whose data or modules have changed waits again, and the run ends."""
        if end.changed:
            self._content_changed = end.detail
            self.interrupted(end.trial)
        elif end.outcome is Outcome.PAUSED:
            self._pause(end.trial, end.info)
        else:
            self._end(self._running.pop(end.trial), end)

    def _report(self, trial: optuna.Trial, epoch: EpochMetrics) -> Decision:
        """Record the epoch; return what becomes of the trial.

        The value reported to Optuna is the best one so far and not that of the epoch, since the value of every trial,
        pruned or not, is that of its best epoch.
        """
        number = trial.number
        trial.set_user_attr(f"{EPOCH_PREFIX}{epoch.epoch}", epoch.plain())
        best = best_after(self._best.get(number), epoch, self._study.objective)
        if best is None or not epoch.finite:
            return Decision.CONTINUE
        self._best[number] = best
        if epoch.epoch > self._reported.get(number, 0):
            trial.report(best.value, epoch.epoch)
        self._pruner.report(number, epoch.epoch, best.value)
        for rung in self._pruner.reached(number):
            self._record_step(trial, rung)
            self._sampler.reached(number, rung, best.value)
        if number in self._unprunable:
            return Decision.CONTINUE
        return self._pruner.decide(number, epoch.epoch, pausable=number in self._pausable)

    def _record_step(self, trial: optuna.Trial, rung: int) -> None:
        """Record that a trial has reached a rung (or its end) after all trials that have done so before."""
        key = f"{RUNG_PREFIX}{rung}"
        if key not in trial.user_attrs:
            trial.set_user_attr(key, self._steps)
            self._steps += 1

    def _pause(self, number: int, info: Mapping[str, Any]) -> None:
        """Let a trial wait at its rung."""
        trial = self._running.pop(number)
        self._leave(number)
        trial.set_user_attr(INFO, dict(info))
        self._sampler.forget(number)
        record = read_trial(self._paused.pause(number), self._study.objective)
        self._queue_event(lambda listener: listener.trial_paused(record))

    def _prune_paused(self, numbers: Iterable[int]) -> None:
        """Record that paused trials will not go on."""
        for number in numbers:
            stored = self._paused.waiting.pop(number)
            end = TrialEnded(number, Outcome.PRUNED, "", "", stored.user_attrs.get(INFO) or {})
            self._end(self._study.take(stored), end, keeps_checkpoint=True)
            self._paused.keep_checkpoint(number)

    def _leave(self, number: int) -> None:
        """Forget what is known of a running trial only."""
        for known in (self._being_pruned, self._being_paused, self._pausable):
            known.discard(number)
        self._reported.pop(number, None)

    def _end(self, trial: optuna.Trial, end: TrialEnded, *, keeps_checkpoint: bool = False) -> None:
        """Record the end of a trial, and queue the event for the listeners."""
        if end.trial in self._being_pruned and end.outcome not in GOOD:
            # A trial that is being pruned counts as pruned, even if it failed meanwhile.
            end = TrialEnded(end.trial, Outcome.PRUNED, "", "", end.info)
        self._leave(end.trial)
        if self._pruner.rungs and end.outcome in GOOD | WORST:
            self._record_step(trial, END)
        outcome, detail = record_end(self._study, trial, end, self._best.get(end.trial))
        if outcome in WORST:
            self._pruner.forget(end.trial)
        self._pruner.end(end.trial, completed=outcome in GOOD)
        self._attempts.end(end.trial, failed=outcome is Outcome.FAILED)
        if outcome is Outcome.FAILED:
            self._balance.fail(end.trial)
            self._no_new_configuration = False
        self._abort.trial_ended(outcome, detail)
        if not keeps_checkpoint:
            self._checkpoints.forget(trial.number)
        record = self._study.read_record(trial.number)
        self._sampler.end(record)
        self._budget.trial_ended(record)
        self._queue_event(lambda listener: listener.trial_ended(record))

    def worker_failed(self, failure: WorkerFailed) -> None:
        """Let a trial run again after its worker failed, unless it is being pruned or has failed too often."""
        number, trial = failure.trial, self._running[failure.trial]
        if number in self._being_paused:
            self._pause(number, {})
            return
        if number in self._being_pruned:
            self._end(self._running.pop(number), TrialEnded(number, Outcome.PRUNED, "", "", {}))
            return
        times, most = record_worker_failure(trial, failure.detail), self._spec.file.limits.retries
        if times > most:
            detail = f"{failure.detail}; given up after {most} retries"
            self._end(self._running.pop(number), TrialEnded(number, Outcome.FAILED, detail, "", {}))
            return
        self.note(f"{self._stage.noun} {number}: {failure.detail}; it is tried again")
        self.interrupted(number)

    def interrupted(self, number: int) -> None:
        """Record that a trial no longer runs and waits to be continued."""
        if number in self._being_paused:
            self._pause(number, {})
            return
        interrupt(self._running.pop(number))
        self._sampler.forget(number)
        self._waiting = sorted([*self._waiting, self._study.stored(number)], key=lambda trial: trial.number)
        self._queue_event(lambda listener: listener.trial_interrupted(number))


def _references(trials: Iterable[FrozenTrial]) -> set[int]:
    """Return the trial with the untuned Keras default, whose value the search is judged by; it is never paused.

    It is the baseline of the optimizer that TrialConfig has by default; if the study does not search over it, the first
    baseline.
    """
    baselines = [trial for trial in trials if trial.user_attrs.get(BASELINE) and RETRY_OF not in trial.user_attrs]
    usual = TrialConfig().optimizer.selected()
    defaults = [trial for trial in baselines if enqueued_params(trial).get("optimizer") == usual] or baselines
    return {trial.number for trial in defaults[:1]}
