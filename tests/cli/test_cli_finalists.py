"""Finalists by the real command: who wins, the one reading of the test set, MLflow, the registry, deaths on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow_server import MlflowServer
from support import gain_study, hpsearch, result_of, start_hpsearch, wait_for

from hpsearch.analysis.verdict import AgainstDefault
from hpsearch.data.arrays import load_test
from hpsearch.errors import HpsearchError
from hpsearch.search.home import Home
from hpsearch.search.stages import READINGS, Finals, Stage, find_stage, read_finals, records_of_stages
from hpsearch.search.storage import find_study

pytestmark = pytest.mark.e2e

STUDY = """
name: small
description: Which small network?
trial:
  data: {dataset: fashion_mnist_sample}
  model: {architecture: mlp, units: {choice: [[8], [16]]}}
  optimizer: {name: adam, learning_rate: {float: [0.001, 0.01], log: true}, beta_1: 0.9, beta_2: 0.999}
  schedule: constant
  batch_size: 64
  training: {max_epochs: 3, early_stopping: null}
search: {sampler: random, pruner: none, trials: 3, seed: 0, baselines: false}
finalists: {top: 2, seeds: 2}
"""
# Put into every process by Python itself: writes down who opens the test images, and whether the audit line stands
# in the database at that moment.
SPY = """
import os, sqlite3, sys, time

def spy(event, arguments):
    if event != "open" or not isinstance(arguments[0], (str, bytes, os.PathLike)):
        return
    name = os.fsdecode(arguments[0])
    if os.path.basename(name) in ("test_images.npy", "test_labels.npy"):
        lines = -1
        try:
            with sqlite3.connect("file:%s?mode=ro" % os.environ["SPY_DATABASE"], uri=True) as connection:
                query = "select count(*) from study_user_attributes where key = 'hpsearch:test_readings'"
                lines = connection.execute(query).fetchone()[0]
        except sqlite3.Error:
            pass
        with open(os.environ["SPY_LOG"], "a") as log:
            print(os.getpid(), lines, os.path.basename(name), file=log)

