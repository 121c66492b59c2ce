"""The model that people take away: raw images in, the same predictions out, and nothing of hpsearch needed."""

from __future__ import annotations

import subprocess
import sys

import keras
import numpy as np
import pytest
from support import sample_config
from training import own_code

from hpsearch.config.file import Objective
from hpsearch.data.arrays import load_test
from hpsearch.data.store import obtain
from hpsearch.errors import DataError
from hpsearch.export.model_file import validation_accuracy
from hpsearch.export.trainings import ExportContext
from hpsearch.training.examples import TrainingData
from hpsearch.training.portable import (
    confusion_matrix,
    keep_model,
    load_portable,
    portable_model,
    predicted_classes,
    read_test,
    save_portable,
)
from hpsearch.training.results import CONFUSION, TEST
from hpsearch.training.trainer import Trainer

SAMPLE = "fashion_mnist_sample"
RECIPES = {
    "dropout and penalties": {"model": {"architecture": "mlp", "units": [16], "dropout": 0.3, "l2": 1e-4}},
    "batch normalization, standardized": {
        "model": {"architecture": "mlp", "units": [16], "batch_normalization": True},
        "data": {"dataset": SAMPLE, "normalization": "standardize"},
    },
    "raw pixels": {"data": {"dataset": SAMPLE, "normalization": "none"}},
    "convolutions": {"model": {"architecture": "cnn", "filters": [4], "units": [8]}},
    "recurrent": {"model": {"architecture": "rnn", "units": 8, "cell": "gru"}},
    "averaged weights": {"optimizer": {"name": "adam", "use_ema": True, "ema_momentum": 0.9}},
}
ALONE = """
import sys
sys.modules["hpsearch"] = None
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
images = np.load(sys.argv[2])
assert images.dtype == np.uint8
np.save(sys.argv[3], model.predict(images, verbose=0))
"""


def trained(**sections) -> Trainer:
    obtain(SAMPLE)
    config = sample_config(**({"training": {"max_epochs": 2, "early_stopping": None}} | sections))
    trainer = Trainer(config, Objective(), TrainingData.load(config.data))
    list(trainer.epochs())
    return trainer


@pytest.mark.parametrize("recipe", RECIPES)
def test_it_predicts_from_raw_pixels_what_the_trained_model_does(recipe):
    trainer = trained(**RECIPES[recipe])
    arrays = load_test(SAMPLE)
    found = predicted_classes(portable_model(trainer), arrays.images)
    assert np.mean(found == arrays.labels) == pytest.approx(trainer.test().accuracy, abs=1e-9)
    assert len(set(found)) > 1


@pytest.mark.e2e
def test_it_loads_where_hpsearch_cannot_be_imported(tmp_path):
    trainer = trained(**RECIPES["dropout and penalties"])
    save_portable(trainer, tmp_path / "models" / "m.keras")
    assert [file.name for file in (tmp_path / "models").iterdir()] == ["m.keras"]
    images = np.array(load_test(SAMPLE).images[:50])
    np.save(tmp_path / "images.npy", images)
    files = [tmp_path / "models" / "m.keras", tmp_path / "images.npy", tmp_path / "out.npy"]
    subprocess.run([sys.executable, "-c", ALONE, *map(str, files)], check=True, capture_output=True, timeout=120)
    alone = np.load(tmp_path / "out.npy")
    assert alone.shape == (50, 10)
    assert np.allclose(alone.sum(axis=1), 1, atol=1e-5)
    assert np.allclose(alone, portable_model(trainer).predict(images, verbose=0), atol=1e-6)


@pytest.mark.parametrize("engine", ["graph", "fit"])
@pytest.mark.e2e(but=("graph",))
def test_every_inference_is_that_of_predict_where_training_does_something_else(engine, tmp_path):
    obtain(SAMPLE)
    config = sample_config(
        model={"architecture": "custom", "builder": "training.own_code:augmented"},
        optimizer={"name": "adam", "learning_rate": 0.01},
        training={"max_epochs": 3, "early_stopping": None, "engine": engine},
    )
    trainer = Trainer(config, Objective(), TrainingData.load(config.data))
    rows = list(trainer.epochs())
    held_out = trainer.data.validation
    validation = [np.asarray(part)[held_out] for part in trainer.data.examples[:2]]
    test = load_test(SAMPLE)

    def predicted(images):
        return trainer.model.predict(images / np.float32(255), batch_size=500, verbose=0)

    def accuracy(images, labels):
        return pytest.approx(np.mean(predicted(images).argmax(axis=1) == labels), abs=1e-6)

    assert rows[trainer.best.epoch - 1].metrics["val_accuracy"] == trainer.best.value == accuracy(*validation)
    assert trainer.best.value > 0.3
    assert trainer.validate().accuracy == accuracy(*validation)
    assert trainer.test().accuracy == accuracy(test.images, test.labels)
    file = tmp_path / "m.keras"
    matrix = keep_model(trainer, file)[CONFUSION]
    assert matrix == confusion_matrix(validation[1], predicted(validation[0]).argmax(axis=1), 10)
    (read,) = read_test(config, [str(file)], [])[TEST]
    assert read["accuracy"] == accuracy(test.images, test.labels)
    model, images = load_portable(file), np.array(test.images[:100])
    expected = keras.ops.softmax(predicted(images))
    np.testing.assert_allclose(model.predict(images, verbose=0), expected, atol=1e-5)
    # Whoever calls it without `training=False` asks for no augmentation either.
    np.testing.assert_allclose(model(images), expected, atol=1e-5)


