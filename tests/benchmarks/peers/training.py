"""What the peers share: the model, optimizers and schedules of the lists in stock Keras, and the results' file.

The model is `mlp` of hpsearch/catalogue/models.py, the schedules are the formulas of
hpsearch/catalogue/schedules.py (time in epochs), both written with what Keras has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from ..configurations import Configuration
from ..task import Task


class Data(NamedTuple):
    """float32 [n, 28, 28] in [0, 1] and int32 [n]: 55,000 for training, 5,000 for validation."""

    train_images: Any
    train_labels: Any
    validation_images: Any
    validation_labels: Any


@cache
def load_data(folder: Path) -> Data:
    """Once a process, whatever the number of its trials."""
    return Data(*(np.load(folder / f"{name}.npy") for name in Data._fields))


@cache
def load_tensors(folder: Path) -> Data:
    """The same as TensorFlow's tensors."""
    import tensorflow as tf

    return Data(*(tf.constant(np.load(folder / f"{name}.npy")) for name in Data._fields))


def limit_threads() -> None:
    """One thread: for peers that train two models at once on two cores. Before TensorFlow computes anything."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def learning_rate(configuration: Configuration, updates: int, epochs: int) -> Any:
    """The schedule as Keras has it, per update: `decay_steps` of one epoch makes a decay rate one per epoch."""
    start = configuration["optimizer"]["learning_rate"]
    schedule: Mapping[str, Any] = configuration["schedule"]
    match schedule["name"]:
        case "inverse_time":
            return keras.optimizers.schedules.InverseTimeDecay(start, updates, schedule["decay_rate"])
        case "exponential":
            return keras.optimizers.schedules.ExponentialDecay(start, updates, schedule["decay_rate"])
        case "cosine":
            return keras.optimizers.schedules.CosineDecay(start, updates * epochs)
    return start


_OPTIMIZERS = {"sgd": keras.optimizers.SGD, "rmsprop": keras.optimizers.RMSprop, "adam": keras.optimizers.Adam}


def compiled_model(task: Task, index: int, **compile_options: Any) -> Any:
    """Configuration `index` as a compiled model with fresh weights; everything else of Keras's is as it comes."""
    configuration = task.configurations[index]
    keras.utils.set_random_seed(task.seed + index)
    layers: list[Any] = [keras.Input((28, 28)), keras.layers.Flatten()]
    for units in (256, 128):
        layers += [
            keras.layers.Dense(units, use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.Activation("relu"),
        ]
    model = keras.Sequential([*layers, keras.layers.Dense(10)])
    knobs = {name: value for name, value in configuration["optimizer"].items() if name != "name"}
    knobs["learning_rate"] = learning_rate(configuration, task.updates(index), task.settings.epochs)
    model.compile(
        optimizer=_OPTIMIZERS[configuration["optimizer"]["name"]](**knobs),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        **compile_options,
    )
    return model


def fit(task: Task, index: int, model: Any, data: Any = None, **more: Any) -> float:
    """Plain `model.fit` from arrays in memory; records the outcome and returns the best validation accuracy.

    Args:
        data: from `load_data`, which is the default, or `load_tensors`.
        more: arguments of `model.fit`.
    """
    data = data or load_data(task.data)
    history = model.fit(
        data.train_images,
        data.train_labels,
        batch_size=task.configurations[index]["batch_size"],
        epochs=task.settings.epochs,
        validation_data=(data.validation_images, data.validation_labels),
        verbose=0,
        **more,
    )
    return record(task, index, history)


def record(task: Task, index: int, history: Any) -> float:
    """Append the outcome to the task's results (one short line a configuration) and return its best accuracy."""
    values = [float(value) for value in history.history["val_accuracy"]]
    line = json.dumps({"configuration": index, "val_accuracy": max(values), "epochs": len(values)})
    with task.results.open("a", encoding="utf-8") as results:
        results.write(line + "\n")
    return max(values)
