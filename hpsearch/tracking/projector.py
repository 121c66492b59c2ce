"""One study brought to MLflow as it stands: what the listener's thread and `hpsearch doctor --repair` do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hpsearch.config.study import StudySpec
from hpsearch.search.finals import Finals, chosen_of
from hpsearch.search.provenance import Provenance
from hpsearch.search.records import TrialRecord, best_trial
from hpsearch.search.stages import Stage
from hpsearch.tracking.images import RunImage, study_image, trial_image
from hpsearch.tracking.mlflow_runs import StudyRuns
from hpsearch.tracking.mlflow_store import connect
from hpsearch.tracking.progress import Progress
from hpsearch.tracking.target import Target

STUDY_TEXT, BEST_TEXT = "study.yaml", "best.yaml"
Render = Callable[[StudySpec, TrialRecord], str]


@dataclass(frozen=True)
class Plan:
    """What is projected.

    Attributes:
        spec: the study file.
        text: the study file as it was run.
        provenance: of the study.
        target: where to.
        render_best: the best configuration as YAML text.
        stage: the part of the study whose runs are written, beside the study's own.
        search: of another part than the search the trials of that.
        finals: what the finalists have come to; None: there are none, or they are being trained.
    """

    spec: StudySpec
    text: str
    provenance: Provenance
    target: Target
    render_best: Render
    stage: Stage = Stage.SEARCH
    search: tuple[TrialRecord, ...] = ()
    finals: Finals | None = None

    def texts(self, records: Mapping[int, TrialRecord]) -> dict[str, str]:
        """The artifacts of the study's own run once it is over, by name."""
        known = sorted(self.trials(records), key=lambda record: record.number)
        best = chosen_of(known, self.finals, best_trial(known, self.spec.objective))
        return {STUDY_TEXT: self.text} | ({BEST_TEXT: self.render_best(self.spec, best)} if best else {})

    def trials(self, records: Mapping[int, TrialRecord]) -> Collection[TrialRecord]:
        """Those of the search: the stage's own, or those that came before it."""
        return records.values() if self.stage is Stage.SEARCH else self.search

    def image(self, record: TrialRecord) -> RunImage | None:
        return trial_image(record, self.provenance, self.stage, self.finals)

    def study_image(
        self, records: Mapping[int, TrialRecord], status: str | None, progress: Progress | None = None
    ) -> RunImage:
        return study_image(self.spec, self.trials(records), self.provenance, status, progress, self.finals)


def plans(plan: Plan, parts: Mapping[Stage, Sequence[TrialRecord]]) -> dict[Stage, Plan]:
    """The plan of each part of a study that is to be in MLflow by now.

    Args:
        plan: of the search.
        parts: the records of every part that has begun. Trainings on everything wait for their test figures.
    """
    found = {}
    for stage, records in parts.items():
        if records and (stage is not Stage.FINAL or (plan.finals and plan.finals.reading)):
            search = () if stage is Stage.SEARCH else tuple(parts[Stage.SEARCH])
            found[stage] = replace(plan, stage=stage, search=search)
    return found or {Stage.SEARCH: plan}


@dataclass(frozen=True)
class Snapshot:
    """The study at one moment.

    Attributes:
        records: trials that nobody trains, by number.
        trials: those that are trained.
        status: of the study's own run; None: as its trials say.
        over: the run of the study has ended.
        lives: how often this run has begun each trial, which it does again where a worker was lost.
    """

    records: Mapping[int, TrialRecord]
    trials: Mapping[int, RunImage]
    status: str | None
    over: bool
    lives: Mapping[int, int] = field(default_factory=dict)


class Projector:
    """Brings MLflow to a study, and remembers what it holds. Every error of MLflow is left to the caller.

    Args:
        plan: what, and where to.
        client: an `mlflow.MlflowClient`; None: one is made with the first call.
        artifact_failed: told of an artifact that could not be written: the rest goes on without it.
    """

    def __init__(self, plan: Plan, client: Any, artifact_failed: Callable[[Exception], None]) -> None:
        self._plan, self._client, self._artifact_failed = plan, client, artifact_failed
        self._runs: StudyRuns | None = None
        # As they were last written. A trial that was interrupted may have ended since, with nothing said between.
        self._final: dict[int, TrialRecord] = {}
        self._lives: dict[int, int] = {}
        self._progress = Progress(plan.spec.objective)
        # That of the study's own run; at first no status at all.
        self._status: str | None = ""
        self._texts: dict[tuple[int | None, str], str] = {}

    def forget(self) -> None:
        """After an error: what MLflow holds is looked at again by the next call."""
        self._runs, self._status = None, ""
        self._final.clear()
        self._texts.clear()

    def runs(self) -> StudyRuns:
        """The study's runs in MLflow."""
        if self._client is None:
            self._client = connect(self._plan.target)
        if self._runs is None:
            plan = self._plan
            self._runs = StudyRuns.open(self._client, plan.spec, plan.provenance, plan.target, plan.stage)
        return self._runs

    def write(self, standing: Snapshot) -> None:
        """Write what MLflow lacks."""
        runs, plan = self.runs(), self._plan
        changed = [r for number, r in standing.records.items() if self._final.get(number) is not r]
        if changed or self._status != standing.status:
            runs.write_study(plan.study_image(standing.records, standing.status, self._progress))
            self._status = standing.status
        for number in [*standing.trials, *(record.number for record in changed)]:
            life = standing.lives.get(number, 0)
            # What its earlier life has written may never have happened in this one.
            if self._lives.setdefault(number, life) != life:
                runs.discard(number)
                self._lives[number] = life
        for record in changed:
            if (image := plan.image(record)) and runs.write_trial(record.number, image):
                self._write_texts(image.texts, record.number)
            self._final[record.number] = record
        for number, image in standing.trials.items():
            runs.write_trial(number, image)
        self._write_texts(plan.texts(standing.records) if standing.over else {STUDY_TEXT: plan.text})

    def _write_texts(self, texts: Mapping[str, str], number: int | None = None) -> None:
        for name, text in texts.items():
            if self._texts.get((number, name)) != text:
                self._texts[number, name] = text
                try:
                    self.runs().write_text(text, name, number)
                # The artifact store may be another service than MLflow, with errors of its own.
                except Exception as error:  # noqa: BLE001, RUF100
                    self._artifact_failed(error)
