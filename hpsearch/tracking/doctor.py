"""What `hpsearch doctor` does: MLflow compared with the study, and written again where it differs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hpsearch.errors import EnvironmentProblem
from hpsearch.search.records import TrialRecord
from hpsearch.search.stages import Stage
from hpsearch.tracking.differences import differences
from hpsearch.tracking.histories import History, histories
from hpsearch.tracking.images import RUNNING, RunImage
from hpsearch.tracking.mlflow_runs import Kept, is_of, kept_runs
from hpsearch.tracking.mlflow_store import connect, reason_of
from hpsearch.tracking.model_logging import ModelError, models_of
from hpsearch.tracking.projector import Plan, Projector, Snapshot, plans
from hpsearch.tracking.tags import PARENT

# What is mended without writing a run anew.
_NOT_REPLACED = ("orphan", "parent", "model")
# Of a run of a trial, or of a finalist's training.
_Key = tuple[Stage, int]


@dataclass(frozen=True)
class Disagreement:
    """One thing in which MLflow differs from the study.

    Attributes:
        kind: orphan, missing, doubled, status, outcome, parameters, metrics, tags, inputs, parent, artifacts or
            model.
        trial: its number; None: the study's own run.
        stage: of a finalist's training the part of the study that counts it.
        run: MLflow's id of it; None: there is none.
        line: for a person.
    """

    kind: str
    trial: int | None
    run: str | None
    line: str
    stage: str = ""


class Doctor:
    """Compares and repairs. Nobody may run the study meanwhile.

    Args:
        plan: the study, and where its runs are.
        parts: its trials, and the trainings of its finalists.
        create: a SQLite file that does not exist yet is made, rather than taken for an empty one.

    Raises:
        EnvironmentProblem: MLflow cannot be read.
    """

    def __init__(self, plan: Plan, parts: Mapping[Stage, Sequence[TrialRecord]], *, create: bool) -> None:
        self._plan, self._parts = plan, parts
        self._plans = plans(plan, parts)
        self._images = {
            (stage, record.number): image
            for stage, planned in self._plans.items()
            for record in parts[stage]
            if (image := planned.image(record))
        }
        database = plan.target.database
        self._histories: dict[str, History] = {}
        self._client: Any = connect(plan.target) if create or database is None or database.is_file() else None

    @property
    def runs(self) -> int:
        """How many runs MLflow should have: the study's own and one for each training that was begun."""
        return 1 + len(self._images)

    def examine(self) -> list[Disagreement]:
        """Every difference: of the study's own run first, then by trial.

        Raises:
            EnvironmentProblem: MLflow cannot be read.
        """
        with self._plain_errors("read"):
            parents, children, orphans = self._sorted()
            every = [*parents, *(kept for runs in children.values() for kept in runs)]
            metrics = {kept.run_id: kept.metrics for kept in every}
            self._histories = histories(self._client, self._plan.target, metrics) if metrics else {}
            found = [*orphans, *self._of_study(parents)]
            parent = parents[0].run_id if len(parents) == 1 else None
            for key, image in self._images.items():
                found += self._of_trial(key, image, children.get(key, []), parent)
            found += self._of_models()
        return found

    def repair(self, findings: Sequence[Disagreement]) -> None:
        """Make MLflow what it should be; what is replaced or has no trial goes to MLflow's bin.

        Raises:
            EnvironmentProblem: MLflow cannot be written.
        """
        if not findings:
            return
        with self._plain_errors("written"):
            parents = self._sorted()[0]
            for finding in findings:
                if finding.kind == "orphan":
                    self._client.delete_run(finding.run)
            # Whether a person stopped the last run of the study, only MLflow knows.
            known = {kept.status for kept in parents} - {RUNNING}
            status = known.pop() if len(known) == 1 else None
            own = any(f.trial is None and f.kind in ("parameters", "metrics", "inputs") for f in findings)
            for stage, planned in self._plans.items():
                projector = Projector(planned, self._client, lambda _: None)
                runs = projector.runs()
                # Metrics and parameters cannot be taken back, so a run that has wrong ones is replaced.
                wrong = {f.trial for f in findings if f.stage == stage.value and f.kind not in _NOT_REPLACED}
                for number in wrong:
                    if number is not None:
                        runs.discard(number)
                if own and stage is Stage.SEARCH:
                    runs.discard_parent()
                records = {record.number: record for record in self._parts[stage]}
                projector.write(Snapshot(records, {}, status, over=True))
            if self._plan.finals:
                models_of(self._plan, self._parts).write()

    def _sorted(self) -> tuple[list[Kept], dict[_Key, list[Kept]], list[Disagreement]]:
        """MLflow's runs of the study itself, of its trials, and of nothing in it."""
        parents: list[Kept] = []
        children: dict[_Key, list[Kept]] = {}
        orphans: list[Disagreement] = []
        for kept in self._active():
            if not is_of(kept, self._plan.provenance, self._plan.target):
                # In a database that others use too these are theirs.
                if not self._plan.target.shared:
                    orphans.append(_orphan(kept, "belongs to another study of this name"))
            elif kept.is_study:
                parents.append(kept)
            elif kept.stage is None or kept.number is None or (kept.stage, kept.number) not in self._images:
                what = kept.stage.one if kept.stage else "trial"
                number = "?" if kept.number is None else kept.number
                orphans.append(_orphan(kept, f"is of {what} {number}, which the study has not begun"))
            else:
                children.setdefault((kept.stage, kept.number), []).append(kept)
        return parents, children, orphans

    def _active(self) -> list[Kept]:
        experiment = self._client.get_experiment_by_name(self._plan.spec.name) if self._client else None
        if experiment is None or experiment.lifecycle_stage != "active":
            return []
        return list(kept_runs(self._client, experiment.experiment_id))

    def _of_study(self, parents: Sequence[Kept]) -> Iterator[Disagreement]:
        plan, where = self._plan, "the study's own run"
        if len(parents) != 1:
            kind = "doubled" if parents else "missing"
            yield Disagreement(kind, None, None, f"{where} is {kind}{_listed(parents)}")
            return
        (kept,) = parents
        records = {record.number: record for record in self._parts[Stage.SEARCH]}
        image = plan.study_image(records, None)
        if kept.status == RUNNING:
            yield Disagreement("status", None, kept.run_id, f"{where} is RUNNING, and nobody runs the study")
        for kind, text in differences(kept, image, self._histories.get(kept.run_id, {})):
            yield Disagreement(kind, None, kept.run_id, f"{where}: {text}")
        for name, state in self._wrong_texts(kept, plan.texts(records)):
            yield Disagreement("artifacts", None, kept.run_id, f"{where}: the artifact {name} {state}")

    def _of_trial(self, key: _Key, image: RunImage, runs: Sequence[Kept], parent: str | None) -> Iterator[Disagreement]:
        stage, number = key
        where, disagreement = f"{stage.one} {number}", partial(Disagreement, stage=stage.value)
        if len(runs) != 1:
            kind = "doubled" if runs else "missing"
            yield disagreement(
                kind, number, None, f"{where} {'has several runs' if runs else 'has no run'}{_listed(runs)}"
            )
            return
        (kept,) = runs
        if kept.status != image.status:
            yield disagreement("status", number, kept.run_id, f"{where} is {kept.status}, should be {image.status}")
        if parent and kept.tags.get(PARENT) != parent:
            yield disagreement("parent", number, kept.run_id, f"{where} is no child of the study's own run")
        for kind, text in differences(kept, image, self._histories.get(kept.run_id, {})):
            yield disagreement(kind, number, kept.run_id, f"{where}: {text}")
        for name, state in self._wrong_texts(kept, image.texts):
            yield disagreement("artifacts", number, kept.run_id, f"{where}: the artifact {name} {state}")

    def _of_models(self) -> Iterator[Disagreement]:
        if self._client is None or self._plan.finals is None:
            return
        models = models_of(self._plan, self._parts)
        for lacking in models.missing():
            text = f"{lacking.stage.one} {lacking.number}: its model is missing"
            yield Disagreement("model", lacking.number, lacking.run, text, lacking.stage.value)
        if models.unregistered():
            yield Disagreement(
                "model", None, None, f"the registry does not name the champion of {self._plan.spec.name}"
            )

    def _wrong_texts(self, kept: Kept, wanted: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        texts = self._texts(kept) if wanted else {}
        for name, text in wanted.items():
            if texts.get(name) != text:
                yield name, "is another" if name in texts else "is missing"

    def _texts(self, kept: Kept) -> dict[str, str]:
        """The artifacts of a run; none where they cannot be read."""
        from mlflow.exceptions import MlflowException

        texts = {}
        with tempfile.TemporaryDirectory() as folder:
            try:
                for item in self._client.list_artifacts(kept.run_id):
                    if not item.is_dir:
                        path = Path(self._client.download_artifacts(kept.run_id, item.path, folder))
                        texts[item.path] = path.read_text(encoding="utf-8", errors="replace")
            except (MlflowException, OSError):
                return texts
        return texts

    @contextmanager
    def _plain_errors(self, done: str) -> Iterator[None]:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError, ModelError, OSError) as error:
            raise EnvironmentProblem(f"{self._plan.target}: MLflow cannot be {done} ({reason_of(error)})") from None


def _orphan(kept: Kept, why: str) -> Disagreement:
    return Disagreement("orphan", kept.number, kept.run_id, f"run {kept.run_id} {why}")


def _listed(runs: Sequence[Kept]) -> str:
    return f": {', '.join(kept.run_id for kept in runs)}" if runs else ""