sys.addaudithook(spy)
"""
ALONE = """
import sys
sys.modules["hpsearch"] = None
import mlflow, numpy as np
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/small@champion")
images, labels = np.load(sys.argv[2]), np.load(sys.argv[3])
print(float((model.predict(images).argmax(axis=1) == labels).mean()))
"""


@dataclass(frozen=True)
class Ran:
    home: Path
    folder: Path
    summary: dict[str, Any]
    stderr: str
    opened: list[list[str]]

    @property
    def client(self) -> mlflow.MlflowClient:
        uri = f"sqlite:///{self.home / 'mlflow.db'}"
        return mlflow.MlflowClient(uri, uri)

    def runs(self, kind: str) -> list[Any]:
        experiment = self.client.get_experiment_by_name("small")
        return list(self.client.search_runs([experiment.experiment_id], f"tags.`hpsearch.kind` = '{kind}'"))


def spied(folder: Path, home: Path) -> dict[str, str]:
    """The environment in which every process tells of the test images that it opens."""
    (folder / "sitecustomize.py").write_text(SPY)
    log = folder / "opened.txt"
    log.touch()
    return {"PYTHONPATH": str(folder), "SPY_LOG": str(log), "SPY_DATABASE": str(home / "optuna.db")}


def opened(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "opened.txt").read_text().splitlines()]


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Ran:
    folder = tmp_path_factory.mktemp("finalists")
    home = folder / "runs"
    (folder / "small.yaml").write_text(STUDY)
    assert hpsearch("data", "fetch", "fashion_mnist_sample", home=home).returncode == 0
    done = hpsearch("run", "small.yaml", "-f", "json", home=home, cwd=folder, **spied(folder, home))
    return Ran(home, folder, result_of(done), done.stderr, opened(folder))


def test_the_finalists_are_trained_with_new_seeds_and_the_best_mean_wins(ran):
    found = ran.summary["finalists"]
    assert len(found["entrants"]) == 2
    means = [finalist["mean"]["mean"] for finalist in found["entrants"]]
    assert means == sorted(means, reverse=True)
    assert found["winner"] == found["entrants"][0]["trial"] == ran.summary["best"]["trial"]
    parts = records_of_stages(find_study(Home(ran.home), "small"))
    seeds = {stage: {record.config.seed for record in records} for stage, records in parts.items()}
    assert len(seeds[Stage.FINALISTS]) == 2
    assert not seeds[Stage.SEARCH] & seeds[Stage.FINALISTS]
    assert seeds[Stage.FINAL] == seeds[Stage.FINALISTS]
    # Two finalists and the Keras default; the winner and the default on everything.
    assert (len(parts[Stage.FINALISTS]), len(parts[Stage.FINAL])) == (6, 4)
    assert all(record.config.data.validation == 0 for record in parts[Stage.FINAL])
    assert "test" in found
    assert found["default"]["label"] == "untuned Keras default"
    # Two seeds: no tolerance, and an interval that is cut.
    assert (found["tolerance"], "too few" in found["no_tolerance"]) == (None, True)
    against = found["against_default"]
    assert against["finding"] in {finding.value for finding in AgainstDefault}
    assert ("won among the finalists. It is " in ran.stderr) == (against["recommendation"] is not None)


def test_the_test_set_is_opened_once_after_its_audit_line_was_written(ran):
    """Every process of the run told which test files it opened, and what the database held at that moment."""
    assert {(lines, name) for _, lines, name in ran.opened} == {("1", "test_images.npy"), ("1", "test_labels.npy")}
    assert len({process for process, _, _ in ran.opened}) == 1
    assert len(ran.summary["finalists"]["test_readings"]) == 1


def test_no_command_reads_the_test_set_again(ran):
    watched = spied(ran.folder, ran.home)
    before = len(opened(ran.folder))
    assert ran.folder.joinpath("small.yaml").is_file()
    for command in (
        ["run", "small.yaml"],
        ["show", "small", "--finalists"],
        ["doctor", "small", "--repair"],
        ["export", "small", "-o", "small-best.yaml", "--verify"],
    ):
        done = hpsearch(*command, home=ran.home, cwd=ran.folder, **watched)
        assert done.returncode == 0, done.stderr
    # Who takes the winner away is told what speaks against it.
    against = ran.summary["finalists"]["against_default"]["recommendation"]
    assert ("won among the finalists. It is " in done.stderr) == (against is not None)
    assert len(opened(ran.folder)) == before


def test_a_search_without_finalists_never_opens_the_test_set(tmp_path):
    (tmp_path / "plain.yaml").write_text(STUDY.replace("finalists: {top: 2, seeds: 2}", ""))
    home = tmp_path / "runs"
    done = hpsearch("run", "plain.yaml", "--trials", "1", home=home, cwd=tmp_path, **spied(tmp_path, home))
    assert done.returncode == 0, done.stderr
    assert opened(tmp_path) == []


def test_the_command_shows_them_again(ran):
    again = result_of(hpsearch("show", "small", "--finalists", "-f", "json", home=ran.home))
    assert again == ran.summary["finalists"]
    earlier_name = hpsearch("finalists", "small", "-f", "json", home=ran.home)
    assert result_of(earlier_name) == again
    assert "`hpsearch show small --finalists`" in earlier_name.stderr
    table = hpsearch("show", "small", "--finalists", home=ran.home).stdout
    assert "The winner is trial" in table
    assert "Keras default" in table
    assert "read: 20" in table


def test_mlflow_has_a_run_of_each_apart_from_the_trials(ran):
    kinds = Counter(kind for kind in ("trial", "finalist", "final", "study") for _ in ran.runs(kind))
    assert kinds == {"trial": 3, "finalist": 6, "final": 4, "study": 1}
    [study] = ran.runs("study")
    assert study.info.status == "FINISHED"
    assert "The winner is trial" in study.data.tags["mlflow.note.content"]
    assert {run.data.tags["mlflow.parentRunId"] for kind in kinds if kind != "study" for run in ran.runs(kind)} == {
        study.info.run_id
    }
    finalist = ran.runs("finalist")[0]
    names = {item.path for item in ran.client.list_artifacts(finalist.info.run_id)}
    assert {"validation_confusion_matrix.html", "validation_classification_report.txt"} <= names
    metrics = finalist.data.metrics
    assert 0 < metrics["best_val_accuracy"] <= 1
    assert metrics["val_recall/macro avg"] == pytest.approx(metrics["best_val_accuracy"], abs=0.03)
    assert len(ran.client.get_metric_history(finalist.info.run_id, "val_accuracy")) == 3
    final = ran.runs("final")[0]
    assert metrics.keys() - final.data.metrics.keys() >= {"best_val_accuracy"}
    assert final.data.metrics["test_recall/weighted avg"] == pytest.approx(final.data.metrics["test_accuracy"])


@pytest.mark.e2e
def test_the_doctor_knows_them_and_writes_them_to_a_server(ran, tmp_path, monkeypatch):
    done = hpsearch("doctor", "small", home=ran.home)
    assert done.returncode == 0, done.stdout
    assert "14 runs" in done.stderr
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = MlflowServer(tmp_path)
    server.start()
    done = hpsearch("doctor", "small", "--repair", "--tracking-uri", server.url, home=ran.home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "finalist 0 has no run" in done.stdout
    there = mlflow.MlflowClient(server.url, server.url)
    champion = there.get_model_version_by_alias("small", "champion")
    assert champion.tags["hpsearch.trial"] == str(ran.summary["finalists"]["winner"])
    server.kill()


def test_every_finalist_has_its_model_with_signature_example_and_requirements(ran):
    experiment = ran.client.get_experiment_by_name("small").experiment_id
    models = ran.client.search_logged_models([experiment])
    # The default's final trainings are for comparison only.
    assert len(models) == 6 + 2
    assert {model.source_run_id for model in models} <= {
        run.info.run_id for kind in ("finalist", "final") for run in ran.runs(kind)
    }
    mlflow.set_tracking_uri(f"sqlite:///{ran.home / 'mlflow.db'}")
    info = mlflow.models.get_model_info(models[0].model_uri)
    assert info.signature.inputs.to_dict()[0]["tensor-spec"] == {"dtype": "uint8", "shape": (-1, 28, 28)}
    assert info.saved_input_example_info is not None
    requirements = Path(models[0].artifact_location, "requirements.txt").read_text().split()
    assert {line.partition("==")[0] for line in requirements} == {"mlflow", "tensorflow", "keras", "numpy"}
    assert all("==" in line for line in requirements)


def test_the_champion_predicts_from_raw_pixels_what_was_recorded(ran, tmp_path):
    version = ran.client.get_model_version_by_alias("small", "champion")
    found = ran.summary["finalists"]
    assert version.tags["hpsearch.trial"] == str(found["winner"])
    recorded = float(version.tags["hpsearch.test_accuracy"])
    assert recorded == found["test"]["champion"]["mean"]
    arrays = load_test("fashion_mnist_sample")
    np.save(tmp_path / "images.npy", np.array(arrays.images))
    np.save(tmp_path / "labels.npy", np.array(arrays.labels))
    files = [str(tmp_path / f"{name}.npy") for name in ("images", "labels")]
    uri = f"sqlite:///{ran.home / 'mlflow.db'}"
    done = subprocess.run([sys.executable, "-c", ALONE, uri, *files], capture_output=True, text=True, check=True)
    assert float(done.stdout.split()[-1]) == recorded
    assert recorded > 0.3


@pytest.mark.e2e
def test_a_study_that_goes_on_reads_the_test_set_no_second_time(ran, tmp_path):
    """More trials may make another winner; who has looked once cannot look again with fresh eyes."""
    home = tmp_path / "runs"
    shutil.copytree(ran.home, home)
    (tmp_path / "small.yaml").write_text(STUDY)
    winner = ran.summary["finalists"]["winner"]
    more = [tmp_path / "small.yaml", "--trials", "4", "--set", "finalists.top=4", "-f", "json"]
    found = result_of(hpsearch("run", *map(str, more), home=home, cwd=tmp_path))["finalists"]
    assert len(found["entrants"]) == 4
    assert len(found["test_readings"]) == 1
    assert (found["test"] is None) == (found["winner"] != winner)


@pytest.mark.e2e
def test_a_kill_while_the_last_models_are_trained_changes_nothing(ran, tmp_path):
    home = tmp_path / "runs"
    (tmp_path / "small.yaml").write_text(STUDY)
    command = start_hpsearch("run", "small.yaml", home=home, cwd=tmp_path)

    kill_in(Stage.FINAL, command, home, "small")
    found = result_of(hpsearch("run", "small.yaml", "-f", "json", home=home, cwd=tmp_path))["finalists"]
    undisturbed = ran.summary["finalists"]
    assert [finalist["values"] for finalist in found["entrants"]] == [e["values"] for e in undisturbed["entrants"]]
    assert {k: v for k, v in found["test"].items() if k != "when"} == {
        k: v for k, v in undisturbed["test"].items() if k != "when"
    }
    assert len(found["test_readings"]) == 1
    assert hpsearch("doctor", "small", home=home).returncode == 0


def kill_in(stage: Stage, command: subprocess.Popen[str], home: Path, name: str) -> None:
    """Kill -9 once the first epoch of a stage is recorded."""
    wait_for_first_row(stage, command, home, name)
    os.kill(command.pid, signal.SIGKILL)
    command.communicate(timeout=60)


def finals_of(home: Path, name: str) -> Finals:
    found = read_finals(find_study(Home(home), name))
    assert found is not None
    return found


def wait_for_first_row(stage: Stage, command: subprocess.Popen[str], home: Path, name: str) -> None:
    def begun() -> bool:
        try:
            found = find_stage(find_study(Home(home), name), stage)
        # There is no study yet, or no database.
        except HpsearchError:
            assert command.poll() is None, command.communicate()
            return False
        return found is not None and any(record.epochs for record in found.records())

    wait_for(begun, 120, f"{stage.value} have begun")


OWN = """
import random, time

