"""Every accuracy that is reported is that of `model.predict`, also of a model that behaves otherwise in training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import mlflow
import numpy as np
import pytest
from support import hpsearch, result_of

from hpsearch.config.study import load_trial
from hpsearch.data.arrays import load_test
from hpsearch.data.store import obtain
from hpsearch.training.examples import TrainingData

SAMPLE = "fashion_mnist_sample"
# In training images are moved, values dropped, and batches normalized by their own statistics.
BUILDER = """
import keras


def network(image_shape, classes):
    inputs = keras.Input(image_shape)
    x = keras.layers.Reshape((*image_shape, 1))(inputs)
    x = keras.layers.RandomTranslation(0.3, 0.3)(x)
    x = keras.layers.Dense(32, activation="relu")(keras.layers.Flatten()(x))
    x = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization()(x))
    return keras.Model(inputs, keras.layers.Dense(classes)(x))
"""
STUDY = """
name: augmented
trial:
  data: {dataset: fashion_mnist_sample}
  model: {architecture: custom, builder: "augmented_model:network"}
  optimizer: {name: adam, learning_rate: 0.01}
  schedule: constant
  batch_size: 64
  seed: {choice: [0, 1]}
  training: {max_epochs: 4, early_stopping: null, engine: graph}
search: {sampler: grid}
finalists: {top: 1, seeds: 2}
"""


@dataclass(frozen=True)
class Ran:
    home: Path
    folder: Path
    summary: dict[str, Any]

    def models(self, kind: str) -> list[tuple[Any, Any]]:
        """Return the runs of a kind that have a model, with these models."""
        uri = f"sqlite:///{self.home / 'mlflow.db'}"
        client = mlflow.MlflowClient(uri, uri)
        experiment = client.get_experiment_by_name("augmented").experiment_id
        runs = {run.info.run_id: run for run in client.search_runs([experiment], f"tags.`hpsearch.kind` = '{kind}'")}
        found = [model for model in client.search_logged_models([experiment]) if model.source_run_id in runs]
        file = "data/model.keras"
        return [
            (runs[model.source_run_id], keras.saving.load_model(Path(model.artifact_location, file), compile=False))
            for model in found
        ]


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Ran:
    folder = tmp_path_factory.mktemp("augmented")
    (folder / "augmented_model.py").write_text(BUILDER)
    (folder / "study.yaml").write_text(STUDY)
    home = folder / "runs"
    done = hpsearch("run", "study.yaml", "--workers=1", "-f", "json", home=home, cwd=folder)
    return Ran(home, folder, result_of(done))


def accuracy(model: Any, images: Any, labels: Any) -> float:
    return float((model.predict(np.asarray(images), verbose=0).argmax(axis=-1) == np.asarray(labels)).mean())


@pytest.mark.e2e
def test_the_figures_of_finalists_and_of_the_test_reading_are_those_of_predict(ran):
    obtain(SAMPLE)
    test = load_test(SAMPLE)
    data = TrainingData.load(load_trial_of(ran).data)
    validation = data.raw[data.validation], data.examples.labels.numpy()[data.validation]
    finalists = ran.models("finalist")
    assert len(finalists) == 4
    for run, model in finalists:
        predicted = accuracy(model, *validation)
        assert run.data.metrics["val_recall/weighted avg"] == pytest.approx(predicted, abs=1e-6)
        assert run.data.metrics["best_val_accuracy"] == pytest.approx(predicted, abs=1e-6)
    finals = ran.models("final")
    assert len(finals) == 2
    for run, model in finals:
        predicted = accuracy(model, test.images, test.labels)
        assert run.data.metrics["test_accuracy"] == pytest.approx(predicted, abs=1e-6)
        augmented = np.argmax(model(np.asarray(test.images), training=True), axis=-1)
        # What was reported where the model was asked as if it were trained.
        assert float((augmented == np.asarray(test.labels)).mean()) < predicted - 0.05


@pytest.mark.e2e
def test_the_champion_and_the_exported_model_have_the_accuracy_that_was_reported(ran):
    test, reported = load_test(SAMPLE), ran.summary["finalists"]["test"]["champion"]["mean"]
    mlflow.set_tracking_uri(f"sqlite:///{ran.home / 'mlflow.db'}")
    champion = mlflow.pyfunc.load_model("models:/augmented@champion")
    assert float((champion.predict(np.asarray(test.images)).argmax(axis=1) == test.labels).mean()) == reported
    done = hpsearch("export", "augmented", "-o", "best.keras", home=ran.home, cwd=ran.folder)
    assert done.returncode == 0, done.stderr
    exported = keras.saving.load_model(ran.folder / "best.keras", compile=False)
    assert accuracy(exported, test.images, test.labels) == reported


@pytest.mark.e2e
@pytest.mark.parametrize("seeds", [(), ("--seeds=2", "--workers=2")], ids=["in the command", "in workers"])
def test_train_reports_the_test_accuracy_of_predict(seeds, ran, monkeypatch):
    from hpsearch.config.file import Objective
    from hpsearch.training.portable import portable_model
    from hpsearch.training.trainer import Trainer

    config = load_trial_of(ran)
    done = hpsearch("train", "best.yaml", "--test", "--no-log", *seeds, "-f", "json", home=ran.home, cwd=ran.folder)
    found = result_of(done)
    reported = found["seeds"][0]["test_accuracy"] if seeds else found["test_accuracy"]
    monkeypatch.syspath_prepend(ran.folder)
    trainer = Trainer(config, Objective(), TrainingData.load(config.data))
    list(trainer.epochs())
    test = load_test(SAMPLE)
    assert reported == pytest.approx(accuracy(portable_model(trainer), test.images, test.labels), abs=0.03)


def load_trial_of(ran: Ran) -> Any:
    """Return the configuration that `hpsearch export` writes."""
    obtain(SAMPLE)
    file = ran.folder / "best.yaml"
    if not file.exists():
        assert hpsearch("export", "augmented", "-o", file.name, home=ran.home, cwd=ran.folder).returncode == 0
    return load_trial(file)[2]
