"""Run a study from its file to its end: lock, workers, data, coordinator, finalists. Called by `hpsearch run`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from hpsearch.config.study import StudySpec
from hpsearch.executors.local import LocalExecutor
from hpsearch.search.home import Home
from hpsearch.search.prepare import inspect_functions, prepare_data
from hpsearch.search.stop import Stop

if TYPE_CHECKING:
    from hpsearch.config.checking import UserDataset
    from hpsearch.executors.protocol import Executor
    from hpsearch.search.contents import Contents
    from hpsearch.search.listeners import Listener, StudyEnded
    from hpsearch.search.stages import Stage
    from hpsearch.search.storage import StoredStudy

# The interval, in seconds, at which the writing of the results checks whether the user asks to stop.
_STOP_CHECK_SECONDS = 0.1


@dataclass(frozen=True)
class RunRequest:
    """The options of a run.

    Attributes:
        spec: the checked study file.
        text: the study file as it is run, with `--set` applied.
        trials: the total number of trials.
        workers: the number of trials that run at once.
        address: the address of MLflow, as the study records it.
        accept_changes: whether the study is continued although the user's own data or modules have changed.
        retry_failed: whether the user asks to try failed configurations again.
    """

    spec: StudySpec
    text: str
    trials: int
    workers: int
    address: str = ""
    accept_changes: bool = False
    retry_failed: bool = False


def run_study(
    request: RunRequest,
    home: Home,
    listeners: Callable[[StoredStudy, Stage], Sequence[Listener]],
    stop: Stop,
    report: Callable[[str], None],
    write_outcome: Callable[[StoredStudy, StudyEnded], bool],
) -> StudyEnded:
    """Train the trials that the study lacks, and its finalists.

    Args:
        request: what to run.
        home: the home folder of the study.
        listeners: makes the listeners of a stage; called only if there is something to train in it.
        stop: says whether the user asks to stop; checked between the steps.
        report: called with one line for each message.
        write_outcome: writes the results of the whole study while its lock is held, if it has finalists or if an
            earlier run ended before everything was written; returns whether everything is written.

    Raises:
        HpsearchError: another process runs the study, its file has changed, or the data cannot be loaded.
    """
    spec = request.spec
    home.create()
    with home.hold(spec.name), ExitStack() as cleanup:
        # Workers of a new study start first: they import TensorFlow while this process imports Optuna and MLflow. An
        # existing study is read first, since it may have nothing left to train.
        executor = None if home.optuna_db.is_file() else _workers(request, home, cleanup, report)
        from hpsearch.search.contents import contents_of, note_changes
        from hpsearch.search.coordinator import Coordinator
        from hpsearch.search.database import database_errors
        from hpsearch.search.finalists import FinalStages
        from hpsearch.search.stages import Stage, read_finals
        from hpsearch.search.storage import (
            add_address,
            check_unchanged,
            incomplete_addresses,
            remember,
            set_address_complete,
        )

        cleanup.enter_context(database_errors(home))
        found = check_unchanged(home, spec)
        if found is not None and (stop.asked or _is_done(found, request, report)):
            note_changes(found, contents_of(spec), report)
            remember(found.optuna, spec, request.text)
            return _end_without_training(found, request, stop, report, write_outcome)
        # A change of the user's data or modules is reported before waiting for workers.
        contents = contents_of(spec, found, accept=request.accept_changes)
        executor = executor or _workers(request, home, cleanup, report)
        study, contents, user_datasets = _prepared(request, home, executor, contents, stop, report)
        if stop.asked:
            return _result_without_training(study, request.spec, stop)
        add_address(study.optuna, request.address)
        _retry(study, request, report)

        current: list[Listener] = []
        cleanup.callback(lambda: _close(current))

        def listeners_of(stage: Stage) -> Sequence[Listener]:
            # The listeners of the previous stage are finished.
            _close(current)
            current[:] = listeners(study, stage)
            return current

        if _search_is_over(study, request):
            ended = _result_without_training(study, request.spec, stop)
        else:
            ended = Coordinator(
                study,
                spec,
                executor,
                lambda: listeners_of(Stage.SEARCH),
                total=request.trials,
                stop=stop,
                checkpoints=home.checkpoints_folder(spec.name),
                contents=contents,
                user_datasets=user_datasets,
            ).run(request.text, request.workers)
        if spec.file.finalists and _search_is_over(study, request) and not stop.asked:
            finish = FinalStages(
                study, spec, request.text, home, executor, listeners_of, stop, request.workers, report, contents
            )
            finish.run()
            ended = replace(ended, interrupted=stop.asked)
        _close(current)
        ended = replace(ended, finals=read_finals(study))
        if ended.finals:
            written = _write_unless_stopped(lambda: write_outcome(study, ended), stop, asked=ended.interrupted)
            ended = replace(ended, interrupted=stop.asked)
        else:
            written = not any(listener.behind for listener in current)
        if written and not stop.asked:
            set_address_complete(study.optuna, request.address)
        lacking = [address for address in incomplete_addresses(study.optuna) if address != request.address]
        # The next run writes what an interrupted run has not written.
        lacking += [] if written else [request.address]
        return replace(ended, lacking=tuple(lacking))


def _is_done(study: StoredStudy, request: RunRequest, report: Callable[[str], None]) -> bool:
    """Return whether a run has nothing to train; report if the user asks for retries and no trial needs one."""
    from hpsearch.search.attempts import left_failed
    from hpsearch.search.finalists import is_finished

    if not (_search_is_over(study, request) and is_finished(study, request.spec)):
        return False
    if request.retry_failed:
        if left_failed(study.records()):
            return False
        report(_nothing_to_retry(study))
    return True


def _end_without_training(
    study: StoredStudy,
    request: RunRequest,
    stop: Stop,
    report: Callable[[str], None],
    write_outcome: Callable[[StoredStudy, StudyEnded], bool],
) -> StudyEnded:
    """End a run that has nothing to train: write to MLflow what an earlier run could not write to this address."""
    from hpsearch.search.storage import incomplete_addresses, is_new_address, set_address_complete

    ended, address = _result_without_training(study, request.spec, stop), request.address
    if address in incomplete_addresses(study.optuna) and not stop.asked:
        report("telling MLflow what an earlier run could not ...")
        if _write_unless_stopped(lambda: write_outcome(study, ended), stop, asked=False):
            set_address_complete(study.optuna, address)
    lacking = incomplete_addresses(study.optuna)
    lacking += [address] if is_new_address(study.optuna, address) else []
    return replace(ended, interrupted=stop.asked, lacking=tuple(lacking))


def _prepared(
    request: RunRequest,
    home: Home,
    executor: Executor,
    contents: Contents,
    stop: Stop,
    report: Callable[[str], None],
) -> tuple[StoredStudy, Contents, dict[str, UserDataset]]:
    """Get all data; return the study, the digests of the user's data and modules, and the user's own datasets."""
    from hpsearch.search.contents import settle_contents
    from hpsearch.search.storage import begin_study

    spec = request.spec
    user_datasets = prepare_data(spec, report)
    # Before the study is created, so that a refused first run leaves no study behind.
    returned, contents = inspect_functions(spec, executor, contents, _log(home, spec), stop)
    study = begin_study(home, spec, request.text)
    if not stop.asked:
        contents = settle_contents(study, contents, report, accept=request.accept_changes)
    return study, contents, user_datasets | returned


def _write_unless_stopped(write: Callable[[], bool], stop: Stop, *, asked: bool) -> bool:
    """Return whether `write` wrote everything; False as soon as the user asks to stop.

    Args:
        asked: whether the user asked to stop before; then the writing is not interrupted.
    """
    writing = Future[bool]()

    def run() -> None:
        try:
            writing.set_result(write())
        except BaseException as error:
            writing.set_exception(error)

    Thread(target=run, name="outcome", daemon=True).start()
    while not writing.done() and stop.asked == asked:
        wait([writing], _STOP_CHECK_SECONDS)
    return writing.done() and writing.result()


def _close(listeners: Sequence[Listener]) -> None:
    for listener in listeners:
        listener.close()


def _workers(request: RunRequest, home: Home, cleanup: ExitStack, report: Callable[[str], None]) -> LocalExecutor:
    report(f"starting {request.workers} worker{'s' if request.workers > 1 else ''} ...")
    home.logs.mkdir(exist_ok=True)
    log = _log(home, request.spec)
    executor = LocalExecutor(request.workers, log, report, request.spec.folders, keras=request.spec.trainable is None)
    cleanup.callback(executor.close)
    return executor


def _log(home: Home, spec: StudySpec) -> Path:
    return home.logs / f"{spec.name}-workers.log"


def _retry(study: StoredStudy, request: RunRequest, report: Callable[[str], None]) -> None:
    """Enqueue failed configurations again if the user asks for it."""
    from hpsearch.search.attempts import enqueue_failed

    if request.retry_failed and not enqueue_failed(study):
        report(_nothing_to_retry(study))


def _nothing_to_retry(study: StoredStudy) -> str:
    """Return a sentence that says why no failed configuration is tried again."""
    failed = any(record.state == "FAIL" for record in study.records())
    why = "every failed configuration has been trained since" if failed else "no trial has failed"
    return f"{why}, so none is tried again"


def _result_without_training(study: StoredStudy, spec: StudySpec, stop: Stop) -> StudyEnded:
    """Return the result of a run that trains nothing."""
    from hpsearch.search.listeners import StudyEnded
    from hpsearch.search.records import best_trial
    from hpsearch.search.stages import read_finals
    from hpsearch.search.storage import NO_NEW_CONFIGURATION

    records, finals = study.records(), read_finals(study)
    return StudyEnded(
        records,
        best_trial(records, study.objective),
        stop.asked,
        0.0,
        0,
        finals=finals,
        no_new_configuration=bool(study.optuna.user_attrs.get(NO_NEW_CONFIGURATION)),
        budget_reason=_budget_reason(study, spec),
    )


def _search_is_over(study: StoredStudy, request: RunRequest) -> bool:
    """Return whether the search is complete, or the study's budget is spent."""
    return is_complete(study, request.trials) or bool(_budget_reason(study, request.spec))


