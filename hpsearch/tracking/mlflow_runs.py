"""The runs of one study in MLflow: a parent for the study, one child for each trial.

    experiment <study>          the comparison view
      run <study>               hpsearch.kind: study   best value, counts, study.yaml, best.yaml
      run trial 7 adam          hpsearch.kind: trial   parameters, every metric of every epoch, outcome

Every error of MLflow is left to the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from hpsearch.catalogue.datasets import DATASETS
from hpsearch.config.study import StudySpec
from hpsearch.search.records import TrialRecord
from hpsearch.tracking.mlflow_values import as_metrics, as_params, as_tags, dated_rows, ended_at, milliseconds, summary
from hpsearch.tracking.view_state import VIEW_TAG, view_tag
from hpsearch.training.results import EpochRow, Outcome

KIND, TRIAL, OUTCOME, DETAIL, BASELINE = (
    f"hpsearch.{name}" for name in ("kind", "trial", "outcome", "detail", "baseline")
)
DIGEST = "hpsearch.data_digest"
# Why the trial was tried again.
LOSSES = "hpsearch.losses"
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"

# A trial that was pruned did what it should; one that diverged is shown as failed.
STATUS = {
    Outcome.COMPLETED: "FINISHED",
    Outcome.EARLY_STOPPED: "FINISHED",
    Outcome.PRUNED: "FINISHED",
    Outcome.DIVERGED: "FAILED",
    Outcome.OVER_TIME: "FAILED",
    Outcome.OVER_MEMORY: "FAILED",
    Outcome.FAILED: "FAILED",
    Outcome.INTERRUPTED: "KILLED",
}
# Optuna's states of a trial that is over.
FINISHED = frozenset({"COMPLETE", "PRUNED", "FAIL"})
# MLflow takes 1,000 metrics in a batch; an epoch has six and may get a few more.
_ROWS_IN_A_BATCH = 100


@dataclass
class Child:
    """The active run of a trial.

    Attributes:
        running: its status is RUNNING.
        ended: it holds the whole trial, and its final outcome.
        certain: `epochs` is exactly what it holds. False after an error in a write, and for a run that
            another process began: such a run is not gone on with but written anew.
        epochs: those that are in it.
    """

    run_id: str
    running: bool = True
    ended: bool = False
    certain: bool = False
    epochs: set[int] = field(default_factory=set)


class StudyRuns:
    """What is written for a study.

    Args:
        client: an `mlflow.MlflowClient`.
        experiment: id of the study's experiment.
        parent: id of the study's own run.
        common: tags of every run.
        children: the active run of each trial, by trial number.
    """

    def __init__(
        self, client: Any, experiment: str, parent: str, common: Mapping[str, str], children: dict[int, Child]
    ) -> None:
        self._client, self._experiment, self.parent = client, experiment, parent
        self._common, self._children = common, children

    @classmethod
    def open(cls, client: Any, spec: StudySpec, artifacts: Path, common: Mapping[str, str]) -> StudyRuns:
        """Find what MLflow has of the study, create what it has not; the parent is RUNNING afterwards."""
        experiment = _experiment(client, spec, artifacts)
        parent = ""
        children: dict[int, Child] = {}
        for run in list(_search(client, experiment)):
            tags, run_id = run.data.tags, run.info.run_id
            if tags.get(KIND) == "study":
                parent = run_id
            elif tags.get(KIND) == "trial" and tags.get(TRIAL, "").isdecimal():
                _remember(client, children, run)
        if not parent:
            parent = _create_parent(client, experiment, spec, common)
            # Of a parent that a person deleted.
            for child in children.values():
                client.set_tag(child.run_id, PARENT, parent)
        client.update_run(parent, status="RUNNING")
        return cls(client, experiment, parent, common, children)

    def begin(
        self,
        number: int,
        flat: Mapping[str, Any],
        baseline: bool,
        started: datetime | None = None,
        rows: Sequence[EpochRow] = (),
    ) -> None:
        """A new run for a trial, with epochs it has already; an earlier one is deleted (MLflow keeps it in its bin)."""
        if earlier := self._children.get(number):
            self._client.delete_run(earlier.run_id)
            del self._children[number]
        optimizer = flat.get("optimizer")
        tags = {
            **self._common,
            PARENT: self.parent,
            KIND: "trial",
            TRIAL: str(number),
            BASELINE: str(baseline).lower(),
        }
        if flat.get("dataset") in DATASETS:
            tags[DIGEST] = DATASETS[flat["dataset"]].digest
        run = self._client.create_run(
            self._experiment,
            start_time=milliseconds(started),
            tags=tags,
            run_name=f"trial {number} {optimizer}" if optimizer else f"trial {number}",
        )
        child = Child(run.info.run_id)
        self._children[number] = child
        self._client.log_batch(child.run_id, params=as_params(flat))
        child.certain = True
        self._log(child, [(row, milliseconds()) for row in rows])

    def epoch(self, number: int, row: EpochRow) -> None:
        """Every metric of an epoch, in one call."""
        child = self._children.get(number)
        if child and child.certain:
            self._log(child, [(row, milliseconds())])

    def end(self, record: TrialRecord) -> None:
        """The trial's outcome; whatever of it is missing by now is written first."""
        child = self._children.get(record.number)
        end_time = None
        if child is None or not child.certain:
            self.begin(record.number, record.flat, record.baseline, record.started)
            child, end_time = self._children[record.number], ended_at(record)
        self._log(child, [item for item in dated_rows(record) if item[0].epoch not in child.epochs])
        outcome = record.outcome or Outcome.FAILED
        tags = {OUTCOME: outcome.label} | ({DETAIL: record.detail[:5000]} if record.detail else {})
        tags |= {LOSSES: "; ".join(record.losses)[:5000]} if record.losses else {}
        child.certain = False
        if record.traceback:
            self._client.log_text(child.run_id, record.traceback, "traceback.txt")
        self._client.log_batch(child.run_id, metrics=as_metrics(summary(record)), tags=as_tags(tags))
        self._client.set_terminated(child.run_id, STATUS[outcome], end_time=end_time)
        child.running, child.ended = False, True

    def interrupt(self, number: int) -> None:
        """End a run that is RUNNING: its trial waits to be run again."""
        child = self._children.get(number)
        if child and child.running:
            child.certain = False
            self._client.set_tag(child.run_id, OUTCOME, Outcome.INTERRUPTED.label)
            self._client.set_terminated(child.run_id, STATUS[Outcome.INTERRUPTED])
            child.running = False

    def interrupt_all(self) -> None:
        for number in list(self._children):
            self.interrupt(number)

    def reconcile(self, records: Iterable[TrialRecord]) -> None:
        """Make MLflow agree with the study: what an earlier run or an outage left out is written."""
        for record in records:
            child = self._children.get(record.number)
            if record.state not in FINISHED:
                self.interrupt(record.number)
            elif child is None or not child.ended:
                self.end(record)

    def parent_metrics(self, values: Mapping[str, float], step: int) -> None:
        self._client.log_batch(self.parent, metrics=as_metrics(values, step))

    def parent_values(self) -> dict[str, float]:
        """The parent's metrics as they are."""
        return dict(self._client.get_run(self.parent).data.metrics)

    def parent_text(self, text: str, name: str) -> None:
        """An artifact of the parent, replaced where it exists."""
        self._client.log_text(self.parent, text, name)

    def parent_note(self, markdown: str) -> None:
        self._client.set_tag(self.parent, NOTE, markdown[:5000])

    def parent_ended(self, status: str) -> None:
        self._client.set_terminated(self.parent, status)

    def _log(self, child: Child, rows: list[tuple[EpochRow, int]]) -> None:
        for first in range(0, len(rows), _ROWS_IN_A_BATCH):
            some = rows[first : first + _ROWS_IN_A_BATCH]
            metrics = [metric for row, when in some for metric in as_metrics(row.metrics, row.epoch, when)]
            child.certain = False
            self._client.log_batch(child.run_id, metrics=metrics)
            child.epochs.update(row.epoch for row, _ in some)
            child.certain = True


