"""The listener that writes a running study to MLflow from a thread, so that training never waits for MLflow.

The Optuna database is the source of truth. The listener keeps the current state of the study, and a thread makes
MLflow equal to it repeatedly: a slow MLflow gets several epochs at once, and one that was down gets what is missing as
soon as it answers. The first error of MLflow and the first error of its artifacts are reported. What is still missing
at the end is written by the next run of the study or by `hpsearch doctor --repair`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from hpsearch.config.study import StudySpec
from hpsearch.search.listeners import Listener, StudyEnded, StudyStarted
from hpsearch.search.provenance import Provenance
from hpsearch.search.records import TrialRecord
from hpsearch.search.stages import Stage
from hpsearch.tracking.client import check_database, reason_of
from hpsearch.tracking.names import KINDS, MetricRow, milliseconds
from hpsearch.tracking.run_states import (
    RUNNING,
    DesiredRuns,
    RunKey,
    RunState,
    StudyRunStates,
    TrackedStudy,
    trial_state,
)
from hpsearch.tracking.target import Target
from hpsearch.tracking.writer import MlflowWriter, StudyExperiment
from hpsearch.training.results import EpochMetrics

# The thread aims at this share of a processor: it rests after each write, for at most 10 s.
WRITING_SHARE, LONGEST_REST_SECONDS = 0.01, 10.0
# The pause after an error; it doubles with each further one.
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 2.0, 60.0
# The longest wait at the end of a run for the thread: with a database, with a server, and after the user has stopped
# the run.
FINAL_SECONDS, FINAL_SERVER_SECONDS, FINAL_INTERRUPTED_SECONDS = 120.0, 20.0, 5.0
# The number of attempts at the end of a run, and the pause between them.
_FINAL_ATTEMPTS, _FINAL_PAUSE_SECONDS = 3, 1.0


def lacks_a_part(target: Target, study: str) -> str:
    """Return the sentence that MLflow lacks a part of a study, with the command that writes it."""
    command = target.command("doctor", study, "--repair")
    return f"{target}: MLflow lacks a part of study '{study}'; write it with `{command}`"


@dataclass
class _RunningTrial:
    """A trial that is being trained, or that was being trained when the run ended.

    Attributes:
        state: its desired run, without the metrics of epochs.
        rows: the metrics of its epochs; a list, since appending takes the same time for every epoch.
    """

    state: RunState
    rows: list[MetricRow] = field(default_factory=list)


@dataclass(frozen=True)
class Snapshot:
    """The study at one moment.

    Attributes:
        records: trials that are not running.
        running: desired runs of the trials that are running.
        status: of the study's own run.
        over: whether the run of the study has ended.
    """

    records: Sequence[TrialRecord]
    running: Mapping[RunKey, RunState]
    status: str
    over: bool


class MlflowListener(Listener):
    """Writes a study's runs to MLflow.

    Args:
        target: the MLflow database or server for the runs.
        provenance: of the study.
        render_best: returns the best configuration as YAML text.
        report: called with one line at the first error of MLflow, at the first error of its artifacts, and by `close`
            if a part is still missing.
        search: the trials of the search, if a later stage of the study is written.
    """

    AFTER_ERROR = "the study goes on, and what is missing is written later"

    def __init__(
        self,
        target: Target,
        provenance: Provenance,
        *,
        render_best: Callable[[StudySpec, TrialRecord], str],
        report: Callable[[str], None],
        search: Sequence[TrialRecord] = (),
    ) -> None:
        self._target, self._provenance, self._render_best, self._report = target, provenance, render_best, report
        self._search = tuple(search)
        self._stage = Stage.SEARCH
        self._study = ""
        self._reported: set[str] = set()
        self._thread: threading.Thread | None = None
        # The attributes below are read and changed under this lock, which is not held during calls of MLflow.
        self._changed = threading.Condition()
        self._records: dict[int, TrialRecord] = {}
        self._trials: dict[int, _RunningTrial] = {}
        self._status: str = RUNNING
        # The number of changes, and the number of the change up to which MLflow is written.
        self._version = self._written = 0
        self._pausing = self._over = self._given_up = False
        # The number of threads that wait in `flush`.
        self._waiting = 0

    def study_started(self, event: StudyStarted) -> None:
        """Start the thread that writes to MLflow.

        Raises:
            EnvironmentProblem: the database is a file on this machine, and is damaged or cannot be written to.
        """
        if self._target.database is not None:
            check_database(self._target.database)
        self._stage, self._study = event.stage, event.spec.name
        study = TrackedStudy(event.spec, event.text, self._provenance, self._target, self._render_best)
        states = StudyRunStates(study)

        def desired(snapshot: Snapshot) -> DesiredRuns:
            parts = {Stage.SEARCH: self._search, self._stage: snapshot.records}
            return states.desired(parts, running=snapshot.running, status=snapshot.status, over=snapshot.over)

        with self._changing():
            self._records = {record.number: record for record in event.records}
        self._start_thread(MlflowWriter(StudyExperiment(study), self._artifact_failed), desired)

    def _start_thread(self, writer: MlflowWriter, desired: Callable[[Snapshot], DesiredRuns]) -> None:
        self._thread = threading.Thread(target=self._work, args=(writer, desired), name="mlflow", daemon=True)
        self._thread.start()

    def _artifact_failed(self, error: Exception) -> None:
        self.behind = True
        self._report_once("MLflow's artifacts", error)

    def trial_started(self, record: TrialRecord) -> None:
        state = trial_state(replace(record, epochs=()), self._provenance, self._stage, running=True)
        assert state is not None
        with self._changing():
            self._records.pop(record.number, None)
            rows = [MetricRow.of(epoch, milliseconds()) for epoch in record.epochs]
            self._trials[record.number] = _RunningTrial(state, rows)

    def epoch_done(self, number: int, epoch: EpochMetrics) -> None:
        with self._changing():
            self._trials[number].rows.append(MetricRow.of(epoch, milliseconds()))

    def trial_ended(self, record: TrialRecord) -> None:
        with self._changing():
            self._trials.pop(record.number, None)
            self._records[record.number] = record

    def trial_paused(self, record: TrialRecord) -> None:
        self.trial_ended(record)

    def trial_interrupted(self, number: int) -> None:
        with self._changing():
            self._trials[number].state = self._trials[number].state.as_interrupted

    def study_ended(self, event: StudyEnded) -> None:
        good = "FINISHED" if event.best else "FAILED"
        with self._changing():
            self._trials.clear()
            # Equal records are kept as the same objects, since the writer skips the objects that it has written.
            known = self._records
            self._records = {r.number: known[r.number] if known.get(r.number) == r else r for r in event.records}
            self._status, self._over = "KILLED" if event.interrupted else good, True
        # `hpsearch run` reports the addresses that lack a part.
        missing = self._wait(FINAL_INTERRUPTED_SECONDS if event.interrupted else FINAL_SECONDS)
        self.behind = self.behind or missing

    def close(self) -> None:
        """Leave no run RUNNING after an error in the coordinator."""
        if self._thread is None or self._over:
            return
        with self._changing():
            for trial in self._trials.values():
                trial.state = trial.state.as_interrupted
            self._status, self._over = "KILLED", True
        self._wait_and_report(FINAL_INTERRUPTED_SECONDS)

    def flush(self, seconds: float) -> bool:
        """Wait until MLflow has the current state; return False after `seconds`, or after an error."""
        with self._changed:
            self._waiting += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._written == self._version or self._pausing, seconds)
            self._waiting -= 1
            return self._written == self._version

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the lock for a change of the state; afterwards wake the thread."""
        with self._changed:
            yield
            self._version += 1
            self._changed.notify_all()

    def _wait_and_report(self, seconds: float) -> None:
        """Wait until everything is written; report if a part is still missing."""
        if self._wait(seconds):
            self.behind = True
            self._report(self._missing())

    def _wait(self, seconds: float) -> bool:
        """Wait until everything is written, at most `seconds`; return whether a part is still missing."""
        if self._target.database is None:
            seconds = min(seconds, FINAL_SERVER_SECONDS)
        with self._changed:
            self._changed.wait_for(lambda: self._written == self._version or self._given_up, seconds)
            missing = self._written != self._version
            self._given_up = True
            self._changed.notify_all()
        return missing

    def _missing(self) -> str:
        """Return the sentence to report at the end if a part could not be written."""
        return lacks_a_part(self._target, self._study)

    def _work(self, writer: MlflowWriter, desired: Callable[[Snapshot], DesiredRuns]) -> None:
        """Make MLflow equal to the current state repeatedly, until the run has ended. Runs in the thread."""
        pause, attempts = PAUSE_SECONDS, _FINAL_ATTEMPTS
        while (task := self._next()) is not None:
            version, snapshot = task
            try:
                # The first call imports MLflow, whose time must not count as writing.
                writer.open()
                began = time.thread_time()
                writer.write(desired(snapshot))
            # MLflow, its drivers and its artifact stores raise errors of any class, and none of them may end the run.
            except Exception as error:  # noqa: BLE001, RUF100
                writer.forget()
                self._report_once("MLflow", error)
                attempts -= snapshot.over
                self._pause(pause, last=attempts == 0)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                pause = PAUSE_SECONDS
                with self._changed:
                    self._written = version
                    self._changed.notify_all()
                self._rest((time.thread_time() - began) / WRITING_SHARE)

    def _next(self) -> tuple[int, Snapshot] | None:
        """Wait for a change; return its number and the state to write.

        None: the thread must end, since everything is written after the run's end, or since writing was given up.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._version != self._written or self._over)
            if self._given_up or self._version == self._written:
                return None
            kind = KINDS[self._stage]
            running = {
                (kind, number): replace(trial.state, rows=tuple(trial.rows)) for number, trial in self._trials.items()
            }
            return self._version, Snapshot(list(self._records.values()), running, self._status, self._over)

    def _rest(self, seconds: float) -> None:
        """Rest after a write; changes during the rest are written together."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._waiting > 0, min(seconds, LONGEST_REST_SECONDS))

    def _pause(self, seconds: float, *, last: bool) -> None:
        """Pause after an error."""
        with self._changed:
            self._pausing, self._given_up = True, self._given_up or last
            self._changed.notify_all()
            if self._over:
                self._changed.wait_for(lambda: self._given_up, min(seconds, _FINAL_PAUSE_SECONDS))
            else:
                self._changed.wait_for(lambda: self._over, seconds)
            self._pausing = False

    def _report_once(self, what: str, error: Exception) -> None:
        if what not in self._reported:
            self._reported.add(what)
            where = f" at {self._target}" if self._target.shared else ""
            self._report(f"{what}{where} could not be written ({reason_of(error)}); {self.AFTER_ERROR}")
