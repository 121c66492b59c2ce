"""The reference: the same training by Keras alone, one `model.fit` over all of its epochs."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import sample_config

from hpsearch.catalogue.losses import LOSSES
from hpsearch.catalogue.models import MODELS
from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.catalogue.schedules import SCHEDULES
from hpsearch.config.file import Objective
from hpsearch.config.trial import TrialConfig
from hpsearch.training.callbacks import learning_rates
from hpsearch.training.examples import TrainingData
from hpsearch.training.executable import Executables
from hpsearch.training.results import CLOCKS
from hpsearch.training.trainer import Trainer
from hpsearch.training.user_code import with_user_code
from hpsearch.training.user_model import build_user_model

# Those of Keras, which `model.fit` takes; tests/training/test_training_lbfgs.py has the other one.
STEPWISE = [row.name for row in OPTIMIZERS.values() if not row.needs_closure]
FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy")
Row = dict[str, float]


class Stock(NamedTuple):
    """A model as `fit` left it, the history that `fit` returned, and normalized validation examples."""

    model: Any
    history: dict[str, list[float]]
    validation: tuple[Any, Any]


class _Rates(keras.callbacks.Callback):
    """The schedule's rate before each update."""

    def __init__(self, config: TrialConfig, updates: int) -> None:
        super().__init__()
        self._config, self._updates = config, updates

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._rates = learning_rates(self._config, epoch + 1, self._updates)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.optimizer.learning_rate.assign(self._rates[batch])


