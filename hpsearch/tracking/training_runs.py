"""The runs of `hpsearch train` in MLflow, written by the same listener and writer as those of a study.

    experiment <configuration>
      run <configuration>       hpsearch.kind: training   mean and interval over the seeds, configuration.yaml
      run seed 7 adam           hpsearch.kind: seed       all that the run of a trial has, and test metrics

Other runs of the experiment stay as they are: a study of the same name may have its runs there, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from hpsearch.config.file import Objective
from hpsearch.search.provenance import Provenance, provenance_tags
from hpsearch.search.records import TrialRecord
from hpsearch.tracking.listener import FINAL_SECONDS, MlflowListener, Snapshot
from hpsearch.tracking.names import (
    BASELINE_TAG,
    KIND,
    NOTE,
    TRIAL,
    MetricRow,
    metric_values,
    milliseconds,
    param_texts,
    tag_texts,
)
from hpsearch.tracking.run_states import DesiredRuns, RunKey, RunState, trial_state
from hpsearch.tracking.runs import MlflowRun
from hpsearch.tracking.study_run import training_experiment_note
from hpsearch.tracking.target import Target
from hpsearch.tracking.view_state import training_view_tags
from hpsearch.tracking.writer import MlflowWriter, describe
from hpsearch.training.results import EpochMetrics

CONFIGURATION_TEXT = "configuration.yaml"
# The tag of the runs that one command writes.
TRAINING_ID = "hpsearch.training_id"
_PARENT: RunKey = ("training", 0)


@dataclass(frozen=True)
class LoggedTraining:
    """What a command trains.

    Attributes:
        name: of the configuration.
        text: the configuration as YAML text.
        params: the options of the command: seeds, full, test.
        data: digests of the user's own files with data, by name.
    """

    name: str
    text: str
    objective: Objective
    params: Mapping[str, Any]
    data: Mapping[str, str]


@dataclass(frozen=True)
class TrainingOutcome:
    """The result of all trainings of a command.

    Attributes:
        metrics: of the parent run.
        note: Markdown for its page.
    """

    metrics: Mapping[str, float]
    note: str


class TrainingListener(MlflowListener):
    """Writes the trainings of `hpsearch train` to MLflow; an error of MLflow ends no training.

    Args:
        training: what is trained.
        target: the MLflow that takes the runs.
        report: called with one line at the first error of MLflow, at the first error of its artifacts, and at the end
            if a part is still missing.
    """

    AFTER_ERROR = "training goes on"

    def __init__(self, training: LoggedTraining, target: Target, report: Callable[[str], None]) -> None:
        provenance = Provenance("", [("", provenance_tags())], training.data)
        super().__init__(target, provenance, render_best=lambda _spec, _record: "", report=report)
        self._training, self._id, self._began = training, uuid4().hex, datetime.now()
        self._outcome: TrainingOutcome | None = None
        self._states: dict[int, RunState] = {}

    def epoch_done(self, number: int, epoch: EpochMetrics) -> None:
        super().epoch_done(number, epoch)
        # Not earlier: importing MLflow while TensorFlow is imported would slow down both.
        self._start()

    def finish(self, outcome: TrainingOutcome) -> bool:
        """Write the outcome, wait for what is still to be written, and return whether MLflow has everything."""
        self._outcome = outcome
        self._end("FINISHED")
        return self.flush(0)

    def fail(self) -> None:
        """Write that the trainings failed, if any has begun."""
        if self._trials or self._records:
            self._end("FAILED")

    def _end(self, status: str) -> None:
        with self._changing():
            self._status, self._over = status, True
        self._start()
        self._wait_and_report(FINAL_SECONDS)

    def _start(self) -> None:
        if self._thread is None:
            experiment = _TrainingExperiment(self._training, self._id, self._target)
            self._start_thread(MlflowWriter(experiment, self._artifact_failed), self._desired)

    def _missing(self) -> str:
        return f"{self._target}: MLflow lacks a part of this training"

    def _desired(self, snapshot: Snapshot) -> DesiredRuns:
        runs = {_PARENT: self._parent(snapshot.status)}
        for record in snapshot.records:
            runs["seed", record.number] = self._ended(record)
        for (_, number), state in snapshot.running.items():
            runs["seed", number] = self._of_seed(state)
        return DesiredRuns(_PARENT, runs)

    def _parent(self, status: str) -> RunState:
        tags = {**self._provenance.tags(), KIND: "training", TRAINING_ID: self._id}
        rows: tuple[MetricRow, ...] = ()
        if self._outcome:
            tags[NOTE] = self._outcome.note
            rows = (MetricRow(0, milliseconds(), metric_values(self._outcome.metrics)),)
        params = param_texts({"objective": self._training.objective.metric, **self._training.params})
        texts = {CONFIGURATION_TEXT: self._training.text}
        began = milliseconds(self._began)
        return RunState(self._training.name, status, params, tag_texts(tags), rows, began, texts=texts)

    def _ended(self, record: TrialRecord) -> RunState:
        if record.number not in self._states:
            state = trial_state(record, self._provenance)
            assert state is not None
            self._states[record.number] = self._of_seed(state)
        return self._states[record.number]

    def _of_seed(self, state: RunState) -> RunState:
        """Return the run of a trial as the run of a seed."""
        tags = {name: text for name, text in state.tags.items() if name not in (TRIAL, BASELINE_TAG)}
        words = ["seed", state.params.get("seed", "0"), state.params.get("optimizer", "")]
        if state.params.get("validation") == "0":
            words.append("on everything")
        return replace(state, name=" ".join(filter(None, words)), tags={**tags, KIND: "seed", TRAINING_ID: self._id})


class _TrainingExperiment:
    """The experiment of a configuration; after an error the runs of this command are deleted and written again.

    Args:
        training: what is trained.
        identity: the value of the tag TRAINING_ID.
        target: the MLflow that takes the runs.
    """

    def __init__(self, training: LoggedTraining, identity: str, target: Target) -> None:
        self._training, self._identity, self.name, self.target = training, identity, training.name, target

    def set_up(self, client: Any, experiment: str) -> None:
        known = client.get_experiment(experiment).tags
        for name, text in training_view_tags(self._training.objective, milliseconds()).items():
            # A study of this name may have written its own views.
            if name not in known:
                client.set_experiment_tag(experiment, name, text)
        if not any(name.startswith("mlflow.sharedViewState") for name in known):
            describe(client, experiment, training_experiment_note(self.name, experiment))

    def prepare_runs(self, client: Any, experiment: str) -> Iterable[MlflowRun]:
        for run in client.search_runs([experiment], f"tags.`{TRAINING_ID}` = '{self._identity}'"):
            client.delete_run(run.info.run_id)
        return ()