@pytest.mark.e2e
def test_features_with_a_large_mean_keep_their_digits(tmp_path):
    trainer = trained(
        data={"dataset": "training.own_code:far_away", "validation": 80, "normalization": "standardize"},
        optimizer={"name": "adam", "learning_rate": 0.02},
        training={"max_epochs": 8, "early_stopping": None},
        batch_size=20,
    )
    assert trainer.best.value > 0.9
    (examples, labels), _ = own_code.far_away()
    held_out = trainer.data.validation
    file = tmp_path / "m.keras"
    matrix = keep_model(trainer, file)[CONFUSION]
    assert np.trace(matrix) / np.sum(matrix) == pytest.approx(trainer.best.value)
    model = load_portable(file)
    assert np.mean(np.argmax(model(examples[held_out]), axis=1) == labels[held_out]) == pytest.approx(
        trainer.best.value
    )
    normalized = (examples - examples[trainer.data.training].mean(axis=0)) / trainer.data.normalization.scale
    expected = keras.ops.softmax(trainer.model.predict(normalized, verbose=0))
    np.testing.assert_allclose(model(examples), expected, atol=1e-4)
    (read,) = read_test(trainer.config, [str(file)], [])[TEST]
    assert read["accuracy"] == pytest.approx(trainer.test().accuracy)
    assert read["accuracy"] > 0.9
    assert validation_accuracy(file, trainer.config, ExportContext([], tmp_path / "log", print)) == pytest.approx(
        trainer.best.value
    )


def test_features_of_a_persons_own_are_normalized_inside(tmp_path):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(200, 5)) * [1, 10, 100, 1, 1] + 7).astype(np.float32)
    y = (x[:, 1] > 7).astype(np.int64)
    np.savez(tmp_path / "mine.npz", x_train=x, y_train=y, x_test=x[:40], y_test=y[:40])
    section = {"dataset": "mine.npz", "validation": 40, "normalization": "standardize"}
    config = sample_config(data=section, training={"max_epochs": 4, "engine": "graph"})
    trainer = Trainer(config, Objective(), TrainingData.load(config.data, [tmp_path]))
    list(trainer.epochs())
    model = portable_model(trainer)
    assert model.input_shape == (None, 5)
    assert np.mean(predicted_classes(model, x[:40]) == y[:40]) == pytest.approx(trainer.test([tmp_path]).accuracy)


@pytest.mark.parametrize("architecture", [{"architecture": "cnn", "filters": [4], "units": []}, "rnn", "perceptron"])
def test_colour_images_are_trained_on_and_taken_by_the_portable_model(architecture):
    trainer = trained(
        data={"dataset": "training.own_code:colours", "validation": 60},
        model=architecture,
        optimizer={"name": "adam", "learning_rate": 0.01},
        batch_size=20,
    )
    assert trainer.best.value > 0.9
    (images, labels), _ = own_code.colours()
    model = portable_model(trainer)
    assert model.input_shape == (None, 16, 16, 3)
    held_out = trainer.data.validation
    found = model.predict(images[held_out], verbose=0).argmax(axis=1)
    assert np.mean(found == labels[held_out]) == pytest.approx(trainer.best.value, abs=1e-6)


@pytest.mark.parametrize("architecture", ["cnn", "rnn"])
def test_examples_of_a_shape_that_an_architecture_cannot_take_are_refused_in_one_line(architecture):
    config = sample_config(data={"dataset": "training.own_code:features", "validation": 12}, model=architecture)
    with pytest.raises(
        DataError, match=rf"^`architecture` {architecture} takes .*, but an example is \[5\]; mlp and [^\n]*$"
    ):
        Trainer(config, Objective(), TrainingData.load(config.data))


def test_a_confusion_matrix_has_a_row_for_each_true_class():
    assert confusion_matrix([0, 0, 1, 2], [0, 1, 1, 0], 3) == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_the_last_epoch_stays_where_nothing_is_held_out():
    trainer = trained(
        data={"dataset": SAMPLE, "validation": 0},
        training={"max_epochs": 5, "stop_after": 2, "early_stopping": None},
        schedule={"name": "cosine"},
    )
    assert len(trainer.data.training) == 2000
    assert not trainer.data.held_out
    assert trainer.best is not None
    assert trainer.best.epoch == 2
    assert np.isnan(trainer.best.value)


def test_stop_after_leaves_the_schedule_alone():
    def rates(**training) -> list[float]:
        config = sample_config(training={"early_stopping": None, **training}, schedule={"name": "cosine"})
        trainer = Trainer(config, Objective(), TrainingData.load(config.data))
        rows = list(trainer.epochs())
        assert trainer.finished
        assert not [name for row in rows for name in row.metrics if name.startswith("val_")] or trainer.data.held_out
        return [row.metrics["learning_rate"] for row in rows]

    assert rates(max_epochs=4, stop_after=2) == rates(max_epochs=4)[:2]


def test_weights_are_those_of_the_best_epoch():
    trainer = trained(
        optimizer={"name": "sgd", "learning_rate": 1.5}, training={"max_epochs": 6, "early_stopping": None}
    )
    assert trainer.best is not None
    held_out = trainer.data.validation
    images, labels = (np.asarray(a)[held_out] for a in trainer.data.examples[:2])
    found = predicted_classes(portable_model(trainer), images)
    assert np.mean(found == labels) == pytest.approx(trainer.best.value, abs=1e-9)
    assert isinstance(portable_model(trainer), keras.Model)
