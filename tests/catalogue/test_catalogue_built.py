"""What the entries build: knobs that reach Keras, models that count right, losses that are their formula."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import keras
import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss
from training import own_code

from hpsearch.catalogue.entries import Entry, Knob
from hpsearch.catalogue.losses import LOSSES
from hpsearch.catalogue.metrics import METRICS
from hpsearch.catalogue.models import ACTIVATIONS, CELLS, MODELS
from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.config.trial import TrialConfig
from hpsearch.errors import UserCodeError

# ---------------------------------------------------------------- optimizers


def _others(knob: Knob) -> list[Any]:
    """Valid values of a knob other than its default."""
    if get_origin(knob.type) is Literal:
        return [value for value in get_args(knob.type) if value != knob.default]
    kind = next((kind for kind in get_args(knob.type) if kind is not NoneType), knob.type)
    if kind is bool:
        return [not knob.default]
    if kind is int:
        return [knob.default + 1, knob.default + 2]
    if knob.le == 0:
        return [-0.3, -0.6]
    return [0.3, 0.6] if knob.lt is not None or knob.le is not None else [0.003, 2.5]


def _settings(entry: Entry) -> Iterator[dict[str, Any]]:
    """The defaults, each knob turned alone, and as many as may be together, as TrialConfig lets them through."""
    yield {}
    for knob in entry.knobs:
        yield from ({knob.name: value} for value in _others(knob))
    yield _together(entry)


def _together(entry: Entry) -> dict[str, Any]:
    """All knobs turned but those that the entry refuses beside others."""
    turned: dict[str, Any] = {}
    for knob in entry.knobs:
        more = turned | {knob.name: _others(knob)[0]}
        if entry.check is None or entry.check(entry.defaults() | more) is None:
            turned = more
    return turned


# What needs a closure is no Keras optimizer.
KERAS_OPTIMIZERS = {name: entry for name, entry in OPTIMIZERS.items() if not entry.needs_closure}
every_optimizer = pytest.mark.parametrize("entry", KERAS_OPTIMIZERS.values(), ids=KERAS_OPTIMIZERS)


@every_optimizer
def test_every_knob_reaches_the_keras_optimizer(entry):
    for knobs in _settings(entry):
        config = TrialConfig.model_validate({"optimizer": {"name": entry.name, **knobs}})
        built = entry.build(**config.optimizer.knobs())
        assert isinstance(built, keras.optimizers.Optimizer)
        found = built.get_config()
        for name, value in {**entry.defaults(), **knobs}.items():
            assert found[name] == (value if value is None else pytest.approx(value, rel=1e-6)), (knobs, name)


@every_optimizer
def test_the_defaults_are_those_of_keras(entry):
    signature = inspect.signature(type(entry.build(**entry.defaults()))).parameters
    of_keras = {name: signature[name].default for name in entry.defaults()}
    assert not entry.keras_defaults or of_keras == entry.defaults()


@every_optimizer
def test_an_optimizer_is_saved_and_restored_with_all_of_its_knobs(entry):
    built = entry.build(**_together(entry))
    # Not `keras.optimizers.deserialize`, which does not know lamb (Keras 3.15).
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(built))
    assert again.get_config() == built.get_config()


@pytest.mark.parametrize("architecture", [entry.name for entry in MODELS.values() if entry.complete])
def test_muon_leaves_the_output_layer_and_all_that_is_no_matrix_to_adam(architecture):
    model = _built(architecture)
    muon = OPTIMIZERS["muon"].build(**OPTIMIZERS["muon"].defaults())
    muon.build(model.trainable_variables)
    orthogonal = [
        variable.path
        for variable, velocity in zip(model.trainable_variables, muon.adam_velocities, strict=True)
        if velocity is None
    ]
    matrices = [variable.path for variable in model.trainable_variables if len(variable.shape) == 2]
    assert orthogonal == matrices[:-1]
    assert matrices[-1] == f"{model.layers[-1].name}/kernel"


# -------------------------------------------------------------------- models

IMAGE, CLASSES = (28, 28), 10


def _built(architecture: str, seed: int = 0, **knobs: Any) -> Any:
    keras.utils.set_random_seed(seed)
    entry = MODELS[architecture]
    return entry.build(IMAGE, CLASSES, **{**entry.defaults(), **knobs})


def _layers(model: Any) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]


# Architecture, knobs, trained numbers, numbers that move in training but are not trained.
COUNTED: list[tuple[str, dict[str, Any], int, int]] = [
    ("mlp", {"units": []}, 784 * 10 + 10, 0),
    ("mlp", {}, (784 * 256 + 256) + (256 * 128 + 128) + (128 * 10 + 10), 0),
    ("mlp", {"units": [5], "dropout": 0.5}, (784 * 5 + 5) + (5 * 10 + 10), 0),
    # Batch normalization: gamma and beta are trained, mean and variance move; Dense has no bias.
    ("mlp", {"units": [7, 3], "batch_normalization": True}, 784 * 7 + 14 + 7 * 3 + 6 + (3 * 10 + 10), 2 * (7 + 3)),
    # 28 x 28 is halved twice: 7 x 7 x 32.
    ("cnn", {}, (9 * 16 + 16) + (9 * 16 * 32 + 32) + (7 * 7 * 32 * 64 + 64) + (64 * 10 + 10), 0),
    ("cnn", {"filters": [2], "kernel_size": 5, "units": []}, (25 * 2 + 2) + (14 * 14 * 2 * 10 + 10), 0),
    (
        "cnn",
        {"filters": [2, 3], "units": [4], "batch_normalization": True},
        9 * 2 + 4 + 9 * 2 * 3 + 6 + 7 * 7 * 3 * 4 + 8 + (4 * 10 + 10),
        2 * (2 + 3 + 4),
    ),
    # 28, 14, 7, 3, 1.
    ("cnn", {"filters": [1, 1, 1, 1], "units": []}, 4 * (9 + 1) + (1 * 10 + 10), 0),
    ("cnn", {"filters": [], "units": []}, 784 * 10 + 10, 0),
    ("perceptron", {}, 784 * 10 + 10, 0),
    ("deep_mlp", {}, (784 * 256 + 256) + 2 * (256 * 256 + 256) + (256 * 10 + 10), 0),
    ("deep_mlp", {"units": 5, "layers": 4}, (784 * 5 + 5) + 3 * (5 * 5 + 5) + (5 * 10 + 10), 0),
    # Gates: 1, 3 and 4 times a kernel for the row of 28 pixels, one for the state, a bias (GRU: two).
    ("rnn", {"cell": "simple_rnn", "units": 6}, 28 * 6 + 6 * 6 + 6 + (6 * 10 + 10), 0),
    ("rnn", {"cell": "gru", "units": 6}, 3 * (28 * 6 + 6 * 6 + 2 * 6) + (6 * 10 + 10), 0),
    ("rnn", {"cell": "lstm", "units": 6}, 4 * (28 * 6 + 6 * 6 + 6) + (6 * 10 + 10), 0),
    (
        "rnn",
        {"cell": "lstm", "units": 6, "layers": 2, "dropout": 0.5},
        4 * (28 * 6 + 6 * 6 + 6) + 4 * (6 * 6 + 6 * 6 + 6) + (6 * 10 + 10),
        0,
    ),
]


def test_parameters_are_as_many_as_counted_by_hand():
    for architecture, knobs, trainable, moving in COUNTED:
        model = _built(architecture, **knobs)
        case = (architecture, knobs)
        assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == trainable, case
        fixed = sum(math.prod(weight.shape) for weight in model.non_trainable_weights)
        assert fixed - _seeds(model) == moving, case


def _seeds(model: Any) -> int:
    """Numbers that only hold the state of a dropout layer's random generator."""
    return sum(math.prod(weight.shape) for weight in model.non_trainable_weights if "seed" in weight.path)


