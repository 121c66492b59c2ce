"""The finalists' models in MLflow: each logged with its run, the champion in the model registry.

`mlflow.keras` needs TensorFlow, which the coordinator does not import. The models are therefore logged in another
process, which is forked from the same process as the workers.
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
from hpsearch.search.stages import Finals, Stage
from hpsearch.tracking.client import active_experiment, address_of, connect, reason_of
from hpsearch.tracking.names import KINDS
from hpsearch.tracking.run_states import StudyRunStates, TrackedStudy
from hpsearch.tracking.runs import MlflowRun, study_runs
from hpsearch.tracking.writer import MlflowWriter, StudyExperiment

ALIAS, MODEL = "champion", "model"
# The packages that a loaded model needs.
_PACKAGES = ("mlflow", "tensorflow", "keras", "numpy")
# The longest time for logging one model, in seconds; a large model on a distant server takes long.
MODEL_SECONDS = 1800.0


class ModelError(Exception):
    """A model could not be logged; the message is the reason in one line."""


@dataclass(frozen=True)
class WantedModel:
    """A model that should be in MLflow.

    Attributes:
        run: the MLflow run of its training.
        stage, number: of the training.
        file: a portable Keras model.
        dataset: the dataset whose first image is the example.
    """

    run: str
    stage: Stage
    number: int
    file: str
    dataset: str


class Models:
    """The models of a study in MLflow.

    Args:
        study: what is tracked.
        parts: the trials of each stage of the study.
        finals: the results of the finalists.
        file: returns the file of a training's model.
        log: the file for what TensorFlow and MLflow print.
    """

    def __init__(
        self,
        study: TrackedStudy,
        parts: Mapping[Stage, Sequence[TrialRecord]],
        finals: Finals,
        file: Callable[[Stage, int], Path],
        log: Path,
    ) -> None:
        self._study, self._parts, self._finals, self._file, self._log = study, parts, finals, file, log
        self._client: Any = connect(study.target)

    def missing(self) -> list[WantedModel]:
        """Return the models on disk that MLflow lacks: of each finalist's trainings, and of the winner's final ones."""
        return [wanted for wanted, models in self._wanted() if not models]

    def write(self) -> None:
        """Log the missing models and register the champion. Errors of MLflow are raised as they are."""
        if missing := self.missing():
            _in_a_process(missing, address_of(self._study.target), self._study.spec, self._log)
        self._register()

    def unregistered(self) -> bool:
        """Return whether there is a champion that the registry does not name."""
        run = self._champion()
        return run is not None and self._alias() != run.run_id

    def _wanted(self) -> Iterator[tuple[WantedModel, Sequence[str]]]:
        """Yield each model that should be in MLflow, and the ids of the models that its run has."""
        winner = self._finals.winner.trial if self._finals.winner else None
        by_key = {(stage, record.number): record for stage, records in self._parts.items() for record in records}
        stages = {KINDS[stage]: stage for stage in (Stage.FINALISTS, Stage.FINAL)}
        for run in self._runs():
            stage = stages.get(run.kind)
            if stage is None or run.key is None:
                continue
            number = run.key[1]
            record = by_key.get((stage, number))
            if record is None or not record.good or (stage is Stage.FINAL and record.of != winner):
                continue
            file = self._file(stage, number)
            if file.is_file() and isinstance(record.config, TrialConfig):
                yield WantedModel(run.run_id, stage, number, str(file), record.config.data.dataset), run.models

    def _runs(self) -> list[MlflowRun]:
        study, experiment = self._study, active_experiment(self._client, self._study.spec.name)
        if experiment is None:
            return []
        runs = study_runs(self._client, experiment)
        return [run for run in runs if run.belongs_to(study.provenance, study.target)]

    def _champion(self) -> MlflowRun | None:
        """Return the run of the champion; None if there is no champion, or while its model is not logged."""
        champion = self._finals.champion
        key = (KINDS[Stage.FINAL], champion.number) if champion else None
        return next((run for run in self._runs() if run.models and run.key == key), None)

    def _alias(self) -> str | None:
        """Return the run id of the model version that has the alias `champion`; None: no version has it."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self._client.get_model_version_by_alias(self._study.spec.name, ALIAS).run_id)
        except MlflowException:
            return None

    def _register(self) -> None:
        from mlflow.exceptions import MlflowException

        run, name = self._champion(), self._study.spec.name
        if run is None or self._alias() == run.run_id:
            return
        try:
            self._client.create_registered_model(name, description=self._study.spec.file.description or None)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        model = run.models[0]
        location = self._client.get_logged_model(model).artifact_location
        made = self._client.create_model_version(name, location, run_id=run.run_id, tags=self._tags(), model_id=model)
        self._client.set_registered_model_alias(name, ALIAS, made.version)

    def _tags(self) -> dict[str, str]:
        """Return the tags of the registered version: trial, seed, and values on validation and test images."""
        verdict = judge(self._study.spec.name, self._finals)
        assert verdict.winner is not None
        assert verdict.winner.interval is not None
        assert verdict.tested is not None
        tested, metric = verdict.tested, verdict.metric
        found = {
            "hpsearch.study": verdict.study,
            "hpsearch.trial": str(verdict.winner.finalist.trial),
            "hpsearch.seed": str(tested.result.seed),
            "hpsearch.epochs": str(verdict.epochs),
            f"hpsearch.mean_{metric}": f"{verdict.winner.interval.mean:.6f}",
            f"hpsearch.interval_{metric}": verdict.winner.interval.shown(6),
            "hpsearch.test_accuracy": repr(tested.result.accuracy),
            "hpsearch.test_interval": tested.champion.shown(6),
            "hpsearch.test_read": tested.when,
        }
        if tested.over_seeds:
            found["hpsearch.test_minus_keras_default"] = tested.over_seeds.shown(6, "+")
        return found


