"""What is measured and what is made of it: matrix operations, the configurations chosen, the forecast."""

from __future__ import annotations

import math

import pytest
from support import QUICKSTART, ROOT

from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.config.study import load_study
from hpsearch.config.yaml_text import dump
from hpsearch.search.bench import Forecast, at_most, drawn, spread

FASHION_MNIST = ROOT / "studies" / "fashion_mnist.yaml"


def built(architecture, **knobs):
    from hpsearch.catalogue.models import MODELS

    row = MODELS[architecture]
    return row.build((28, 28), 10, **row.defaults() | knobs)


@pytest.mark.parametrize("extra", [{}, {"batch_normalization": True}, {"dropout": 0.5, "l2": 1e-4}])
def test_the_matrix_operations_of_a_hand_counted_mlp(extra):
    from hpsearch.training.measures import matrix_flops

    # [1, 784] x [784, 256], [1, 256] x [256, 128], [1, 128] x [128, 10]
    first, forward = 2 * 784 * 256, 2 * (784 * 256 + 256 * 128 + 128 * 10)
    assert matrix_flops(built("mlp", units=(256, 128), **extra)) == (forward, 3 * forward - first)


def test_a_perceptron_needs_no_gradient_by_its_input():
    from hpsearch.training.measures import matrix_flops

    assert matrix_flops(built("mlp", units=())) == (2 * 7840, 4 * 7840)


def test_the_matrix_operations_of_a_hand_counted_recurrent_model():
    from hpsearch.training.measures import matrix_flops

    # 28 times: a row of 28 pixels and the state, 4 gates wide; then the same from 6 units; the logits once.
    first = 2 * 28 * 28 * 4 * 6
    forward = first + 2 * 28 * (6 * 4 * 6 + 2 * 6 * 4 * 6) + 2 * 6 * 10
    model = built("rnn", cell="lstm", units=6, layers=2, dropout=0.1)
    assert matrix_flops(model) == (forward, 3 * forward - first)


@pytest.mark.parametrize("layer", ["DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose"])
def test_a_model_with_other_matrices_is_not_counted(layer):
    import keras

    from hpsearch.training.measures import matrix_flops

    inputs = keras.Input((8, 8, 2))
    x = getattr(keras.layers, layer)(**{} if layer == "DepthwiseConv2D" else {"filters": 3}, kernel_size=3)(inputs)
    assert matrix_flops(keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(x)))) is None


def test_the_matrix_operations_of_a_hand_counted_cnn():
    from hpsearch.training.measures import matrix_flops

    # 5 x 5 kernels from 1 to 4 channels at 28 x 28 places, from 4 to 6 at 14 x 14; 7 x 7 x 6 = 294 are left.
    first = 2 * 28 * 28 * 5 * 5 * 1 * 4
    forward = first + 2 * (14 * 14 * 5 * 5 * 4 * 6 + 294 * 32 + 32 * 10)
    model = built("cnn", filters=(4, 6), kernel_size=5, units=(32,))
    assert matrix_flops(model) == (forward, 3 * forward - first)


def test_nested_models_count_and_unknown_shapes_are_not_guessed():
    import keras

    from hpsearch.training.measures import matrix_flops

    inner = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    outer = keras.Sequential([keras.Input((8,)), inner, keras.layers.Dense(2)])
    assert matrix_flops(outer) == (2 * (32 + 8), 6 * (32 + 8) - 2 * 32)

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2)

        def build(self, shape):
            self.dense.build(shape)

        def call(self, inputs):
            return self.dense(inputs)

    own = Own()
    own.build((None, 8))
    assert matrix_flops(own) is None


def combinations(configs):
    return {(c.optimizer.selected(), c.model.selected(), c.batch_size) for c in configs}


@pytest.mark.parametrize(("workers", "count"), [(1, 9), (2, 9), (16, 16)])
def test_every_combination_is_measured_where_they_are_few_and_every_worker_has_work(workers, count):
    chosen = spread(drawn(load_study(QUICKSTART).space), workers)
    assert len(chosen) == count
    assert len(combinations(chosen)) == 9


def test_of_a_large_space_every_optimizer_batch_size_and_shape_is_measured():
    chosen = spread(drawn(load_study(FASHION_MNIST).space), 2)
    offered = {row.name for row in OPTIMIZERS.values() if row.offered}
    assert len(chosen) == len(combinations(chosen)) == max(12, len(offered))
    assert {c.optimizer.selected() for c in chosen} == offered
    assert {c.batch_size for c in chosen} == {32, 64, 128, 256, 512}
    assert {c.model.knobs()["units"] for c in chosen} == {(128,), (256, 128), (512, 256), (256, 128, 64)}


def test_a_study_is_always_measured_by_the_same_configurations(tmp_path):
    study = {
        "trial": {
            "model": {"choice": [{"architecture": "mlp"}, {"architecture": "cnn"}]},
            "optimizer": {"name": "sgd", "momentum": {"one_minus": [0.001, 1.0], "log": True}},
            "batch_size": {"int": [32, 512], "log": True},
            "training": {"max_epochs": {"int": [4, 20], "step": 4}},
        }
    }
    (tmp_path / "study.yaml").write_text(dump(study))
    space = load_study(tmp_path / "study.yaml").space
    found = drawn(space)
    assert found == drawn(space)
    assert {c.training.max_epochs for c in found} == {4, 8, 12, 16, 20}
    assert all(32 <= c.batch_size <= 512 and 0 <= c.optimizer.knobs()["momentum"] <= 0.999 for c in found)
    assert {c.model.selected() for c in spread(found, 1)} == {"mlp", "cnn"}


def test_arguments_of_a_persons_own_builder_tell_shapes_apart(tmp_path):
    (tmp_path / "study.yaml").write_text(
        "trial:\n  model: {architecture: custom, builder: 'keras:Model', arguments: {width: {int: [1, 9]}}}\n"
        "  optimizer: adam\n  batch_size: 64\n"
    )
    chosen = spread(drawn(load_study(tmp_path / "study.yaml").space), 4)
    assert len({c.model.knobs()["arguments"]["width"] for c in chosen}) == 4


def test_one_fixed_configuration_is_measured_on_every_worker(tmp_path):
    (tmp_path / "study.yaml").write_text(
        "trial: {optimizer: {name: sgd, momentum: 0.9, nesterov: false}, batch_size: 64}\n"
    )
    assert len(spread(drawn(load_study(tmp_path / "study.yaml").space), 3)) == 3


def test_the_forecast_by_hand():
    forecast = Forecast(16, 20, 2, 1.0, 10, 2.0, 5.0)
    assert forecast.seconds == 5 + (16 * 20 * 1.0 + 10 * 2.0) / 2
    # More workers than trials help nobody.
    assert Forecast(1, 20, 8, 1.0, 1, 2.0, 5.0).seconds == 27
    assert math.isclose(forecast.plain()["seconds_at_most"], 175)


@pytest.mark.parametrize(
    ("seconds", "text"), [(42.4, "42 s"), (89.9, "90 s"), (720, "12 min"), (5399, "90 min"), (9000, "2.5 h")]
)
def test_the_forecast_in_words(seconds, text):
    assert at_most(seconds) == f"about {text} at most"
