"""The main path, by the real commands: run, look, export, train, go on."""

from __future__ import annotations

import csv
import io
import json
import sqlite3

import mlflow
import pytest
from support import QUICKSTART, SMALL, hpsearch, result_of

from hpsearch.config.yaml_text import load_value

TRIALS = 6
TRIAL = {"number", "state", "outcome", "reason", "value", "epoch", "params", "seconds"}
STATES = {"COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING"}


def test_run_ends_with_its_summary(finished):
    summary = finished.summary
    assert set(summary) == {"study", "trials", "best", "seconds", "epochs"}
    assert summary["study"] == "quickstart"
    assert set(summary["trials"]) == {"complete", "pruned", "failed"}
    assert sum(summary["trials"].values()) == TRIALS
    assert summary["trials"]["failed"] == 0
    assert summary["epochs"] >= TRIALS
    assert "complete: 6 of 6 trials" in finished.stderr
    # The best trial is held against the Keras default of Adam, which is trial 2.
    (judgement,) = [line for line in finished.stderr.splitlines() if "the untuned Keras default adam, trial 2" in line]
    assert ("hpsearch run quickstart --finalists top=3,seeds=5" in judgement) == (summary["best"]["trial"] != 2)


def test_best_is_the_best_of_the_complete_trials_at_its_best_epoch(finished):
    best = result_of(hpsearch("best", "quickstart", "-f", "json", home=finished.home))
    assert set(best) == {"study", "trial", "config", *TRIAL}
    assert best == finished.summary["best"]
    trials = result_of(hpsearch("trials", "quickstart", "-f", "json", home=finished.home))
    assert best["value"] == max(trial["value"] for trial in trials if trial["state"] == "COMPLETE")


def test_trials_lists_every_trial_with_its_concrete_parameters(finished):
    trials = result_of(hpsearch("trials", "quickstart", "-f", "json", home=finished.home))
    assert [trial["number"] for trial in trials] == list(range(TRIALS))
    for trial in trials:
        assert set(trial) == TRIAL
        assert trial["state"] in STATES
        assert 0 < trial["value"] <= 1
        assert trial["seconds"] > 0
        assert {"optimizer", "learning_rate", "batch_size", "schedule", "seed"} <= set(trial["params"])
    # The first three are the Keras defaults of the three optimizers; `asha` may not touch Adam's.
    defaults = [(trial["params"]["optimizer"], trial["params"]["learning_rate"]) for trial in trials[:3]]
    assert defaults == [("sgd", 0.01), ("rmsprop", 0.001), ("adam", 0.001)]
    assert trials[2]["state"] == "COMPLETE"


def test_a_trial_shows_its_curve_and_its_value_is_the_best_of_it(finished):
    number = finished.summary["best"]["trial"]
    shown = result_of(hpsearch("show", "quickstart", "--trial", str(number), "-f", "json", home=finished.home))
    curve = [epoch["val_accuracy"] for epoch in shown["epochs"]]
    assert shown["value"] == max(curve)
    assert shown["epoch"] == curve.index(max(curve)) + 1


def test_optuna_holds_the_value_of_the_best_epoch_for_complete_and_pruned_trials_alike(finished):
    trials = result_of(hpsearch("trials", "quickstart", "-f", "json", home=finished.home))
    with sqlite3.connect(finished.home / "optuna.db") as connection:
        stored = dict(
            connection.execute(
                "SELECT t.number, v.value FROM trials t JOIN trial_values v ON t.trial_id = v.trial_id"
            ).fetchall()
        )
    assert stored == {trial["number"]: trial["value"] for trial in trials}


