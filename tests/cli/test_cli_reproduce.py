"""The same file and seed give the same bits: whole studies with one worker, each trial alone with several."""

from __future__ import annotations

import json

import pytest
from support import QUICKSTART, SMALL, hpsearch

from hpsearch.export.reproduce import compare_curves
from hpsearch.search.home import Home
from hpsearch.search.storage import find_study

pytestmark = pytest.mark.e2e

# Random numbers that depend on the seed alone, and some that do not.
TRAINING = """
import random


def train(config, seed):
    numbers = random if config["kind"] == "restless" else random.Random(seed)
    if config["kind"] == "never":
        raise ValueError("the first wheel came off")
    for _ in range(config["epochs"]):
        yield {"val_loss": numbers.random() * config["x"], "other": 1.0}
        if config["kind"] == "breaks":
            raise ValueError("the third wheel came off")
"""
STEADY, BREAKS, RESTLESS, NEVER = "0", "1", "2", "3"
STUDY = """
name: own
trainable: steady:train
objective: {metric: val_loss}
trial: {epochs: 3, kind: {choice: [steady, breaks, restless, never]}, x: {float: [1, 2]}}
search: {trials: 4, sampler: random, pruner: none, seed: 5}
enqueue: [{kind: steady}, {kind: breaks}, {kind: restless}, {kind: never}]
"""


def reproduced(*arguments: str, home, **more):
    done = hpsearch("reproduce", *arguments, "-f", "json", home=home, **more)
    assert done.returncode in (0, 4), done.stderr
    told = json.loads(done.stdout)
    assert told["identical"] is (done.returncode == 0)
    return told


def test_a_completed_trial_is_identical_to_the_last_bit_and_another_seed_is_not(finished):
    number = finished.summary["best"]["trial"]
    told = reproduced("quickstart", str(number), home=finished.home)
    assert told["identical"], told
    assert told["epochs"] == told["recorded_epochs"] == 3
    assert told["metrics"] == 6
    assert told["differences"] == []
    again = hpsearch("reproduce", "quickstart", str(number), "--set", "trial.seed=123", home=finished.home)
    assert again.returncode == 4
    assert again.stdout.startswith("different: from epoch 1 on, in 4 of 6 metrics\n")
    assert "val_accuracy" in again.stdout
    assert "note: another configuration than the recorded one is trained, by --set" in again.stderr


def test_with_one_worker_the_same_file_and_seed_give_the_same_study_to_the_last_bit(tmp_path):
    """Sampler and pruner included: the model of TPE is asked from the fourth trial on."""
    command = ["run", str(QUICKSTART), *SMALL, "--workers", "1", "--trials", "6"]
    command += [
        "--set=search.sampler={name: tpe, startup_trials: 3}",
        "--set=search.pruner={name: asha, min_resource: 1}",
    ]
    studies = []
    for name in ("one", "other"):
        done = hpsearch(*command, home=tmp_path / name)
        assert done.returncode == 0, done.stderr
        studies.append(find_study(Home(tmp_path / name), "quickstart").records())
    for one, other in zip(*studies, strict=True):
        assert (one.config, one.params, one.outcome) == (other.config, other.params, other.outcome)
        compared = compare_curves(one.epochs, other.epochs)
        assert compared.identical, (one.number, compared)
    assert "PRUNED" in {record.state for record in studies[0]}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Of a study over a training of one's own, which was run from another folder than its file's."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "steady.py").write_text(TRAINING)
    (folder / "own.yaml").write_text(STUDY)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = hpsearch("run", str(folder / "own.yaml"), "--workers", "2", home=folder / "home", cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    return folder / "home"


def test_a_training_of_ones_own_is_found_and_trained_again(home, tmp_path):
    told = reproduced("own", STEADY, home=home, cwd=tmp_path)
    assert told["identical"]
    assert told["threads"] == 1
    assert not reproduced("own", STEADY, "--set=trial.x=1.5", home=home, cwd=tmp_path)["identical"]


def test_of_a_trial_that_broke_the_epochs_that_it_has_are_compared(home, tmp_path):
    told = reproduced("own", BREAKS, home=home, cwd=tmp_path)
    assert (told["identical"], told["epochs"]) == (True, 1)


def test_a_training_that_ends_elsewhere_is_another_one(home, tmp_path):
    for epochs in (2, 4):
        told = reproduced("own", STEADY, f"--set=trial.epochs={epochs}", home=home, cwd=tmp_path)
        assert (told["identical"], told["epochs"], told["recorded_epochs"]) == (False, epochs, 3)


def test_what_is_no_function_of_its_seed_differs_in_what_is_not(home, tmp_path):
    (found,) = reproduced("own", RESTLESS, home=home, cwd=tmp_path)["differences"]
    assert (found["metric"], found["first_epoch"]) == ("val_loss", 1)
    assert found["largest_difference"] >= abs(found["recorded"] - found["again"])
    rows = hpsearch("reproduce", "own", RESTLESS, "-f", "csv", home=home).stdout.splitlines()
    assert rows[0] == "metric,first_epoch,recorded,again,largest_difference,at_epoch"
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        # Four that are enqueued, and five more until four have ended without failing.
        (["own", "99"], "study 'own' has no trial 99; it has 0 to 8"),
        (
            ["own", NEVER],
            "trial 3 of 'own' has no finished epoch (ValueError: the first wheel came off); "
            "there is nothing to compare",
        ),
        (["other", "0"], "unknown study 'other'; available: own"),
        (["own", "0", "--set=seed=1"], "--set seed=1: must begin with `trial.`, as in trial.seed=123"),
        (["own", "0", "--set=trial=1"], "--set trial=1: another training than the one that is recorded"),
    ],
)
def test_bad_input_is_told_in_a_line(home, arguments, sentence):
    done = hpsearch("reproduce", *arguments, home=home)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {sentence}\n")
