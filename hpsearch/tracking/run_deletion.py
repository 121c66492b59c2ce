"""Delete the runs of a study from MLflow, or rename its experiment so that another study may have the name."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hpsearch.search.provenance import Provenance
from hpsearch.tracking.client import active_experiment, connect, mlflow_errors, search_all
from hpsearch.tracking.names import KINDS, STUDY
from hpsearch.tracking.runs import MlflowRun
from hpsearch.tracking.target import Target


@dataclass(frozen=True)
class DeletableRuns:
    """The runs of a study in one MLflow, and what belongs to them.

    Attributes:
        experiment: id of the study's experiment; None: there is none.
        apart: id of an experiment that an earlier, interrupted deletion has renamed; None: there is none.
        runs: ids of the study's runs.
        others: the number of other runs in the experiment.
        models: ids of the models that were logged with the runs.
        versions: the versions, made from these runs, of the registered model that has the study's name.
    """

    experiment: str | None
    apart: str | None
    runs: tuple[str, ...]
    others: int
    models: tuple[str, ...]
    versions: tuple[str, ...]

    def __str__(self) -> str:
        named = (("run", self.runs), ("logged model", self.models), ("registered model version", self.versions))
        counts = [f"{len(ids)} {what}{'' if len(ids) == 1 else 's'}" for what, ids in named if ids or what == "run"]
        return ", ".join(counts)


class MlflowDeletion:
    """Finds and deletes the runs of a study in one MLflow; call `find` first.

    Args:
        target: the MLflow.
        study: the name of the study.
        provenance: of the study; its id distinguishes the runs from those of other studies of this name.
    """

    def __init__(self, target: Target, study: str, provenance: Provenance) -> None:
        self._target, self._study, self._provenance = target, study, provenance
        self._client: Any = None

    @property
    def target(self) -> Target:
        return self._target

    @property
    def new_name(self) -> str:
        """The name of the experiment once the study is deleted."""
        return f"{self._study}-deleted-{self._provenance.study[:8] or 'study'}"

    def find(self) -> DeletableRuns:
        """Find the runs and what belongs to them.

        Raises:
            EnvironmentProblem: MLflow cannot be read.
        """
        database = self._target.database
        if database is not None and not database.is_file():
            return DeletableRuns(None, None, (), 0, (), ())
        with mlflow_errors(self._target, "read"):
            self._client = self._client or connect(self._target)
            apart = active_experiment(self._client, self.new_name)
            experiment = active_experiment(self._client, self._study)
            if experiment is None:
                return DeletableRuns(None, apart, (), 0, (), ())
            every = [MlflowRun.of(r) for r in search_all(self._client.search_runs, [experiment], max_results=1000)]
            runs = {run.run_id for run in every if self._is_ours(run)}
            versions = search_all(self._client.search_model_versions, f"name = '{self._study}'")
            models = search_all(self._client.search_logged_models, [experiment])
            return DeletableRuns(
                experiment,
                apart,
                tuple(sorted(runs)),
                len(every) - len(runs),
                tuple(model.model_id for model in models if model.source_run_id in runs),
                tuple(str(version.version) for version in versions if version.run_id in runs),
            )

    def delete(self) -> None:
        """Delete the study's runs and what belongs to them; also the experiment, unless it has other runs.

        Runs are deleted after their models, which are found by the runs. The experiment is renamed before it is
        deleted, since a deleted experiment keeps its name in MLflow.

        Raises:
            EnvironmentProblem: MLflow cannot be written.
        """
        found = self.find()
        with mlflow_errors(self._target, "written"):
            for version in found.versions:
                self._client.delete_model_version(self._study, version)
            if found.versions and not list(search_all(self._client.search_model_versions, f"name = '{self._study}'")):
                self._client.delete_registered_model(self._study)
            for model in found.models:
                self._delete_artifacts("models", model)
                self._client.delete_logged_model(model)
            for run in found.runs:
                self._delete_artifacts(run)
                self._client.delete_run(run)
            if found.experiment and not found.others:
                self._client.rename_experiment(found.experiment, self.new_name)
                self._client.delete_experiment(found.experiment)
            if found.apart:
                self._client.delete_experiment(found.apart)

    def _delete_artifacts(self, *folder: str) -> None:
        """Delete a folder of artifacts, and the folders above it that are empty then.

        The study's folder may hold other runs: those of a study of the same name that was deleted with --keep-runs.
        An MLflow outside of the home folder deletes artifacts itself, when its deleted runs are purged.
        """
        if self._target.shared:
            return
        artifacts = self._target.home.artifacts / self._study
        path = artifacts.joinpath(*folder)
        shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):
            while path != artifacts:
                path = path.parent
                path.rmdir()

    def set_apart(self) -> str | None:
        """Give the experiment another name, so that a new study does not share it; return that name.

        Return None if there is no experiment, or if other users may share it; there the tag of the study's id
        distinguishes the runs.

        Raises:
            EnvironmentProblem: MLflow cannot be written.
        """
        found = self.find()
        if found.experiment is None or self._target.shared:
            return None
        name = self.new_name.replace("-deleted-", "-kept-")
        with mlflow_errors(self._target, "written"):
            self._client.rename_experiment(found.experiment, name)
        return name

    def _is_ours(self, run: MlflowRun) -> bool:
        return run.kind in (STUDY, *KINDS.values()) and run.belongs_to(self._provenance, self._target)
