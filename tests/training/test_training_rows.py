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
from hpsearch.training.executable import Executables
from hpsearch.training.measures import matrix_flops

OWN = "training.own_code"


# --------------------------------------------------------------------- models

# Each model by the graph and, where `engine: auto` takes it for something that no other test trains, by XLA; that
# draws other bits for dropout than TensorFlow does, so it is left out there.
TRAINED = [
    ("graph", {"architecture": "perceptron", "l1": 1e-4, "l2": 1e-3}),
    ("graph", {"architecture": "mlp", "units": [8, 4], "activation": "leaky_relu"}),
    ("graph", {"architecture": "deep_mlp", "units": 8, "layers": 3, "activation": "tanh", "l2": 1e-3}),
    ("graph", {"architecture": "cnn", "filters": [2], "units": [4]}),
    ("graph", {"architecture": "rnn", "cell": "gru", "units": 4, "l1": 1e-3, "l2": 1e-2, "dropout": 0.3}),
    ("xla", {"architecture": "rnn", "cell": "lstm", "units": 4}),
    ("xla", {"architecture": "rnn", "cell": "simple_rnn", "units": 4, "layers": 2, "activation": "sigmoid"}),
    ("graph", {"architecture": "custom", "builder": f"{OWN}:two_branches", "arguments": {"width": 4}}),
    ("xla", {"architecture": "custom", "builder": f"{OWN}:sequential"}),
]


def test_no_model_and_no_cell_is_left_out():
    assert {model["architecture"] for _, model in TRAINED} == set(MODELS)
    assert {model["cell"] for _, model in TRAINED if "cell" in model} == set(CELLS)


@pytest.mark.parametrize(("engine", "model"), TRAINED, ids=str)
@pytest.mark.e2e(but=("graph",))
def test_each_model_trains_as_model_fit_does(engine, model):
    # No last partial batch, which would be trained in the graph.
    config = small(engine, model=model, batch_size=178)
    assert_same_curves(*train(config), fit(config))


def test_a_recurrent_layer_runs_the_same_loop_on_every_device():
    """XLA cannot compile cuDNN's kernels; a layer whose penalties are variables is a clone."""
    for knobs in ({}, {"l2": 1e-2}):
        config = small(model={"architecture": "rnn", "units": 2, **knobs})
        model = Executables().ready(config, TrainingData.load(config.data), weighted=False).parts.model
        assert [layer.use_cudnn for layer in model.layers if isinstance(layer, keras.layers.LSTM)] == [False]


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


@pytest.mark.parametrize(
    ("name", "engine"), [*((name, "graph") for name in LOSSES), ("mean_squared_error", "xla"), ("custom", "fit")]
)
def test_each_loss_trains_as_model_fit_does(name, engine):
    config = small(engine, loss={"name": name, **LOSS_KNOBS[name]}, optimizer=FAST)
    trainer, rows = train(config)
    assert_same_curves(trainer, rows, fit(config))
    assert column(rows, "val_loss")[-1] < column(rows, "val_loss")[0]


@pytest.mark.e2e
def test_a_loss_of_ones_own_that_is_a_scalar_is_weighted_by_class():
    weights = [0.1, 1, 1, 3, 1, 1, 2, 1, 0, 1]
    config = small(
        loss={"name": "custom", "function": f"{OWN}:mean_of_squared_hinge"}, training={"class_weight": weights}
    )
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


@pytest.mark.parametrize(
    ("knobs", "engine"), [*((knobs, "graph") for knobs in PLATEAUS), (PLATEAUS[0], "fit")], ids=str
)
@pytest.mark.e2e(but=("fit",))
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


@pytest.mark.parametrize("engine", ["graph", "fit"])
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
