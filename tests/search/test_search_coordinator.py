"""The coordinator with real workers on the packaged sample: what starts, in which order, and with which engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.trial import TrialState

from hpsearch.config.study import load_study
from hpsearch.data.store import obtain
from hpsearch.executors.local import LocalExecutor
from hpsearch.export.formats import best_yaml, configuration
from hpsearch.search.coordinator import Coordinator
from hpsearch.search.home import Home
from hpsearch.search.listeners import Listener
from hpsearch.search.stop import Stop
from hpsearch.search.storage import ENGINES, begin_study
from hpsearch.tracking.names import summary
from hpsearch.training.structure import needs_of

STUDY = """
name: ordered
trial:
  data: {dataset: fashion_mnist_sample}
  model: {architecture: mlp, units: [4]}
  optimizer: {choice: [sgd, adam]}
  batch_size: {choice: [256, 512]}
  schedule: constant
  training: {max_epochs: 1}
search: {trials: 4, pruner: none}
enqueue:
  - {optimizer: {name: adam, learning_rate: 0.01, beta_1: 0.9, beta_2: 0.99}, batch_size: 512}
  - {optimizer: {name: sgd, learning_rate: 0.1, momentum: 0.5, nesterov: false}, batch_size: 256}
"""


class Started(Listener):
    """The trials in the order in which they were given to workers."""

    def __init__(self):
        self.configs = {}

    def trial_started(self, event):
        self.configs[event.number] = event.config


@pytest.fixture(scope="module")
def executor(tmp_path_factory):
    obtain("fashion_mnist_sample")
    executor = LocalExecutor(2, tmp_path_factory.mktemp("coordinator") / "workers.log", print)
    yield executor
    executor.close()


def make(folder, *overrides):
    file = folder / "ordered.yaml"
    file.write_text(STUDY)
    spec = load_study(file, overrides)
    return spec, begin_study(Home(folder / "home"), spec, STUDY)


def run(spec, study, executor, total):
    started = Started()
    folder = Path(spec.document.name).parent / "checkpoints"
    coordinator = Coordinator(study, spec, executor, lambda: [started], total=total, stop=Stop(), checkpoints=folder)
    return started.configs, coordinator.run(STUDY, 2)


def test_waiting_trials_start_in_the_best_order_but_within_the_total_a_persons_own_come_first(executor, tmp_path):
    spec, study = make(tmp_path)
    assert [bool(trial.user_attrs) for trial in study.optuna.get_trials()] == [False, False, True, True]
    started, ended = run(spec, study, executor, total=2)
    # The baselines, with batches of 256 (32 is not among the options), take longer than the first of the person's.
    assert list(started) == [1, 0]
    assert [record.state for record in ended.records] == ["COMPLETE", "COMPLETE", "WAITING", "WAITING"]
    done = {name for config in started.values() for name in needs_of(config)}
    assert done <= frozenset().union(*(place.compiled for place in executor.slots()))
    # Continued, the rest has room; a total of 3 has room for the first baseline alone.
    started, ended = run(spec, study, executor, total=3)
    assert list(started) == [2]
    assert [record.baseline for record in ended.records] == [False, False, True, True]


def test_engines_of_the_study_are_in_every_configuration_and_in_what_is_exported(executor, tmp_path):
    spec, study = make(tmp_path, "trial.training.max_epochs=2")
    assert study.engines["mlp"] == "graph"
    started, ended = run(spec, study, executor, total=1)
    ((number, config),) = started.items()
    assert config.training.engine == "graph"
    exported = configuration(study.name, study.objective, ended.records[number])
    assert exported["trial"]["training"]["engine"] == "graph"
    assert "engine: graph" in best_yaml(study.name, study.objective, ended.records[number])
    # Made when other engines were chosen: it keeps to them.
    study.optuna.set_user_attr(ENGINES, {"mlp": "fit", "cnn": "fit"})
    spec, study = make(tmp_path, "trial.training.max_epochs=2")
    started, ended = run(spec, study, executor, total=2)
    assert [config.training.engine for config in started.values()] == ["fit"]
    assert [trial.state for trial in study.optuna.get_trials()].count(TrialState.COMPLETE) == 2


def test_a_metric_that_is_measured_on_request_decides_best_epoch_and_best_trial(executor, tmp_path):
    objective = "objective={metric: val_f1_score, direction: maximize}"
    training = "trial.training={max_epochs: 2, class_weight: balanced}"
    spec, study = make(tmp_path, objective, training)
    _, ended = run(spec, study, executor, total=2)
    for record in ended.records[:2]:
        assert record.config.training.metrics == ("f1_score",)
        best = max(record.epochs, key=lambda row: row.metrics["val_f1_score"])
        assert (record.best.epoch, record.best.value) == (best.epoch, best.metrics["val_f1_score"])
        assert summary(record)["best_val_f1_score"] == record.best.value
    assert ended.best is max(ended.records[:2], key=lambda record: record.best.value)
