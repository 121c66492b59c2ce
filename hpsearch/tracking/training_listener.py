"""The runs of `hpsearch train` in MLflow, written as those of a study are: by a thread, which training never waits for.

    experiment <configuration>
      run <configuration>       hpsearch.kind: training   mean and interval over the seeds, configuration.yaml
      run seed 7 adam           hpsearch.kind: seed       all that the run of a trial has, and test figures

Nothing but these runs is looked at, so a study of the same name may keep its own beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from hpsearch.config.file import Objective
from hpsearch.search.provenance import Provenance, provenance_tags
from hpsearch.tracking.images import RunImage, trial_image
from hpsearch.tracking.mlflow_listener import FINAL_SECONDS, MlflowListener
from hpsearch.tracking.mlflow_runs import StudyRuns, describe, open_experiment
from hpsearch.tracking.mlflow_store import connect
from hpsearch.tracking.mlflow_values import Row, milliseconds, numbers, param_texts, tag_texts
from hpsearch.tracking.notes import training_experiment_note
from hpsearch.tracking.projector import Snapshot
from hpsearch.tracking.tags import BASELINE_TAG, KIND, NOTE, TRIAL
from hpsearch.tracking.target import Target
from hpsearch.tracking.view_state import training_view_tags
from hpsearch.training.results import EpochMetrics

CONFIGURATION_TEXT = "configuration.yaml"
# Of the runs that one command writes.
TRAINING_ID = "hpsearch.training_id"


@dataclass(frozen=True)
class LoggedTraining:
    """What a command trains.

    Attributes:
        name: of the configuration.
        text: the configuration as YAML text.
        params: what was asked for, and how often.
        data: what a user's own files with data hold: their digests, by name.
    """

    name: str
    text: str
    objective: Objective
    params: Mapping[str, Any]
    data: Mapping[str, str]


@dataclass(frozen=True)
class TrainingOutcome:
    """What all of it came to.

    Attributes:
        metrics: of the parent run.
        note: Markdown for its page.
    """

    metrics: Mapping[str, float]
    note: str


class TrainingListener(MlflowListener):
    """Writes what `hpsearch train` trains to MLflow; nothing that goes wrong there ends a training.

    Args:
        training: what is trained.
        target: where the runs are.
        report: told in a line, once, that MLflow could not be written.
    """

    GOES_ON = "training goes on"

    def __init__(self, training: LoggedTraining, target: Target, report: Any) -> None:
        provenance = Provenance("", [("", provenance_tags())], training.data)
        super().__init__(target, provenance, render_best=lambda _spec, _record: "", report=report)
        self._projector = _Projector(training, provenance, target, self._artifact_failed)

    def epoch_done(self, number: int, row: EpochMetrics) -> None:
        super().epoch_done(number, row)
        # Not before: importing MLflow beside TensorFlow would slow both.
        self._start()

    def finish(self, figures: TrainingOutcome) -> bool:
        """All is trained; waits for what is still to be written, and says whether that is there now."""
        self._projector.figures = figures
        self._end("FINISHED")
        return self.flush(0)

    def fail(self) -> None:
        """Nothing came of it; waits as `finish`, where anything was begun."""
        if self._trials or self._records:
            self._end("FAILED")

    def _end(self, status: str) -> None:
        with self._telling():
            self._status, self._over = status, True
        self._start()
        self._wait_and_report(FINAL_SECONDS)

    def _start(self) -> None:
        if self._thread is None:
            self._begin(self._projector)

    def _missing(self) -> str:
        return f"{self._target}: MLflow lacks a part of this training"


class _Projector:
    """Brings MLflow to the trainings as they stand; after an error all of it is written anew."""

    def __init__(self, training: LoggedTraining, provenance: Provenance, target: Target, artifact_failed: Any) -> None:
        self._training, self._provenance, self._target = training, provenance, target
        self._artifact_failed = artifact_failed
        self._id, self._started = uuid4().hex, datetime.now()
        self._runs: StudyRuns | None = None
        # Whether the configuration is among the artifacts.
        self._described = False
        self._final: set[int] = set()
        self.figures: TrainingOutcome | None = None

    def forget(self) -> None:
        self._runs, self._described = None, False
        self._final.clear()

    def runs(self) -> StudyRuns:
        if self._runs is None:
            self._runs = self._open()
        return self._runs

    def write(self, standing: Snapshot) -> None:
        runs = self.runs()
        runs.write_study(self._parent(standing.status or ""))
        if not self._described:
            self._described = True
            self._write_text(runs)
        for number, record in standing.records.items():
            image = trial_image(record, self._provenance)
            if number not in self._final and image:
                runs.write_trial(number, self._of_seed(image))
                self._final.add(number)
        for number, image in standing.trials.items():
            runs.write_trial(number, self._of_seed(image))

    def _open(self) -> StudyRuns:
        if self._target.uri is None:
            self._target.home.create()
        client = connect(self._target)
        experiment = open_experiment(client, self._training.name, self._target)
        known = client.get_experiment(experiment).tags
        for name, text in training_view_tags(self._training.objective, milliseconds()).items():
            # That of a study is left alone.
            if name not in known:
                client.set_experiment_tag(experiment, name, text)
        if not any(name.startswith("mlflow.sharedViewState") for name in known):
            describe(client, experiment, training_experiment_note(self._training.name, experiment))
        for run in client.search_runs([experiment], f"tags.`{TRAINING_ID}` = '{self._id}'"):
            # Begun before an error.
            client.delete_run(run.info.run_id)
        return StudyRuns(client, experiment, [], {})

    def _write_text(self, runs: StudyRuns) -> None:
        try:
            runs.write_text(self._training.text, CONFIGURATION_TEXT)
        # The artifact store may be another service than MLflow, with errors of its own.
        except Exception as error:  # noqa: BLE001, RUF100
            self._artifact_failed(error)

    def _parent(self, status: str) -> RunImage:
        tags = {**self._provenance.tags(), KIND: "training", TRAINING_ID: self._id}
        started, rows = milliseconds(self._started), tuple[Row, ...]()
        if self.figures:
            tags[NOTE] = self.figures.note
            rows = (Row(0, milliseconds(), numbers(self.figures.metrics)),)
        params = {"objective": self._training.objective.metric, **self._training.params}
        return RunImage(self._training.name, status, param_texts(params), tag_texts(tags), rows, started)

    def _of_seed(self, image: RunImage) -> RunImage:
        """A trial's run as that of a seed."""
        tags = {name: text for name, text in image.tags.items() if name not in (TRIAL, BASELINE_TAG)}
        words = ["seed", image.params.get("seed", "0"), image.params.get("optimizer", "")]
        if image.params.get("validation") == "0":
            words.append("on everything")
        return replace(image, name=" ".join(filter(None, words)), tags={**tags, KIND: "seed", TRAINING_ID: self._id})
