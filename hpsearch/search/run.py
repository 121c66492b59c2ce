"""Run a study from its file to its end: data, lock, workers, coordinator, finalists. Called by `hpsearch run`."""

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

# The interval between two checks whether the user asks to stop, in seconds.
_TICK = 0.1


@dataclass(frozen=True)
class RunRequest:
    """The options of a run.

    Attributes:
        spec: the checked study file.
        text: the file as it is run, `--set` applied.
        trials: the total number of trials.
        workers: number of trials that run at once.
        address: the address of MLflow, as the study records it.
        accept_changes: whether the study is continued although the user's own data or modules have changed.
        retry_failed: whether the configurations of failed trials are tried again.
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
        stop: checked between the steps.
        report: called with one line for each message.
        write_outcome: writes the results of the whole study while it is still held, where it has finalists or an
            earlier run was killed before everything was written; returns whether everything is written.

    Raises:
        HpsearchError: the study is held by another process, its file has changed, the data cannot be loaded.
    """
    spec = request.spec
    home.create()
    with home.hold(spec.name), ExitStack() as cleanup:
        # Workers start first: they import TensorFlow while this process imports Optuna and MLflow. An existing study
        # may have nothing left to train, so it is read first.
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
            return _complete(found, request, stop, report, write_outcome)
        # A change of the user's data or modules is reported before waiting for workers.
        contents = contents_of(spec, found, accept=request.accept_changes)
        executor = executor or _workers(request, home, cleanup, report)
        study, contents, known = _prepared(request, home, executor, contents, stop, report)
        if stop.asked:
            return _untouched(study, request.spec, stop)
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
            ended = _untouched(study, request.spec, stop)
        else:
            ended = Coordinator(
                study,
                spec,
                executor,
                lambda: listeners_of(Stage.SEARCH),
                total=request.trials,
                stop=stop,
                checkpoints=home.checkpoints(spec.name),
                contents=contents,
                known=known,
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
            written = _written(lambda: write_outcome(study, ended), stop, asked=ended.interrupted)
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
    """Return whether a run has nothing to train; report if the user asks to retry failed trials and there are none."""
    from hpsearch.search.attempts import left_failed
    from hpsearch.search.finalists import is_finished

    if not (_search_is_over(study, request) and is_finished(study, request.spec)):
        return False
    if request.retry_failed:
        if left_failed(study.records()):
            return False
        report(_nothing_to_retry(study))
    return True


def _complete(
    study: StoredStudy,
    request: RunRequest,
    stop: Stop,
    report: Callable[[str], None],
    write_outcome: Callable[[StoredStudy, StudyEnded], bool],
) -> StudyEnded:
    """End a run that has nothing to train: write to MLflow what an earlier run could not write to this address."""
    from hpsearch.search.storage import incomplete_addresses, is_new_address, set_address_complete

    ended, address = _untouched(study, request.spec, stop), request.address
    if address in incomplete_addresses(study.optuna) and not stop.asked:
        report("telling MLflow what an earlier run could not ...")
        if _written(lambda: write_outcome(study, ended), stop, asked=False):
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
    """Get all data; return the study, the digests of the user's own content, and the shapes of the user's datasets."""
    from hpsearch.search.contents import settle_contents
    from hpsearch.search.storage import begin_study

    spec = request.spec
    known = prepare_data(spec, report)
    # Before the study is created, so that a refused first run leaves no study behind.
    returned, contents = inspect_functions(spec, executor, contents, _log(home, spec), stop)
    study = begin_study(home, spec, request.text)
    if not stop.asked:
        contents = settle_contents(study, contents, report, accept=request.accept_changes)
    return study, contents, known | returned


def _written(write: Callable[[], bool], stop: Stop, *, asked: bool) -> bool:
    """Return whether `write` wrote everything; return False at once when the user asks to stop.

    Args:
        asked: whether the user has asked to stop before; a second request does not end the writing.
    """
    writing = Future[bool]()

    def run() -> None:
        try:
            writing.set_result(write())
        except BaseException as error:
            writing.set_exception(error)

    Thread(target=run, name="outcome", daemon=True).start()
    while not writing.done() and stop.asked == asked:
        wait([writing], _TICK)
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


def _untouched(study: StoredStudy, spec: StudySpec, stop: Stop) -> StudyEnded:
    """Return the result of a run that trains nothing."""
    from hpsearch.search.listeners import StudyEnded
    from hpsearch.search.records import best_trial
    from hpsearch.search.stages import read_finals
    from hpsearch.search.storage import EXHAUSTED

    records, finals = study.records(), read_finals(study)
    best, exhausted = best_trial(records, study.objective), bool(study.optuna.user_attrs.get(EXHAUSTED))
    spent = _spent(study, spec)
    return StudyEnded(records, best, stop.asked, 0.0, 0, finals=finals, exhausted=exhausted, spent=spent)


def _search_is_over(study: StoredStudy, request: RunRequest) -> bool:
    """Return whether the study has its trials, or has spent its budget."""
    return is_complete(study, request.trials) or bool(_spent(study, request.spec))


def _spent(study: StoredStudy, spec: StudySpec) -> str:
    """Return why no further trial starts, if the study's budget is spent; else an empty text."""
    from hpsearch.search.budget import reason_of_records

    return reason_of_records(spec.search, study.objective, study.records())


def is_complete(study: StoredStudy, total: int) -> bool:
    """Return whether the study has its total of trials that have not failed, and no trial waits to be continued.

    A study whose every configuration was tried is complete with fewer trials.
    """
    from optuna.trial import TrialState

    from hpsearch.search.attempts import awaited
    from hpsearch.search.records import OUTCOME
    from hpsearch.search.storage import EXHAUSTED

    trials = study.optuna.get_trials(deepcopy=False)
    if awaited(trials) or any(trial.state == TrialState.RUNNING for trial in trials):
        return False
    if sum(trial.state.is_finished() and trial.state != TrialState.FAIL for trial in trials) >= total:
        return True
    interrupted = any(trial.state == TrialState.WAITING and trial.user_attrs.get(OUTCOME) for trial in trials)
    return bool(study.optuna.user_attrs.get(EXHAUSTED)) and not interrupted