def models_of(study: TrackedStudy, parts: Mapping[Stage, Sequence[TrialRecord]], finals: Finals) -> Models:
    """Return the models of a study; their files are in the home folder.

    Raises:
        EnvironmentProblem: MLflow's database cannot be used.
    """
    home, name = study.target.home, study.spec.name

    def file(stage: Stage, number: int) -> Path:
        return home.models_folder(name, stage.value) / f"{number}.keras"

    return Models(study, parts, finals, file, home.logs / f"{name}-models.log")


def _in_a_process(models: Sequence[WantedModel], uri: str, spec: StudySpec, log: Path) -> None:
    """Log models in a process that imports TensorFlow.

    Raises:
        ModelError: one could not be logged.
    """
    context = multiprocessing.get_context("forkserver")
    child.start_fork_server()
    ours, theirs = context.Pipe(duplex=False)
    # The process that is forked may have been started with other variables.
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
    models: Sequence[WantedModel],
    uri: str,
    experiment: str,
    folders: Sequence[str],
    log: str,
    environment: Mapping[str, str],
) -> None:
    """Log each model with its run; send the reason of an error, or an empty text. Runs in the process."""
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
    """MLflow's flavor of Keras models. Makes the folder first: MLflow 3.17 writes the example before it exists."""

    __name__ = "mlflow.keras"

    def save_model(self, path: str, **arguments: Any) -> Any:
        from mlflow.keras import save_model

        Path(path).mkdir()
        return save_model(path=path, **arguments)


def _log_one(model: Any, each: WantedModel) -> None:
    import numpy as np
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    shape, pixels = model.input_shape[1:], np.dtype(model.inputs[0].dtype)
    taken = TensorSpec(pixels, (-1, *shape), name=None)
    returned = TensorSpec(np.dtype("float32"), (-1, *model.output_shape[1:]), name=None)
    Model.log(
        artifact_path=None,
        name=MODEL,
        flavor=_Keras(),
        run_id=each.run,
        model=model,
        # MLflow would take ten seconds to find out the signature and the requirements.
        signature=ModelSignature(Schema([taken]), Schema([returned])),
        pip_requirements=[f"{package}=={version(package)}" for package in _PACKAGES],
        input_example=_example(each.dataset, shape, pixels),
    )


def _example(dataset: str, shape: Any, pixels: Any) -> Any:
    """Return one example [1, ...] for the model: the first training image, or zeros for a user's own data."""
    import numpy as np

    from hpsearch.catalogue.datasets import DATASETS
    from hpsearch.data.arrays import load_train

    return np.array(load_train(dataset).images[:1]) if dataset in DATASETS else np.zeros((1, *shape), pixels)


def write_study(
    study: TrackedStudy,
    parts: Mapping[Stage, Sequence[TrialRecord]],
    finals: Finals | None,
    *,
    interrupted: bool,
    report: Callable[[str], None],
) -> bool:
    """Write a study whose trainings have ended to MLflow, with its finalists' models; report an error in one line.

    The next run of the study, or `hpsearch doctor --repair`, writes what is missing after an error.

    Args:
        study: what is tracked.
        parts: the trials of each stage of the study.
        finals: the results of the finalists; None: there are none.
        interrupted: whether the user stopped the run.
        report: called with one line for each message.

    Returns:
        Whether MLflow has everything.
    """
    failed: list[Exception] = []
    try:
        good = any(record.good for record in parts[Stage.SEARCH])
        status = "KILLED" if interrupted else "FINISHED" if good else "FAILED"
        desired = StudyRunStates(study).desired(parts, finals, status=status)
        MlflowWriter(StudyExperiment(study), failed.append).write(desired)
        if finals and not interrupted:
            models = models_of(study, parts, finals)
            if missing := models.missing():
                report(f"logging {len(missing)} models ...")
            models.write()
    # MLflow, its drivers and its artifact stores have errors of every kind, and the study is safe.
    except Exception as error:  # noqa: BLE001, RUF100
        failed.append(error)
    if failed:
        report(f"{study.target}: MLflow could not be written ({reason_of(failed[0])})")
    return not failed