def _budget_reason(study: StoredStudy, spec: StudySpec) -> str:
    """Return why no further trial starts, if the study's budget is spent; else an empty text."""
    from hpsearch.search.budget import reason_of_records

    return reason_of_records(spec.search, study.objective, study.records())


def is_complete(study: StoredStudy, total: int) -> bool:
    """Return whether the study has its total of trials that have not failed, and no trial waits to be continued.

    A study in which no new configuration was found is complete with fewer trials.
    """
    from optuna.trial import TrialState

    from hpsearch.search.attempts import unfinished_retries
    from hpsearch.search.records import CONTINUES, OUTCOME
    from hpsearch.search.storage import NO_NEW_CONFIGURATION

    trials = study.optuna.get_trials(deepcopy=False)
    if unfinished_retries(trials) or any(trial.state == TrialState.RUNNING for trial in trials):
        return False
    counted = (trial for trial in trials if trial.state.is_finished() and trial.state != TrialState.FAIL)
    if sum(CONTINUES not in trial.user_attrs for trial in counted) >= total:
        return True
    # Early versions put interrupted trials back to WAITING; only these are WAITING and have an outcome.
    interrupted = any(trial.state == TrialState.WAITING and trial.user_attrs.get(OUTCOME) for trial in trials)
    return bool(study.optuna.user_attrs.get(NO_NEW_CONFIGURATION)) and not interrupted
