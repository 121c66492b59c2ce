"""`hpsearch train`: several seeds, training on everything, and the runs that MLflow keeps of it."""

from __future__ import annotations

import os
import shutil
import signal

import mlflow
import pytest
from support import hpsearch, lines_of, processes_of, result_of, start_hpsearch, wait_for

from hpsearch.config.yaml_text import load_value

pytestmark = pytest.mark.e2e

TRAINING = """
import random
import time


def train(config, seed):
    numbers = random.Random(seed)
    for _ in range(config["epochs"]):
        time.sleep(config["pause"])
        yield {"val_loss": float(config["loss"]) * numbers.random()}
"""
OWN = """
name: mine
trainable: steady:train
objective: {metric: val_loss}
trial: {epochs: %d, pause: %g, loss: %s, seed: 7}
"""


def runs_of(home, experiment):
    """MLflow's runs of an experiment, by name; the latest of a name."""
    client = mlflow.MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id], order_by=["start_time ASC"])
    return client, {run.info.run_name: run for run in found}


@pytest.fixture(scope="module")
def repeated(finished, tmp_path_factory):
    """The home of a study whose best configuration was trained under the study's own name; what that printed."""
    home = tmp_path_factory.mktemp("repeated") / "home"
    shutil.copytree(finished.home, home)
    best = home.parent / "best.yaml"
    assert hpsearch("export", "quickstart", "-o", str(best), home=home).returncode == 0
    command = ["train", str(best), "--set=name=quickstart", "--seeds", "2", "--full", "--test", "-f", "json"]
    done = hpsearch(*command, home=home)
    return home, result_of(done), load_value(best.read_text(), "it"), done.stderr


def test_each_seed_is_told_and_their_mean_with_its_interval(repeated, finished):
    _, told, best, stderr = repeated
    seed = best["trial"]["seed"]
    assert [one["seed"] for one in told["seeds"]] == [seed, seed + 1]
    assert told["seeds"][0]["value"] == pytest.approx(finished.summary["best"]["value"], abs=0.01)
    values = [one["value"] for one in told["seeds"]]
    summary = told["summary"]["val_accuracy"]
    assert summary["mean"] == pytest.approx(sum(values) / 2)
    assert summary["low"] < min(values) <= max(values) < summary["high"]
    assert (summary["count"], summary["confidence"]) == (2, 0.95)
    assert summary["method"].startswith("Student's t over 2 seeds")
    # Before the last training nothing but the validation images says how good they are.
    assert not [name for one in told["seeds"] for name in one if name.startswith("test")]
    assert "training on everything, validation images included, for" in stderr


def test_on_everything_nothing_is_held_out_and_the_test_figures_are_of_these_models(repeated):
    _, told, _, _ = repeated
    full = told["full"]
    epochs = sorted(one["epoch"] for one in told["seeds"])
    assert epochs[0] <= full["epochs_chosen"] <= epochs[1]
    assert [one["epochs"] for one in full["seeds"]] == 2 * [full["epochs_chosen"]]
    assert not [name for one in full["seeds"] for name in one if name.startswith("val_")]
    accuracies = [one["test_accuracy"] for one in full["seeds"]]
    assert full["summary"]["test_accuracy"]["mean"] == pytest.approx(sum(accuracies) / 2)
    assert min(accuracies) > 0.5


def test_mlflow_has_a_run_for_each_training_below_one_for_the_command(repeated):
    home, told, best, _ = repeated
    client, runs = runs_of(home, "quickstart")
    seed, optimizer = best["trial"]["seed"], best["trial"]["optimizer"]["name"]
    names = [f"seed {n} {optimizer}{end}" for end in ("", " on everything") for n in (seed, seed + 1)]
    kinds = {name: run.data.tags["hpsearch.kind"] for name, run in runs.items()}
    assert {name for name, kind in kinds.items() if kind == "seed"} == set(names)
    parent = runs["quickstart"]
    assert kinds["quickstart"] == "training"
    assert {runs[name].data.tags["mlflow.parentRunId"] for name in names} == {parent.info.run_id}
    assert {runs[name].info.status for name in ["quickstart", *names]} == {"FINISHED"}
    assert parent.data.metrics["val_accuracy_mean"] == told["summary"]["val_accuracy"]["mean"]
    assert parent.data.metrics["full_test_accuracy_low"] == told["full"]["summary"]["test_accuracy"]["low"]
    assert [file.path for file in client.list_artifacts(parent.info.run_id)] == ["configuration.yaml"]
    # A training's run has what a trial's has.
    trial = next(run for run in runs.values() if run.data.tags.get("hpsearch.trial") == "0")
    one = runs[names[0]]
    assert set(one.data.metrics) == set(trial.data.metrics)
    assert set(trial.data.tags) - set(one.data.tags) <= {
        "hpsearch.trial",
        "hpsearch.baseline",
        "hpsearch.study_id",
        "hpsearch.threads",
    }
    assert one.data.metrics["best_val_accuracy"] == told["seeds"][0]["value"]
    assert runs[names[2]].data.metrics["test_accuracy"] == told["full"]["seeds"][0]["test_accuracy"]
    assert runs[names[2]].data.params["validation"] == "0"
    steps = sorted(metric.step for metric in client.get_metric_history(one.info.run_id, "val_accuracy"))
    assert steps == list(range(1, told["seeds"][0]["epochs"] + 1))


