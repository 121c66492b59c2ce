"""What MLflow's own searches and pages find in a study: names, tags and datasets as MLflow has them."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from support import hpsearch
from tracking.story import Story, make_config, make_listener, make_spec

from hpsearch.catalogue.datasets import DATASETS
from hpsearch.data.arrays import digest_of
from hpsearch.search.home import Home
from hpsearch.tracking.client import database_uri
from hpsearch.tracking.writer import describe
from hpsearch.training.results import Outcome

OWN = """
name: mine
trial:
  data: {dataset: mine.npz, validation: 20, normalization: none}
  model: {architecture: perceptron}
  optimizer: {name: sgd, learning_rate: {float: [0.01, 0.1]}}
  batch_size: 16
  training: {max_epochs: 1}
search: {trials: 1, baselines: false}
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A finished study of four trials, as MLflow's client gives it: the client, the experiment's id, runs by name."""
    folder = tmp_path_factory.mktemp("conventions")
    home = Home(folder / "home")
    home.create()
    story = Story(make_spec(folder), make_listener(home))
    story.start()
    for number, (optimizer, values) in enumerate([("adam", [0.6, 0.8]), ("sgd", [0.9]), ("adam", [0.4, 0.5])]):
        story.trial(number, make_config(number, optimizer), values, Outcome.COMPLETED)
    story.trial(3, make_config(3), [0.3], Outcome.DIVERGED)
    story.finish()
    client = mlflow.MlflowClient(database_uri(home.mlflow_db))
    experiment = client.get_experiment_by_name("told").experiment_id
    found = {run.info.run_name: run for run in client.search_runs([experiment])}
    return {"client": client, "experiment": experiment, **found}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        # The study's own run is no trial, and is not among them.
        ("metrics.best_val_accuracy > 0", ["trial 0 adam", "trial 1 sgd", "trial 2 adam", "trial 3 adam"]),
        ("metrics.study_best_val_accuracy > 0.88", ["told"]),
        ("metrics.best_val_accuracy > 0.5 and params.optimizer = 'adam'", ["trial 0 adam"]),
        ("metrics.best_val_accuracy > 0.88 and params.optimizer = 'sgd'", ["trial 1 sgd"]),
        ("attributes.status = 'FAILED'", ["trial 3 adam"]),
        ("tags.hpsearch.outcome = 'completed' and metrics.epochs = 2", ["trial 0 adam", "trial 2 adam"]),
        ("attributes.run_name = 'told' and metrics.trials_done = 4", ["told"]),
        ("dataset.name = 'fashion_mnist_sample' and params.batch_size = '64' and metrics.loss < 0.15", ["trial 1 sgd"]),
    ],
)
def test_a_search_as_people_write_it(query: str, names: list[str], runs: dict[str, Any]) -> None:
    found = runs["client"].search_runs([runs["experiment"]], query)
    assert sorted(run.info.run_name for run in found) == names


def test_the_experiment_says_what_it_is_and_a_users_own_words_stay(runs: dict[str, Any], tmp_path: Path) -> None:
    client, experiment = runs["client"], runs["experiment"]
    note = client.get_experiment(experiment).tags["mlflow.note.content"]
    assert note.startswith("Study told of hpsearch: [compare the trials](#/experiments/")
    assert "Which optimizer suits a small network?" in note
    describe(client, experiment, "of a later version")
    assert client.get_experiment(experiment).tags["mlflow.note.content"] == "of a later version"
    client.set_experiment_tag(experiment, "mlflow.note.content", "my own words")
    describe(client, experiment, note)
    assert client.get_experiment(experiment).tags["mlflow.note.content"] == "my own words"


def test_the_study_s_own_run_of_an_earlier_version_is_written_anew(tmp_path: Path) -> None:
    """Its best value had the name of the trials' best values, so that searches for trials found it."""
    home = Home(tmp_path / "home")
    home.create()
    story = Story(make_spec(tmp_path), make_listener(home))
    story.start()
    story.trial(0, make_config(0), [0.6], Outcome.COMPLETED)
    story.finish()
    client = mlflow.MlflowClient(database_uri(home.mlflow_db))
    experiment = client.get_experiment_by_name("told").experiment_id
    (old,) = client.search_runs([experiment], "tags.hpsearch.kind = 'study'")
    client.log_metric(old.info.run_id, "best_val_accuracy", 0.59, step=1)
    story = Story(story.spec, make_listener(home), story.records)
    story.start()
    story.finish()
    (found,) = client.search_runs([experiment], "metrics.best_val_accuracy > 0")
    (parent,) = client.search_runs([experiment], "metrics.study_best_val_accuracy > 0")
    assert found.data.tags["mlflow.parentRunId"] == parent.info.run_id != old.info.run_id


def test_tags_are_those_that_mlflow_knows(runs: dict[str, Any]) -> None:
    parent = runs["told"]
    for name in ("told", "trial 0 adam", "trial 3 adam"):
        tags = runs[name].data.tags
        assert tags["mlflow.runName"] == name
        assert tags["mlflow.user"] == getpass.getuser()
        assert (tags["mlflow.source.name"], tags["mlflow.source.type"]) == ("hpsearch", "LOCAL")
        assert tags.get("mlflow.parentRunId") == (None if name == "told" else parent.info.run_id)
    assert "mlflow.note.content" in parent.data.tags


def test_the_data_of_a_run_is_an_mlflow_dataset(runs: dict[str, Any]) -> None:
    entry = DATASETS["fashion_mnist_sample"]
    for name, tags in (
        ("told", {"mlflow.data.context": "training"}),
        (
            "trial 1 sgd",
            {"mlflow.data.context": "training", "training_examples": "1600", "validation_examples": "400"},
        ),
    ):
        (used,) = runs[name].inputs.dataset_inputs
        assert (used.dataset.name, used.dataset.digest) == (entry.name, entry.digest)
        assert {tag.key: tag.value for tag in used.tags} == tags
        assert json.loads(used.dataset.profile)["training_examples"] == 2_000
        source = mlflow.data.get_source(used)
        assert source.url == entry.homepage
        # As MLflow reads it.
        features = json.loads(json.loads(used.dataset.schema)["mlflow_tensorspec"]["features"])
        assert mlflow.types.Schema.from_json(json.dumps(features)).inputs[0].shape == (-1, 28, 28)


def test_a_file_of_ones_own_is_known_by_its_content(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((100, 6), dtype=np.float32), np.arange(100, dtype=np.uint8) % 2
    np.savez(tmp_path / "mine.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    (tmp_path / "mine.yaml").write_text(OWN, encoding="utf-8")
    home = Home(tmp_path / "home")
    done = hpsearch("run", "mine.yaml", "--workers", "1", home=home.root, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    client = mlflow.MlflowClient(database_uri(home.mlflow_db))
    found = client.search_runs([client.get_experiment_by_name("mine").experiment_id])
    digest = digest_of(tmp_path / "mine.npz")
    assert len(found) == 2
    for run in found:
        assert [(i.dataset.name, i.dataset.digest) for i in run.inputs.dataset_inputs] == [("mine.npz", digest)]
        assert run.data.tags["hpsearch.data_digest"] == digest
    # The study remembers what it was trained on.
    (tmp_path / "mine.npz").unlink()
    assert hpsearch("doctor", "mine", home=home.root, cwd=tmp_path).returncode == 0
