"""The runs of one study in MLflow: a parent for the study, one child for each trial.

    experiment <study>          the comparison view
      run <study>               hpsearch.kind: study   best value, counts, study.yaml, best.yaml
      run trial 7 adam          hpsearch.kind: trial   parameters, every metric of every epoch, outcome
      run finalist 3 of trial 7 hpsearch.kind: finalist   the same, its confusions and its model
      run final training 0 ...  hpsearch.kind: final      the same, and test figures

Each is brought to its image (`hpsearch.tracking.images`): what it lacks is written, and nothing else. Every
error of MLflow is left to the caller, who then opens the runs anew: what MLflow has of the last call is
known only to MLflow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hpsearch.config.study import StudySpec
from hpsearch.search.provenance import STUDY_ID, Provenance
from hpsearch.search.stages import Stage
from hpsearch.tracking.histories import history
from hpsearch.tracking.images import RUNNING, RunImage
from hpsearch.tracking.inputs import DataInput
from hpsearch.tracking.mlflow_store import artifact_location
from hpsearch.tracking.mlflow_values import LONGEST_TAG, Row, best_name, milliseconds, parts_of
from hpsearch.tracking.notes import study_experiment_note
from hpsearch.tracking.tags import DESCRIBED, KIND, KINDS, NOTE, OUTCOME_TAG, PARENT, STUDY, number_of
from hpsearch.tracking.target import Target
from hpsearch.tracking.view_state import view_tags

# What MLflow takes in one call.
_METRICS_IN_A_BATCH, _OTHERS_IN_A_BATCH = 1000, 100


@dataclass
class Kept:
    """What MLflow has of a run.

    Attributes:
        mine: begun through this object, so that `steps` is exactly what it holds. Another one is either as it
            should be or written anew.
        whole: False where something is known to be wrong with it.
        metrics: their names, of a run that was there.
        steps: those whose metrics are in it.
        inputs: how it uses each dataset, by the dataset's name and digest.
        models: ids of those that were logged with it.
    """

    run_id: str
    status: str = RUNNING
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    mine: bool = False
    whole: bool = True
    metrics: tuple[str, ...] = ()
    steps: set[int] = field(default_factory=set)
    inputs: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    models: tuple[str, ...] = ()

    @staticmethod
    def of(run: Any) -> Kept:
        """A run as MLflow's client gives it."""
        data, datasets = run.data, run.inputs.dataset_inputs if run.inputs else []
        return Kept(
            run.info.run_id,
            run.info.status,
            dict(data.params),
            dict(data.tags),
            metrics=tuple(data.metrics),
            inputs={(i.dataset.name, i.dataset.digest): {tag.key: tag.value for tag in i.tags} for i in datasets},
            models=tuple(each.model_id for each in run.outputs.model_outputs) if run.outputs else (),
        )

    @property
    def is_study(self) -> bool:
        return self.tags.get(KIND) == STUDY

    @property
    def stage(self) -> Stage | None:
        """The part of the study that it belongs to; None: the study's own run."""
        return next((stage for stage, kind in KINDS.items() if self.tags.get(KIND) == kind), None)

    @property
    def number(self) -> int | None:
        """Of the trial that it says to be; None: it says nothing sensible."""
        return number_of(self.tags, self.stage) if self.stage else None


