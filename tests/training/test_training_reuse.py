"""What is compiled once and used again: the same bits as if it had been compiled anew."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import sample_config
from training.stock import STEPWISE, small, train

from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.config.file import Objective
from hpsearch.training.examples import TrainingData
from hpsearch.training.executable import Executables
from hpsearch.training.knobs import make_turnable
from hpsearch.training.structure import structure_of, turnable
from hpsearch.training.trainer import Trainer

# Two settings of each optimizer that share a structure.
AVERAGED = [{"use_ema": True, "ema_momentum": 0.9}, {"use_ema": True, "ema_momentum": 0.6}]
KNOBS = {
    "sgd": [
        {"momentum": 0.9, "nesterov": True, "learning_rate": 0.05, "clipnorm": 0.5, "weight_decay": 0.1} | AVERAGED[0],
        {"momentum": 0.3, "nesterov": True, "clipnorm": 0.02, "weight_decay": 0.9} | AVERAGED[1],
    ],
    "adagrad": [
        {"learning_rate": 0.03, "initial_accumulator_value": 0.3, "weight_decay": 0.1, "clipnorm": 0.7},
        {"learning_rate": 0.1, "initial_accumulator_value": 0.3, "epsilon": 1e-3, "weight_decay": 0.7, "clipnorm": 0.1},
    ],
    "adadelta": [
        {"learning_rate": 1.0, "rho": 0.9, "clipvalue": 0.01} | AVERAGED[0],
        {"learning_rate": 0.3, "rho": 0.7, "epsilon": 1e-5, "clipvalue": 0.1} | AVERAGED[1],
    ],
    "rmsprop": [
        {"rho": 0.95, "momentum": 0.2, "centered": True, "epsilon": 1e-6, "global_clipnorm": 0.3},
        {"rho": 0.8, "momentum": 0.6, "centered": True, "learning_rate": 3e-4, "global_clipnorm": 0.1},
    ],
    "adam": [
        {"beta_1": 0.8, "beta_2": 0.97, "amsgrad": True, "clipvalue": 0.01, "weight_decay": 0.04} | AVERAGED[0],
        {"beta_1": 0.97, "beta_2": 0.9996, "amsgrad": True, "epsilon": 1e-5, "clipvalue": 0.1, "weight_decay": 0.004}
        | AVERAGED[1],
    ],
    "adamax": [
        # A norm that no gradient has.
        {"beta_1": 0.8, "beta_2": 0.97, "global_clipnorm": 9.1} | AVERAGED[0],
        {"beta_1": 0.97, "beta_2": 0.9996, "epsilon": 1e-5, "global_clipnorm": 13.7} | AVERAGED[1],
    ],
    "nadam": [
        {"beta_1": 0.8, "beta_2": 0.97, "clipnorm": 0.3},
        {"beta_1": 0.97, "beta_2": 0.9996, "epsilon": 1e-5, "clipnorm": 0.7},
    ],
    "ftrl": [
        {
            "learning_rate": rate,
            "learning_rate_power": -0.4,
            "initial_accumulator_value": 1e-3,
            "l1_regularization_strength": l1,
            "l2_regularization_strength": l2,
            "l2_shrinkage_regularization_strength": l2 / 7,
            "beta": beta,
        }
        | averaged
        for rate, l1, l2, beta, averaged in [(0.1, 1e-3, 0.7, 0.3, AVERAGED[0]), (0.03, 0.1, 0.01, 0.7, AVERAGED[1])]
    ],
    "proximal_gradient_descent": [
        {"learning_rate": 0.1, "l1": 1e-4, "l2": 0.03, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        {"learning_rate": 0.03, "l1": 1e-3, "l2": 0.7, "momentum": 0.3, "nesterov": True, "weight_decay": 0.07},
    ],
    "adamw": [
        {"beta_1": 0.8, "beta_2": 0.97, "amsgrad": True, "weight_decay": 0.3},
        {"beta_1": 0.97, "beta_2": 0.9996, "amsgrad": True, "weight_decay": 0.01},
    ],
    "lion": [
        {"beta_1": 0.8, "beta_2": 0.97, "weight_decay": 0.3} | AVERAGED[0],
        {"learning_rate": 1e-4, "beta_1": 0.97, "beta_2": 0.7, "weight_decay": 0.01} | AVERAGED[1],
    ],
    "adafactor": [
        {"learning_rate": 0.01, "beta_2_decay": -0.5, "clip_threshold": 0.7, "epsilon_2": 0.1, "clipnorm": 0.3},
        {"beta_2_decay": -0.7, "clip_threshold": 0.3, "epsilon_1": 1e-20, "epsilon_2": 0.03, "clipnorm": 0.7},
    ],
    "lamb": [
        {"learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.97, "weight_decay": 0.3},
        {"beta_1": 0.97, "beta_2": 0.9996, "epsilon": 1e-5, "weight_decay": 0.01},
    ],
    "muon": [
        {"momentum": 0.9, "rms_rate": 0.3, "ns_steps": 3, "adam_lr_ratio": 0.7, "weight_decay": 0.3} | AVERAGED[0],
        {
            "momentum": 0.7,
            "rms_rate": 0.7,
            "ns_steps": 3,
            "muon_a": 3.0,
            "muon_b": -4.3,
            "muon_c": 1.9,
            "adam_beta_1": 0.8,
            "adam_beta_2": 0.97,
            "adam_weight_decay": 0.1,
            "adam_lr_ratio": 0.3,
            "epsilon": 1e-5,
        }
        | AVERAGED[1],
    ],
}


def settings_of(optimizer):
    """Two settings of an optimizer that share a structure: those above, else two points of the recommended ranges."""
    return KNOBS.get(optimizer) or [recommended(optimizer, share) | averaged for share, averaged in POINTS]


def recommended(optimizer, share):
    """The point at `share` of each recommended range, on its logarithm where it has one."""
    point = {}
    for name, distribution in OPTIMIZERS[optimizer].recommended().items():
        match distribution:
            case {"float": [low, high]} | {"one_minus": [low, high]}:
                value = low * (high / low) ** share
                point[name] = 1 - value if "one_minus" in distribution else value
    return point


POINTS = list(zip((0.3, 0.6), AVERAGED, strict=True))
# Of model and loss; with the sizes and schedules they go with.
REST = [
    {
        "model": {"architecture": "mlp", "units": [16]} | model,
        "loss": {"name": "categorical_crossentropy", "label_smoothing": smoothing},
        "batch_size": size,
        "schedule": schedule,
        "seed": size,
    }
    for model, smoothing, size, schedule in [
        ({"dropout": 0.2, "l1": 1e-3, "l2": 1e-2}, 0.2, 100, "cosine"),
        ({"dropout": 0.6, "l1": 1e-5, "l2": 1e-4}, 0.05, 150, "inverse_time"),
    ]
]


def updated(optimizer, weights, gradients):
    """The weights after a compiled update for each gradient."""
    step = tf.function(lambda gradient: optimizer.apply([gradient], [weights]))
    for gradient in gradients:
        step(tf.constant(gradient))
    return weights.numpy()


@pytest.mark.parametrize("optimizer", STEPWISE)
@pytest.mark.e2e(but=("sgd", "ftrl"))
def test_a_knob_as_a_variable_gives_the_bits_of_the_constant(optimizer):
    keras.utils.set_random_seed(0)
    gradients = [np.random.normal(size=(7, 5)).astype("float32") for _ in range(25)]
    row = OPTIMIZERS[optimizer]
    for knobs in [row.defaults(), *(row.defaults() | other for other in settings_of(optimizer))]:
        ends = []
        for turned in (False, True):
            made = row.build(**knobs)
            if turned:
                assert set(make_turnable(made, knobs, row.structural)) == set(turnable(knobs, row.structural))
            weights = keras.Variable(np.ones((7, 5), "float32"))
            made.build([weights])
            ends.append(updated(made, weights, gradients))
        np.testing.assert_array_equal(*ends)


@pytest.mark.parametrize(("optimizer", "engine"), [*((name, "graph") for name in STEPWISE), ("sgd", "xla")])
@pytest.mark.e2e(but=("adam-graph",))
def test_a_reused_executable_gives_the_bits_of_a_fresh_one(optimizer, engine):
    # XLA takes seconds longer with it, and its averages are variables like others.
    normalized = {"batch_normalization": engine == "graph"}
    first, second = (
        small(engine, optimizer={"name": optimizer, **knobs}, **rest | {"model": rest["model"] | normalized})
        for knobs, rest in zip(settings_of(optimizer), REST, strict=True)
    )
    assert structure_of(first) == structure_of(second)
    shared = Executables()
    # Stopped after an epoch, as a pruned trial is.
    begun = Trainer(first, Objective(), TrainingData.load(first.data), shared)
    stream = begun.epochs()
    next(stream)
    stream.close()
    trainer, reused = train(second, executables=shared)
    assert trainer.model is begun.model
    again, fresh = train(second)
    assert again.model is not begun.model
    assert reused == fresh
    for ours, theirs in zip(trainer.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_changes_the_graph_changes_the_structure():
    base = sample_config(optimizer={"name": "sgd", "momentum": 0.9})
    same = sample_config(optimizer={"name": "sgd", "momentum": 0.5, "learning_rate": 0.3}, batch_size=7, seed=1)
    assert structure_of(same) == structure_of(base)
    for other in (
        sample_config(optimizer={"name": "sgd", "momentum": 0.0}),
        sample_config(optimizer={"name": "sgd", "momentum": 0.9, "nesterov": True}),
        sample_config(optimizer={"name": "adam"}),
        sample_config(optimizer={"name": "sgd", "momentum": 0.9}, model={"architecture": "mlp", "units": [9]}),
        sample_config(
            optimizer={"name": "sgd", "momentum": 0.9},
            loss={"name": "categorical_crossentropy", "label_smoothing": 0.1},
        ),
    ):
        assert structure_of(other) != structure_of(base)


def test_no_more_executables_are_kept_than_allowed():
    executables, data = Executables(most=2), TrainingData.load(sample_config().data)
    configs = [sample_config(model={"architecture": "mlp", "units": [width]}) for width in (4, 5, 6)]
    models = [executables.ready(config, data, weighted=False).parts.model for config in configs]
    assert executables.ready(configs[2], data, weighted=False).parts.model is models[2]
    assert executables.ready(configs[0], data, weighted=False).parts.model is not models[0]


def test_a_trained_model_with_its_optimizer_is_saved_with_the_numbers_of_its_trial(tmp_path):
    config = sample_config(
        optimizer={"name": "sgd", "momentum": 0.9, "clipnorm": 2.0},
        model={"architecture": "mlp", "units": [8], "dropout": 0.25, "l2": 1e-3},
    )
    other = config.model_copy(update={"optimizer": config.optimizer.model_copy(update={"momentum": 0.3})})
    shared = Executables()
    list(Trainer(other, Objective(), TrainingData.load(config.data), shared).epochs())
    trainer = Trainer(config, Objective(), TrainingData.load(config.data), shared, [keras.callbacks.Callback()])
    list(trainer.epochs())
    trainer.model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.get_config()["momentum"] == 0.9
    assert loaded.optimizer.get_config()["clipnorm"] == 2.0
    dense, dropout = loaded.layers[2], next(layer for layer in loaded.layers if isinstance(layer, keras.layers.Dropout))
    assert (dense.kernel_regularizer.l2, dropout.rate) == (1e-3, 0.25)
    images = np.random.default_rng(0).random((5, 28, 28), np.float32)
    np.testing.assert_array_equal(loaded(images), trainer.model(images))
