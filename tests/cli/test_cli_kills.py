"""Kill -9 again and again, of the coordinator and of workers: nothing is lost, nothing is left, nothing is doubled."""

from __future__ import annotations

import random
import sqlite3
import time

import psutil
import pytest
from cli.kills import assert_stores_agree, records_of, told, write_quick
from support import hpsearch, processes_of, result_of, start_hpsearch, wait_for, workers_of

pytestmark = pytest.mark.e2e

KILLS = 4
KERAS = """
name: curves
trial:
  data: {dataset: fashion_mnist_sample}
  model: {architecture: mlp, units: [16], dropout: 0.2}
  optimizer: {choice: [{name: sgd, momentum: 0.9}, adam]}
  batch_size: 2
  schedule: cosine
  training: {max_epochs: 12}
limits: {checkpoint_seconds: 0}
search: {trials: 4, pruner: {name: asha, min_resource: 4}}
"""


def epochs_recorded(home):
    """Of the whole study, read without waiting for the writer."""
    try:
        with sqlite3.connect(f"file:{home / 'optuna.db'}?mode=ro", uri=True) as connection:
            query = "SELECT count(*) FROM trial_user_attributes WHERE key LIKE 'epoch:%'"
            return connection.execute(query).fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def assert_nothing_left(sessions):
    wait_for(lambda: not any(map(processes_of, sessions)), 20, "the end of all processes")


def test_a_sequential_study_whose_coordinator_is_killed_again_and_again_is_that_of_an_undisturbed_one(tmp_path):
    file = write_quick(tmp_path, "often", trials=3 * KILLS, epochs=9, seconds=0.06)
    hpsearch("run", str(file), "--workers=1", home=tmp_path / "calm")
    home, moments, sessions = tmp_path / "home", random.Random(5), []
    for kill in range(KILLS):
        process = start_hpsearch("run", str(file), "--workers=1", home=home, interpreter=not kill % 2)
        sessions.append(process.pid)
        if kill % 2:
            # While trials train; else at any moment of the start.
            before = epochs_recorded(home)
            wait_for(lambda before=before: epochs_recorded(home) != before, 60, "an epoch")
            time.sleep(moments.uniform(0, 0.6))
        else:
            time.sleep(moments.uniform(0.2, 2))
        assert process.poll() is None, "the study is too short for so many kills"
        process.kill()
        process.communicate()
    done = hpsearch("run", str(file), "--workers=1", home=home)
    assert done.returncode == 0, done.stderr
    assert_stores_agree(home, "often", 3 * KILLS)
    assert told(home, "often") == told(tmp_path / "calm", "often")
    assert_nothing_left(sessions)


def test_trials_go_on_from_their_checkpoints_with_the_curves_of_an_undisturbed_study(tmp_path):
    file = tmp_path / "curves.yaml"
    file.write_text(KERAS)
    assert hpsearch("run", str(file), "--workers=1", home=tmp_path / "calm").returncode == 0
    home, sessions, said = tmp_path / "home", [], ""
    for epochs in (3, 12):
        process = start_hpsearch("run", str(file), "--workers=1", home=home)
        sessions.append(process.pid)
        wait_for(lambda epochs=epochs: epochs_recorded(home) > epochs, 90, f"more than {epochs} epochs")
        # Its trial goes on in another worker; then all ends.
        for worker in workers_of(process.pid):
            worker.kill()
        time.sleep(2)
        process.kill()
        said += process.communicate()[1]
    done = hpsearch("run", str(file), "--workers=1", home=home)
    assert done.returncode == 0, done.stderr
    assert "goes on after epoch" in said + done.stderr
    assert_stores_agree(home, "curves", 4)
    assert told(home, "curves") == told(tmp_path / "calm", "curves")
    # Those of pruned trials are kept, in case that the study is extended.
    pruned = {str(trial["number"]) for trial in told(home, "curves") if trial["state"] == "PRUNED"}
    assert {file.stem for file in (home / "studies" / "curves" / "checkpoints").iterdir()} <= pruned
    assert_nothing_left(sessions)


def test_workers_that_are_killed_again_and_again_cost_no_trial(tmp_path):
    file = write_quick(tmp_path, "hit", trials=8, epochs=20, seconds=0.1, pruner="none", limits="{retries: 20}")
    home, moments = tmp_path / "home", random.Random(6)
    process = start_hpsearch("run", str(file), "--workers=2", home=home)
    wait_for(lambda: epochs_recorded(home), 60, "an epoch")
    for _ in range(2 * KILLS):
        time.sleep(moments.uniform(0, 0.5))
        workers = wait_for(lambda: workers_of(process.pid) or process.poll() is not None, 60, "a worker")
        if process.poll() is not None:
            break
        try:
            moments.choice(workers).kill()
        except psutil.NoSuchProcess:
            continue
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert_stores_agree(home, "hit", 8)
    records = records_of(home, "hit")
    assert {record.state for record in records} == {"COMPLETE"}
    hits = [record for record in records if record.worker_failures]
    assert sum(len(record.worker_failures) for record in hits) > KILLS / 2
    assert [loss for record in hits for loss in record.worker_failures if "signal 9" not in loss] == []
    shown = result_of(hpsearch("show", "hit", f"--trial={hits[0].number}", "-f", "json", home=home))
    assert shown["losses"] == list(hits[0].worker_failures)
    assert_nothing_left([process.pid])
