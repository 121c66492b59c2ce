"""A schedule, a model and a loss of a person's own, in a module beside the study file, by the real commands."""

from __future__ import annotations

import re

import pytest
from support import ROOT, hpsearch, result_of

# The module that studies/README.md shows.
README = (ROOT / "studies" / "README.md").read_text(encoding="utf-8")
(SHOWN,) = re.findall(r"```python\n(# mine.py\n.*?)```", README, flags=re.DOTALL)
LATE = """
def late(epoch, lr):
    if epoch == 1:
        raise ValueError("no rate for the second epoch")
    return lr
"""
STUDY = """
trial:
  data: {dataset: fashion_mnist_sample}
  model: {architecture: custom, builder: "mine:network", arguments: {width: {choice: [8, 16]}}}
  loss: {name: custom, function: "mine:brier"}
  schedule: {name: custom, function: {choice: ["mine:halved", "mine:late"]}}
  optimizer: {name: sgd, learning_rate: 0.5, momentum: 0.5, nesterov: false}
  batch_size: 50
  training: {max_epochs: 3, early_stopping: null}
search: {trials: 2, pruner: none, baselines: false}
enqueue:
  - {model: {architecture: custom, arguments: {width: 8}}, schedule: {name: custom, function: "mine:halved"}}
  - {model: {architecture: custom, arguments: {width: 16}}, schedule: {name: custom, function: "mine:late"}}
  - {model: {architecture: custom, arguments: {width: 16}}, schedule: {name: custom, function: "mine:halved"}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the study was run to its end; its home is `home`."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "mine.py").write_text(SHOWN + LATE)
    (folder / "own.yaml").write_text(STUDY)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = hpsearch("run", str(folder / "own.yaml"), "-f", "json", home=folder / "home", cwd=elsewhere)
    assert result_of(done)["trials"] == {"complete": 2, "pruned": 0, "failed": 1}
    return folder


def shown(folder, trial):
    return result_of(hpsearch("show", "own", "--trial", str(trial), "-f", "json", home=folder / "home"))


def test_what_is_a_persons_own_trains_and_stands_in_the_parameters(folder):
    for trial, width in ((0, 8), (2, 16)):
        found = shown(folder, trial)
        assert found["params"]["arguments.width"] == width
        assert found["params"]["builder"] == "mine:network"
        assert [epoch["learning_rate"] for epoch in found["epochs"]] == [0.5, 0.25, 0.125]
        # The loss is a Brier score, which lies between 0 and 2.
        losses = [epoch["val_loss"] for epoch in found["epochs"]]
        assert 2 > losses[0] > losses[-1] > 0
        assert found["value"] > 0.5


def test_what_raises_fails_its_trial_alone_with_one_line_and_its_traceback(folder):
    found = shown(folder, 1)
    assert found["state"] == "FAIL"
    assert found["reason"] == (
        "UserCodeError: schedule.function: 'mine:late' raised ValueError: no rate for the second epoch"
    )
    assert 'mine.py", line' in found["traceback"]
    assert len(found["epochs"]) == 1


@pytest.mark.e2e
def test_the_best_of_it_is_exported_and_trained_beside_the_module(folder):
    best = folder / "best.yaml"
    assert hpsearch("export", "own", "-o", str(best), home=folder / "home").returncode == 0
    trained = result_of(hpsearch("train", str(best), "-f", "json", home=folder / "unused"))
    summary = result_of(hpsearch("best", "own", "-f", "json", home=folder / "home"))
    assert trained["value"] == pytest.approx(summary["value"], abs=0.02)


def test_a_model_that_every_trial_has_is_refused_once(tmp_path):
    (tmp_path / "mine.py").write_text(
        SHOWN.replace("Dense(classes)(x)", "Dense(classes, activation='softmax')(x)") + LATE
    )
    (tmp_path / "own.yaml").write_text(
        STUDY.replace("{width: {choice: [8, 16]}}", "{width: 8}").partition("enqueue:")[0]
    )
    done = hpsearch("run", "own.yaml", "--workers=1", "--trials=9", home=tmp_path / "home", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.count("its last layer is a softmax") == 1
    assert "was stopped early: every trial has the same model, which is refused" in done.stderr
    assert "trial 1 started" not in done.stderr


def test_a_module_that_is_not_there_is_refused_before_anything_trains(tmp_path):
    (tmp_path / "own.yaml").write_text(STUDY)
    done = hpsearch("run", "own.yaml", home=tmp_path / "home", cwd=tmp_path)
    assert done.returncode == 2
    assert "own.yaml:4: trial.model.builder: there is no module 'mine' beside the file" in done.stderr
    assert not (tmp_path / "home").exists()
