"""Ctrl-C, SIGTERM, kill -9, a second coordinator: real processes and real signals."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from functools import partial

import mlflow
import pytest
from support import hpsearch, processes_of, result_of, slow_study, start_hpsearch, wait_for, workers_of

pytestmark = pytest.mark.e2e

EPOCHS = 60
STUDY = """
name: long
trial:
  data: {dataset: fashion_mnist_sample}
  model: {architecture: mlp, units: [8]}
  optimizer: adam
  batch_size: 100
  schedule: constant
  training: {max_epochs: %d, early_stopping: null, engine: graph}
search: {trials: 3, pruner: none}
"""


@pytest.fixture
def study(tmp_path):
    file = tmp_path / "long.yaml"
    file.write_text(STUDY % EPOCHS)
    return file


def has_trained(home):
    """Whether some trial has a few epochs, read without waiting for the writer."""
    try:
        with sqlite3.connect(f"file:{home / 'optuna.db'}?mode=ro", uri=True) as connection:
            query = "SELECT count(*) FROM trial_user_attributes WHERE key LIKE 'epoch:%'"
            return connection.execute(query).fetchone()[0] >= 5
    except sqlite3.OperationalError:
        return False


def mlflow_runs(home):
    client = mlflow.MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("long")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    return client, [run for run in runs if "mlflow.parentRunId" in run.data.tags]


def assert_finishes(study, home):
    """The same command goes on to the end: every trial once, every epoch once, nothing running anywhere."""
    done = hpsearch("run", str(study), "-f", "json", home=home)
    assert result_of(done)["trials"] == {"complete": 3, "pruned": 0, "failed": 0}
    client, children = mlflow_runs(home)
    assert sorted(int(run.data.tags["hpsearch.trial"]) for run in children) == [0, 1, 2]
    for run in children:
        assert run.info.status == "FINISHED"
        steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "val_accuracy")]
        # MLflow orders them by their times, and some of an interrupted trial are those of its second life.
        assert sorted(steps) == list(range(1, EPOCHS + 1))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.e2e(but=("2",))
def test_one_signal_stops_cleanly_and_the_same_command_goes_on(study, tmp_path, number):
    home = tmp_path / "home"
    process = start_hpsearch("run", str(study), home=home)
    wait_for(partial(has_trained, home), 90, "a trial with some epochs")
    # A terminal, or a service manager, signals the workers too.
    os.killpg(process.pid, number)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert "interrupted" in stderr
    wait_for(lambda: not processes_of(process.pid), 10, "the end of all processes")
    states = {trial["state"] for trial in result_of(hpsearch("trials", "long", "-f", "json", home=home))}
    assert "WAITING" in states
    assert "RUNNING" not in states
    assert "RUNNING" not in {run.info.status for run in mlflow_runs(home)[1]}
    if number == signal.SIGINT:
        assert_finishes(study, home)


@pytest.mark.e2e
def test_after_kill_9_nothing_is_left_and_the_same_command_goes_on(study, tmp_path):
    home = tmp_path / "home"
    process = start_hpsearch("run", str(study), home=home)
    wait_for(partial(has_trained, home), 90, "a trial with some epochs")
    process.kill()
    process.communicate()
    wait_for(lambda: not processes_of(process.pid), 20, "the end of all workers")
    assert_finishes(study, home)


@pytest.mark.parametrize("when", ["in an epoch", "in an import"])
def test_after_kill_9_no_worker_goes_on_with_what_it_is_at(tmp_path, when):
    file = slow_study(tmp_path, epochs=2, pause=1000, trials=1)
    if when == "in an import":
        with (tmp_path / "slow_training.py").open("a") as module:
            module.write("\ntime.sleep(1000)\n")
    process = start_hpsearch("run", str(file), "--workers=1", home=tmp_path / "home", cwd=tmp_path)
    line = next(line for line in process.stderr if "started" in line)
    assert "trial 0" in line
    (worker,) = wait_for(lambda: workers_of(process.pid), 30, "the worker")
    process.kill()
    process.communicate()
    wait_for(lambda: not processes_of(process.pid), 20, "the end of all processes of the command")
    wait_for(lambda: not worker.is_running() or worker.status() == "zombie", 20, "the end of the worker")


@pytest.mark.parametrize("lines", [0, 2])
def test_a_run_that_nobody_listens_to_ends(tmp_path, lines):
    file = slow_study(tmp_path, epochs=20, pause=0.1, trials=20)
    process = start_hpsearch("run", str(file), "--workers=1", home=tmp_path / "home", cwd=tmp_path)
    # As `run ... |& head -2` leaves it.
    for _ in range(lines):
        assert process.stderr.readline()
    process.stdout.close()
    process.stderr.close()
    process.wait(60)
    wait_for(lambda: not processes_of(process.pid), 20, "the end of all processes")


def test_a_second_run_of_the_same_study_is_refused_with_who_holds_it(study, tmp_path):
    home = tmp_path / "home"
    process = start_hpsearch("run", str(study), home=home)
    try:
        wait_for((home / "studies" / "long" / "holder.json").exists, 60, "the lock")
        second = hpsearch("run", str(study), home=home)
        assert second.returncode == 2
        assert f"is being run by process {process.pid} on " in second.stderr
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize("seconds", [0.0, 2.5])
@pytest.mark.e2e(but=("0.0",))
def test_ctrl_c_while_the_workers_start_stops_without_a_word_too_much(study, tmp_path, seconds):
    process = start_hpsearch("run", str(study), home=tmp_path / "home", interpreter=True)
    assert "starting" in next(line for line in process.stderr if "worker" in line)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert "stopping" in stderr
    wait_for(lambda: not processes_of(process.pid), 20, "the end of all processes")
    assert "RUNNING" not in {
        trial["state"] for trial in result_of(hpsearch("trials", "long", "-f", "json", home=tmp_path / "home"))
    }


def test_a_second_ctrl_c_stops_at_once_and_leaves_no_process(study, tmp_path):
    home = tmp_path / "home"
    process = start_hpsearch("run", str(study), home=home)
    wait_for(partial(has_trained, home), 90, "a trial with some epochs")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    wait_for(lambda: not processes_of(process.pid), 20, "the end of all processes")


@pytest.mark.e2e
def test_two_studies_begin_at_once_in_a_new_home(study, tmp_path):
    home = tmp_path / "home"
    names = ["one", "two"]
    started = [
        start_hpsearch(
            "run", str(study), f"--set=name={name}", "--trials=1", "--workers=1", home=home, interpreter=True
        )
        for name in names
    ]
    for process in started:
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
    assert [row["study"] for row in result_of(hpsearch("studies", "-f", "json", home=home))] == sorted(names)
