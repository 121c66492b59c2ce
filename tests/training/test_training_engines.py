"""Each engine against Keras's own `model.fit`: same initial weights, same order, every feature of a training."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight
from training.stock import DATA, SGD, STEPWISE, assert_same_curves, column, fit, small, train

from hpsearch.catalogue.metrics import METRICS
from hpsearch.catalogue.schedules import SCHEDULES
from hpsearch.data.arrays import load_test
from hpsearch.training.examples import TrainingData
from hpsearch.training.knobs import KnobVariable, TurnableDropout

COMPILED = ("graph", "xla")
# Of 534 training images: no last partial batch; one of a single image; one nearly as large as the first; all images in
# one batch.
SIZES = (89, 41, 300, 534)


def mlp(**knobs):
    return {"architecture": "mlp", "units": [16]} | knobs


@pytest.mark.parametrize("engine", COMPILED)
@pytest.mark.parametrize("optimizer", STEPWISE)
@pytest.mark.e2e(but=("sgd-graph", "proximal_gradient_descent-graph", "sgd-xla"))
def test_each_optimizer_trains_as_model_fit_does(optimizer, engine):
    config = small(engine, optimizer=optimizer)
    assert_same_curves(*train(config), fit(config))


MOVING = [name for name, row in SCHEDULES.items() if "per" in row.defaults()]
SCHEDULED = [(name, per, "graph") for name in MOVING for per in ("step", "epoch")]


@pytest.mark.parametrize(
    ("schedule", "per", "engine"), [*SCHEDULED, ("cosine", "step", "xla"), ("exponential", "epoch", "xla")]
)
@pytest.mark.e2e(but=("cosine", "step-epoch-graph", "polynomial"))
def test_each_schedule_trains_as_model_fit_does(executables, schedule, per, engine):
    config = small(engine, optimizer=SGD, schedule={"name": schedule, "per": per})
    assert_same_curves(*train(config, executables=executables), fit(config))


@pytest.mark.parametrize("engine", COMPILED)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.e2e(but=("41",))
def test_each_size_of_the_last_batch_trains_as_model_fit_does(executables, size, engine):
    config = small(engine, batch_size=size)
    assert_same_curves(*train(config, executables=executables), fit(config))


@pytest.mark.parametrize("engine", COMPILED)
def test_batches_of_one_example_train_as_model_fit_does(executables, engine):
    config = small(engine, batch_size=1)
    data = TrainingData.load(config.data)
    few = dataclasses.replace(data, training=data.training[:25])
    assert_same_curves(*train(config, few, executables), fit(config, few))


@pytest.mark.e2e
def test_the_cnn_with_all_that_a_model_may_have_trains_as_model_fit_does():
    knobs = {"batch_normalization": True, "l1": 1e-4, "l2": 1e-3, "dropout": 0.2}
    config = small(model={"architecture": "cnn", "filters": [2], "units": [8]} | knobs, batch_size=300)
    assert_same_curves(*train(config), fit(config))


def assert_it_matters(rows, executables):
    """Another curve than without it."""
    _, plain = train(small(), executables=executables)
    assert np.max(np.abs(np.divide(column(rows, "val_loss"), column(plain, "val_loss")) - 1)) > 1e-3


PROXIMAL = {"name": "proximal_gradient_descent", "learning_rate": 0.1, "l1": 1e-3, "l2": 1e-2}


@pytest.mark.parametrize(
    "sections",
    [
        {"model": mlp(l1=1e-3)},
        {"model": mlp(l2=1e-2)},
        {"model": mlp(dropout=0.3), "data": DATA | {"normalization": "standardize"}},
        {"loss": {"name": "categorical_crossentropy", "label_smoothing": 0.1}},
        {"optimizer": SGD | {"momentum": 0.9, "nesterov": True, "clipnorm": 0.1}},
        {"optimizer": SGD | {"global_clipnorm": 0.1}},
        {"optimizer": SGD | {"clipvalue": 0.01, "weight_decay": 0.3}},
        {"optimizer": PROXIMAL | {"momentum": 0.5}},
        {"optimizer": PROXIMAL | {"momentum": 0.5, "nesterov": True}},
        {"optimizer": {"name": "ftrl", "initial_accumulator_value": 1e-6, "l1_regularization_strength": 1e-3}},
    ],
    ids=lambda sections: "-".join(list(section)[-1] for section in sections.values()),
)
@pytest.mark.e2e(but=("l1",))
def test_each_feature_trains_as_model_fit_does(executables, sections):
    config = small(**sections)
    trainer, rows = train(config)
    assert_same_curves(trainer, rows, fit(config))
    assert_it_matters(rows, executables)


def test_the_proximal_step_leaves_exact_zeros_in_the_model(executables):
    sparse, dense = (
        train(small(optimizer=PROXIMAL | {"l1": l1}), executables=executables)[0].model for l1 in (1e-2, 0.0)
    )
    zeros = [np.mean(np.concatenate([w.ravel() for w in model.get_weights()]) == 0) for model in (sparse, dense)]
    assert zeros[0] > 0.05
    assert zeros[1] == 0


# Zero among them: an example that does not count.
CLASS_WEIGHT = [0.1, 1, 1, 3, 1, 1, 2, 1, 0, 1]


def test_class_weights_count_as_in_model_fit(executables):
    config = small(training={"class_weight": CLASS_WEIGHT})
    trainer, rows = train(config, executables=executables)
    assert_same_curves(trainer, rows, fit(config, class_weight=dict(enumerate(CLASS_WEIGHT))))
    assert_it_matters(rows, executables)
    # The test images have no weights of their own.
    arrays = load_test(config.data.dataset)
    logits = trainer.model.predict(arrays.images / np.float32(255), batch_size=1000, verbose=0)
    assert trainer.test().accuracy == pytest.approx(np.mean(logits.argmax(axis=1) == arrays.labels))


def test_balanced_classes_have_the_weights_of_scikit_learn(executables):
    data = TrainingData.load(small().data)
    labels = data.examples.labels.numpy()
    # The sample has as many of each class; one boot in ten stays.
    left = [
        i for n, i in enumerate(data.training) if not (labels[i] == 0 and n % 2) and not (labels[i] == 9 and n % 10)
    ]
    uneven = dataclasses.replace(data, training=np.array(left))
    expected = compute_class_weight("balanced", classes=np.arange(10), y=labels[left])
    assert expected.max() > 2 * expected.min()
    config = small(training={"class_weight": "balanced"})
    assert_same_curves(*train(config, uneven, executables), fit(config, uneven, class_weight=dict(enumerate(expected))))


def test_sample_weights_count_as_in_model_fit_and_class_weights_on_top_of_them(executables):
    data = TrainingData.load(small().data)
    weights = np.random.default_rng(3).uniform(0, 2, len(data.examples.labels)).astype(np.float32)
    weighted = dataclasses.replace(data, sample_weight=weights)
    trainer, rows = train(small(), weighted, executables)
    assert_same_curves(trainer, rows, fit(small(), weighted))
    assert_it_matters(rows, executables)
    config = small(training={"class_weight": CLASS_WEIGHT})
    product = weights * np.float32(CLASS_WEIGHT)[data.examples.labels.numpy()]
    stock = fit(config, dataclasses.replace(data, sample_weight=product))
    assert_same_curves(*train(config, weighted, executables), stock)


def swap():
    return keras.callbacks.SwapEMAWeights(swap_on_epoch=True)


@pytest.mark.e2e
def test_averaged_weights_are_validated_and_kept_as_swapping_them_each_epoch_does(executables):
    config = small(optimizer=SGD | {"use_ema": True, "ema_momentum": 0.9})
    trainer, rows = train(config)
    assert_same_curves(trainer, rows, fit(config, callbacks=[swap()]))
    assert_it_matters(rows, executables)


def metrics_of_logits():
    """Each of METRICS written down for logits."""
    top_2 = keras.metrics.TopKCategoricalAccuracy(k=2, name="top_2_accuracy")
    error = keras.metrics.MeanMetricWrapper(
        lambda targets, logits: tf.reduce_mean((targets - tf.nn.softmax(logits)) ** 2, -1), name="mean_squared_error"
    )
    entropy = keras.metrics.CategoricalCrossentropy(from_logits=True, name="cross_entropy")
    found = [top_2, keras.metrics.F1Score(average="macro", name="f1_score"), error, entropy]
    assert [metric.name for metric in found] == list(METRICS)
    return found


@pytest.mark.parametrize("engine", ["graph", "fit"])
@pytest.mark.e2e
def test_further_metrics_are_those_of_keras_and_the_engine_fit_trains_as_it_does(engine):
    config = small(
        engine,
        # What the metrics must leave out.
        model=mlp(l2=1e-2),
        loss={"name": "categorical_crossentropy", "label_smoothing": 0.1},
        training={"metrics": list(METRICS)},
    )
    assert_same_curves(*train(config), fit(config, metrics=metrics_of_logits()), more=list(METRICS))


@pytest.mark.parametrize("per", ["step", "epoch"])
def test_the_engine_fit_moves_the_rate_as_graph_does(executables, per):
    schedule = {"name": "cosine", "per": per}
    trainer, rows = train(small("fit", schedule=schedule))
    assert_same_curves(trainer, rows, fit(small(schedule=schedule)))
    _, in_graph = train(small(schedule=schedule), executables=executables)
    assert column(rows, "learning_rate") == column(in_graph, "learning_rate")
    np.testing.assert_allclose(column(rows, "val_loss"), column(in_graph, "val_loss"), rtol=1e-4)


@pytest.mark.e2e
def test_all_of_it_at_once_trains_by_xla_as_model_fit_by_xla_does():
    # XLA's dropout draws other bits than TensorFlow's, so Keras must compile its step, too, and there is no last
    # partial batch, which would be trained in the graph.
    config = small(
        "xla",
        model=mlp(l1=1e-3, l2=1e-2, dropout=0.3),
        loss={"name": "categorical_crossentropy", "label_smoothing": 0.1},
        optimizer=SGD | {"momentum": 0.5, "clipnorm": 0.1, "weight_decay": 0.1, "use_ema": True},
        training={"class_weight": CLASS_WEIGHT, "metrics": ["f1_score"]},
        batch_size=89,
    )
    weights, metrics = dict(enumerate(CLASS_WEIGHT)), metrics_of_logits()[1:2]
    stock = fit(config, class_weight=weights, callbacks=[swap()], metrics=metrics, jit_compile=True)
    assert_same_curves(*train(config), stock, more=["f1_score"])


@pytest.mark.parametrize("how", ["eagerly", "in a graph", "by xla"])
def test_dropout_with_a_variable_rate_draws_the_bits_of_keras(how):
    inputs = tf.constant(np.random.default_rng(1).normal(size=(50, 9)).astype(np.float32))

    def caller(layer):
        def call():
            return layer(inputs, training=True)

        return call if how == "eagerly" else tf.function(call, jit_compile=how == "by xla")

    def drawn(call):
        return np.stack([call().numpy() for _ in range(3)])

    knob = KnobVariable(0.7, "dropout")
    layer = TurnableDropout(0.7, seed=11)
    layer.turn_by(knob)
    call, first = caller(layer), layer.seed_generator.state.numpy()
    for rate in (0.1, 0.6):
        knob.turn(rate)
        layer.seed_generator.state.assign(first)
        ours, theirs = drawn(call), drawn(caller(keras.layers.Dropout(rate, seed=11)))
        np.testing.assert_array_equal(ours, theirs)
        assert np.mean(ours == 0) == pytest.approx(rate, abs=0.05)
        assert not np.array_equal(ours[0], ours[1])
