"""The listener that writes a study to MLflow: a projection of the study, complete whenever MLflow works.

The Optuna database is the truth. Whatever MLflow misses (an outage, a killed coordinator, a deleted
database) is written from the study's records when the trial ends, when the study ends, or when it is
continued; so an error here is told once and never stops or delays the training.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hpsearch.config.study import StudySpec
from hpsearch.search.home import Home
from hpsearch.search.listeners import Listener, StudyEnded, StudyStarted, TrialStarted
from hpsearch.search.records import TrialRecord, best_trial, counts
from hpsearch.tracking.mlflow_runs import StudyRuns
from hpsearch.tracking.mlflow_store import first_line, open_client
from hpsearch.tracking.provenance import provenance_tags
from hpsearch.tracking.view_state import varied_names
from hpsearch.training.results import EpochRow

# After an error nothing is tried for this long: a locked database keeps its caller waiting for 20 seconds.
PAUSE_SECONDS = 60.0


class MlflowListener(Listener):
    """Writes MLflow's database and artifacts in the home folder.

    Args:
        home: where they are.
        render_best: the best configuration as YAML text.
        report: told in a line, once, that MLflow could not be written.
    """

    def __init__(
        self,
        home: Home,
        *,
        render_best: Callable[[StudySpec, TrialRecord], str],
        report: Callable[[str], None],
    ) -> None:
        self._home, self._render_best, self._report = home, render_best, report
        self._client: Any = None
        self._started: StudyStarted | None = None
        self._runs: StudyRuns | None = None
        self._records: dict[int, TrialRecord] = {}
        self._parent: dict[str, float] = {}
        self._quiet_until = 0.0
        self._told = False
        self._over = False

    def study_started(self, event: StudyStarted) -> None:
        """Open the database, and make it agree with the study.

        Raises:
            EnvironmentProblem: the database cannot be used at all.
        """
        self._client = open_client(self._home.mlflow_db)
        self._started = event
        self._records = {record.number: record for record in event.records}
        self._attempt(lambda _: None)

    def trial_started(self, event: TrialStarted) -> None:
        self._attempt(lambda runs: runs.begin(event.number, event.config.flat(), event.baseline, rows=event.rows))

    def epoch_done(self, number: int, row: EpochRow) -> None:
        self._attempt(lambda runs: runs.epoch(number, row))

    def trial_ended(self, record: TrialRecord) -> None:
        self._records[record.number] = record

        def write(runs: StudyRuns) -> None:
            runs.end(record)
            self._write_standing(runs)

        self._attempt(write)

    def trial_interrupted(self, number: int) -> None:
        self._attempt(lambda runs: runs.interrupt(number))

    def study_ended(self, event: StudyEnded) -> None:
        self._records = {record.number: record for record in event.records}

        def write(runs: StudyRuns) -> None:
            runs.reconcile(event.records)
            self._write_standing(runs)
            if event.best and self._started:
                runs.parent_text(self._render_best(self._started.spec, event.best), "best.yaml")
            good = "FINISHED" if event.best else "FAILED"
            runs.parent_ended("KILLED" if event.interrupted else good)

        self._attempt(write, now=True)
        self._over = True

    def close(self) -> None:
        """After an error in the coordinator no run is left RUNNING."""

        def write(runs: StudyRuns) -> None:
            runs.interrupt_all()
            runs.parent_ended("KILLED")

        if self._runs is not None and not self._over:
            self._attempt(write, now=True)
        self._client = self._runs = None

    def _attempt(self, write: Callable[[StudyRuns], None], *, now: bool = False) -> None:
        """Write to MLflow; an error is told once, and goes no further.

        Args:
            write: what to do.
            now: also within the pause that follows an error.
        """
        if self._client is None or (time.monotonic() < self._quiet_until and not now):
            return
        # Loaded long ago, by `open_client`.
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            if self._runs is None:
                self._runs = self._open()
            write(self._runs)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            self._quiet_until = time.monotonic() + PAUSE_SECONDS
            if not self._told:
                self._told = True
                self._report(
                    f"MLflow could not be written ({first_line(error)}); the study goes on, "
                    "and what is missing is written later"
                )

    def _open(self) -> StudyRuns:
        assert self._started is not None
        spec = self._started.spec
        runs = StudyRuns.open(self._client, spec, self._home.artifacts, provenance_tags())
        runs.reconcile(self._records.values())
        runs.parent_text(self._started.text, "study.yaml")
        self._parent = runs.parent_values()
        runs.parent_note(self._note(best_trial(list(self._records.values()), spec.objective)))
        self._write_standing(runs)
        return runs

    def _write_standing(self, runs: StudyRuns) -> None:
        """The study's best value and counts, those that changed; the step is the number of finished trials."""
        assert self._started is not None
        objective, records = self._started.spec.objective, list(self._records.values())
        tally = counts(records)
        values: dict[str, float] = {f"trials_{label}": count for label, count in tally.items()}
        best = best_trial(records, objective)
        if best and best.best:
            values |= {f"best_{objective.metric}": best.best.value, "best_trial": best.number}
        changed = {name: value for name, value in values.items() if self._parent.get(name) != value}
        if changed:
            runs.parent_metrics(changed, step=sum(tally.values()))
            self._parent |= changed
        if "best_trial" in changed:
            runs.parent_note(self._note(best))

    def _note(self, best: TrialRecord | None) -> str:
        """What the parent's page says, in Markdown."""
        assert self._started is not None
        spec = self._started.spec
        lines = [spec.file.description or f"Study `{spec.name}`", ""]
        if best is None or best.best is None:
            lines.append("No trial has ended well yet.")
            return "\n".join(lines)
        lines += [
            f"Best: **{spec.objective.metric} {best.best.value:.6g}** at epoch {best.best.epoch} of "
            f"trial {best.number} (`best.yaml` among the artifacts).",
            "",
            "| hyperparameter | value |",
            "| --- | --- |",
        ]
        flat = best.flat
        lines += [f"| {name} | {flat[name]} |" for name in varied_names(spec) if flat.get(name) is not None]
        return "\n".join(lines)
