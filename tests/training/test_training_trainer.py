"""What the trainer promises about curves, weights and ends."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from support import sample_config

from hpsearch.config.file import Objective
from hpsearch.config.trial import TrialConfig
from hpsearch.data.arrays import load_test, load_train
from hpsearch.training.examples import TrainingData
from hpsearch.training.results import CLOCKS, Outcome
from hpsearch.training.trainer import Trainer

# Of `sample_config`.
EPOCHS, BATCH = 3, 100


def config_of(**sections) -> TrialConfig:
    model = {"architecture": "mlp", "units": [32, 16], "batch_normalization": True}
    training = {"max_epochs": EPOCHS, "early_stopping": None, "engine": "graph"} | sections.pop("training", {})
    return sample_config(**({"model": model} | sections | {"training": training}))


def train(config: TrialConfig, objective: Objective | None = None):
    trainer = Trainer(config, objective or Objective(), TrainingData.load(config.data))
    return trainer, list(trainer.epochs())


def test_the_same_seed_gives_the_same_curve_to_the_last_bit_and_another_seed_another():
    def curve(seed):
        _, rows = train(config_of(seed=seed, model={"architecture": "mlp", "units": [32], "dropout": 0.3}))
        return [{k: v for k, v in row.metrics.items() if k not in CLOCKS} for row in rows]

    assert curve(3) == curve(3)
    assert curve(3) != curve(4)


def test_the_model_has_the_weights_of_its_best_epoch_and_early_stopping_counts_from_there():
    patience = 2
    config = config_of(
        optimizer={"name": "sgd", "learning_rate": 0.9, "momentum": 0.9},
        training={"max_epochs": 60, "early_stopping": {"patience": patience}},
    )
    trainer, rows = train(config)
    assert trainer.outcome is Outcome.EARLY_STOPPED
    assert trainer.best.value == max(row.metrics["val_accuracy"] for row in rows)
    assert len(rows) == trainer.best.epoch + patience
    assert trainer.validate().accuracy == trainer.best.value


def test_the_objective_decides_which_epoch_is_best():
    _, rows = train(config_of(training={"max_epochs": 8, "early_stopping": None}))
    trainer, _ = train(
        config_of(training={"max_epochs": 8, "early_stopping": None}),
        Objective(metric="val_loss", direction="minimize"),
    )
    losses = [row.metrics["val_loss"] for row in rows]
    assert (trainer.best.epoch, trainer.best.value) == (losses.index(min(losses)) + 1, min(losses))


def test_a_loss_that_becomes_infinite_ends_the_trial_as_diverged_with_its_curve():
    trainer, rows = train(
        config_of(optimizer={"name": "sgd", "learning_rate": 1e30}, model={"architecture": "mlp", "units": [16]})
    )
    assert trainer.outcome is Outcome.DIVERGED
    assert not rows[-1].finite
    assert len(rows) == 1
    assert trainer.best is None


def test_closing_the_stream_early_leaves_the_best_weights():
    config = config_of()
    trainer = Trainer(config, Objective(), TrainingData.load(config.data))
    stream = trainer.epochs()
    next(stream)
    stream.close()
    assert trainer.validate().accuracy == trainer.best.value


def test_standardization_sees_the_training_part_alone():
    config = config_of(data={"dataset": "fashion_mnist_sample", "normalization": "standardize"})
    data = TrainingData.load(config.data)
    images = load_train("fashion_mnist_sample").images
    assert float(data.examples.shift) == pytest.approx(images[data.training].mean())
    assert float(data.examples.scale) == pytest.approx(images[data.training].std())
    assert float(data.examples.shift) != pytest.approx(images.mean(), rel=1e-6)
    assert not set(data.training) & set(data.validation)
    assert len(data.training) + len(data.validation) == len(images)


def test_validation_and_test_images_do_not_move_the_statistics(monkeypatch):
    config = config_of(data={"dataset": "fashion_mnist_sample", "normalization": "standardize"})
    data = TrainingData.load(config.data)

    def with_other_validation_images(name):
        arrays = load_train(name)
        images = np.array(arrays.images)
        images[data.validation] = 255
        return dataclasses.replace(arrays, images=images)

    monkeypatch.setattr("hpsearch.training.examples.load_train", with_other_validation_images)
    other = TrainingData.load(config.data)
    assert (other.examples.images.numpy()[other.validation] == 255).all()
    assert (other.examples.shift, other.examples.scale) == (data.examples.shift, data.examples.scale)
    # The test images are moved and scaled by the very same numbers.
    trainer, _ = train(config)
    arrays = load_test("fashion_mnist_sample")
    pixels = load_train("fashion_mnist_sample").images[data.training].astype(float)
    logits = trainer.model.predict((arrays.images - pixels.mean()) / pixels.std(), batch_size=1000, verbose=0)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    of_label = (p / p.sum(axis=1, keepdims=True))[np.arange(len(arrays.labels)), arrays.labels]
    assert trainer.test().loss == pytest.approx(-np.log(of_label).mean(), rel=1e-4)


def test_the_learning_rate_of_an_epoch_is_the_one_of_its_last_update():
    config = config_of(optimizer={"name": "sgd", "learning_rate": 0.1}, schedule="cosine")
    _, rows = train(config)
    updates = -(-1834 // BATCH)
    t = (EPOCHS * updates - 1) / updates
    assert rows[-1].metrics["learning_rate"] == pytest.approx(0.05 * (1 + np.cos(np.pi * t / EPOCHS)), rel=1e-5)


def test_the_last_row_is_known_as_the_last_one():
    def seen(config):
        trainer = Trainer(config, Objective(), TrainingData.load(config.data))
        return [trainer.finished for _ in trainer.epochs()], trainer.outcome

    assert seen(config_of()) == ([False, False, True], Outcome.COMPLETED)
    flags, outcome = seen(
        config_of(
            optimizer={"name": "sgd", "learning_rate": 0.9, "momentum": 0.9},
            training={"max_epochs": 60, "early_stopping": {"patience": 1}},
        )
    )
    assert outcome is Outcome.EARLY_STOPPED
    assert flags == [False] * (len(flags) - 1) + [True]
