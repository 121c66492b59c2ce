"""What the tests of deaths share: a quick study of a user's own, and what both stores must hold in the end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import mlflow

from hpsearch.search.home import Home
from hpsearch.search.storage import find_study

CLOCKS = ("epoch_seconds", "seconds_per_update")
MODULE = """
import time

def train(config, seed):
    for epoch in range(1, %(epochs)d + 1):
        time.sleep(%(seconds)g)
        yield {"value": epoch * config["x"] - config.get("y", 0.5) ** 2 + 1e-9 * seed}
"""


def write_quick(folder: Path, name: str, *, trials: int, epochs: int, seconds: float, **sections: str) -> Path:
    """A study file whose trials do nothing but sleep; TensorFlow is not imported."""
    (folder / f"{name}.py").write_text(MODULE % {"epochs": epochs, "seconds": seconds})
    limits = sections.get("limits", "{retries: 2}")
    search = "{trials: %d, sampler: {name: tpe, startup_trials: 3}, pruner: %s}"
    file = folder / f"{name}.yaml"
    file.write_text(
        f"name: {name}\n"
        f"trainable: {name}:train\n"
        "objective: {metric: value, direction: maximize}\n"
        "trial: {x: {float: [0, 1]}, kind: {choice: [{y: {float: [0, 1]}}, {y: 0.25}]}}\n"
        f"limits: {limits}\n"
        f"search: {search % (trials, sections.get('pruner', 'asha'))}\n"
    )
    return file


def records_of(home: Path, study: str) -> list[Any]:
    return find_study(Home(home), study).records()


def told(home: Path, study: str) -> list[dict[str, Any]]:
    """All that a study says of its trials but when and how long."""
    return [
        {
            "number": record.number,
            "state": record.state,
            "outcome": record.outcome,
            "params": dict(record.params),
            "config": record.config.plain() if record.config else None,
            "best": record.best,
            "rows": [{k: v for k, v in row.plain().items() if k not in CLOCKS} for row in record.epochs],
        }
        for record in records_of(home, study)
    ]


def assert_stores_agree(home: Path, study: str, trials: int) -> None:
    """Exactly so many trials, none RUNNING in either store, every epoch once in MLflow and with Optuna's value."""
    records = records_of(home, study)
    assert len(records) == trials
    assert {record.state for record in records} <= {"COMPLETE", "PRUNED", "FAIL"}
    client = mlflow.MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(study)
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    assert "RUNNING" not in {run.info.status for run in runs}
    children = {int(run.data.tags["hpsearch.trial"]): run for run in runs if "mlflow.parentRunId" in run.data.tags}
    assert len(runs) == len(children) + 1
    assert sorted(children) == [record.number for record in records]
    for record in records:
        for name in record.epochs[0].metrics if record.epochs else ():
            history = client.get_metric_history(children[record.number].info.run_id, name)
            twice = [step for step, times in Counter(metric.step for metric in history).items() if times > 1]
            assert not twice, (record.number, name, twice)
            assert {m.step: m.value for m in history} == {row.epoch: row.metrics[name] for row in record.epochs}