def test_the_study_of_the_same_name_stumbles_over_none_of_them(repeated, finished):
    home, _, _, _ = repeated
    done = hpsearch("doctor", "quickstart", home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    views = []
    for each in (home, finished.home):
        client = mlflow.MlflowClient(f"sqlite:///{each / 'mlflow.db'}")
        views.append(client.get_experiment_by_name("quickstart").tags["mlflow.sharedViewState.hpsearch"])
    assert views[0] == views[1]


@pytest.fixture
def own(tmp_path):
    """Writes a configuration of a training of one's own, which needs no TensorFlow."""

    def write(epochs: int = 2, pause: float = 0.0, loss: str = "1.0"):
        (tmp_path / "steady.py").write_text(TRAINING)
        (tmp_path / "own.yaml").write_text(OWN % (epochs, pause, loss))
        return tmp_path / "own.yaml"

    return write


def test_a_training_of_ones_own_takes_seeds_and_keeps_its_data_to_itself(own, tmp_path):
    told = result_of(hpsearch("train", str(own()), "--seeds", "3", "-f", "json", home=tmp_path / "home"))
    assert [one["seed"] for one in told["seeds"]] == [7, 8, 9]
    assert len({one["value"] for one in told["seeds"]}) == 3
    _, runs = runs_of(tmp_path / "home", "mine")
    assert set(runs) == {"mine", "seed 7", "seed 8", "seed 9"}
    for option in ("--full", "--test"):
        refused = hpsearch("train", str(own()), option, home=tmp_path / "home")
        assert refused.returncode == 2
        assert lines_of(refused.stderr)[-1].startswith(f"error: {option}: steady:train is your own training")


def test_what_is_not_to_be_logged_leaves_nothing(own, tmp_path):
    done = hpsearch("train", str(own()), "--no-log", "-f", "json", home=tmp_path / "home")
    told = result_of(done)
    assert (told["name"], told["seed"], told["epochs"]) == ("mine", 7, 2)
    assert "look at the runs" not in done.stderr
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("outage", ["a server that is down", "a damaged database"])
@pytest.mark.e2e(but=("a damaged database",))
def test_an_mlflow_that_cannot_be_written_costs_two_lines_and_no_training(own, tmp_path, outage):
    home, more = tmp_path / "home", []
    if outage == "a damaged database":
        home.mkdir()
        (home / "mlflow.db").write_text("no database at all, and long enough to be looked at as one by SQLite")
    else:
        more = ["--tracking-uri", "http://127.0.0.1:9"]
    done = hpsearch("train", str(own()), "-f", "json", *more, home=home)
    assert result_of(done)["epochs"] == 2
    told = [line for line in lines_of(done.stderr) if not line.startswith("epoch")]
    assert len(told) == 2, done.stderr
    assert "could not be written" in told[0]
    assert told[0].endswith("; training goes on")
    assert told[1].endswith("MLflow lacks a part of this training")


def test_a_training_without_a_finite_epoch_is_an_error_and_a_failed_run(own, tmp_path):
    done = hpsearch("train", str(own(loss="'nan'")), home=tmp_path / "home")
    assert done.returncode == 2
    assert lines_of(done.stderr)[-1].startswith("error: no epoch had a finite val_loss")
    _, runs = runs_of(tmp_path / "home", "mine")
    assert {run.info.status for run in runs.values()} == {"FAILED"}
    assert runs["seed 7"].data.tags["hpsearch.outcome"] == "diverged"


def test_ctrl_c_ends_it_at_once_and_says_so_in_mlflow(own, tmp_path):
    home = tmp_path / "home"
    process = start_hpsearch("train", str(own(epochs=1000, pause=0.1)), home=home)
    wait_for((home / "artifacts").exists, 60, "the first words in MLflow")
    os.kill(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert lines_of(stderr)[-1] == "interrupted"
    wait_for(lambda: not processes_of(process.pid), 10, "the end of its processes")
    _, runs = runs_of(home, "mine")
    assert {run.info.status for run in runs.values()} == {"KILLED"}
    assert runs["seed 7"].data.tags["hpsearch.outcome"] == "interrupted"


def test_ui_opens_what_was_trained_and_no_other_name(own, tmp_path):
    home = tmp_path / "home"
    assert hpsearch("train", str(own()), home=home).returncode == 0
    unknown = hpsearch("ui", "other", "--no-open", home=home)
    assert unknown.returncode == 2
    assert "unknown study 'other'" in unknown.stderr
    # A port that nobody may bind to is looked at after the name.
    taken = hpsearch("ui", "mine", "--no-open", "--host", "203.0.113.1", home=home, MLFLOW_AUTH_ADMIN_PASSWORD="")
    assert "set MLFLOW_AUTH_ADMIN_PASSWORD" in taken.stderr


@pytest.mark.e2e
def test_several_at_once_give_the_figures_of_one_after_the_other(finished, tmp_path):
    best = tmp_path / "best.yaml"
    assert hpsearch("export", "quickstart", "-o", str(best), home=finished.home).returncode == 0
    command = ["train", str(best), "--seeds", "2", "--test", "--no-log", "-f", "json"]
    tables = []
    for workers in ("1", "2"):
        done = hpsearch(*command, "--set=trial.training.max_epochs=2", "--workers", workers, home=tmp_path / "home")
        tables.append(result_of(done)["seeds"])
        told = {line.partition("  loss")[0] for line in lines_of(done.stderr) if line.startswith("seed")}
        assert told == {f"seed {one['seed']}  epoch {epoch}/2" for one in tables[-1] for epoch in (1, 2)}
    for one, other in zip(*tables, strict=True):
        assert set(one) == set(other)
        for name in ("seed", "epoch", "value", "loss", "test_accuracy"):
            # By how many threads each has, sums differ in their last bits.
            assert other[name] == pytest.approx(one[name], abs=0.01), name
