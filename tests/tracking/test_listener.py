"""What a study leaves in MLflow, read back with MLflow's own client from a real database."""

from __future__ import annotations

import math
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from tracking.story import Story, make_config, make_listener, make_row, make_spec

from hpsearch.catalogue.datasets import DATASETS
from hpsearch.errors import EnvironmentProblem
from hpsearch.search.home import Home
from hpsearch.search.provenance import git_commit
from hpsearch.tracking import listener as mlflow_listener
from hpsearch.training.results import Outcome

METRICS = {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "epoch_seconds"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A folder with a space in its name, as people have them."""
    home = Home(tmp_path / "my runs")
    home.create()
    return home


@pytest.fixture
def tell(home: Home, tmp_path: Path) -> Callable[..., Story]:
    """A listener of its own for each call, as after a restart; `before` hands its records on."""

    def make(before: Story | None = None, told: list[str] | None = None, **spec: str) -> Story:
        story = Story(make_spec(tmp_path / "files", **spec), make_listener(home, told))
        if before:
            story.records.update(before.records)
        return story

    return make


class Seen:
    """The active runs of the study."""

    def __init__(self, home: Home, study: str = "told") -> None:
        self.client = mlflow.MlflowClient(f"sqlite:///{home.mlflow_db.resolve()}")
        self.experiment = self.client.get_experiment_by_name(study)
        runs = list(self.client.search_runs([self.experiment.experiment_id], max_results=1000))
        parents = [run for run in runs if run.data.tags["hpsearch.kind"] == "study"]
        assert len(parents) == 1
        self.parent = parents[0]
        children = [run for run in runs if run.data.tags["hpsearch.kind"] == "trial"]
        self.trials = {int(run.data.tags["hpsearch.trial"]): run for run in children}
        assert len(self.trials) == len(children), "a trial has two active runs"
        assert {run.data.tags["mlflow.parentRunId"] for run in children} <= {self.parent.info.run_id}

    def statuses(self) -> dict[int, str]:
        return {number: run.info.status for number, run in sorted(self.trials.items())}

    def outcomes(self) -> dict[int, str]:
        return {number: run.data.tags["hpsearch.outcome"] for number, run in sorted(self.trials.items())}

    def steps(self, number: int, metric: str = "loss") -> dict[int, float]:
        """The metric's value at each step; fails where a step was written twice."""
        history = self.client.get_metric_history(self.trials[number].info.run_id, metric)
        assert not [step for step, times in Counter(m.step for m in history).items() if times > 1]
        return {m.step: m.value for m in history}

    def artifact(self, name: str) -> str:
        return Path(self.client.download_artifacts(self.parent.info.run_id, name)).read_text(encoding="utf-8")


def test_a_study_from_start_to_end(home: Home, tell: Callable[..., Story], capfd: pytest.CaptureFixture[str]) -> None:
    story = tell()
    story.start()
    story.begin(0, make_config(0, "adam"), baseline=True)
    story.begin(1, make_config(1, "sgd", learning_rate=0.5, momentum=0.9))
    story.epochs(0, [make_row(1, 0.6), make_row(2, 0.8)])
    story.epochs(1, [make_row(1, 0.3)])
    story.epochs(0, [make_row(3, 0.7)])
    story.end(1, Outcome.PRUNED)
    story.end(0, Outcome.EARLY_STOPPED)
    story.begin(2, make_config(2, "sgd", learning_rate=1.0))
    story.epochs(2, [make_row(1, 0.5), make_row(2, 0.1, math.nan), make_row(3, 0.1, math.inf)])
    story.end(2, Outcome.DIVERGED)
    story.begin(3, make_config(3))
    story.end(3, Outcome.FAILED, "ResourceExhaustedError: out of memory")
    story.trial(4, make_config(4), [0.7, 0.75], Outcome.COMPLETED)
    story.finish()

    assert capfd.readouterr() == ("", "")
    seen = Seen(home)
    assert seen.statuses() == {0: "FINISHED", 1: "FINISHED", 2: "FAILED", 3: "FAILED", 4: "FINISHED"}
    outcomes = ["early_stopped", "pruned", "diverged", "failed", "completed"]
    assert list(seen.outcomes().values()) == outcomes
    assert seen.trials[3].data.tags["hpsearch.detail"] == "ResourceExhaustedError: out of memory"
    assert [seen.trials[n].info.run_name for n in (0, 1)] == ["trial 0 adam", "trial 1 sgd"]
    assert [seen.trials[n].data.tags["hpsearch.baseline"] for n in (0, 1)] == ["true", "false"]

    # Every metric at every epoch; NaN stays, and infinity is no number of 300 digits.
    for metric in METRICS:
        assert list(seen.steps(0, metric)) == [1, 2, 3]
    assert seen.steps(0, "val_accuracy") == pytest.approx({1: 0.59, 2: 0.79, 3: 0.69})
    diverged = seen.steps(2)
    assert diverged[1] == 0.5
    assert math.isnan(diverged[2])
    assert math.isnan(diverged[3])

    # What a trial comes to, at its best epoch.
    metrics = seen.trials[0].data.metrics
    assert metrics["best_val_accuracy"] == pytest.approx(0.79)
    assert metrics["best_loss"] == pytest.approx(0.2)
    assert (metrics["best_epoch"], metrics["epochs"], metrics["weights"]) == (2, 3, 7850)
    assert not any(name.startswith("best_") for name in seen.trials[3].data.metrics)

    params = seen.trials[1].data.params
    wanted = {"optimizer": "sgd", "learning_rate": "0.5", "momentum": "0.9", "schedule": "cosine"}
    wanted |= {"batch_size": "64", "architecture": None, "model": "mlp", "dataset": "fashion_mnist_sample", "seed": "8"}
    assert {name: params.get(name) for name in wanted} == wanted
    flat = make_config(1, "sgd", learning_rate=0.5, momentum=0.9).flat()
    assert params == {name: str(value) for name, value in flat.items() if value is not None}


def test_what_the_parent_says(home: Home, tell: Callable[..., Story]) -> None:
    story = tell()
    story.start()
    story.trial(0, make_config(0), [0.6, 0.7], Outcome.COMPLETED)
    story.trial(1, make_config(1), [0.3], Outcome.PRUNED)
    story.trial(2, make_config(2, "sgd", momentum=0.5), [0.8], Outcome.COMPLETED)
    story.trial(3, make_config(3), [], Outcome.FAILED)
    during = Seen(home)
    assert during.parent.info.status == "RUNNING"
    assert during.parent.data.metrics["trials_done"] == 4
    assert "**Best so far: val_accuracy 0.79** at epoch 1 of trial 2." in during.parent.data.tags["mlflow.note.content"]
    story.finish()

    seen = Seen(home)
    parent = seen.parent
    assert (parent.info.run_name, parent.info.status) == ("told", "FINISHED")
    assert parent.data.params == {
        "objective": "val_accuracy",
        "direction": "maximize",
        "sampler": "tpe",
        "pruner": "asha",
        "search_seed": "7",
    }
    assert parent.data.metrics == {
        "study_best_val_accuracy": pytest.approx(0.79),
        "best_trial": 2,
        "trials_done": 4,
        "trials_complete": 2,
        "trials_pruned": 1,
        "trials_failed": 1,
    }
    history = seen.client.get_metric_history(parent.info.run_id, "study_best_val_accuracy")
    assert [(m.step, m.value) for m in history] == [(1, pytest.approx(0.69)), (3, pytest.approx(0.79))]
    history = seen.client.get_metric_history(parent.info.run_id, "trials_done")
    assert [(m.step, m.value) for m in history] == [(step, step) for step in range(5)]
    note = parent.data.tags["mlflow.note.content"]
    assert note.startswith("Which optimizer suits a small network?")
    assert "**Best: val_accuracy 0.79** at epoch 1 of trial 2. 4 trials have ended (2 complete, 1 pruned" in note
    assert "| momentum | 0.5 |" in note
    assert seen.artifact("study.yaml") == "name: told\n"
    assert seen.artifact("best.yaml") == "# trial 2 of told\n"
    assert (home.artifacts / "told").is_dir()
    for run in (parent, seen.trials[0]):
        tags = run.data.tags
        assert tags["hpsearch.data_digest"] == DATASETS["fashion_mnist_sample"].digest
        assert tags["mlflow.source.name"] == "hpsearch"
        assert tags.get("mlflow.source.git.commit") == git_commit()
        assert tags["hpsearch.mlflow"] == mlflow.__version__
        assert {"hpsearch.version", "hpsearch.python", "hpsearch.tensorflow", "hpsearch.keras"} <= set(tags)


def test_an_interrupted_trial_starts_afresh(home: Home, tell: Callable[..., Story]) -> None:
    first = tell()
    first.start()
    first.trial(0, make_config(0), [0.5], Outcome.COMPLETED)
    first.begin(1, make_config(1))
    first.epochs(1, [make_row(1, 0.4), make_row(2, 0.5)])
    first.interrupt(1)
    first.finish(interrupted=True)
    seen = Seen(home)
    assert seen.statuses() == {0: "FINISHED", 1: "KILLED"}
    assert seen.outcomes()[1] == "interrupted"
    assert seen.parent.info.status == "KILLED"
    ended = seen.trials[1].info.end_time

    second = tell(first)
    second.start()
    between = Seen(home)
    assert between.parent.info.run_id == seen.parent.info.run_id
    assert between.parent.info.status == "RUNNING"
    assert between.trials[1].info.end_time == ended
    second.trial(1, make_config(1), [0.6, 0.7, 0.8], Outcome.COMPLETED)
    second.finish()
    after = Seen(home)
    assert after.statuses() == {0: "FINISHED", 1: "FINISHED"}
    assert after.steps(1) == pytest.approx({1: 0.4, 2: 0.3, 3: 0.2})
    assert after.trials[0].info.run_id == seen.trials[0].info.run_id
    assert after.parent.info.run_id == seen.parent.info.run_id
    assert after.parent.info.status == "FINISHED"
    assert after.parent.data.metrics["best_trial"] == 1


@pytest.mark.parametrize("by_another_run", [False, True])
def test_an_interrupted_trial_that_ends_before_mlflow_hears_of_it_again(
    by_another_run: bool, home: Home, tell: Callable[..., Story]
) -> None:
    story = tell()
    story.start()
    story.begin(0, make_config(0))
    story.epochs(0, [make_row(1, 0.4), make_row(2, 0.5)])
    story.interrupt(0)
    if by_another_run:
        story.finish(interrupted=True)
        story = tell(story)
        story.start()
    mute = Story(story.spec, mlflow_listener.Listener(), story.records)
    mute.trial(0, make_config(0), [0.6], Outcome.COMPLETED)
    story.listener.trial_ended(story.records[0])
    story.finish()
    assert Seen(home).outcomes() == {0: "completed"}
    assert Seen(home).steps(0) == {1: pytest.approx(0.4)}


def test_a_trial_that_begins_again_at_once_holds_nothing_of_its_earlier_life(
    home: Home, tell: Callable[..., Story]
) -> None:
    story = tell()
    story.start()
    story.begin(0, make_config(0))
    story.epochs(0, [make_row(1, 0.4), make_row(2, 0.5), make_row(3, 0.5)])
    # As when a worker is lost: MLflow hears of both at once.
    with story.listener._changed:
        story.listener.trial_interrupted(0)
        story.listener.trial_started(replace(story.records[0], epochs=(make_row(1, 0.4),)))
    story.records[0] = replace(story.records[0], epochs=(make_row(1, 0.4),))
    story.epochs(0, [make_row(2, 0.7)])
    story.end(0, Outcome.COMPLETED)
    story.finish()
    assert Seen(home).steps(0) == pytest.approx({1: 0.6, 2: 0.3})


def test_what_a_killed_coordinator_left_is_repaired(home: Home, tell: Callable[..., Story]) -> None:
    killed = tell()
    killed.start()
    for number in (0, 1, 2):
        killed.begin(number, make_config(number))
        killed.epochs(number, [make_row(1, 0.4), make_row(2, 0.5)])
    # Trial 0 had been told to Optuna and not yet to MLflow; trial 3 had not even begun there.
    mute = Story(killed.spec, mlflow_listener.Listener(), killed.records)
    mute.end(0, Outcome.COMPLETED)
    mute.trial(3, make_config(3), [0.9], Outcome.COMPLETED)
    assert set(Seen(home).statuses().values()) == {"RUNNING"}

    again = tell(killed)
    again.start()
    seen = Seen(home)
    assert seen.statuses() == {0: "FINISHED", 1: "KILLED", 2: "KILLED", 3: "FINISHED"}
    assert seen.outcomes() == {0: "completed", 1: "interrupted", 2: "interrupted", 3: "completed"}
    assert seen.steps(0) == pytest.approx({1: 0.6, 2: 0.5})
    assert seen.steps(3) == pytest.approx({1: 0.1})
    # As the records say, to a second or so: not the moment of the repair.
    assert seen.trials[3].info.end_time - seen.trials[3].info.start_time == pytest.approx(4500, abs=1)
    for number in (1, 2):
        again.trial(number, make_config(number), [0.7], Outcome.COMPLETED)
    again.finish()
    assert set(Seen(home).statuses().values()) == {"FINISHED"}
    assert Seen(home).parent.data.metrics["trials_complete"] == 4


def test_a_deleted_database_is_written_anew(home: Home, tmp_path: Path, tell: Callable[..., Story]) -> None:
    first = tell()
    first.start()
    first.trial(0, make_config(0), [0.5, 0.6], Outcome.COMPLETED)
    first.finish()
    elsewhere = Home(tmp_path / "elsewhere")
    elsewhere.create()
    again = Story(first.spec, make_listener(elsewhere), dict(first.records))
    again.start()
    again.finish()
    assert Seen(elsewhere).steps(0) == Seen(home).steps(0)
    assert Seen(elsewhere).trials[0].data.params == Seen(home).trials[0].data.params


def test_an_error_that_ends_the_run_leaves_nothing_running(home: Home, tell: Callable[..., Story]) -> None:
    story = tell()
    story.start()
    story.begin(0, make_config(0))
    story.epochs(0, [make_row(1, 0.5)])
    story.listener.close()
    seen = Seen(home)
    assert (seen.statuses(), seen.outcomes()) == ({0: "KILLED"}, {0: "interrupted"})
    assert seen.parent.info.status == "KILLED"


def test_a_study_without_a_good_trial_has_failed(home: Home, tell: Callable[..., Story]) -> None:
    story = tell()
    story.start()
    story.trial(0, make_config(0), [], Outcome.FAILED)
    story.finish()
    seen = Seen(home)
    assert seen.parent.info.status == "FAILED"
    assert [a.path for a in seen.client.list_artifacts(seen.parent.info.run_id)] == ["study.yaml"]


@pytest.mark.parametrize("call", ["create_run", "log_batch", "set_terminated"])
def test_an_outage_is_told_once_and_made_up_for(
    call: str, home: Home, tell: Callable[..., Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_listener, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(mlflow_listener, "LONGEST_PAUSE_SECONDS", 0.05)
    told: list[str] = []
    story = tell(told=told)
    story.start()
    story.trial(0, make_config(0), [0.5], Outcome.COMPLETED)
    story.begin(1, make_config(1))
    story.epochs(1, [make_row(1, 0.5)])

    def refuse(*_: Any, **__: Any) -> None:
        raise MlflowException("database is locked\n[SQL: a long text]")

    with monkeypatch.context() as outage:
        outage.setattr(mlflow.MlflowClient, call, refuse)
        story.epochs(1, [make_row(2, 0.6)])
        story.end(1, Outcome.COMPLETED)
        story.begin(2, make_config(2))
        story.epochs(2, [make_row(1, 0.7)])
    story.epochs(2, [make_row(2, 0.8)])
    story.end(2, Outcome.COMPLETED)
    story.finish()
    assert len(told) == 1
    assert "database is locked" in told[0]
    assert "\n" not in told[0]
    seen = Seen(home)
    assert seen.statuses() == {0: "FINISHED", 1: "FINISHED", 2: "FINISHED"}
    assert seen.steps(1) == pytest.approx({1: 0.5, 2: 0.4})
    assert seen.steps(2) == pytest.approx({1: 0.3, 2: 0.2})


def test_after_an_error_nothing_waits(home: Home, tell: Callable[..., Story], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def refuse(*_: Any, **__: Any) -> None:
        calls.append(1)
        raise MlflowException("gone")

    story = tell()
    story.start()
    story.begin(0, make_config(0))
    with monkeypatch.context() as outage:
        outage.setattr(mlflow.MlflowClient, "log_batch", refuse)
        story.epochs(0, [make_row(epoch, 0.5) for epoch in range(1, 6)])
    assert len(calls) == 1
    story.end(0, Outcome.COMPLETED)
    story.finish()
    assert list(Seen(home).steps(0)) == [1, 2, 3, 4, 5]


def test_people_may_delete_in_mlflow(home: Home, tell: Callable[..., Story]) -> None:
    first = tell()
    first.start()
    first.trial(0, make_config(0), [0.5], Outcome.COMPLETED)
    first.finish()
    seen = Seen(home)
    seen.client.delete_run(seen.parent.info.run_id)
    seen.client.delete_experiment(seen.experiment.experiment_id)
    second = tell(first)
    second.start()
    second.finish()
    assert Seen(home).experiment.lifecycle_stage == "active"
    assert Seen(home).statuses() == {0: "FINISHED"}
    # And take out of the bin again what was replaced meanwhile.
    replaced = Seen(home).trials[0].info.run_id
    seen.client.delete_run(replaced)
    third = tell(second)
    third.start()
    third.finish()
    seen.client.restore_run(replaced)
    fourth = tell(third)
    fourth.start()
    fourth.finish()
    assert Seen(home).statuses() == {0: "FINISHED"}
    assert list(Seen(home).steps(0)) == [1]


def test_a_trial_that_no_worker_saw(home: Home, tell: Callable[..., Story]) -> None:
    """Values that are each allowed and cannot go together: it ends without a configuration."""
    story = tell()
    story.start()
    before = Story(story.spec, mlflow_listener.Listener())
    before.begin(0, make_config(0))
    before.end(0, Outcome.FAILED, "`batch_size` <= 1,600 must hold")
    story.records[0] = replace(before.records[0], config=None)
    story.listener.trial_ended(story.records[0])
    story.finish()
    seen = Seen(home)
    assert seen.trials[0].info.run_name == "trial 0"
    assert (seen.statuses(), seen.trials[0].data.params) == ({0: "FAILED"}, {})


def test_a_damaged_database_is_refused(home: Home, tell: Callable[..., Story]) -> None:
    home.mlflow_db.write_bytes(b"this is no database" * 100)
    story = tell()
    with pytest.raises(EnvironmentProblem, match=r"mlflow\.db") as caught:
        story.start()
    assert "\n" not in str(caught.value)
    story.listener.close()


def test_a_database_that_mlflow_cannot_use_is_told_and_the_study_goes_on(
    home: Home, tell: Callable[..., Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_listener, "PAUSE_SECONDS", 0.05)
    with sqlite3.connect(home.mlflow_db) as connection:
        connection.execute("create table alembic_version (version_num text)")
        connection.execute("insert into alembic_version values ('of another program')")
    connection.close()
    told: list[str] = []
    story = tell(told=told)
    story.start()
    story.trial(0, make_config(0), [0.5], Outcome.COMPLETED)
    story.finish()
    assert len(told) == 1
    assert f"{home.mlflow_db}: MLflow cannot use it" in told[0]
    assert story.listener.behind


def test_importing_the_listener_imports_neither_mlflow_nor_tensorflow() -> None:
    code = (
        "import sys, hpsearch.tracking.listener, hpsearch.tracking.ui\n"
        "print(sorted({'mlflow', 'tensorflow', 'keras', 'pandas'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
