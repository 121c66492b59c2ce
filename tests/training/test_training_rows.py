"""Every row of the catalogues of schedules, models and losses trains as Keras's own `model.fit` does."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
from training.stock import SGD, assert_same_curves, column, fit, small, train

from hpsearch.catalogue.losses import LOSSES
from hpsearch.catalogue.models import CELLS, MODELS
from hpsearch.catalogue.schedules import SCHEDULES
from hpsearch.training.examples import TrainingData
from hpsearch.training.flops import matrix_flops

OWN = "training.own_code"


def compiled(row):
    return ("graph", "xla") if row.xla else ("graph",)


# --------------------------------------------------------------------- models

# XLA draws other bits for dropout than TensorFlow does; the last partial batch of `small` is trained in the graph.
SIZES = {
    "perceptron": [{"l1": 1e-4, "l2": 1e-3}],
    "mlp": [{"units": [8, 4], "activation": "leaky_relu"}],
    "deep_mlp": [{"units": 8, "layers": 3, "activation": "tanh", "l2": 1e-3}],
    "cnn": [{"filters": [2], "units": [4]}],
    "rnn": [{"cell": cell, "units": 4} for cell in CELLS],
    "custom": [{"builder": f"{OWN}:two_branches", "arguments": {"width": 4}}],
}
TRAINED = [
    (engine, {"architecture": name, **knobs})
    for name, row in MODELS.items()
    for engine in compiled(row)
    for knobs in SIZES[name]
]


def test_no_model_is_left_out():
    assert set(SIZES) == set(MODELS)


@pytest.mark.parametrize(("engine", "model"), TRAINED, ids=str)
def test_each_model_trains_as_model_fit_does(engine, model):
    config = small(engine, model=model, batch_size=178)
    assert_same_curves(*train(config), fit(config))


def test_recurrent_layers_with_penalties_and_dropout_train_as_model_fit_does():
    knobs = {"cell": "gru", "units": 4, "layers": 2, "activation": "sigmoid", "l1": 1e-3, "l2": 1e-2, "dropout": 0.3}
    config = small(model={"architecture": "rnn", **knobs}, batch_size=178)
    trainer, rows = train(config)
    assert_same_curves(trainer, rows, fit(config))
    assert trainer.model.losses
    assert [layer.use_cudnn for layer in trainer.model.layers if isinstance(layer, keras.layers.GRU)] == [False, False]


def test_a_builder_may_return_a_model_that_is_not_built_yet():
    config = small(model={"architecture": "custom", "builder": f"{OWN}:sequential"})
    trainer, rows = train(config)
    assert trainer.model.input_shape == (None, 28, 28)
    assert_same_curves(trainer, rows, fit(config))


@pytest.mark.parametrize("row", [row for row in MODELS.values() if row.complete], ids=lambda row: row.name)
def test_the_matrix_operations_of_every_model_are_known(row):
    assert matrix_flops(row.build((28, 28), 10, **row.defaults()))[0] > 0


# --------------------------------------------------------------------- losses

LOSS_KNOBS = {
    "categorical_crossentropy": {"label_smoothing": 0.1},
    "mean_squared_error": {},
    "custom": {"function": f"{OWN}:squared_hinge"},
}
# A squared error of probabilities has a small gradient.
FAST = {"name": "sgd", "learning_rate": 0.5}


def test_no_loss_is_left_out():
    assert set(LOSS_KNOBS) == set(LOSSES)


@pytest.mark.parametrize("engine", ["graph", "xla", "fit"])
@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_trains_as_model_fit_does(engine, name):
    config = small(engine, loss={"name": name, **LOSS_KNOBS[name]}, optimizer=FAST)
    trainer, rows = train(config)
    assert_same_curves(trainer, rows, fit(config))
    assert column(rows, "val_loss")[-1] < column(rows, "val_loss")[0]


@pytest.mark.parametrize("function", ["squared_hinge", "mean_of_squared_hinge"])
def test_a_loss_of_ones_own_is_weighted_by_class(function):
    weights = [0.1, 1, 1, 3, 1, 1, 2, 1, 0, 1]
    config = small(loss={"name": "custom", "function": f"{OWN}:{function}"}, training={"class_weight": weights})
    data = TrainingData.load(config.data)
    few = dataclasses.replace(data, training=data.training[:200])
    assert_same_curves(*train(config, few), fit(config, few, class_weight=dict(enumerate(weights))))


# ------------------------------------------------------------------ schedules

EPOCHS = 7


def of_many_epochs(schedule, engine="graph", rate=0.5):
    optimizer = {"name": "sgd", "learning_rate": rate}
    return small(engine, optimizer=optimizer, schedule=schedule, training={"max_epochs": EPOCHS})


PLATEAUS = [
    {"factor": 0.3, "patience": 1, "min_delta": 100.0, "min_lr": 2e-2},
    {"factor": 0.5, "patience": 1, "min_delta": 100.0, "cooldown": 2},
    {"factor": 0.1, "patience": 2, "min_delta": 100.0, "monitor": "val_accuracy"},
    # Where nothing is forced: the rate is so high that the loss bounces.
    {"factor": 0.2, "patience": 1, "monitor": "loss"},
]


@pytest.mark.parametrize("engine", ["graph", "fit"])
@pytest.mark.parametrize("knobs", PLATEAUS, ids=str)
def test_a_plateau_lowers_the_rate_as_the_callback_of_keras_does_in_fit(executables, knobs, engine):
    config = of_many_epochs({"name": "reduce_on_plateau", **knobs}, engine, rate=2.0)
    _, rows = train(config, executables=executables)
    stock = fit(
        of_many_epochs("constant", rate=2.0),
        callbacks=[keras.callbacks.ReduceLROnPlateau(**{"monitor": "val_loss", **knobs})],
    )
    assert column(rows, "learning_rate") == pytest.approx(stock.history["learning_rate"], rel=1e-6)
    assert len(set(column(rows, "learning_rate"))) > 1
    np.testing.assert_allclose(column(rows, "val_loss"), stock.history["val_loss"], rtol=1e-3)


def test_a_plateau_starts_anew_in_every_trial(executables):
    config = of_many_epochs({"name": "reduce_on_plateau", **PLATEAUS[0]})
    _, first = train(config, executables=executables)
    _, second = train(config, executables=executables)
    assert first == second
    assert first[0]["learning_rate"] == 0.5


@pytest.mark.parametrize("engine", ["graph", "xla", "fit"])
def test_a_schedule_of_ones_own_is_what_the_scheduler_of_keras_makes_of_it(executables, engine):
    config = small(engine, optimizer=SGD, schedule={"name": "custom", "function": f"{OWN}:schedule"})
    trainer, rows = train(config, executables=executables)
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, lr: 0.1 if epoch == 0 else lr * 0.4)
    stock = fit(small(optimizer=SGD), callbacks=[scheduler])
    assert column(rows, "learning_rate") == pytest.approx([0.1, 0.04, 0.016], rel=1e-6)
    assert column(rows, "learning_rate") == pytest.approx(stock.history["learning_rate"], rel=1e-6)
    assert_same_curves(trainer, rows, stock)


def test_callbacks_of_a_person_scale_what_a_plateau_leaves(executables):
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    knobs = {"factor": 0.1, "patience": 1, "min_delta": 100.0}
    _, rows = train(
        small(optimizer=SGD, schedule={"name": "reduce_on_plateau", **knobs}),
        executables=executables,
        callbacks=[halve],
    )
    # Halved before each epoch; the second one is the first without improvement.
    assert column(rows, "learning_rate") == pytest.approx([0.05, 0.025, 0.025 * 0.1 / 2], rel=1e-6)


def test_a_rate_that_has_become_zero_harms_no_callback(executables):
    # 1e-300 of it is zero in float32.
    schedule = {"name": "step", "drop": 1e-300, "epochs_per_drop": 1.0, "per": "step"}
    _, rows = train(
        small(optimizer=SGD, schedule=schedule), executables=executables, callbacks=[keras.callbacks.Callback()]
    )
    assert column(rows, "learning_rate") == [np.float32(0.1), 0.0, 0.0]


def test_every_schedule_that_is_a_callback_is_tested_here():
    assert {row.name for row in SCHEDULES.values() if row.callback} == {"reduce_on_plateau", "custom"}