def test_mlflow_holds_one_parent_and_one_finished_child_a_trial_with_every_epoch(finished):
    client = mlflow.MlflowClient(f"sqlite:///{finished.home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("quickstart")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    (parent,) = [run for run in runs if run not in children]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {run.info.status for run in runs} == {"FINISHED"}
    trials = result_of(hpsearch("trials", "quickstart", "-f", "json", home=finished.home))
    by_number = {int(run.data.tags["hpsearch.trial"]): run for run in children}
    assert set(by_number) == {trial["number"] for trial in trials}
    for trial in trials:
        run = by_number[trial["number"]]
        history = client.get_metric_history(run.info.run_id, "val_accuracy")
        assert sorted(metric.step for metric in history) == list(range(1, len(history) + 1))
        assert run.data.metrics["best_val_accuracy"] == trial["value"] == max(m.value for m in history)
        assert run.data.metrics["best_epoch"] == trial["epoch"]
        assert run.data.params["optimizer"] == trial["params"]["optimizer"]
        assert float(run.data.params["learning_rate"]) == trial["params"]["learning_rate"]
    names = {artifact.path for artifact in client.list_artifacts(parent.info.run_id)}
    assert {"study.yaml", "best.yaml"} <= names


@pytest.mark.e2e
def test_export_and_train_reach_the_exported_accuracy(finished, tmp_path):
    best = finished.summary["best"]
    file = tmp_path / "best.yaml"
    assert hpsearch("export", "quickstart", "-o", str(file), home=finished.home).returncode == 0
    assert load_value(file.read_text(), "it")["trial"] == best["config"]
    trained = result_of(hpsearch("train", str(file), "--test", "-f", "json", home=tmp_path / "home"))
    assert trained["value"] == pytest.approx(best["value"], abs=0.01)
    assert 0 < trained["test_accuracy"] <= 1
    without = result_of(
        hpsearch("train", str(file), "-f", "json", "--set=trial.training.max_epochs=1", home=tmp_path / "home")
    )
    assert "test_accuracy" not in without


@pytest.mark.e2e
def test_the_same_command_again_adds_nothing_and_more_trials_add_the_missing_ones(finished):
    command = ["run", str(QUICKSTART), *SMALL, "-f", "json"]
    again = hpsearch(*command, "--trials", str(TRIALS), home=finished.home)
    assert result_of(again)["epochs"] == 0
    assert result_of(again)["best"] == finished.summary["best"]
    assert "is complete" in again.stderr
    before = result_of(hpsearch("trials", "quickstart", "-f", "json", home=finished.home))
    try:
        more = result_of(hpsearch(*command, "--trials", str(TRIALS + 2), home=finished.home))
        assert sum(more["trials"].values()) == TRIALS + 2
        after = result_of(hpsearch("trials", "quickstart", "-f", "json", home=finished.home))
        assert after[:TRIALS] == before
    finally:
        # Other tests look at the study as it was.
        with sqlite3.connect(finished.home / "optuna.db") as connection:
            connection.execute("DELETE FROM trials WHERE number >= ?", (TRIALS,))
        hpsearch("doctor", "quickstart", "--repair", home=finished.home)


def test_a_file_that_changed_in_a_way_that_matters_is_refused_with_the_difference(finished):
    changed = [f"--set=trial.training.max_epochs={epochs}" if "max_epochs" in s else s for s in SMALL for epochs in [9]]
    done = hpsearch("run", str(QUICKSTART), *changed, home=finished.home)
    assert done.returncode == 2
    assert "trial.training.max_epochs: was 3, is now 9" in done.stderr
    renamed = hpsearch("validate", str(QUICKSTART), *changed, "--set=name=other", home=finished.home)
    assert renamed.returncode == 0


@pytest.mark.parametrize(
    "command", [["trials", "quickstart"], ["studies"], ["best", "quickstart"], ["show", "quickstart"]]
)
def test_every_format_holds_the_same(finished, command):
    as_json = result_of(hpsearch(*command, "-f", "json", home=finished.home))
    as_yaml = load_value(hpsearch(*command, "-f", "yaml", home=finished.home).stdout, "it")
    as_csv = list(csv.DictReader(io.StringIO(hpsearch(*command, "-f", "csv", home=finished.home).stdout)))
    as_table = hpsearch(*command, home=finished.home)
    assert as_yaml == as_json
    assert len(as_csv) == (len(as_json) if isinstance(as_json, list) else 1)
    assert as_table.returncode == 0
    assert "quickstart" in as_table.stdout


def test_export_prints_json_too_and_any_trial(finished, tmp_path):
    file = tmp_path / "one.json"
    assert hpsearch("export", "quickstart", "--trial", "1", "-o", str(file), home=finished.home).returncode == 0
    assert json.loads(file.read_text())["trial"]["optimizer"]["name"] == "rmsprop"
    printed = hpsearch("export", "quickstart", "--trial", "1", home=finished.home)
    assert load_value(printed.stdout, "it")["trial"] == json.loads(file.read_text())["trial"]


@pytest.mark.e2e
def test_enqueued_configurations_are_tried_first_in_order(tmp_path):
    study = tmp_path / "queue.yaml"
    study.write_text(
        """
trial:
  data: {dataset: fashion_mnist_sample}
  model: {architecture: mlp, units: [8]}
  training: {max_epochs: 1}
search: {trials: 2, pruner: none, baselines: false}
enqueue:
  - {optimizer: {name: adam, learning_rate: 0.002}, batch_size: 256, schedule: cosine}
  - {optimizer: {name: sgd, learning_rate: 0.5, momentum: 0.9}}
"""
    )
    hpsearch("run", str(study), "--workers", "1", home=tmp_path / "home")
    trials = result_of(hpsearch("trials", "queue", "-f", "json", home=tmp_path / "home"))
    first, second = (trial["params"] for trial in trials)
    assert (first["optimizer"], first["learning_rate"], first["batch_size"]) == ("adam", 0.002, 256)
    assert first["schedule"] == "cosine"
    assert (second["optimizer"], second["learning_rate"], second["momentum"]) == ("sgd", 0.5, 0.9)


@pytest.mark.e2e
def test_a_study_in_which_every_trial_diverges_goes_to_its_end_and_exits_with_3(tmp_path):
    study = tmp_path / "wild.yaml"
    study.write_text(
        """
trial:
  data: {dataset: fashion_mnist_sample}
  model: {architecture: mlp, units: [8]}
  optimizer: {name: sgd, learning_rate: {float: [1.0e+30, 1.0e+31]}, momentum: 0.0, nesterov: false}
  schedule: constant
  batch_size: 100
  training: {max_epochs: 3}
search: {trials: 3}
"""
    )
    done = hpsearch("run", str(study), "-f", "json", home=tmp_path / "home")
    assert done.returncode == 3
    summary = json.loads(done.stdout)
    assert summary["best"] is None
    assert summary["trials"] == {"complete": 0, "pruned": 3, "failed": 0}
    shown = result_of(hpsearch("show", "wild", "--trial", "0", "-f", "json", home=tmp_path / "home"))
    assert shown["outcome"] == "diverged"
    assert len(shown["epochs"]) == 1
    assert hpsearch("best", "wild", home=tmp_path / "home").returncode == 3
