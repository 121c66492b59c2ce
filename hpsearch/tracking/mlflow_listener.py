"""The listener that writes a study to MLflow: a projection of the study, complete whenever MLflow works.

The Optuna database is the truth. What a study tells is kept here as it stands, and a thread brings MLflow
to it: so training never waits for MLflow, a slow one is told of several epochs at once, and what one that
was down has missed is written when it is back. An error is told once. What is missing in the end is written
by the next run of the study, or by `hpsearch doctor --repair`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from hpsearch.search.listeners import Listener, StudyEnded, StudyStarted, TrialStarted
from hpsearch.search.provenance import Provenance
from hpsearch.search.records import TrialRecord
from hpsearch.search.stages import Stage
from hpsearch.tracking.images import RUNNING, RunImage, interrupted, running_image
from hpsearch.tracking.mlflow_runs import StudyRuns
from hpsearch.tracking.mlflow_store import check_database, reason_of
from hpsearch.tracking.mlflow_values import Row, milliseconds
from hpsearch.tracking.projector import Plan, Projector, Render, Snapshot
from hpsearch.tracking.target import Target
from hpsearch.training.results import EpochMetrics

# Writing takes at most this share of a processor: after it nothing is written for so much longer, but not for ever.
WRITING_SHARE, LONGEST_REST_SECONDS = 0.01, 10.0
# After an error nothing is tried for this long, and twice as long after each further one.
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 2.0, 60.0
# How long the end of a run waits for what is still to be written: to a database, to a server, and where a
# person wants it to end.
FINAL_SECONDS, FINAL_SERVER_SECONDS, FINAL_INTERRUPTED_SECONDS = 120.0, 20.0, 5.0
# How often it is tried then, and how long after an error.
_FINAL_TRIES, _FINAL_PAUSE_SECONDS = 3, 1.0


def lacks_a_part(target: Target, study: str) -> str:
    """Return the sentence about an MLflow that lacks a part of a study, with the command that writes it."""
    command = target.command("doctor", study, "--repair")
    return f"{target}: MLflow lacks a part of study '{study}'; write it with `{command}`"


class Writes(Protocol):
    """Brings MLflow to what was told, and forgets what it knows of it after an error."""

    def runs(self) -> StudyRuns: ...

    def write(self, standing: Snapshot) -> None: ...

    def forget(self) -> None: ...


@dataclass
class _Trial:
    """A trial that is being trained, or was when the run ended: its run without rows, and the rows."""

    image: RunImage
    rows: list[Row] = field(default_factory=list)


class MlflowListener(Listener):
    """Writes a study's runs to MLflow.

    Args:
        target: where they are.
        provenance: of the study.
        render_best: the best configuration as YAML text.
        search: of another part of the study than its search the trials of that.
        report: told in a line, once, that MLflow could not be written.
    """

    GOES_ON = "the study goes on, and what is missing is written later"

    def __init__(
        self,
        target: Target,
        provenance: Provenance,
        *,
        render_best: Render,
        report: Callable[[str], None],
        search: Sequence[TrialRecord] = (),
    ) -> None:
        self._target, self._provenance, self._render_best, self._report = target, provenance, render_best, report
        self._search = tuple(search)
        self._stage = Stage.SEARCH
        self._study = ""
        self._told: set[str] = set()
        self._thread: threading.Thread | None = None
        # All below is read and changed under this lock, which nobody holds while MLflow is called.
        self._changed = threading.Condition()
        self._records: dict[int, TrialRecord] = {}
        self._trials: dict[int, _Trial] = {}
        self._lives: Counter[int] = Counter()
        self._status: str | None = RUNNING
        # Counts what was told; up to where it is written.
        self._version = self._written = 0
        self._pausing = self._over = self._given_up = False
        # Somebody waits for what is to be written.
        self._awaited = 0

    def study_started(self, event: StudyStarted) -> None:
        """Begin to make MLflow agree with the study.

        Raises:
            EnvironmentProblem: the database is a file on this machine, and is damaged or cannot be written to.
        """
        if self._target.database is not None:
            check_database(self._target.database)
        self._stage = event.stage
        plan = Plan(
            event.spec, event.text, self._provenance, self._target, self._render_best, event.stage, self._search
        )
        self._study = event.spec.name
        with self._telling():
            self._records = {record.number: record for record in event.records}
        self._begin(Projector(plan, None, self._artifact_failed))

    def _begin(self, projector: Writes) -> None:
        self._thread = threading.Thread(target=self._work, args=(projector,), name="mlflow", daemon=True)
        self._thread.start()

    def _artifact_failed(self, error: Exception) -> None:
        self.behind = True
        self._tell_once("MLflow's artifacts", error)

    def trial_started(self, event: TrialStarted) -> None:
        image = running_image(event, datetime.now(), self._provenance, self._stage)
        with self._telling():
            self._records.pop(event.number, None)
            self._lives[event.number] += 1
            self._trials[event.number] = _Trial(image, [Row.of(row, milliseconds()) for row in event.rows])

    def epoch_done(self, number: int, row: EpochMetrics) -> None:
        with self._telling():
            self._trials[number].rows.append(Row.of(row, milliseconds()))

    def trial_ended(self, record: TrialRecord) -> None:
        with self._telling():
            self._trials.pop(record.number, None)
            self._records[record.number] = record

    def trial_interrupted(self, number: int) -> None:
        with self._telling():
            self._trials[number].image = interrupted(self._trials[number].image)

    def study_ended(self, event: StudyEnded) -> None:
        good = "FINISHED" if event.best else "FAILED"
        with self._telling():
            self._trials.clear()
            # A trial that is as it was told is written already: the same object says so at once.
            told = self._records
            self._records = {r.number: told[r.number] if told.get(r.number) == r else r for r in event.records}
            self._status, self._over = "KILLED" if event.interrupted else good, True
        # The command that runs the study says in the end which addresses lack something.
        missing = self._wait(FINAL_INTERRUPTED_SECONDS if event.interrupted else FINAL_SECONDS)
        self.behind = self.behind or missing

    def close(self) -> None:
        """After an error in the coordinator no run is left RUNNING."""
        if self._thread is None or self._over:
            return
        with self._telling():
            for trial in self._trials.values():
                trial.image = interrupted(trial.image)
            self._status, self._over = "KILLED", True
        self._wait_and_report(FINAL_INTERRUPTED_SECONDS)

    def flush(self, seconds: float) -> bool:
        """Wait until MLflow has what was told; False: it has not, or not yet."""
        with self._changed:
            self._awaited += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._written == self._version or self._pausing, seconds)
            self._awaited -= 1
            return self._written == self._version

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Change what is to be written."""
        with self._changed:
            yield
            self._version += 1
            self._changed.notify_all()

    def _wait_and_report(self, seconds: float) -> None:
        """Wait for what is still to be written; report where a part could not be."""
        if self._wait(seconds):
            self.behind = True
            self._report(self._missing())

    def _wait(self, seconds: float) -> bool:
        """Wait so long at most for what is still to be written; return whether a part is missing then."""
        if self._target.database is None:
            seconds = min(seconds, FINAL_SERVER_SECONDS)
        with self._changed:
            self._changed.wait_for(lambda: self._written == self._version or self._given_up, seconds)
            missing = self._written != self._version
            self._given_up = True
            self._changed.notify_all()
        return missing

    def _missing(self) -> str:
        """The sentence that is reported in the end where a part could not be written."""
        return lacks_a_part(self._target, self._study)

    def _work(self, projector: Writes) -> None:
        """The thread: bring MLflow to what was told, again and again."""
        pause, tries = PAUSE_SECONDS, _FINAL_TRIES
        while (task := self._next()) is not None:
            version, standing = task
            try:
                # Importing MLflow takes longer than everything else for an hour, and happens once.
                projector.runs()
                began = time.thread_time()
                projector.write(standing)
            # MLflow, its drivers and its artifact stores have many, and training ends for none of them.
            except Exception as error:  # noqa: BLE001, RUF100
                projector.forget()
                self._tell_once("MLflow", error)
                tries -= standing.over
                self._pause(pause, last=tries == 0)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                pause = PAUSE_SECONDS
                with self._changed:
                    self._written = version
                    self._changed.notify_all()
                self._rest((time.thread_time() - began) / WRITING_SHARE)

    def _next(self) -> tuple[int, Snapshot] | None:
        """What is to be written, once there is something; None: never again."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != self._written or self._over)
            if self._given_up or self._version == self._written:
                return None
            trials = {number: replace(trial.image, rows=tuple(trial.rows)) for number, trial in self._trials.items()}
            return self._version, Snapshot(dict(self._records), trials, self._status, self._over, dict(self._lives))

    def _rest(self, seconds: float) -> None:
        """After a write: what is told meanwhile is written together."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._awaited > 0, min(seconds, LONGEST_REST_SECONDS))

    def _pause(self, seconds: float, *, last: bool) -> None:
        """After an error: nothing is tried for a while."""
        with self._changed:
            self._pausing, self._given_up = True, self._given_up or last
            self._changed.notify_all()
            if self._over:
                self._changed.wait_for(lambda: self._given_up, min(seconds, _FINAL_PAUSE_SECONDS))
            else:
                self._changed.wait_for(lambda: self._over, seconds)
            self._pausing = False

    def _tell_once(self, what: str, error: Exception) -> None:
        if what not in self._told:
            self._told.add(what)
            where = f" at {self._target}" if self._target.shared else ""
            self._report(f"{what}{where} could not be written ({reason_of(error)}); {self.GOES_ON}")
