"""A user's own training, by the real commands: runs, prunes, goes on, exports."""

from __future__ import annotations

import json

import pytest
from support import hpsearch, lines_of, result_of

from hpsearch.config.yaml_text import dump, load_value

TRAINING = """
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split


def train(config, seed):
    x, y = load_digits(return_X_y=True)
    x, x_val, y, y_val = train_test_split(x / 16, y, random_state=0)
    model = SGDClassifier(alpha=config["alpha"], penalty=config["penalty"]["kind"], random_state=seed)
    for _ in range(config["epochs"]):
        model.partial_fit(x, y, classes=range(10))
        yield {"accuracy_on_held_out": model.score(x_val, y_val), "train_accuracy": model.score(x, y)}


def diverges(config, seed):
    yield {"accuracy_on_held_out": 0.5, "loss": float("nan")}


def fine(config, seed):
    yield {"accuracy_on_held_out": 0.5}


def raises(config, seed):
    yield {"accuracy_on_held_out": 0.5}
    raise ValueError("the third wheel came off")


def leaves(config, seed):
    import sys

    yield {"accuracy_on_held_out": 0.5}
    sys.exit(3)


def words(config, seed):
    yield {"accuracy_on_held_out": "good"}


def other_metric(config, seed):
    yield {"accuracy": 0.5}


def returns(config, seed):
    return 0.5


def dies(config, seed):
    import os

    yield {"accuracy_on_held_out": 0.5}
    os._exit(1)
"""
STUDY = {
    "name": "digits",
    "trainable": "own_training:train",
    "objective": {"metric": "accuracy_on_held_out", "direction": "maximize"},
    "trial": {
        "alpha": {"float": [1e-6, 1.0], "log": True},
        "penalty": {"choice": [{"kind": "l2"}, {"kind": "l1"}]},
        "epochs": 6,
    },
    "search": {"sampler": "random", "pruner": {"name": "asha", "min_resource": 1, "reduction_factor": 2}, "trials": 8},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_training.py").write_text(TRAINING)
    (folder / "digits.yaml").write_text(dump(STUDY))
    return folder


@pytest.fixture(scope="module")
def study(folder):
    """The study, run once."""
    home = folder / "home"
    return home, result_of(hpsearch("run", str(folder / "digits.yaml"), "-f", "json", home=home))


def test_it_runs_and_prunes(study):
    home, summary = study
    assert sum(summary["trials"].values()) == 8
    assert summary["trials"]["failed"] == 0
    assert summary["trials"]["pruned"] > 0
    trials = result_of(hpsearch("trials", "digits", "-f", "json", home=home))
    assert {"alpha", "penalty.kind", "epochs", "seed"} == set(trials[0]["params"])
    assert summary["best"]["value"] == max(t["value"] for t in trials if t["state"] == "COMPLETE")


def test_it_goes_on_and_pays_nothing_twice(study, folder):
    home, _ = study
    again = hpsearch("run", str(folder / "digits.yaml"), "-f", "json", home=home)
    assert result_of(again)["epochs"] == 0
    more = result_of(hpsearch("run", str(folder / "digits.yaml"), "--trials", "9", "-f", "json", home=home))
    assert sum(more["trials"].values()) == 9
    assert 1 <= more["epochs"] <= 6


@pytest.mark.e2e
def test_what_is_exported_trains_to_the_same_value(study, folder):
    home, _ = study
    best = result_of(hpsearch("best", "digits", "-f", "json", home=home))
    exported = folder / "best.yaml"
    assert hpsearch("export", "digits", "-o", str(exported), home=home).returncode == 0
    assert load_value(exported.read_text(), "it")["trainable"] == "own_training:train"
    trained = result_of(hpsearch("train", str(exported), "-f", "json", home=home))
    assert trained["value"] == best["value"]
    assert trained["metric"] == "accuracy_on_held_out"
    refused = hpsearch("train", str(exported), "--test", home=home)
    assert refused.returncode != 0
    assert lines_of(refused.stderr)[-1].startswith("error: --test: own_training:train is your own training")


def test_mlflow_has_its_metrics_and_keys(study):
    import mlflow

    home, summary = study
    client = mlflow.MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("digits").experiment_id
    number = summary["best"]["trial"]
    (run,) = client.search_runs([experiment], f"tags.`hpsearch.trial` = '{number}'")
    assert run.data.metrics["best_accuracy_on_held_out"] == summary["best"]["value"]
    assert {"alpha", "penalty.kind", "epochs"} <= set(run.data.params)


@pytest.fixture(scope="module")
def ways(folder):
    """The home folder and the first run of one study over the ways to go wrong: the way itself is what is searched."""
    (folder / "own_ways.py").write_text(
        "import own_training\n\n\ndef train(config, seed):\n"
        "    return getattr(own_training, config['way'])(config, seed)\n"
    )
    # Where the first trials all fail the run would stop; two of them end without failing, the second one last.
    ways = ["fine", "raises", "leaves", "words", "other_metric", "returns", "dies", "diverges"]
    study = {
        **STUDY,
        "name": "ways",
        "trainable": "own_ways:train",
        "trial": {"way": {"choice": ways}},
        "search": {"sampler": "random", "pruner": "none", "trials": 2},
        "enqueue": [{"way": way} for way in ways],
    }
    (folder / "ways.yaml").write_text(dump(study))
    home = folder / "ways"
    return home, hpsearch("run", str(folder / "ways.yaml"), "--workers", "1", home=home)


@pytest.mark.e2e
def test_every_way_to_go_wrong_fails_its_trial_alone_with_a_sentence(ways):
    home, done = ways
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "is complete: 2 of 2 trials (1 complete, 1 pruned; 6 more failed; 1 of the pruned diverged)" in done.stderr
    trials = {
        t["params"]["way"]: result_of(hpsearch("show", "ways", "--trial", str(t["number"]), "-f", "json", home=home))
        for t in json.loads(hpsearch("trials", "ways", "-f", "json", home=home).stdout)
    }
    details = {way: trial["reason"] for way, trial in trials.items()}
    assert "the third wheel came off" in details["raises"]
    assert "SystemExit: 3" in details["leaves"]
    assert "must yield numbers by name" in details["words"]
    assert "must yield the objective's metric 'accuracy_on_held_out', but yielded accuracy" in details["other_metric"]
    assert "must yield a mapping an epoch, but returned 0.5" in details["returns"]
    assert trials["diverges"]["state"] == "PRUNED"
    assert trials["dies"]["state"] == "FAIL"


@pytest.mark.e2e
def test_failed_trials_are_tried_again_on_request(ways, folder):
    """The study of the ways has its total: only what failed is trained."""
    home, _ = ways
    again = hpsearch("run", str(folder / "ways.yaml"), "--workers", "1", home=home)
    assert "study 'ways' is complete: 2 of 2 trials" in again.stderr
    assert lines_of(again.stderr)[-3].endswith("by the same command with --retry-failed")
    (folder / "own_ways.py").write_text("def train(config, seed):\n    yield {'accuracy_on_held_out': 0.7}\n")
    options = ("--retry-failed", "--accept-changes", "-f", "json")
    done = result_of(hpsearch("run", str(folder / "ways.yaml"), *options, home=home))
    assert done["trials"] == {"complete": 7, "pruned": 1, "failed": 6}
    last = result_of(hpsearch("show", "ways", "--trial", "13", "-f", "json", home=home))
    assert (last["state"], last["retry_of"], last["params"]["way"]) == ("COMPLETE", 6, "dies")
    # Nothing is left to try again: nothing is trained, and an MLflow that was not written to lacks the study.
    elsewhere = f"sqlite:///{folder / 'elsewhere.db'}"
    same = hpsearch("run", str(folder / "ways.yaml"), "--retry-failed", "--tracking-uri", elsewhere, home=home)
    assert "every failed configuration has been trained since, so none is tried again" in same.stderr
    assert "by the same command with --retry-failed" not in same.stderr
    assert f"{elsewhere}: MLflow lacks a part of study 'ways'" in same.stderr


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"trainable": "nowhere_to_be_found:train"}, "trainable: there is no module 'nowhere_to_be_found'"),
        ({"trainable": "train"}, "trainable: must be written as `module:name`, but got 'train'"),
        ({"objective": {"metric": "score"}}, "objective: the key 'direction' is missing"),
        ({"trial": {"trainable": 1, "x": {"choice": [1, 2]}}}, "trial.trainable: `trainable` stands beside `trial`"),
        ({"trial": {"seed": -1, "x": {"choice": [1, 2]}}}, "trial.seed: `seed` must be a whole number"),
        ({"trial": {"x": {"float": [2, 1]}}}, "trial.x.float: the range is [2, 1], but low must be less than high"),
    ],
)
def test_a_bad_file_is_told_in_a_line(folder, tmp_path, change, sentence):
    (folder / "bad.yaml").write_text(dump(STUDY | change))
    refused = hpsearch("run", str(folder / "bad.yaml"), home=tmp_path / "home")
    assert refused.returncode == 2
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "home").exists()
