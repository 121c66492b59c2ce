"""A user's training whose metrics have the names of hpsearch's own, and names that MLflow does not take."""

from __future__ import annotations

import json

import mlflow
import optuna
import pytest
from support import hpsearch, result_of

from hpsearch.catalogue.metrics import (
    EPOCH_METRICS,
    LOGGED,
    RECORDED,
    SUMMARY_METRICS,
    column_name,
    logged_name,
    recorded_name,
)
from hpsearch.config.file import Objective
from hpsearch.search.records import read_trial
from hpsearch.tracking.names import best_name, epoch_name, name_of
from hpsearch.training.results import Best

OBJECTIVE = "hits@10"
# What MLflow has as one name without further care, names that a user may think of, and all of our own.
ALIKE = ["hits@10", "hits_10", "hits?10", "a//b", "a/b", "a_b", "x" * 300, "x" * 301, "a:b", "Ä b", "", "..", "/a"]
OURS = sorted(
    {*RECORDED, *LOGGED, *SUMMARY_METRICS, *EPOCH_METRICS, "seconds_per_update", "system/cpu_utilization_percentage"}
)
BESTS = [f"best_{name}" for name in [*OURS, OBJECTIVE]] + ["study_best_score", "best_trial", "trials_done", "threads"]
USERS = [f"user_{name}" for name in OURS] + ["user_user_epoch"]
NAMES = list(dict.fromkeys([*ALIKE, *OURS, *BESTS, *USERS]))
TRAINING = f"""
import json

NAMES = json.loads({json.dumps(json.dumps(NAMES))})

def train(config, seed):
    for epoch in range(1, 4):
        # Every metric has another value, and the second epoch is the best one.
        yield {{name: (1000 if epoch == 2 else 100 * epoch) + i for i, name in enumerate(NAMES)}}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The study, run once: its home folder."""
    folder = tmp_path_factory.mktemp("names")
    (folder / "naming.py").write_text(TRAINING, encoding="utf-8")
    (folder / "named.yaml").write_text(
        f"trainable: naming:train\nobjective: {{metric: '{OBJECTIVE}', direction: maximize}}\n"
        "trial: {'a@b': {float: [0, 1]}, 'a?b': {float: [0, 1]}}\n"
        "search: {trials: 1, sampler: random, pruner: none}\nsystem_metrics: true\n"
    )
    home = folder / "home"
    done = hpsearch("run", "named.yaml", "--workers=1", home=home, cwd=folder)
    assert done.returncode == 0, done.stderr
    return home


def value(name: str, epoch: int) -> float:
    return (1000 if epoch == 2 else 100 * epoch) + NAMES.index(name)


def test_every_metric_of_the_users_is_kept_beside_those_of_hpsearch(study):
    (trial,) = result_of(hpsearch("trials", "named", "-f", "json", home=study))
    assert (trial["epoch"], trial["value"]) == (2, value(OBJECTIVE, 2))
    shown = result_of(hpsearch("show", "named", "--trial", "0", "-f", "json", home=study))
    assert [row["epoch"] for row in shown["epochs"]] == [1, 2, 3]
    for row in shown["epochs"]:
        assert 0 < row["epoch_seconds"] < 60
        assert 0 <= row["system/cpu_utilization_percentage"] <= 100
        assert {name: row[recorded_name(name)] for name in NAMES} == {name: value(name, row["epoch"]) for name in NAMES}
    table = hpsearch("show", "named", "--trial", "0", "-f", "csv", home=study).stdout.splitlines()
    assert [line.partition(",")[0] for line in table] == ["epoch", "1", "2", "3"]


def test_mlflow_keeps_each_apart_and_the_doctor_agrees(study):
    client = mlflow.MlflowClient(f"sqlite:///{study / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("named")
    (run,) = client.search_runs([experiment.experiment_id], "tags.`hpsearch.kind` = 'trial'")
    metrics = run.data.metrics
    for name in NAMES:
        kept = recorded_name(name)
        history = client.get_metric_history(run.info.run_id, epoch_name(kept))
        assert sorted((m.step, m.value) for m in history) == [(epoch, value(name, epoch)) for epoch in (1, 2, 3)]
        assert metrics[best_name(kept)] == value(name, 2)
    assert (metrics["best_epoch"], metrics["epochs"]) == (2, 3)
    assert len(run.data.params) == 3
    # The columns of the saved view are there.
    view = json.loads(json.loads(experiment.tags["mlflow.sharedViewState.hpsearch"])["state"])
    named = [column.partition(".") for column in view["selectedColumns"]]
    has = {"metrics": metrics, "params": run.data.params, "tags": run.data.tags}
    assert [name for kind, _, name in named if name.strip("`") not in has[kind]] == []
    agrees = hpsearch("doctor", "named", home=study)
    assert agrees.returncode == 0, agrees.stdout


def test_a_study_of_an_earlier_version_is_read_all_the_same():
    """There the user's `epoch` stood in the place of the count."""
    rows = {f"epoch:{n}": {"epoch": n / 4, "score": n / 10, "epoch_seconds": 1.0} for n in (1, 2, 3)}
    trial = optuna.trial.create_trial(value=0.3, user_attrs={"outcome": "COMPLETED", **rows})
    record = read_trial(trial, Objective(metric="score", direction="maximize"))
    assert [row.plain() for row in record.epochs] == [
        {"epoch": n, "user_epoch": n / 4, "score": n / 10, "epoch_seconds": 1.0} for n in (1, 2, 3)
    ]
    assert record.best == Best(3, 0.3)


def test_no_two_names_become_one():
    assert len({recorded_name(name) for name in NAMES}) == len(NAMES)
    assert len({epoch_name(name) for name in NAMES}) == len(NAMES)
    assert not {epoch_name(name) for name in NAMES} & {best_name(name) for name in NAMES}
    assert len({column_name(name, RECORDED) for name in NAMES}) == len(NAMES)
    for name in NAMES:
        assert name_of(name_of(name)) == name_of(name)


def test_names_that_mlflow_takes_and_hpsearch_does_not_use_are_left_alone():
    for name in ["accuracy", "val_loss", "f1", "a/b", "a:b", "user_accuracy", *EPOCH_METRICS]:
        assert recorded_name(name) == name
        assert logged_name(name) == name
        assert name_of(name) == name


@pytest.mark.parametrize("metric", ["epoch", "epoch_seconds", "system/load"])
def test_the_objective_cannot_have_a_name_of_hpsearch(metric, tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(
        "trainable: mine:train\ntrial: {x: {float: [0, 1]}}\n"
        f"objective: {{metric: {metric}, direction: maximize}}\n"
    )
    refused = hpsearch("validate", str(file), home=tmp_path)
    assert refused.returncode == 2
    assert (
        f"own.yaml:3: objective.metric: `metric` must not be '{metric}', a name that hpsearch uses itself"
        in refused.stderr
    )
