"""The finalists' models in MLflow: each logged with its run, the champion in the registry.

`mlflow.keras` needs TensorFlow, which no process that holds a study imports; so the models are logged by a process of
its own, forked from the one that the workers came from where there is one.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hpsearch.analysis.verdict import judge
from hpsearch.config.study import StudySpec
from hpsearch.config.trial import TrialConfig
from hpsearch.config.user_modules import use_folders
from hpsearch.executors import child
from hpsearch.search.records import TrialRecord
from hpsearch.search.stages import Stage
from hpsearch.tracking.mlflow_runs import Kept, is_of, kept_runs
from hpsearch.tracking.mlflow_store import address_of, connect, reason_of
from hpsearch.tracking.projector import Plan

ALIAS, MODEL = "champion", "model"
# What a loaded model needs.
_PACKAGES = ("mlflow", "tensorflow", "keras", "numpy")
# How long logging one model may take: a large one, to a server that is far away.
MODEL_SECONDS = 1800.0


class ModelError(Exception):
    """A model could not be logged; the text is the reason in a line."""


@dataclass(frozen=True)
class ToLog:
    """A model that MLflow lacks.

    Attributes:
        run: the MLflow run of its training.
        stage, number: of the training.
        file: a portable Keras model.
        dataset: whose first image is the example.
    """

    run: str
    stage: Stage
    number: int
    file: str
    dataset: str


class Models:
    """The models of a study in MLflow.

    Args:
        plan: of the study's search, with its finals.
        parts: the records of every part of the study.
        file: of a training's model.
        log: takes what TensorFlow and MLflow print.
    """

    def __init__(
        self, plan: Plan, parts: Mapping[Stage, Sequence[TrialRecord]], file: Callable[[Stage, int], Path], log: Path
    ) -> None:
        self._plan, self._parts, self._file, self._log = plan, parts, file, log
        self._client: Any = connect(plan.target)

    def missing(self) -> list[ToLog]:
        """What is on disk and not in MLflow: a model for each training of a finalist, and the winner's final ones."""
        return [to_log for to_log, models in self._wanted() if not models]

    def write(self) -> None:
        """Log what is missing, and see that the champion is registered. Every error is left to the caller."""
        if missing := self.missing():
            _in_a_process(missing, address_of(self._plan.target), self._plan.spec, self._log)
        self._register()

    def unregistered(self) -> bool:
        """Whether there is a champion that the registry does not name."""
        run = self._champion()
        return run is not None and self._alias() != run.run_id

    def _wanted(self) -> Iterator[tuple[ToLog, Sequence[str]]]:
        """Each model that should be in MLflow, and those that its run has."""
        finals = self._plan.finals
        winner = finals.winner.trial if finals and finals.winner else None
        by_key = {(stage, record.number): record for stage, records in self._parts.items() for record in records}
        for kept in self._runs():
            if kept.stage not in (Stage.FINALISTS, Stage.FINAL) or kept.number is None:
                continue
            record = by_key.get((kept.stage, kept.number))
            if record is None or not record.good or (kept.stage is Stage.FINAL and record.of != winner):
                continue
            file = self._file(kept.stage, record.number)
            if file.is_file() and isinstance(record.config, TrialConfig):
                yield ToLog(kept.run_id, kept.stage, kept.number, str(file), record.config.data.dataset), kept.models

    def _runs(self) -> list[Kept]:
        experiment = self._client.get_experiment_by_name(self._plan.spec.name)
        if experiment is None:
            return []
        plan = self._plan
        return [k for k in kept_runs(self._client, experiment.experiment_id) if is_of(k, plan.provenance, plan.target)]

    def _champion(self) -> Kept | None:
        """The run of the champion, once its model is logged."""
        champion = self._plan.finals.champion if self._plan.finals else None
        runs = (kept for kept in self._runs() if kept.stage is Stage.FINAL and kept.models)
        return next((kept for kept in runs if champion and kept.number == champion.number), None)

    def _alias(self) -> str | None:
        """The run of the version that is called champion now."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self._client.get_model_version_by_alias(self._plan.spec.name, ALIAS).run_id)
        except MlflowException:
            return None

    def _register(self) -> None:
        from mlflow.exceptions import MlflowException

        run, name = self._champion(), self._plan.spec.name
        if run is None or self._alias() == run.run_id:
            return
        try:
            self._client.create_registered_model(name, description=self._plan.spec.file.description or None)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        model = run.models[0]
        location = self._client.get_logged_model(model).artifact_location
        made = self._client.create_model_version(name, location, run_id=run.run_id, tags=self._tags(), model_id=model)
        self._client.set_registered_model_alias(name, ALIAS, made.version)

    def _tags(self) -> dict[str, str]:
        """What the registered version is, in tags."""
        assert self._plan.finals is not None
        verdict = judge(self._plan.spec.name, self._plan.finals)
        assert verdict.winner is not None
        assert verdict.winner.interval is not None
        assert verdict.tested is not None
        tested, metric = verdict.tested, verdict.metric
        found = {
            "hpsearch.study": verdict.study,
            "hpsearch.trial": str(verdict.winner.finalist.trial),
            "hpsearch.seed": str(tested.figures.seed),
            "hpsearch.epochs": str(verdict.epochs),
            f"hpsearch.mean_{metric}": f"{verdict.winner.interval.mean:.6f}",
            f"hpsearch.interval_{metric}": verdict.winner.interval.shown(6),
            "hpsearch.test_accuracy": repr(tested.figures.accuracy),
            "hpsearch.test_interval": tested.champion.shown(6),
            "hpsearch.test_read": tested.when,
        }
        if tested.over_seeds:
            found["hpsearch.test_minus_keras_default"] = tested.over_seeds.shown(6, "+")
        return found


def models_of(plan: Plan, parts: Mapping[Stage, Sequence[TrialRecord]]) -> Models:
    """The models of a study, which its home folder keeps.

    Raises:
        EnvironmentProblem: MLflow's database cannot be used.
    """
    home, name = plan.target.home, plan.spec.name

    def file(stage: Stage, number: int) -> Path:
        return home.models(name, stage.value) / f"{number}.keras"

    return Models(plan, parts, file, home.logs / f"{name}-models.log")


def _in_a_process(models: Sequence[ToLog], uri: str, spec: StudySpec, log: Path) -> None:
    """Log models in a process that has TensorFlow.

    Raises:
        ModelError: it could not; with the first line of the reason.
    """
    context = multiprocessing.get_context("forkserver")
    child.start_fork_server()
    ours, theirs = context.Pipe(duplex=False)
    # The process that others are forked from may be older than what stands in the environment now.
    environment = {name: value for name, value in os.environ.items() if name.startswith("MLFLOW_")}
    folders = [str(folder) for folder in spec.folders]
    arguments = (theirs, list(models), uri, spec.name, folders, str(log), environment)
    process = context.Process(target=_log_models, args=arguments, name="hpsearch-models", daemon=True)
    child.start(process)
    theirs.close()
    try:
        seconds = MODEL_SECONDS * len(models)
        problem = ours.recv() if ours.poll(seconds) else f"the models were not logged within {seconds:g} s"
    except EOFError:
        problem = f"the process that logs models ended; its output is in {log}"
    else:
        child.wait_for_end(process)
    ours.close()
    child.kill(process)
    child.wait_for_end(process)
    if problem:
        raise ModelError(problem)


def _log_models(
    connection: Connection,
    models: Sequence[ToLog],
    uri: str,
    experiment: str,
    folders: Sequence[str],
    log: str,
    environment: Mapping[str, str],
) -> None:
    """The process: log each model with its run; sends what went wrong, or nothing."""
    child.set_up_process(connection, Path(log))
    os.environ.update(environment)
    use_folders([Path(folder) for folder in folders])
    try:
        import mlflow

        from hpsearch.training.portable import load_portable

        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        mlflow.set_experiment(experiment)
        for each in models:
            _log_one(load_portable(each.file), each)
    # MLflow, its stores and a user's own layers have errors of every kind.
    except Exception as error:  # noqa: BLE001, RUF100
        connection.send(f"{type(error).__name__}: {reason_of(error)}")
        raise
    connection.send("")


class _Keras:
    """MLflow's own flavor of Keras models; in MLflow 3.17 it writes the example before it has made the folder."""

    __name__ = "mlflow.keras"

    def save_model(self, path: str, **arguments: Any) -> Any:
        from mlflow.keras import save_model

        Path(path).mkdir()
        return save_model(path=path, **arguments)


def _log_one(model: Any, each: ToLog) -> None:
    import numpy as np
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    shape, pixels = model.input_shape[1:], np.dtype(model.inputs[0].dtype)
    given = TensorSpec(pixels, (-1, *shape), name=None)
    answer = TensorSpec(np.dtype("float32"), (-1, *model.output_shape[1:]), name=None)
    Model.log(
        artifact_path=None,
        name=MODEL,
        flavor=_Keras(),
        run_id=each.run,
        model=model,
        # With both of them, MLflow spends no ten seconds to find them out.
        signature=ModelSignature(Schema([given]), Schema([answer])),
        pip_requirements=[f"{package}=={version(package)}" for package in _PACKAGES],
        input_example=_example(each.dataset, shape, pixels),
    )


def _example(dataset: str, shape: Any, pixels: Any) -> Any:
    """One example [1, ...] that the model takes: the first training image, of a user's own data a blank one."""
    import numpy as np

    from hpsearch.catalogue.datasets import DATASETS
    from hpsearch.data.arrays import load_train

    return np.array(load_train(dataset).images[:1]) if dataset in DATASETS else np.zeros((1, *shape), pixels)