def _experiment(client: Any, spec: StudySpec, artifacts: Path) -> str:
    found = client.get_experiment_by_name(spec.name)
    if found is None:
        created = client.create_experiment(spec.name, artifact_location=str((artifacts / spec.name).resolve()))
        experiment = str(created)
    else:
        experiment = str(found.experiment_id)
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(experiment)
    # Without a kind the page asks whether this is about language models.
    client.set_experiment_tag(experiment, "mlflow.experimentKind", "custom_model_development")
    client.set_experiment_tag(experiment, VIEW_TAG, view_tag(spec, milliseconds()))
    return experiment


def _remember(client: Any, children: dict[int, Child], run: Any) -> None:
    """Take up a run that another process began."""
    number, run_id = int(run.data.tags[TRIAL]), run.info.run_id
    if number in children:
        # A person has taken a deleted run out of MLflow's bin: the record says what is true.
        client.delete_run(run_id)
        children[number].ended = False
        return
    running = run.info.status == "RUNNING"
    interrupted = run.data.tags.get(OUTCOME, Outcome.INTERRUPTED.label) == Outcome.INTERRUPTED.label
    children[number] = Child(run_id, running=running, ended=not running and not interrupted)


def _search(client: Any, experiment: str) -> Iterable[Any]:
    """Every active run of the experiment, the latest first."""
    token = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _create_parent(client: Any, experiment: str, spec: StudySpec, common: Mapping[str, str]) -> str:
    tags = {**common, KIND: "study"}
    if digests := [DATASETS[name].digest for name in spec.datasets() if name in DATASETS]:
        tags[DIGEST] = ", ".join(digests)
    run_id = str(client.create_run(experiment, tags=tags, run_name=spec.name).info.run_id)
    params = {
        "objective": spec.objective.metric,
        "direction": spec.objective.direction,
        "sampler": spec.search.sampler.name,
        "pruner": spec.search.pruner.name,
        # The study's; `seed` is a trial's own.
        "search_seed": spec.search.seed,
    }
    client.log_batch(run_id, params=as_params(params))
    return run_id