def test_the_order_of_layers_is_dense_without_bias_then_normalization_then_activation():
    model = _built("mlp", units=[8, 4], batch_normalization=True, dropout=0.25)
    block = ["Dense", "BatchNormalization", "Activation", "Dropout"]
    assert _layers(model) == ["InputLayer", "Flatten", *block, *block, "Dense"]
    assert [layer.use_bias for layer in model.layers if type(layer).__name__ == "Dense"] == [False, False, True]
    assert [layer.rate for layer in model.layers if type(layer).__name__ == "Dropout"] == [0.25, 0.25]
    assert _layers(_built("mlp", units=[8])) == ["InputLayer", "Flatten", "Dense", "Activation", "Dense"]


def test_the_convolutions_are_normalized_activated_and_pooled():
    model = _built("cnn", filters=[2], units=[3], batch_normalization=True)
    assert _layers(model)[1:] == [
        *("Reshape", "Conv2D", "BatchNormalization", "Activation", "MaxPooling2D"),
        *("Flatten", "Dense", "BatchNormalization", "Activation", "Dense"),
    ]
    assert [layer.use_bias for layer in model.layers if hasattr(layer, "use_bias")] == [False, False, True]


BUILT_IN = [entry.name for entry in MODELS.values() if entry.complete]


@pytest.mark.parametrize("architecture", BUILT_IN)
def test_images_become_finite_logits(architecture):
    images = np.random.default_rng(0).random((3, *IMAGE), np.float32)
    model = _built(architecture)
    logits = np.asarray(model(images, training=False))
    assert logits.shape == (3, CLASSES)
    assert logits.dtype == np.float32
    assert np.all(np.isfinite(logits))
    # Logits, not probabilities: the losses take it so.
    assert model.layers[-1].activation is keras.activations.linear
    assert not np.allclose(logits.sum(axis=1), 1)