def train(config, seed):
    draw = random.Random(seed)
    for epoch in range(3):
        time.sleep(0.1)
        yield {"gain": config["x"] + draw.random() / 10}
"""


@pytest.mark.e2e
def test_a_training_of_ones_own_has_finalists_without_a_test_set(tmp_path):
    search = "search: {trials: 3, sampler: random, pruner: none}\nfinalists: {top: 2, seeds: 3}\n"
    gain_study(tmp_path, "own", OWN, search)
    home = tmp_path / "runs"
    # Killed on the way, it goes on.
    kill_in(Stage.FINALISTS, start_hpsearch("run", "own.yaml", home=home, cwd=tmp_path), home, "own")
    found = result_of(hpsearch("run", "own.yaml", "-f", "json", home=home, cwd=tmp_path))["finalists"]
    assert [len(finalist["values"]) for finalist in found["entrants"]] == [3, 3]
    assert found["test"] is None
    assert found["default"] is None
    assert found["test_readings"] == []
    assert hpsearch("doctor", "own", home=home).returncode == 0


@pytest.mark.e2e
def test_a_kill_before_the_outcome_was_told_is_mended_by_the_same_command(tmp_path):
    search = "search: {trials: 2, sampler: random, pruner: none}\nfinalists: {top: 2, seeds: 3}\n"
    gain_study(tmp_path, "own", OWN.replace("0.1", "0.3"), search)
    home = tmp_path / "runs"
    command = start_hpsearch("run", "own.yaml", "--workers=1", home=home, cwd=tmp_path)
    wait_for_first_row(Stage.FINALISTS, command, home, "own")
    with closing(sqlite3.connect(Home(home).mlflow_db, timeout=60)) as other:
        # The study comes to its end, and MLflow cannot be told.
        other.execute("BEGIN IMMEDIATE")
        wait_for(lambda: finals_of(home, "own").winner, 60, "a winner")
        assert command.poll() is None
        os.kill(command.pid, signal.SIGKILL)
        command.communicate(timeout=60)
        # Who has no patience with MLflow is not kept.
        again = start_hpsearch("run", "own.yaml", home=home, cwd=tmp_path)
        assert again.stderr is not None
        assert any("telling MLflow" in line for line in iter(again.stderr.readline, ""))
        again.send_signal(signal.SIGINT)
        again.communicate(timeout=20)
        assert again.returncode == 130
    assert hpsearch("doctor", "own", home=home).returncode == 4
    assert hpsearch("run", "own.yaml", home=home, cwd=tmp_path).returncode == 0
    done = hpsearch("doctor", "own", home=home)
    assert done.returncode == 0, done.stdout


def test_finalists_may_be_asked_for_later(tmp_path):
    file = gain_study(tmp_path, "own", OWN, "search: {trials: 2, sampler: random}\n")
    home = tmp_path / "runs"
    assert "finalists" not in result_of(hpsearch("run", str(file), "-f", "json", home=home, cwd=tmp_path))
    none = hpsearch("finalists", "own", home=home)
    assert none.returncode == 2
    assert "has no finalists yet" in none.stderr
    # By the name of the study, as the judgement at the end of a search suggests.
    asked = ["run", "own", "--finalists", "top=1,seeds=2", "-f", "json"]
    found = result_of(hpsearch(*asked, home=home, cwd=tmp_path))["finalists"]
    assert len(found["entrants"]) == 1
    study = find_study(Home(home), "own")
    assert read_finals(study) is not None
    assert READINGS not in study.optuna.user_attrs
    assert json.dumps(found)
