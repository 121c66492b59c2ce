"""The one writer of runs to MLflow: it makes the runs of an experiment equal to the desired runs.

    experiment <study>          the comparison view
      run <study>               hpsearch.kind: study   best value, counts, study.yaml, best.yaml
      run trial 7 adam          hpsearch.kind: trial   parameters, every metric of every epoch, outcome
      run finalist 3 of trial 7 hpsearch.kind: finalist   the same, its confusions and its model
      run final training 0 ...  hpsearch.kind: final      the same, and test metrics

MLflow cannot remove parameters, metrics and inputs. A run that has wrong ones is therefore deleted (MLflow keeps
deleted runs until they are purged) and written again. Every error of MLflow except those of artifacts is raised. Call
`forget` before using the writer again, since the call that failed may have written a part of its data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from hpsearch.tracking.client import artifact_location, connect
from hpsearch.tracking.names import (
    DESCRIBED,
    LONGEST_TAG,
    NOTE,
    OUTCOME_TAG,
    PARENT,
    STUDY,
    best_name,
    milliseconds,
    parts_of,
)
from hpsearch.tracking.run_states import RUNNING, DataInput, DesiredRuns, RunKey, RunState, TrackedStudy
from hpsearch.tracking.runs import MlflowRun, differences, read_run_metrics, study_runs
from hpsearch.tracking.study_run import study_experiment_note
from hpsearch.tracking.target import Target
from hpsearch.tracking.view_state import view_tags

# MLflow takes at most 1000 items in one call, of them at most 100 parameters and 100 tags.
_ITEMS_IN_A_CALL, _PARAMS_OR_TAGS_IN_A_CALL = 1000, 100


class Experiment(Protocol):
    """An experiment in MLflow: how it is set up, and which of its runs are compared with the desired runs."""

    @property
    def name(self) -> str: ...

    @property
    def target(self) -> Target: ...

    def set_up(self, client: Any, experiment: str) -> None:
        """Write the experiment's description and views."""
        ...

    def prepare_runs(self, client: Any, experiment: str) -> Iterable[MlflowRun]:
        """Return the earlier runs to compare with the desired ones; delete those that must be written anew."""
        ...


class StudyExperiment:
    """The experiment of a study.

    Args:
        study: what is tracked.
    """

    def __init__(self, study: TrackedStudy) -> None:
        self._study, self.name, self.target = study, study.spec.name, study.target

    def set_up(self, client: Any, experiment: str) -> None:
        for name, text in view_tags(self._study.spec, milliseconds()).items():
            client.set_experiment_tag(experiment, name, text)
        describe(client, experiment, study_experiment_note(self._study.spec, experiment))

    def prepare_runs(self, client: Any, experiment: str) -> Iterable[MlflowRun]:
        old_metric = best_name(self._study.spec.objective.metric)
        for run in study_runs(client, experiment):
            if not run.belongs_to(self._study.provenance, self.target):
                continue
            if run.kind != STUDY:
                yield run
            elif old_metric in run.metric_names:
                # An early version of hpsearch gave the study's own run this metric of trials, and a search for trials
                # by the metric would find the run.
                client.delete_run(run.run_id)
            else:
                read_run_metrics(client, run)
                yield run