SHAPES = [(16, 16, 3), (9, 6, 1), (12, 5), (7,), (5, 4, 6, 3)]


@pytest.mark.parametrize("architecture", BUILT_IN)
def test_an_architecture_takes_a_shape_or_says_in_a_sentence_which_it_takes(architecture):
    entry = MODELS[architecture]
    for shape in SHAPES:
        problem = entry.check_shape and entry.check_shape(shape, entry.defaults())
        takes = {"cnn": len(shape) in (2, 3), "rnn": len(shape) > 1}.get(architecture, True)
        assert bool(problem) != takes, shape
        if problem:
            assert f"but an example is {list(shape)}" in problem
            continue
        model = entry.build(shape, CLASSES, **entry.defaults())
        assert (model.input_shape, model.output_shape) == ((None, *shape), (None, CLASSES))


def test_colours_are_the_channels_of_the_first_convolution():
    model = MODELS["cnn"].build((16, 16, 3), CLASSES, **MODELS["cnn"].defaults())
    kernel = next(layer for layer in model.layers if type(layer).__name__ == "Conv2D").kernel
    assert kernel.shape == (3, 3, 3, 16)


def test_a_recurrent_model_reads_rows_of_pixels_with_their_colours():
    images = np.random.default_rng(1).normal(size=(5, 4, 3, 2)).astype(np.float32)
    knobs = MODELS["rnn"].defaults() | {"cell": "simple_rnn", "units": 6, "activation": "relu"}
    model = MODELS["rnn"].build((4, 3, 2), CLASSES, **knobs)
    kernel, recurrent, bias, last, last_bias = model.get_weights()
    state = np.zeros((5, 6))
    for row in range(4):
        state = np.maximum(images[:, row].reshape(5, 6) @ kernel + state @ recurrent + bias, 0)
    np.testing.assert_allclose(np.asarray(model(images)), state @ last + last_bias, rtol=1e-3, atol=1e-4)


NONLINEAR = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.2 * z),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_mlp_is_its_formula(activation):
    images = np.random.default_rng(1).normal(size=(5, *IMAGE)).astype(np.float32)
    model = _built("mlp", units=[6], activation=activation)
    weights, bias, last, last_bias = model.get_weights()
    hidden = NONLINEAR[activation](images.reshape(5, -1) @ weights + bias)
    np.testing.assert_allclose(np.asarray(model(images)), hidden @ last + last_bias, rtol=1e-4, atol=1e-5)


