"""The trainer against Keras's own `model.fit`, and what it promises about curves, weights and ends."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from support import sample_config

from hpsearch.catalogue.losses import LOSSES
from hpsearch.catalogue.models import MODELS
from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.catalogue.schedules import SCHEDULES
from hpsearch.config.file import Objective
from hpsearch.config.trial import TrialConfig
from hpsearch.data.arrays import load_train
from hpsearch.data.store import obtain
from hpsearch.training.examples import TrainingData
from hpsearch.training.results import Outcome
from hpsearch.training.trainer import Trainer, learning_rates

# Of `sample_config`.
EPOCHS, BATCH = 3, 100


@pytest.fixture(scope="module", autouse=True)
def _sample():
    obtain("fashion_mnist_sample")


def config_of(**sections) -> TrialConfig:
    model = {"architecture": "mlp", "units": [32, 16], "batch_normalization": True}
    return sample_config(**({"model": model} | sections))


def train(config: TrialConfig, objective: Objective | None = None):
    trainer = Trainer(config, objective or Objective(), TrainingData.load(config.data))
    return trainer, list(trainer.epochs())


class RatePerUpdate(keras.callbacks.Callback):
    """Sets the learning rate before each update, as the schedule says."""

    def __init__(self, rates):
        super().__init__()
        self.rates = rates

    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate.assign(self.rates[batch])


def fit_with_keras(config: TrialConfig):
    """The same training with stock `model.fit`: same initial weights, order and rates."""
    keras.utils.set_random_seed(config.seed)
    model = MODELS[config.model.selected()].build((28, 28), 10, **config.model.knobs())
    model.compile(
        optimizer=OPTIMIZERS[config.optimizer.selected()].build(**config.optimizer.knobs()),
        loss=LOSSES[config.loss.selected()].build(**config.loss.knobs()),
        metrics=["accuracy"],
    )
    data = TrainingData.load(config.data)
    arrays = load_train(config.data.dataset)
    images = (arrays.images.astype("float32") - data.examples.shift.numpy()) / data.examples.scale.numpy()
    targets = np.eye(10, dtype="float32")[arrays.labels]
    history = []
    for epoch in range(1, EPOCHS + 1):
        order = np.random.default_rng((config.seed, epoch)).permutation(data.training)
        rates = learning_rates(config, epoch, -(-len(order) // config.batch_size))
        seen = model.fit(
            images[order],
            targets[order],
            batch_size=config.batch_size,
            shuffle=False,
            verbose=0,
            callbacks=[RatePerUpdate(rates)],
        ).history
        val_loss, val_accuracy = model.evaluate(images[data.validation], targets[data.validation], verbose=0)
        history.append((seen["loss"][0], seen["accuracy"][0], val_loss, val_accuracy))
    return model, history, (images[data.validation], targets[data.validation])


def assert_same_curves(config: TrialConfig) -> None:
    trainer, rows = train(config)
    ours = [[row.metrics[name] for name in ("loss", "accuracy", "val_loss", "val_accuracy")] for row in rows]
    model, theirs, (images, targets) = fit_with_keras(config)
    # Float32 sums in another order, amplified by a few dozen updates.
    np.testing.assert_allclose(np.array(ours)[:, [0, 2]], np.array(theirs)[:, [0, 2]], rtol=2e-3)
    np.testing.assert_allclose(np.array(ours)[:, [1, 3]], np.array(theirs)[:, [1, 3]], atol=0.013)
    # Evaluation of the very same weights agrees to rounding.
    model.set_weights(trainer.model.get_weights())
    best = rows[trainer.best.epoch - 1].metrics
    loss, accuracy = model.evaluate(images, targets, verbose=0)
    assert loss == pytest.approx(best["val_loss"], abs=1e-5)
    assert accuracy == pytest.approx(best["val_accuracy"], abs=1e-6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_each_optimizer_trains_as_model_fit_does(optimizer):
    # A tenth of the default rate: at the full one RMSprop doubles rounding differences with every few updates.
    rate = OPTIMIZERS[optimizer].defaults()["learning_rate"] / 10
    assert_same_curves(config_of(optimizer={"name": optimizer, "learning_rate": rate}))


def test_momentum_and_nesterov_train_as_model_fit_does():
    assert_same_curves(config_of(optimizer={"name": "sgd", "learning_rate": 0.05, "momentum": 0.9, "nesterov": True}))


@pytest.mark.parametrize("per", ["step", "epoch"])
@pytest.mark.parametrize("schedule", [name for name in SCHEDULES if name != "constant"])
def test_each_schedule_trains_as_model_fit_does(schedule, per):
    assert_same_curves(
        config_of(
            optimizer={"name": "sgd", "learning_rate": 0.1},
            schedule={"name": schedule, "per": per},
            model={"architecture": "mlp", "units": [16]},
        )
    )


def test_the_cnn_trains_as_model_fit_does():
    model = {"architecture": "cnn", "filters": [4, 4], "units": [16], "batch_normalization": True}
    assert_same_curves(config_of(model=model, optimizer="adam"))


def test_label_smoothing_and_standardized_inputs_train_as_model_fit_does():
    assert_same_curves(
        config_of(
            data={"dataset": "fashion_mnist_sample", "normalization": "standardize"},
            loss={"name": "categorical_crossentropy", "label_smoothing": 0.1},
        )
    )


def test_the_same_seed_gives_the_same_curve_to_the_last_bit_and_another_seed_another():
    def curve(seed):
        _, rows = train(config_of(seed=seed, model={"architecture": "mlp", "units": [32], "dropout": 0.3}))
        return [{k: v for k, v in row.metrics.items() if k != "epoch_seconds"} for row in rows]

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