def fit(
    config: TrialConfig,
    data: TrainingData | None = None,
    *,
    class_weight: dict[int, float] | None = None,
    callbacks: Sequence[Any] = (),
    metrics: Sequence[Any] = (),
    jit_compile: bool = False,
) -> Stock:
    """Initial weights and order as the configuration's seed draws them; everything else as Keras has it.

    The engine plays no part, so what was trained for one is there for the next.
    """
    plain = config.plain()
    plain["training"].pop("engine")
    key = json.dumps([plain, jit_compile, [metric.name for metric in metrics]], sort_keys=True)
    alone = data is None and not class_weight and not callbacks
    if alone and key in _fitted_before:
        return _fitted_before[key]
    data = data or TrainingData.load(config.data)
    model = _ready(config, metrics, jit_compile)
    images = (data.examples.images.numpy() - data.examples.shift.numpy()) / data.examples.scale.numpy()
    arrays = [images, np.eye(10, dtype="float32")[data.examples.labels.numpy()]]
    validation = (images[data.validation], arrays[1][data.validation])
    if data.sample_weight is not None:
        arrays.append(data.sample_weight)
    tensors = tuple(map(tf.constant, arrays))
    updates = -(-len(data.training) // config.batch_size)
    assert not SCHEDULES[config.schedule.selected()].callback, "give the callback of Keras itself"
    if config.schedule.selected() != "constant":
        callbacks = [_Rates(config, updates), *callbacks]
    epochs = range(1, config.training.max_epochs + 1)
    orders = [np.random.default_rng((config.seed, epoch)).permutation(data.training) for epoch in epochs]
    each = [tf.data.Dataset.from_tensor_slices(order).batch(config.batch_size) for order in orders]
    batches = functools.reduce(lambda before, one: before.concatenate(one), each)
    history = model.fit(
        batches.map(lambda some: tuple(tf.gather(tensor, some) for tensor in tensors)),
        epochs=len(orders),
        steps_per_epoch=updates,
        validation_data=validation,
        validation_batch_size=1000,
        class_weight=class_weight,
        callbacks=list(callbacks),
        shuffle=False,
        verbose=0,
    ).history
    stock = Stock(model, history, validation)
    if alone:
        _fitted_before[key] = stock
    return stock


_fitted_before: dict[str, Stock] = {}


def _ready(config: TrialConfig, metrics: Sequence[Any], jit_compile: bool) -> Any:
    """A compiled model with the seed's initial weights; one that was compiled for another test where that is the same.

    What `fit` traces takes longer than what it computes here.
    """
    keras.utils.set_random_seed(config.seed)
    row = MODELS[config.model.selected()]
    knobs = with_user_code("model", row, config.model.knobs())
    own = bool(row.references())
    fresh = build_user_model(row.build, (28, 28), 10, knobs) if own else row.build((28, 28), 10, **knobs)
    if metrics:
        return _compiled(config, fresh, metrics, jit_compile)[0]
    parts = [section.model_dump(mode="json") for section in (config.model, config.optimizer, config.loss)]
    key = json.dumps([*parts, jit_compile], sort_keys=True)
    if key not in _compiled_before:
        _compiled_before[key] = _compiled(config, fresh, (), jit_compile)
    model, slots = _compiled_before[key]
    for variable, value in [*zip(model.variables, fresh.variables, strict=True), *slots]:
        variable.assign(value)
    return model


_compiled_before: dict[str, tuple[Any, list[tuple[Any, Any]]]] = {}


def _compiled(config: TrialConfig, model: Any, metrics: Sequence[Any], jit_compile: bool) -> Any:
    """The model, and each variable of the optimizer with what it holds in the beginning."""
    optimizer = OPTIMIZERS[config.optimizer.selected()].build(**config.optimizer.knobs())
    # Otherwise `fit` traces its step twice, the second time with the variables that the first one made.
    optimizer.build(model.trainable_variables)
    row = LOSSES[config.loss.selected()]
    loss = row.build(**with_user_code("loss", row, config.loss.knobs()))
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy", *metrics], jit_compile=jit_compile)
    return model, [(variable, variable.numpy()) for variable in optimizer.variables]


# Of the sample's 2,000 images 534 are trained on; the others make the last, partial batch of an evaluation.
DATA = {"dataset": "fashion_mnist_sample", "validation": 1466}

SGD = {"name": "sgd", "learning_rate": 0.1}


def small(engine: str = "graph", **sections: Any) -> TrialConfig:
    """784-16-10 with SGD: three epochs of five batches of 100 and a last one of 34."""
    training = {"max_epochs": 3, "early_stopping": None, "engine": engine} | sections.pop("training", {})
    return sample_config(**({"data": DATA, "optimizer": SGD} | sections | {"training": training}))


def train(
    config: TrialConfig,
    data: TrainingData | None = None,
    executables: Executables | None = None,
    objective: Objective | None = None,
    callbacks: Sequence[Any] = (),
) -> tuple[Trainer, list[Row]]:
    """Our trainer at its end, and what its rows say, seconds left out."""
    trainer = Trainer(config, objective or Objective(), data or TrainingData.load(config.data), executables, callbacks)
    rows = [{k: v for k, v in row.metrics.items() if k not in CLOCKS} for row in trainer.epochs()]
    return trainer, rows


def column(rows: Sequence[Row], name: str) -> list[float]:
    return [row[name] for row in rows]


def assert_same_curves(trainer: Trainer, rows: Sequence[Row], stock: Stock, more: Sequence[str] = ()) -> None:
    """Losses to 1e-4, accuracies to one training example; evaluation of the very same weights to 1e-5.

    Float32 sums in another order differ by 1e-7, which a few dozen updates may amplify.
    """
    for name in (*FIGURES, *more, *(f"val_{name}" for name in more)):
        tolerance = {"atol": 0.002} if name.endswith(("accuracy", "f1_score")) else {"rtol": 1e-4}
        np.testing.assert_allclose(column(rows, name), stock.history[name], err_msg=name, **tolerance)
    best = rows[trainer.best.epoch - 1]
    stock.model.set_weights(trainer.model.get_weights())
    found = stock.model.evaluate(*stock.validation, batch_size=1000, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(best["val_loss"], abs=1e-5)
    assert found["accuracy"] == pytest.approx(best["val_accuracy"], abs=1e-6)
