"""What MLflow has of a study, deleted or set apart so that another study may have the name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from hpsearch.errors import EnvironmentProblem
from hpsearch.search.provenance import Provenance
from hpsearch.tracking.mlflow_runs import Kept, is_of
from hpsearch.tracking.mlflow_store import connect, reason_of
from hpsearch.tracking.tags import KIND, KINDS, STUDY
from hpsearch.tracking.target import Target


@dataclass(frozen=True)
class DeletableRuns:
    """What one MLflow has of a study.

    Attributes:
        experiment: id of the study's experiment; None: there is none.
        apart: id of an experiment that an earlier, interrupted deletion has renamed; None: there is none.
        runs: ids of the study's runs.
        others: the number of other runs in the experiment.
        models: ids of the models that were logged with the runs.
        versions: of the registered model of the study's name those that are the study's.
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
    """Finds and deletes what an MLflow has of a study; call `find` first.

    Args:
        target: the MLflow.
        study: the name of the study.
        provenance: of the study, by which its runs are told from those of other studies of this name.
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
        """Find what is there.

        Raises:
            EnvironmentProblem: MLflow cannot be read.
        """
        database = self._target.database
        if database is not None and not database.is_file():
            return DeletableRuns(None, None, (), 0, (), ())
        with self._plain_errors("read"):
            self._client = self._client or connect(self._target)
            apart, experiment = self._active(self.new_name), self._active(self._study)
            if experiment is None:
                return DeletableRuns(None, apart, (), 0, (), ())
            every = list(_all(self._client.search_runs, [experiment], max_results=1000))
            kept = [Kept.of(run) for run in every]
            runs = {run.run_id for run in kept if self._is_ours(run)}
            versions = _all(self._client.search_model_versions, f"name = '{self._study}'")
            models = _all(self._client.search_logged_models, [experiment])
            return DeletableRuns(
                experiment,
                apart,
                tuple(sorted(runs)),
                len(every) - len(runs),
                tuple(model.model_id for model in models if model.source_run_id in runs),
                tuple(str(version.version) for version in versions if version.run_id in runs),
            )

    def delete(self) -> None:
        """Delete the study's runs with what belongs to them; the experiment, too, unless it has other runs.

        Runs go last, since the rest is found through them. The experiment is renamed before it is deleted, since MLflow
        keeps the name of one that is deleted.

        Raises:
            EnvironmentProblem: MLflow cannot be written.
        """
        found = self.find()
        with self._plain_errors("written"):
            for version in found.versions:
                self._client.delete_model_version(self._study, version)
            if found.versions and not list(_all(self._client.search_model_versions, f"name = '{self._study}'")):
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

        The folder of the study may hold more: a study of the same name that was deleted with --keep-runs used it, too.
        An MLflow outside of the home folder deletes artifacts itself, when its bin is emptied.
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

        None: there is no experiment, or others use it, too; then runs are told apart by the study's id.

        Raises:
            EnvironmentProblem: MLflow cannot be written.
        """
        found = self.find()
        if found.experiment is None or self._target.shared:
            return None
        name = self.new_name.replace("-deleted-", "-kept-")
        with self._plain_errors("written"):
            self._client.rename_experiment(found.experiment, name)
        return name

    def _is_ours(self, run: Kept) -> bool:
        return run.tags.get(KIND) in (STUDY, *KINDS.values()) and is_of(run, self._provenance, self._target)

    def _active(self, name: str) -> str | None:
        experiment = self._client.get_experiment_by_name(name)
        active = experiment is not None and experiment.lifecycle_stage == "active"
        return str(experiment.experiment_id) if active else None

    @contextmanager
    def _plain_errors(self, done: str) -> Iterator[None]:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise EnvironmentProblem(f"{self._target}: MLflow cannot be {done} ({reason_of(error)})") from None


def _all(search: Any, *arguments: Any, **options: Any) -> Iterator[Any]:
    """Every result of a search by MLflow's client, which gives them page by page."""
    token = None
    while True:
        page = search(*arguments, page_token=token, **options)
        yield from page
        token = page.token
        if not token:
            return
