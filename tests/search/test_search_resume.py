"""What an interrupted trial keeps in the study, and when it is given up."""

from __future__ import annotations

import numpy as np
import pytest

from hpsearch.config.study import load_study
from hpsearch.search.home import Home
from hpsearch.search.independent import DrawnValues
from hpsearch.search.jobs import Checkpoints
from hpsearch.search.recording import begin_again, failures_in_vain, record_worker_failure
from hpsearch.search.records import CONFIG, DETAIL, EPOCH_PREFIX, OUTCOME, TRACEBACK, epochs_of
from hpsearch.search.sampler_view import SamplerView
from hpsearch.search.storage import begin_study
from hpsearch.training.checkpoint import State, write
from hpsearch.training.results import EpochMetrics

STUDY = """
name: resumed
trainable: mine:train
objective: {metric: value, direction: maximize}
trial: {x: {float: [0, 1]}, y: {float: [0, 1]}, z: {choice: [a, b]}}
search: {trials: 5, sampler: {name: tpe, startup_trials: 2}, pruner: {name: asha, min_resource: 1, reduction_factor: 3}}
"""
PLAIN = {"trainable": "mine:train", "x": 0.5}


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "mine.py").write_text("def train(config, seed): yield {}\n")
    file = tmp_path / "resumed.yaml"
    file.write_text(STUDY)
    return load_study(file)


@pytest.fixture
def study(spec, tmp_path):
    return begin_study(Home(tmp_path / "home"), spec, STUDY)


def row_of(epoch: int) -> EpochMetrics:
    return EpochMetrics(epoch, {"value": epoch / 10})


def train(trial, epochs) -> None:
    for epoch in epochs:
        trial.set_user_attr(f"{EPOCH_PREFIX}{epoch}", row_of(epoch).plain())
        trial.report(epoch / 10, epoch)


def test_the_epochs_up_to_the_checkpoint_are_kept(study, tmp_path):
    trial = study.optuna.ask()
    trial.set_user_attr(CONFIG, PLAIN)
    train(trial, range(1, 11))
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    write(checkpoints.file(0), PLAIN, State(row_of(4), {}, {"variable/0": np.zeros(3)}))
    rows = checkpoints.resumable_epochs(study.stored(0))
    assert [row.epoch for row in rows] == [1, 2, 3, 4]
    again = study.take(study.stored(0))
    begin_again(again, 4)
    assert epochs_of(again) == rows


def test_parameters_that_were_half_drawn_are_drawn_again_as_the_first_time(study, spec, tmp_path):
    half = study.optuna.ask()
    expected = SamplerView(spec).begin(study.stored(0))
    study.optuna.sampler = DrawnValues(expected)
    # The coordinator dies after the first of three.
    half.suggest_float("x", 0, 1)
    assert study.stored(0).params == {"x": expected["x"]}
    assert SamplerView(spec).begin(study.stored(0)) == expected
    # Where the sampler has learned more since, it keeps what was drawn.
    half.suggest_float("y", 0, 1)
    other = load_study(tmp_path / "resumed.yaml", ["search.seed=7"])
    kept = {name: expected[name] for name in ("x", "y")}
    assert {name: SamplerView(other).begin(study.stored(0))[name] for name in kept} == kept


def test_the_end_that_was_half_recorded_is_forgotten(study):
    trial = study.optuna.ask()
    trial.set_user_attr(CONFIG, PLAIN)
    for name in (OUTCOME, DETAIL, TRACEBACK):
        trial.set_user_attr(name, "FAILED")
    begin_again(study.take(study.stored(0)), 0)
    record = study.find_record(0)
    assert (record.outcome, record.detail, record.traceback) == (None, "", "")


def test_files_of_trials_that_are_over_and_of_half_written_checkpoints_go(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for name in ("1.npz", "2.npz", "2.part", "3.part"):
        (tmp_path / name).touch()
    checkpoints.tidy([2, 3])
    assert [path.name for path in tmp_path.iterdir()] == ["2.npz"]
    checkpoints.forget(2)
    checkpoints.forget(2)
    assert not list(tmp_path.iterdir())
    Checkpoints(tmp_path / "none").tidy([])


def test_losses_count_until_the_trial_comes_further_than_ever():
    def counts(*epochs):
        losses = [{"epoch": epoch} for epoch in epochs]
        return [failures_in_vain(losses[: i + 1]) for i in range(len(losses))]

    assert counts(0, 0, 0) == [1, 2, 3]
    assert counts(3, 3, 4, 4, 2, 5) == [1, 2, 1, 2, 3, 1]


def test_each_worker_failure_is_recorded_with_its_reason(study):
    trial = study.optuna.ask()
    train(trial, [1, 2])
    assert record_worker_failure(trial, "signal 9") == 1
    assert record_worker_failure(trial, "exit code 3") == 2
    assert study.find_record(0).worker_failures == ("signal 9", "exit code 3")
