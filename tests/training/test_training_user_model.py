"""Models of a user's own that want something of a training: it is done, or refused in one line, and never ignored."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from training import own_code
from training.stock import assert_same_curves, column, fit, small, train

from hpsearch.catalogue.models import MODELS
from hpsearch.config.file import Objective
from hpsearch.errors import UserCodeError
from hpsearch.training.examples import TrainingData
from hpsearch.training.portable import portable_model
from hpsearch.training.trainer import Trainer
from hpsearch.training.user_model import build_user_model

IMAGE, CLASSES = (28, 28), 10


def built(builder, **arguments):
    """The model of a builder, checked."""
    knobs = {"builder": builder, "arguments": arguments}
    return build_user_model(MODELS["custom"].build, IMAGE, CLASSES, knobs)


@pytest.mark.parametrize(
    ("builder", "sentence"),
    [
        (own_code.no_model, "but it returned Dense"),
        *(
            (
                builder,
                "but it gives probabilities, as where its last layer is a softmax: leave that out, the losses apply ",
            )
            for builder in (
                own_code.with_softmax,
                own_code.with_softmax_layer,
                own_code.with_softmax_operation,
                own_code.with_nested_softmax,
                own_code.subclass_with_softmax,
            )
        ),
        (
            own_code.with_sigmoid,
            "but its outputs lie between 0 and 1, as where its last layer is a sigmoid: leave that out",
        ),
        (own_code.compiled, "but it is compiled: leave `compile` out; the study's `optimizer`, `loss` and "),
        (own_code.with_own_prediction, "but it has a predict_step of its own, which exports would lose"),
        (
            own_code.with_own_step_and_channel,
            "but it takes [None, 28, 28, 1] and has a train_step of its own, which a ",
        ),
        (own_code.one_class_too_few, "but its output is (None, 9)"),
        (own_code.of_other_images, "but it cannot take them: ValueError: Input 0 "),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_no_model_from_images_to_logits_is_refused_in_one_line(builder, sentence):
    with pytest.raises(UserCodeError) as caught:
        built(builder)
    message = str(caught.value)
    assert message.startswith(
        "model.builder must return a Keras model from images [None, 28, 28] to logits [None, 10], "
    )
    assert sentence in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "builder",
    [own_code.of_zeros, own_code.of_equal_shares, own_code.of_log_probabilities, own_code.of_rectified_logits],
    ids=lambda builder: builder.__name__,
)
def test_logits_are_never_taken_for_probabilities_and_the_initial_weights_stay(builder):
    keras.utils.set_random_seed(3)
    initial = builder(IMAGE, CLASSES).get_weights()
    keras.utils.set_random_seed(3)
    model = built(builder)
    for one, other in zip(model.get_weights(), initial, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_policy_that_a_builder_sets_is_that_of_its_own_model_alone():
    model = built(own_code.half)
    assert model.dtype_policy.name == "mixed_float16"
    assert keras.config.dtype_policy().name == "float32"


def test_a_builder_gets_its_arguments_and_a_channel_is_added_where_it_wants_one():
    knobs = {"width": 3, "activations": ["tanh"] * 3}
    model = built(own_code.two_branches, **knobs)
    assert (model.input_shape, model.output_shape) == ((None, *IMAGE), (None, CLASSES))
    assert model.count_params() == 3 * (784 * 3 + 3) + 4 * 9 + (9 * 10 + 10)


def own(engine, builder, **sections):
    return small(engine, model={"architecture": "custom", "builder": f"training.own_code:{builder}"}, **sections)


@pytest.mark.parametrize(
    ("builder", "engine", "sentence"),
    [
        ("with_own_step", "graph", "the model has a train_step of its own, which `engine` graph would ignore: set "),
        ("with_own_step", "auto", "the model has a train_step of its own, which `engine` graph would ignore: set "),
        (
            "with_own_metric",
            "xla",
            r"the model has metrics of its own \(size\), which `engine` xla would ignore: set ",
        ),
    ],
)
def test_what_an_engine_would_ignore_is_refused_in_one_line(builder, engine, sentence):
    with pytest.raises(UserCodeError, match=rf"^model.builder: {sentence}`training.engine: fit`$"):
        train(own(engine, builder))


def test_a_train_step_of_its_own_trains_with_the_engine_fit():
    _, rows = train(own("fit", "with_own_step"))
    # It ascends.
    assert column(rows, "val_loss")[0] < column(rows, "val_loss")[-1]


def test_metrics_of_its_own_are_reported_by_the_engine_fit():
    _, rows = train(own("fit", "with_own_metric"))
    assert all(row["size"] > 0 and row["val_size"] > 0 for row in rows)


@pytest.mark.parametrize("engine", ["graph", "fit"])
def test_a_loss_that_a_layer_adds_counts_as_in_model_fit(engine):
    config = own(engine, "with_side_loss")
    assert_same_curves(*train(config), fit(config))


def test_a_solver_refuses_a_model_that_leaves_something_to_chance():
    solver = {"optimizer": "lbfgs", "batch_size": "full"}
    with pytest.raises(
        UserCodeError, match=r"^model.builder: lbfgs needs the same loss each time, but the model gives"
    ):
        train(own("graph", "augmented", **solver))
    with pytest.raises(UserCodeError, match=r"^model.builder: the model computes in float16, which is too coarse for "):
        train(own("graph", "half", **solver))


# It never improves by so much, so the rate falls after each epoch but the first.
PLATEAU = {"name": "reduce_on_plateau", "patience": 1, "min_delta": 100.0, "factor": 0.5}


@pytest.mark.parametrize("engine", ["graph", "xla", "fit"])
@pytest.mark.e2e(but=("graph",))
def test_mixed_precision_trains_with_a_plateau_averages_and_checkpoints(engine):
    optimizer = {"name": "nadam", "learning_rate": 0.02, "use_ema": True, "ema_momentum": 0.5}
    training = {"metrics": ["cross_entropy"], "gradient_noise": engine == "graph", "max_epochs": 4}
    config = own(engine, "half", optimizer=optimizer, schedule=PLATEAU, training=training)
    data = TrainingData.load(config.data)
    trainer = Trainer(config, Objective(), data)
    optimizer = trainer._parts.optimizer
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    assert trainer.model.dtype_policy.name == "mixed_float16"
    epochs = trainer.epochs()
    rows = [next(epochs).metrics, next(epochs).metrics]
    state = trainer.state()
    rows += [row.metrics for row in epochs]
    np.testing.assert_allclose(column(rows, "learning_rate"), [0.02, 0.02, 0.01, 0.005])
    assert column(rows, "val_accuracy")[-1] > 0.4
    np.testing.assert_allclose(column(rows, "val_cross_entropy"), column(rows, "val_loss"), rtol=1e-3)
    again = Trainer(config, Objective(), data)
    again.restore(state)
    found = [row.metrics for row in again.epochs()]
    for name in ("loss", "val_loss", "learning_rate"):
        assert column(found, name) == column(rows[2:], name)
    # Exported, it gives float32, and takes raw pixels, which float16 could not normalize exactly.
    model, images = portable_model(trainer), data.examples.images.numpy()[data.validation]
    probabilities = model.predict(images, verbose=0)
    assert probabilities.dtype == np.float32
    labels = data.examples.labels.numpy()[data.validation]
    assert np.mean(probabilities.argmax(axis=1) == labels) == pytest.approx(trainer.best.value, abs=0.002)
    assert keras.config.dtype_policy().name == "float32"


def test_mixed_precision_trains_as_model_fit_does():
    config = own("graph", "half")
    _, rows = train(config)
    stock = fit(config)
    assert isinstance(stock.model.optimizer, keras.optimizers.LossScaleOptimizer)
    np.testing.assert_allclose(column(rows, "loss"), stock.history["loss"], rtol=1e-2)
    np.testing.assert_allclose(column(rows, "val_loss"), stock.history["val_loss"], rtol=1e-2)
    assert column(rows, "loss")[-1] < column(rows, "loss")[0]
