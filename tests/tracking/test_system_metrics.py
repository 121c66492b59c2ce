"""`system_metrics: true`: what the machine was busy with, where MLflow shows it."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
from support import hpsearch, result_of, slow_study

from hpsearch.search.home import Home
from hpsearch.tracking.client import database_uri

NAMES = {
    "system/cpu_utilization_percentage",
    "system/system_memory_usage_megabytes",
    "system/system_memory_usage_percentage",
    "system/process_cpu_utilization_percentage",
    "system/process_memory_usage_megabytes",
}


@pytest.mark.e2e
def test_on_request_each_epoch_says_how_busy_the_machine_was(tmp_path: Path) -> None:
    home, file = Home(tmp_path / "home"), str(slow_study(tmp_path, 3, 0.02, 1))
    done = hpsearch("run", file, "--workers=1", "--set=system_metrics=true", home=home.root, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # It is no part of what the study is, so that another run may leave it out.
    done = hpsearch("run", file, "--workers=1", "--trials=2", home=home.root, cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    client = mlflow.MlflowClient(database_uri(home.mlflow_db))
    runs = client.search_runs([client.get_experiment_by_name("slow").experiment_id], "tags.hpsearch.kind = 'trial'")
    by_trial = {run.info.run_name: run for run in runs}
    asked, other = by_trial["trial 0"], by_trial["trial 1"]
    assert {name for name in asked.data.metrics if "system/" in name} == NAMES
    assert not [name for name in other.data.metrics if "system/" in name]
    for name in NAMES:
        history = client.get_metric_history(asked.info.run_id, name)
        assert [metric.step for metric in history] == [1, 2, 3]
    # A Python process without TensorFlow.
    assert 5 < asked.data.metrics["system/process_memory_usage_megabytes"] < 1000
    assert 0 < asked.data.metrics["system/system_memory_usage_percentage"] <= 100

    epochs = result_of(hpsearch("show", "slow", "--trial=0", "-f", "json", home=home.root))["epochs"]
    assert all(set(row) >= NAMES for row in epochs)
    assert "system/" not in hpsearch("show", "slow", "--trial=0", home=home.root).stdout
    assert hpsearch("doctor", "slow", home=home.root, cwd=tmp_path).returncode == 0