class MlflowWriter:
    """Makes the runs of one experiment equal to the desired runs, and remembers what MLflow holds.

    Args:
        experiment: the experiment of the runs.
        artifact_failed: called with the error if an artifact cannot be written; the rest of the run is written.
        client: an `mlflow.MlflowClient`; None: the first call makes one.
    """

    def __init__(
        self, experiment: Experiment, artifact_failed: Callable[[Exception], None], client: Any = None
    ) -> None:
        self._experiment, self._artifact_failed, self._client = experiment, artifact_failed, client
        self._id = ""
        self._runs: dict[RunKey, MlflowRun] | None = None
        # The state that each run was last made equal to.
        self._written: dict[RunKey, RunState] = {}
        # The ids of kept runs of which MLflow had a second one with the same key; either of the two may be incomplete.
        self._maybe_incomplete: set[str] = set()

    def forget(self) -> None:
        """Forget the state of MLflow; the next call reads it again."""
        self._runs = None
        self._written.clear()
        self._maybe_incomplete.clear()

    def open(self) -> dict[RunKey, MlflowRun]:
        """Return the runs that MLflow holds, by key; create the experiment if it is missing."""
        if self._client is None:
            self._client = connect(self._experiment.target)
        if self._runs is None:
            self._id = open_experiment(self._client, self._experiment.name, self._experiment.target)
            self._experiment.set_up(self._client, self._id)
            runs: dict[RunKey, MlflowRun] = {}
            for run in self._experiment.prepare_runs(self._client, self._id):
                if run.key is None:
                    continue
                if kept := runs.get(run.key):
                    # A user restored a deleted run, or MLflow created a run and its answer was lost.
                    self._client.delete_run(run.run_id)
                    self._maybe_incomplete.add(kept.run_id)
                else:
                    runs[run.key] = run
            self._runs = runs
        return self._runs

    def adopt(self, runs: Iterable[MlflowRun]) -> None:
        """Replace known runs by the same runs with their metrics and artifacts read."""
        known = self.open()
        for run in runs:
            if run.key in known:
                known[run.key] = run

    def write(self, desired: DesiredRuns) -> None:
        """Write what MLflow lacks of the desired runs; delete and rewrite runs that cannot be corrected.

        Other runs stay unchanged.
        """
        self.open()
        for key, state in desired.runs.items():
            if self._written.get(key) is state:
                continue
            parent = "" if key == desired.parent else self.open()[desired.parent].run_id
            run = self._matching(key, state, must_end_alike=key != desired.parent)
            if run is None:
                run = self.open()[key] = self._begin(state, parent)
                if not parent:
                    # Every other run gets this new parent.
                    self._written.clear()
            elif parent and run.tags.get(PARENT) != parent:
                # The parent was deleted and written again.
                self._client.set_tag(run.run_id, PARENT, parent)
                run.tags[PARENT] = parent
            if run.metrics is not None:
                self._append(run, run.metrics, state)
            self._write_texts(run, state)
            self._written[key] = state

    def _matching(self, key: RunKey, state: RunState, *, must_end_alike: bool) -> MlflowRun | None:
        """Return the run in MLflow that can be made equal to a state; delete one that cannot.

        Args:
            must_end_alike: whether a run that has ended is kept only if its status and outcome match; False for the
                parent.
        """
        runs = self.open()
        run = runs.get(key)
        if run is None:
            return None
        if run.metrics is None:
            # An earlier process wrote the run. If it ended as the state says, it was written completely.
            matches = run.run_id not in self._maybe_incomplete and _ended_like(run, state)
        else:
            ongoing = not must_end_alike or run.status == RUNNING or _ended_like(run, state)
            matches = ongoing and not any(found.permanent for found in differences(run, state))
        if matches:
            return run
        self.delete(key)
        return None

    def delete(self, key: RunKey) -> None:
        """Delete a run; MLflow keeps it as deleted until it is purged."""
        if run := self.open().pop(key, None):
            self._client.delete_run(run.run_id)

    def _begin(self, state: RunState, parent: str) -> MlflowRun:
        tags = {**state.tags, **({PARENT: parent} if parent else {})}
        run = self._client.create_run(self._id, start_time=state.started, tags=tags, run_name=state.name)
        return MlflowRun(run.info.run_id, tags=tags, metrics={}, texts={})

    def _append(self, run: MlflowRun, known: dict[int, Mapping[str, float]], state: RunState) -> None:
        """Write the metrics, parameters and inputs that a run lacks, the tags that differ, and its status."""
        from mlflow.entities import Metric

        metrics: list[Any] = []
        for row in state.rows:
            has = known.get(row.step, {})
            if has is not row.metrics:
                lacking = {name: value for name, value in row.metrics.items() if name not in has}
                metrics += [Metric(name, value, row.when, row.step) for name, value in lacking.items()]
        params = {name: text for name, text in state.params.items() if name not in run.params}
        tags = {name: text for name, text in state.tags.items() if run.tags.get(name) != text}
        inputs = [each for each in state.inputs if (each.name, each.digest) not in run.inputs]
        self._log(run.run_id, metrics, params, tags)
        if inputs:
            self._client.log_inputs(run.run_id, [_dataset_input(each) for each in inputs])
        for row in state.rows:
            has = known.get(row.step, row.metrics)
            known[row.step] = row.metrics if has.keys() <= row.metrics.keys() else {**has, **row.metrics}
        run.params |= params
        run.tags |= tags
        run.inputs |= {(each.name, each.digest): dict(each.tags) for each in inputs}
        if run.status == state.status:
            return
        if state.status == RUNNING:
            self._client.update_run(run.run_id, status=RUNNING)
        else:
            self._client.set_terminated(run.run_id, state.status, end_time=state.ended)
        run.status = state.status

    def _log(self, run_id: str, metrics: list[Any], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Log metrics, parameters and tags in few calls, within MLflow's limits."""
        from mlflow.entities import Param, RunTag

        metric_parts = list(parts_of(metrics, _ITEMS_IN_A_CALL - 2 * _PARAMS_OR_TAGS_IN_A_CALL))
        param_parts = list(parts_of([Param(*item) for item in params.items()], _PARAMS_OR_TAGS_IN_A_CALL))
        tag_parts = list(parts_of([RunTag(*item) for item in tags.items()], _PARAMS_OR_TAGS_IN_A_CALL))
        while metric_parts or param_parts or tag_parts:
            self._client.log_batch(
                run_id,
                metrics=metric_parts.pop(0) if metric_parts else (),
                params=param_parts.pop(0) if param_parts else (),
                tags=tag_parts.pop(0) if tag_parts else (),
            )

    def _write_texts(self, run: MlflowRun, state: RunState) -> None:
        """Write the artifacts that a run lacks or has wrong; all of them if its artifacts were not read."""
        run.texts = {} if run.texts is None else run.texts
        for name, text in state.texts.items():
            if run.texts.get(name) != text:
                run.texts[name] = text
                try:
                    self._client.log_text(run.run_id, text, name)
                # The artifact store may be another service than MLflow, with errors of its own.
                except Exception as error:  # noqa: BLE001, RUF100
                    self._artifact_failed(error)


def _ended_like(run: MlflowRun, state: RunState) -> bool:
    same_outcome = run.tags.get(OUTCOME_TAG) == state.tags.get(OUTCOME_TAG)
    return state.status != RUNNING and run.status == state.status and same_outcome


def _dataset_input(data: DataInput) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(data.name, data.digest, data.source_type, data.source, data.schema, data.profile)
    return DatasetInput(dataset, [InputTag(*item) for item in data.tags.items()])


def open_experiment(client: Any, name: str, target: Target) -> str:
    """Return the id of an experiment; create the experiment if it is missing."""
    found = client.get_experiment_by_name(name)
    if found is None:
        # A server chooses the folder of its artifacts itself.
        location = None if target.is_server else artifact_location(target.home.artifacts / name)
        experiment = str(client.create_experiment(name, artifact_location=location))
    else:
        experiment = str(found.experiment_id)
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(experiment)
    # Without this tag MLflow's page asks whether the experiment is about language models.
    client.set_experiment_tag(experiment, "mlflow.experimentKind", "custom_model_development")
    return experiment


def describe(client: Any, experiment: str, note: str) -> None:
    """Write the description of an experiment, unless the user has written one."""
    note, tags = note[:LONGEST_TAG], client.get_experiment(experiment).tags
    current = tags.get(NOTE, "")
    if current != note and (not current or tags.get(DESCRIBED) == _digest(current)):
        client.set_experiment_tag(experiment, DESCRIBED, _digest(note))
        client.set_experiment_tag(experiment, NOTE, note)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