def test_a_perceptron_is_its_formula():
    images = np.random.default_rng(1).normal(size=(5, *IMAGE)).astype(np.float32)
    model = _built("perceptron")
    weights, bias = model.get_weights()
    np.testing.assert_allclose(np.asarray(model(images)), images.reshape(5, -1) @ weights + bias, rtol=1e-4, atol=1e-5)


def test_a_recurrent_model_reads_the_rows_of_an_image_from_top_to_bottom():
    images = np.random.default_rng(1).normal(size=(5, *IMAGE)).astype(np.float32)
    model = _built("rnn", cell="simple_rnn", units=6, activation="relu")
    kernel, recurrent, bias, last, last_bias = model.get_weights()
    state = np.zeros((5, 6))
    for row in range(28):
        state = np.maximum(images[:, row] @ kernel + state @ recurrent + bias, 0)
    np.testing.assert_allclose(np.asarray(model(images)), state @ last + last_bias, rtol=1e-3, atol=1e-4)


def test_recurrent_layers_pass_on_every_state_but_the_last():
    model = _built("rnn", cell="gru", units=3, layers=3, dropout=0.5)
    recurrent = [layer for layer in model.layers if type(layer).__name__ == "GRU"]
    assert [layer.return_sequences for layer in recurrent] == [True, True, False]
    assert not any(layer.unroll for layer in recurrent)
    assert _layers(model)[1:] == ["GRU", "Dropout"] * 3 + ["Dense"]


@pytest.mark.parametrize("architecture", BUILT_IN)
def test_the_seed_decides_the_initial_weights(architecture):
    first, again, other = (_built(architecture, seed).get_weights() for seed in (7, 7, 8))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_penalties_are_sums_over_the_kernels_of_every_layer():
    knobs = {"filters": [2], "units": [3], "l1": 0.01, "l2": 0.1}
    model = _built("cnn", **knobs)
    kernels = [weight.numpy() for weight in model.weights if weight.path.endswith("kernel")]
    assert len(kernels) == 3
    expected = sum(0.01 * np.abs(kernel).sum() + 0.1 * np.square(kernel).sum() for kernel in kernels)
    assert sum(float(loss) for loss in model.losses) == pytest.approx(expected, rel=1e-5)
    assert _built("cnn", **knobs | {"l1": 0.0, "l2": 0.0}).losses == []


@pytest.mark.parametrize("cell", CELLS)
def test_penalties_of_a_recurrent_model_leave_its_recurrent_kernels_out(cell):
    model = _built("rnn", cell=cell, units=3, layers=2, l1=0.01, l2=0.1)
    kernels = [weight.numpy() for weight in model.weights if weight.path.endswith("/kernel")]
    assert len(kernels) == 3
    expected = sum(0.01 * np.abs(kernel).sum() + 0.1 * np.square(kernel).sum() for kernel in kernels)
    assert sum(float(loss) for loss in model.losses) == pytest.approx(expected, rel=1e-5)


def test_one_way_of_clipping_is_taken_at_a_time():
    for entry in KERAS_OPTIMIZERS.values():
        for knob in ("clipnorm", "global_clipnorm", "clipvalue"):
            assert entry.check(entry.defaults() | {knob: 1.0}) is None
        assert "but got clipnorm, clipvalue" in entry.check(entry.defaults() | {"clipnorm": 1.0, "clipvalue": 2.0})


# -------------------------------------------------------------------- losses


def _smoothed_crossentropy(labels: np.ndarray, logits: np.ndarray, label_smoothing: float) -> float:
    """The mean over examples of -sum_k q_k log p_k, q = (1 - s) y + s / K, log p by a stable softmax."""
    target = labels * (1 - label_smoothing) + label_smoothing / labels.shape[1]
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-(target * log_p).sum(axis=1).mean())


