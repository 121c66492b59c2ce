"""`hpsearch doctor`: every way in which MLflow may differ from a study is named, and mended."""

from __future__ import annotations

import math
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import Metric
from mlflow.tracking._tracking_service import utils
from tracking.story import PROVENANCE, Story, make_config, make_listener, make_row, make_spec, render_best

from hpsearch.catalogue.datasets import DATASETS
from hpsearch.errors import EnvironmentProblem
from hpsearch.search.home import Home
from hpsearch.search.listeners import Listener
from hpsearch.search.stages import Stage
from hpsearch.tracking.client import database_uri
from hpsearch.tracking.consistency import ConsistencyCheck
from hpsearch.tracking.run_states import TrackedStudy
from hpsearch.tracking.target import Target
from hpsearch.training.results import Outcome


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Story, Home]:
    """A study with every kind of trial, written to MLflow as it was told."""
    folder = tmp_path_factory.mktemp("original")
    home = Home(folder / "home")
    home.create()
    story = Story(make_spec(folder), make_listener(home))
    story.start()
    story.begin(0, make_config(0), baseline=True)
    story.begin(1, make_config(1, "sgd", momentum=0.9))
    story.epochs(1, [make_row(1, 0.4)])
    story.epochs(0, [make_row(1, 0.6), make_row(2, 0.8), make_row(3, 0.8)])
    story.end(1, Outcome.PRUNED)
    story.end(0, Outcome.EARLY_STOPPED)
    story.trial(2, make_config(2), [0.8], Outcome.COMPLETED)
    story.begin(3, make_config(3))
    story.epochs(3, [make_row(1, 0.5), make_row(2, 0.1, math.inf)])
    story.end(3, Outcome.DIVERGED)
    story.begin(4, make_config(4))
    story.end(4, Outcome.FAILED, "MemoryError: no room")
    story.begin(5, make_config(5))
    story.epochs(5, [make_row(1, 0.3)])
    story.interrupt(5)
    story.finish(interrupted=True)
    return story, home


@pytest.fixture
def story(original: tuple[Story, Home]) -> Story:
    return Story(original[0].spec, Listener(), dict(original[0].records))


@pytest.fixture
def home(original: tuple[Story, Home], tmp_path: Path) -> Home:
    """A copy of the study's MLflow, to be damaged."""
    old, new = original[1], Home(tmp_path / "home")
    shutil.copytree(old.root, new.root)
    # MLflow remembers where the artifacts of a run are.
    utils._artifact_repos_cache.clear()
    with closing(sqlite3.connect(new.mlflow_db)) as connection, connection:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            moved = (str(old.root.resolve()), str(new.root.resolve()))
            connection.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", moved)
    return new


def doctor(story: Story, home: Home, *, create: bool = False) -> ConsistencyCheck:
    study = TrackedStudy(story.spec, "name: told\n", PROVENANCE, Target(home), render_best)
    return ConsistencyCheck(study, {Stage.SEARCH: list(story.records.values())}, create=create)


def client_of(home: Home) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(database_uri(home.mlflow_db))


def runs_of(home: Home) -> dict[str, Any]:
    client = client_of(home)
    experiment = client.get_experiment_by_name("told")
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def forget_input(home: Home, run: str) -> None:
    """MLflow has no call for it."""
    with closing(sqlite3.connect(home.mlflow_db)) as connection, connection:
        connection.execute("DELETE FROM inputs WHERE destination_id = ?", (run,))


def contents(home: Home) -> dict[str, Any]:
    """Everything that MLflow says of the study but ids and times."""
    client, said = client_of(home), {}
    for name, run in runs_of(home).items():
        tags = {key: value for key, value in run.data.tags.items() if key != "mlflow.parentRunId"}
        metrics = {
            metric: sorted((m.step, repr(m.value)) for m in client.get_metric_history(run.info.run_id, metric))
            for metric in run.data.metrics
        }
        texts = {
            item.path: Path(client.download_artifacts(run.info.run_id, item.path)).read_text()
            for item in client.list_artifacts(run.info.run_id)
        }
        inputs = {i.dataset.digest: {tag.key: tag.value for tag in i.tags} for i in run.inputs.dataset_inputs}
        said[name] = (run.info.status, run.data.params, tags, metrics, texts, inputs)
    return said


def test_a_study_that_was_written_as_it_was_told_agrees(story: Story, home: Home) -> None:
    assert doctor(story, home).examine() == []
    assert len(contents(home)) == 7


def test_into_an_empty_mlflow_the_same_runs_are_written_again(story: Story, home: Home, tmp_path: Path) -> None:
    empty = Home(tmp_path / "empty")
    empty.create()
    found = doctor(story, empty).examine()
    assert [finding.kind for finding in found] == ["missing"] * 7
    assert not empty.mlflow_db.exists()
    patient = doctor(story, empty, create=True)
    patient.repair()
    assert patient.examine() == []
    again, original = contents(empty), contents(home)
    # Whether a person ended the last run is not in the study; here a trial waits, which says as much.
    assert again == original
    assert {run.data.tags.get("mlflow.parentRunId") for run in runs_of(empty).values()} == {
        None,
        runs_of(empty)["told"].info.run_id,
    }


