"""`hpsearch doctor`: every way in which MLflow may differ from a study is named, and mended."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import Metric
from tracking.story import PROVENANCE, Story, make_config, make_listener, make_row, make_spec, render_best

from hpsearch.errors import EnvironmentProblem
from hpsearch.search.home import Home
from hpsearch.tracking.doctor import Doctor
from hpsearch.tracking.mlflow_store import database_uri
from hpsearch.tracking.projector import Plan
from hpsearch.tracking.target import Target
from hpsearch.training.results import Outcome


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """A study with every kind of trial, written to MLflow as it was told."""
    home = Home(tmp_path / "home")
    home.create()
    story = Story(make_spec(tmp_path), make_listener(home))
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
    return story


@pytest.fixture
def home(story: Story, tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def doctor(story: Story, home: Home, *, create: bool = False) -> Doctor:
    plan = Plan(story.spec, "name: told\n", PROVENANCE, Target(home), render_best)
    return Doctor(plan, list(story.records.values()), create=create)


def client_of(home: Home) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(database_uri(home.mlflow_db))


def runs_of(home: Home) -> dict[str, Any]:
    client = client_of(home)
    experiment = client.get_experiment_by_name("told")
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


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
        said[name] = (run.info.status, run.data.params, tags, metrics, texts)
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
    patient.repair(found)
    assert patient.examine() == []
    again, original = contents(empty), contents(home)
    # Whether a person ended the last run is not in the study; here a trial waits, which says as much.
    assert again == original
    assert {run.data.tags.get("mlflow.parentRunId") for run in runs_of(empty).values()} == {
        None,
        runs_of(empty)["told"].info.run_id,
    }


Damage = Callable[[Any, dict[str, Any]], None]
OF_A_TRIAL: dict[str, tuple[str, str, Damage]] = {
    "deleted": ("missing", "trial 2 has no run", lambda client, ids: client.delete_run(ids["trial 2 adam"])),
    "doubled": (
        "doubled",
        "trial 2 has several runs",
        lambda client, ids: client.create_run("1", tags=client.get_run(ids["trial 2 adam"]).data.tags),
    ),
    "of no trial": (
        "orphan",
        "is of trial 77, which the study has not begun",
        lambda client, ids: client.create_run(
            "1", tags=client.get_run(ids["trial 2 adam"]).data.tags | {"hpsearch.trial": "77"}
        ),
    ),
    "of another study": (
        "orphan",
        "belongs to another study of this name",
        lambda client, ids: client.create_run("1", tags={"hpsearch.kind": "trial", "hpsearch.study_id": "other"}),
    ),
    "running": (
        "status",
        "trial 2 is RUNNING, should be FINISHED",
        lambda client, ids: client.update_run(ids["trial 2 adam"], status="RUNNING"),
    ),
    "outcome": (
        "outcome",
        "hpsearch.outcome is 'pruned', should be 'completed'",
        lambda client, ids: client.set_tag(ids["trial 2 adam"], "hpsearch.outcome", "pruned"),
    ),
    "parameter": (
        "parameters",
        "depth is '3', should be absent",
        lambda client, ids: client.log_param(ids["trial 2 adam"], "depth", 3),
    ),
    "an epoch too many": (
        "metrics",
        "loss has a step 2 too many",
        lambda client, ids: client.log_metric(ids["trial 2 adam"], "loss", 0.5, step=2),
    ),
    "an epoch twice": (
        "metrics",
        "loss has step 1 2 times",
        lambda client, ids: client.log_metric(ids["trial 2 adam"], "loss", 0.5, step=1),
    ),
    "a tag": (
        "tags",
        "hpsearch.baseline is 'true', should be 'false'",
        lambda client, ids: client.set_tag(ids["trial 2 adam"], "hpsearch.baseline", "true"),
    ),
    "an adopted child": (
        "parent",
        "trial 2 is no child of the study's own run",
        lambda client, ids: client.set_tag(ids["trial 2 adam"], "mlflow.parentRunId", ids["trial 3 adam"]),
    ),
    "the parent's status": (
        "status",
        "the study's own run is RUNNING",
        lambda client, ids: client.update_run(ids["told"], status="RUNNING"),
    ),
    "the parent's metrics": (
        "metrics",
        "best_val_accuracy has a step 9 too many",
        lambda client, ids: client.log_metric(ids["told"], "best_val_accuracy", 1.0, step=9),
    ),
    "the parent's artifact": (
        "artifacts",
        "the artifact best.yaml is another",
        lambda client, ids: client.log_text(ids["told"], "units: [3]\n", "best.yaml"),
    ),
}


@pytest.mark.parametrize("case", OF_A_TRIAL)
def test_each_difference_is_named_and_mended(case: str, story: Story, home: Home) -> None:
    kind, sentence, damage = OF_A_TRIAL[case]
    before = contents(home)
    damage(client_of(home), {name: run.info.run_id for name, run in runs_of(home).items()})
    patient = doctor(story, home)
    found = patient.examine()
    assert kind in [finding.kind for finding in found]
    assert sentence in "\n".join(finding.line for finding in found)
    # Only what was touched is told.
    assert len(found) <= 2
    patient.repair(found)
    assert patient.examine() == []
    assert contents(home) == before


def test_a_wrong_value_and_a_missing_epoch(story: Story, home: Home) -> None:
    """The study itself says something else than what was written: as after writes that were lost."""
    record = story.records[0]
    rows = (
        replace(record.rows[0], metrics={**record.rows[0].metrics, "loss": 0.9}),
        *record.rows[1:],
        make_row(4, 0.7),
    )
    story.records[0] = replace(record, rows=rows)
    found = doctor(story, home).examine()
    assert [(finding.kind, finding.trial) for finding in found] == [("metrics", 0)]
    assert "loss lacks step 4" in found[0].line
    assert "loss at step 1 is 0.4, should be 0.9" in found[0].line
    patient = doctor(story, home)
    patient.repair(found)
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
    plan = Plan(story.spec, "", PROVENANCE, Target(home, "http://127.0.0.1:1"), render_best)
    with pytest.raises(EnvironmentProblem, match=r"http://127\.0\.0\.1:1: MLflow cannot be read"):
        Doctor(plan, [], create=False).examine()