def _brier_score_over_classes(labels: np.ndarray, logits: np.ndarray) -> float:
    """The mean over examples and classes of the squared error of the probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return float(np.mean((powers / powers.sum(axis=1, keepdims=True) - labels) ** 2))


def _squared_hinge(labels: np.ndarray, logits: np.ndarray, function: Any) -> float:
    return float(np.mean(np.maximum(1 - np.where(labels == 1, 1, -1) * logits, 0) ** 2))


LOSS_FORMULAS = {
    "categorical_crossentropy": (_smoothed_crossentropy, [{"label_smoothing": s} for s in (0, 0.1, 0.9)]),
    "mean_squared_error": (_brier_score_over_classes, [{}]),
    "custom": (
        _squared_hinge,
        [{"function": own_code.squared_hinge}, {"function": own_code.mean_of_squared_hinge}],
    ),
}


def test_every_loss_is_held_against_a_formula_of_its_own():
    assert set(LOSS_FORMULAS) == set(LOSSES)


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_its_formula(name, scale):
    random = np.random.default_rng(2)
    logits = (scale * random.normal(size=(6, CLASSES))).astype(np.float32)
    labels = np.eye(CLASSES, dtype=np.float32)[random.integers(0, CLASSES, 6)]
    formula, settings = LOSS_FORMULAS[name]
    for knobs in settings:
        built = LOSSES[name].build(**{**LOSSES[name].defaults(), **knobs})
        assert float(built(labels, logits)) == pytest.approx(formula(labels, logits.astype(float), **knobs), rel=1e-5)


def test_a_scalar_is_the_loss_of_each_example():
    random = np.random.default_rng(3)
    logits = random.normal(size=(4, CLASSES)).astype(np.float32)
    labels, weights = np.eye(CLASSES, dtype=np.float32)[:4], np.array([0.5, 0, 2, 1.5], np.float32)
    built = LOSSES["custom"].build(function=own_code.mean_of_squared_hinge)
    expected = _squared_hinge(labels, logits, None) * weights.mean()
    assert float(built(labels, logits, sample_weight=weights)) == pytest.approx(expected, rel=1e-5)


def test_a_loss_of_each_class_is_refused():
    built = LOSSES["custom"].build(function=own_code.of_each_class)
    with pytest.raises(UserCodeError, match=r"must return \[batch\] or a scalar, but its shape is \(4, 10\)"):
        built(np.zeros((4, CLASSES), np.float32), np.zeros((4, CLASSES), np.float32))


# ------------------------------------------------------------------- metrics


def _of_top_2(labels: np.ndarray, p: np.ndarray) -> float:
    return float(np.mean([label in np.argsort(row)[-2:] for label, row in zip(labels, p, strict=True)]))


def _squared_error(labels: np.ndarray, p: np.ndarray) -> float:
    return float(np.mean((np.eye(CLASSES)[labels] - p) ** 2))


METRIC_FORMULAS = {
    "top_2_accuracy": _of_top_2,
    "f1_score": lambda labels, p: f1_score(labels, p.argmax(axis=1), average="macro", labels=range(CLASSES)),
    "mean_squared_error": _squared_error,
    "cross_entropy": lambda labels, p: log_loss(labels, p, labels=range(CLASSES)),
}


def test_every_metric_is_held_against_a_formula_of_its_own():
    assert set(METRIC_FORMULAS) == set(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_its_formula_over_all_batches_of_a_pass(name):
    random = np.random.default_rng(4)
    labels = random.integers(0, CLASSES, 60)
    p = random.dirichlet(np.ones(CLASSES), 60).astype(np.float32)
    built = METRICS[name].build()
    for start in (0, 40):
        built.update_state(np.eye(CLASSES, dtype=np.float32)[labels[start : start + 40]], p[start : start + 40])
    assert float(built.result()) == pytest.approx(METRIC_FORMULAS[name](labels, p), rel=1e-4)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_over_logits_is_that_over_their_probabilities(name):
    source = np.random.default_rng(0)
    logits = source.normal(size=(40, 5)).astype("float32")
    labels = np.eye(5, dtype="float32")[source.integers(5, size=40)]
    ours, theirs = METRICS[name].build(), eval(METRICS[name].of_logits, {"keras": keras})
    ours.update_state(labels, keras.ops.softmax(logits))
    theirs.update_state(labels, logits)
    assert theirs.name == name
    assert float(theirs.result()) == pytest.approx(float(ours.result()), rel=1e-5)