def test_each_difference_is_named_and_mended(story: Story, home: Home) -> None:
    before, client, runs = contents(home), client_of(home), runs_of(home)
    ids = {name: run.info.run_id for name, run in runs.items()}
    client.delete_run(ids["trial 0 adam"])
    client.create_run("1", tags=runs["trial 1 sgd"].data.tags)
    client.update_run(ids["trial 2 adam"], status="RUNNING")
    client.set_tag(ids["trial 3 adam"], "hpsearch.outcome", "completed")
    client.log_param(ids["trial 4 adam"], "depth", 3)
    client.log_text(ids["trial 4 adam"], "nothing happened\n", "traceback.txt")
    client.log_metric(ids["trial 4 adam"], "epochs", 7, step=0)
    client.log_metric(ids["trial 4 adam"], "weights", 7, step=2)
    client.set_tag(ids["trial 4 adam"], "hpsearch.baseline", "true")
    client.set_tag(ids["trial 5 adam"], "mlflow.parentRunId", ids["trial 3 adam"])
    forget_input(home, ids["trial 5 adam"])
    client.update_run(ids["told"], status="RUNNING")
    client.log_metric(ids["told"], "study_best_val_accuracy", 1.0, step=9)
    client.log_text(ids["told"], "units: [3]\n", "best.yaml")
    lost = client.create_run("1", tags=runs["trial 1 sgd"].data.tags | {"hpsearch.trial": "77"}).info.run_id
    other = client.create_run("1", tags={"hpsearch.kind": "trial", "hpsearch.study_id": "of before"}).info.run_id

    patient = doctor(story, home)
    found = patient.examine()
    lines = [
        f"run {lost} is of trial 77, which the study has not begun",
        f"run {other} belongs to another study of this name",
        "the study's own run is RUNNING, and nobody runs the study",
        "the study's own run: metrics: study_best_val_accuracy has a step 9 too many",
        "the study's own run: the artifact best.yaml is another",
        "trial 0 has no run",
        "trial 1 has several runs",
        "trial 2 is RUNNING, should be FINISHED",
        "trial 3: outcome: hpsearch.outcome is 'completed', should be 'diverged'",
        "trial 4: parameters: depth is '3', should be absent",
        "trial 4: tags: hpsearch.baseline is 'true', should be 'false'",
        "trial 4: metrics: weights has a step 2 too many; epochs has step 0 2 times",
        "trial 4: the artifact traceback.txt is another",
        "trial 5 is no child of the study's own run",
        f"trial 5: inputs: the dataset fashion_mnist_sample ({DATASETS['fashion_mnist_sample'].digest}) is missing",
    ]
    told = [finding.line.partition(" runs:")[0] + (" runs" if " runs:" in finding.line else "") for finding in found]
    assert sorted(told) == sorted(lines)
    assert {finding.kind for finding in found} == {
        *(
            "orphan",
            "status",
            "metrics",
            "artifacts",
            "missing",
            "doubled",
            "outcome",
            "parameters",
            "tags",
            "parent",
            "inputs",
        )
    }
    patient.repair()
    assert patient.examine() == []
    assert contents(home) == before


def test_the_metrics_of_all_trials_are_read_at_once(story: Story, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(mlflow.MlflowClient, "get_metric_history")
    assert doctor(story, home).examine() == []


def test_a_wrong_value_and_a_missing_epoch(story: Story, home: Home) -> None:
    """The study itself says something else than what was written: as after writes that were lost."""
    record = story.records[0]
    rows = (
        replace(record.epochs[0], metrics={**record.epochs[0].metrics, "loss": 0.9}),
        *record.epochs[1:],
        make_row(4, 0.7),
    )
    story.records[0] = replace(record, epochs=rows)
    found = doctor(story, home).examine()
    assert [(finding.kind, finding.number) for finding in found] == [("metrics", 0)]
    assert "loss lacks step 4" in found[0].line
    assert "loss at step 1 is 0.4, should be 0.9" in found[0].line
    patient = doctor(story, home)
    patient.repair()
    assert patient.examine() == []


def test_what_a_person_adds_is_left_alone(story: Story, home: Home) -> None:
    client, run = client_of(home), runs_of(home)["trial 2 adam"].info.run_id
    client.set_tag(run, "to show", "yes")
    client.log_batch(run, metrics=[Metric("looked_at", 1.0, 0, 0)])
    mine = client.create_run("1", run_name="my own").info.run_id
    patient = doctor(story, home)
    assert patient.examine() == []
    assert client.get_run(mine).info.lifecycle_stage == "active"


def test_a_server_that_is_not_there(story: Story, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    study = TrackedStudy(story.spec, "", PROVENANCE, Target(home, "http://127.0.0.1:1"), render_best)
    with pytest.raises(EnvironmentProblem, match=r"http://127\.0\.0\.1:1: MLflow cannot be read"):
        ConsistencyCheck(study, {Stage.SEARCH: []}, create=False).examine()
