"""The consistency check behind `hpsearch doctor`: MLflow compared with a study, and made equal to it.

The check is a dry run of the writer: both compare the same runs with the same desired states.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpsearch.search.records import TrialRecord
from hpsearch.search.stages import Finals, Stage
from hpsearch.tracking.client import active_experiment, connect, mlflow_errors
from hpsearch.tracking.logged_models import ModelError, models_of
from hpsearch.tracking.names import KINDS, PARENT, STUDY
from hpsearch.tracking.run_states import RUNNING, STUDY_KEY, DesiredRuns, RunKey, RunState, StudyRunStates, TrackedStudy
from hpsearch.tracking.runs import MlflowRun, differences, read_metrics, read_texts, study_runs, wrong_texts
from hpsearch.tracking.writer import MlflowWriter, StudyExperiment

STAGES = {kind: stage for stage, kind in KINDS.items()}


@dataclass(frozen=True)
class Disagreement:
    """One difference between MLflow and the study.

    Attributes:
        kind: orphan, missing, doubled, status, outcome, parameters, metrics, tags, inputs, parent, artifacts or
            model.
        number: of the trial or of the training in a later stage; None for the study's own run, for the model registry,
            and for a run without a number.
        run: the run's id in MLflow; None: there is no such run, or several.
        line: the difference in words.
        stage: `finalists` or `final` for a training in a later stage; else empty.
    """

    kind: str
    number: int | None
    run: str | None
    line: str
    stage: str = ""

    def plain(self) -> dict[str, Any]:
        """Return the difference as `hpsearch doctor -f json` prints it."""
        return {"kind": self.kind, "trial": self.number, "run": self.run, "line": self.line, "stage": self.stage}


class ConsistencyCheck:
    """Compares MLflow with a study that no process runs, and makes it equal to the study.

    Args:
        study: what is tracked.
        parts: the trials of each stage of the study.
        finals: the results of the finalists; None: there are none.
        create: whether to make a SQLite file that does not exist; if not, the file counts as empty.

    Raises:
        EnvironmentProblem: MLflow cannot be opened.
    """

    def __init__(
        self,
        study: TrackedStudy,
        parts: Mapping[Stage, Sequence[TrialRecord]],
        finals: Finals | None = None,
        *,
        create: bool,
    ) -> None:
        self._study, self._parts, self._finals = study, parts, finals
        self._states = StudyRunStates(study)
        database = study.target.database
        self._client: Any = connect(study.target) if create or database is None or database.is_file() else None

    @property
    def runs(self) -> int:
        """The number of runs that MLflow should have."""
        return len(self._desired(None).runs)

    def examine(self) -> list[Disagreement]:
        """Return every difference: orphans, the study's own run, the trials and trainings by stage, the models.

        Raises:
            EnvironmentProblem: MLflow cannot be read.
        """
        with mlflow_errors(self._study.target, "read", ModelError):
            runs, orphans = self._read()
            own = runs.get(STUDY_KEY, [])
            desired = self._desired(own)
            parent = own[0].run_id if len(own) == 1 else None
            found = [_orphan(run, why) for run, why in orphans]
            for key, state in desired.runs.items():
                found += _of_run(key, state, runs.get(key, []), parent)
            return [*found, *self._of_models()]

    def repair(self) -> None:
        """Make MLflow equal to the study; deleted runs stay in MLflow's bin.

        Raises:
            EnvironmentProblem: MLflow cannot be written.
        """
        with mlflow_errors(self._study.target, "written", ModelError):
            runs, orphans = self._read()
            for run, _ in orphans:
                self._client.delete_run(run.run_id)
            writer = MlflowWriter(StudyExperiment(self._study), lambda _: None, self._client)
            writer.adopt(several[0] for several in runs.values() if len(several) == 1)
            writer.write(self._desired(runs.get(STUDY_KEY, [])))
            if self._finals:
                models_of(self._study, self._parts, self._finals).write()

    def _desired(self, own: Sequence[MlflowRun] | None) -> DesiredRuns:
        """Return the desired runs. Only MLflow knows whether the user stopped the last run of the study.

        Args:
            own: the study's own runs in MLflow, whose status is kept if they have ended.
        """
        known = {run.status for run in own or ()} - {RUNNING}
        status = known.pop() if len(known) == 1 else None
        return self._states.desired(self._parts, self._finals, status=status)

    def _read(self) -> tuple[dict[RunKey, list[MlflowRun]], list[tuple[MlflowRun, str]]]:
        """Return MLflow's runs of the study by key, and its orphans, each with the reason."""
        runs: dict[RunKey, list[MlflowRun]] = {}
        orphans: list[tuple[MlflowRun, str]] = []
        target, keys = self._study.target, self._desired(None).runs.keys()
        experiment = active_experiment(self._client, self._study.spec.name) if self._client else None
        for run in study_runs(self._client, experiment) if experiment else ():
            if not run.belongs_to(self._study.provenance, target):
                # In an MLflow that other users share, the run is theirs.
                if not target.shared:
                    orphans.append((run, "belongs to another study of this name"))
            elif run.key in keys:
                runs.setdefault(run.key, []).append(run)
            else:
                number = "?" if run.key is None else run.key[1]
                orphans.append((run, f"is of {STAGES[run.kind].noun} {number}, which the study has not begun"))
        every = [run for several in runs.values() for run in several]
        if every:
            read_metrics(self._client, target, every)
        for run in every:
            read_texts(self._client, run)
        return runs, orphans

    def _of_models(self) -> Iterator[Disagreement]:
        if self._client is None or self._finals is None:
            return
        models = models_of(self._study, self._parts, self._finals)
        for lacking in models.missing():
            text = f"{lacking.stage.noun} {lacking.number}: its model is missing"
            yield Disagreement("model", lacking.number, lacking.run, text, lacking.stage.value)
        if models.unregistered():
            text = f"the registry does not name the champion of {self._study.spec.name}"
            yield Disagreement("model", None, None, text)


def _of_run(key: RunKey, state: RunState, runs: Sequence[MlflowRun], parent: str | None) -> Iterator[Disagreement]:
    """Yield the differences between one desired run and the runs in MLflow that have its key."""
    kind, number = key
    is_study = kind == STUDY
    where = "the study's own run" if is_study else f"{STAGES[kind].noun} {number}"
    shown, stage = (None, "") if is_study else (number, STAGES[kind].value)
    if len(runs) != 1:
        several = f"has several runs: {', '.join(run.run_id for run in runs)}"
        missing = "is missing" if is_study else "has no run"
        yield Disagreement(
            "doubled" if runs else "missing", shown, None, f"{where} {several if runs else missing}", stage
        )
        return
    (run,) = runs
    if run.status != state.status:
        should = "and nobody runs the study" if is_study else f"should be {state.status}"
        yield Disagreement("status", shown, run.run_id, f"{where} is {run.status}, {should}", stage)
    if parent and not is_study and run.tags.get(PARENT) != parent:
        yield Disagreement("parent", shown, run.run_id, f"{where} is no child of the study's own run", stage)
    for found in differences(run, state):
        yield Disagreement(found.kind, shown, run.run_id, f"{where}: {found.line}", stage)
    for text in wrong_texts(run, state):
        yield Disagreement("artifacts", shown, run.run_id, f"{where}: {text}", stage)


def _orphan(run: MlflowRun, why: str) -> Disagreement:
    return Disagreement("orphan", run.key[1] if run.key else None, run.run_id, f"run {run.run_id} {why}")