class StudyRuns:
    """What is written for a study.

    Args:
        client: an `mlflow.MlflowClient`.
        experiment: id of the study's experiment.
        parents: the study's own run; further ones should not be.
        children: the run of each trial, by trial number.
    """

    def __init__(self, client: Any, experiment: str, parents: Sequence[Kept], children: dict[int, Kept]) -> None:
        self._client, self._experiment = client, experiment
        self._parent = parents[0] if parents else None
        self._children = children
        for extra in parents[1:]:
            client.delete_run(extra.run_id)

    @classmethod
    def open(
        cls, client: Any, spec: StudySpec, provenance: Provenance, target: Target, stage: Stage = Stage.SEARCH
    ) -> StudyRuns:
        """Find what MLflow has of the study and of one of its stages; the experiment is made where it is missing."""
        experiment = _experiment(client, spec, target)
        parents: list[Kept] = []
        children: dict[int, Kept] = {}
        for kept in [kept for kept in kept_runs(client, experiment) if is_of(kept, provenance, target)]:
            if kept.is_study and best_name(spec.objective.metric) in kept.metrics:
                # Of an earlier version, whose metrics searches for trials find. It is written anew.
                client.delete_run(kept.run_id)
            elif kept.is_study:
                parents.append(kept)
                steps = history(client, kept.run_id, kept.metrics).values()
                kept.steps = {step for by_step in steps for step in by_step}
            elif kept.stage is stage and kept.number is not None:
                # A person has taken an earlier one out of MLflow's bin, or a reply of MLflow was lost.
                if earlier := children.get(kept.number):
                    client.delete_run(kept.run_id)
                    earlier.whole = False
                else:
                    children[kept.number] = kept
        return cls(client, experiment, parents, children)

    @property
    def parent(self) -> str:
        """Id of the study's own run, once that has been written."""
        assert self._parent is not None
        return self._parent.run_id

    def write_study(self, image: RunImage) -> None:
        """Bring the study's own run to its image; it comes before those of the trials."""
        if self._parent is None:
            self._parent = self._begin(image, {})
        self._bring(self._parent, image)

    def write_trial(self, number: int, image: RunImage) -> bool:
        """Bring a trial's run to its image: begun, gone on with, ended.

        Of one that was begun elsewhere only the outcome is looked at; where that is another, it is written
        anew, and MLflow keeps the earlier one in its bin.

        Returns:
            Whether its artifacts are still to be written.
        """
        kept = self._children.get(number)
        if kept and not kept.mine and kept.whole and _ended_so(kept, image):
            if kept.tags.get(PARENT) != self.parent:
                # The parent was deleted by a person.
                self._client.set_tag(kept.run_id, PARENT, self.parent)
            # Who ended it may have been killed, or had no artifact store, before these were written.
            return bool(image.texts)
        if kept and not (kept.mine and (kept.status == RUNNING or _ended_so(kept, image))):
            self.discard(number)
            kept = None
        if kept is None:
            kept = self._children[number] = self._begin(image, {PARENT: self.parent})
        self._bring(kept, image)
        return bool(image.texts)

    def discard(self, number: int) -> None:
        """Delete the run of a trial; MLflow keeps it in its bin."""
        if kept := self._children.pop(number, None):
            self._client.delete_run(kept.run_id)

    def discard_parent(self) -> None:
        """Delete the study's own run; the trials' become children of the next one as they are written."""
        if self._parent is not None:
            self._client.delete_run(self._parent.run_id)
            self._parent = None

    def write_text(self, text: str, name: str, number: int | None = None) -> None:
        """An artifact of a trial's run, or of the study's own; replaced where it exists."""
        self._client.log_text(self.parent if number is None else self._children[number].run_id, text, name)

    def _begin(self, image: RunImage, more: Mapping[str, str]) -> Kept:
        tags = {**image.tags, **more}
        run = self._client.create_run(self._experiment, start_time=image.started, tags=tags, run_name=image.name)
        return Kept(run.info.run_id, tags=tags, mine=True)

    def _bring(self, kept: Kept, image: RunImage) -> None:
        rows = [row for row in image.rows if row.step not in kept.steps]
        params = {name: text for name, text in image.params.items() if name not in kept.params}
        tags = {name: text for name, text in image.tags.items() if kept.tags.get(name) != text}
        inputs = [each for each in image.inputs if (each.name, each.digest) not in kept.inputs]
        self._log(kept.run_id, rows, params, tags)
        if inputs:
            self._client.log_inputs(kept.run_id, [_dataset_input(each) for each in inputs])
            kept.inputs |= used(inputs)
        kept.steps.update(row.step for row in rows)
        kept.params |= params
        kept.tags |= tags
        if kept.status == image.status:
            return
        if image.status == RUNNING:
            self._client.update_run(kept.run_id, status=RUNNING)
        else:
            self._client.set_terminated(kept.run_id, image.status, end_time=image.ended)
        kept.status = image.status

    def _log(self, run_id: str, rows: Sequence[Row], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """In one call, or in as few as MLflow allows."""
        from mlflow.entities import Metric, Param, RunTag

        metrics = [Metric(name, value, row.when, row.step) for row in rows for name, value in row.metrics.items()]
        parts = list(parts_of(metrics, _METRICS_IN_A_BATCH - 2 * _OTHERS_IN_A_BATCH))
        some_params = list(parts_of([Param(*item) for item in params.items()], _OTHERS_IN_A_BATCH))
        some_tags = list(parts_of([RunTag(*item) for item in tags.items()], _OTHERS_IN_A_BATCH))
        while parts or some_params or some_tags:
            self._client.log_batch(
                run_id,
                metrics=parts.pop(0) if parts else (),
                params=some_params.pop(0) if some_params else (),
                tags=some_tags.pop(0) if some_tags else (),
            )


def kept_runs(client: Any, experiment: str) -> Iterator[Kept]:
    """Every active run of the experiment that hpsearch wrote, the latest first."""
    token = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        yield from (kept for kept in map(Kept.of, page) if kept.tags.get(KIND) in (STUDY, *KINDS.values()))
        token = page.token
        if not token:
            return


def is_of(kept: Kept, provenance: Provenance, target: Target) -> bool:
    """Whether a run is the study's: another one of the same name may have been there, or be someone else's."""
    return kept.tags.get(STUDY_ID, "" if target.shared else provenance.study) == provenance.study


def used(inputs: Sequence[DataInput]) -> dict[tuple[str, str], dict[str, str]]:
    """How a run uses each dataset, as `Kept` has it."""
    return {(each.name, each.digest): dict(each.tags) for each in inputs}


def _dataset_input(data: DataInput) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(data.name, data.digest, data.source_type, data.source, data.schema, data.profile)
    return DatasetInput(dataset, [InputTag(*item) for item in data.tags.items()])


def _ended_so(kept: Kept, image: RunImage) -> bool:
    return (
        image.status != RUNNING
        and kept.status == image.status
        and kept.tags.get(OUTCOME_TAG) == image.tags.get(OUTCOME_TAG)
    )


def _experiment(client: Any, spec: StudySpec, target: Target) -> str:
    experiment = open_experiment(client, spec.name, target)
    for name, text in view_tags(spec, milliseconds()).items():
        client.set_experiment_tag(experiment, name, text)
    describe(client, experiment, study_experiment_note(spec, experiment))
    return experiment


def describe(client: Any, experiment: str, note: str) -> None:
    """Describe an experiment, unless the user has written a description."""
    note, tags = note[:LONGEST_TAG], client.get_experiment(experiment).tags
    there = tags.get(NOTE, "")
    if there != note and (not there or tags.get(DESCRIBED) == _digest(there)):
        client.set_experiment_tag(experiment, DESCRIBED, _digest(note))
        client.set_experiment_tag(experiment, NOTE, note)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def open_experiment(client: Any, name: str, target: Target) -> str:
    """The id of an experiment, which is made where it is missing."""
    found = client.get_experiment_by_name(name)
    if found is None:
        # A server knows best where its artifacts are.
        location = None if target.is_server else artifact_location(target.home.artifacts / name)
        experiment = str(client.create_experiment(name, artifact_location=location))
    else:
        experiment = str(found.experiment_id)
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(experiment)
    # Without a kind the page asks whether this is about language models.
    client.set_experiment_tag(experiment, "mlflow.experimentKind", "custom_model_development")
    return experiment
