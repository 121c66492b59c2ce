"""A trial as a Python script that trains the same model the same way with Keras alone, for people to read.

What is row-specific comes from the objects that the rows build, printed as the calls that make them (`printed`), so
the script cannot say otherwise than what is trained.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from hpsearch.catalogue.losses import LOSSES
from hpsearch.catalogue.metrics import METRICS
from hpsearch.catalogue.models import MODELS
from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.config.file import Objective
from hpsearch.config.trial import TrialConfig
from hpsearch.errors import HpsearchError
from hpsearch.export.printed import call, is_stock, source
from hpsearch.export.schedule import KerasSchedule, keras_schedule
from hpsearch.export.script_data import loading, normalizing, splitting
from hpsearch.training.examples import TrainingData
from hpsearch.training.executable import build_model
from hpsearch.training.user_code import with_user_code
from hpsearch.training.user_model import overridden_methods, uses_float16

_SCRIPT = '''"""{about}

The same model, trained the same way by Keras alone. The last line that it prints is the validation accuracy of the
best epoch.
"""

{imports}{definitions}{loading}{splitting}{normalizing}validation = (images[held_out], targets[held_out])
images, targets = tf.constant(images), tf.constant(targets)


def orders():
    """The positions of the examples in the order of the study, which is drawn anew for each epoch."""
    for epoch in range(1, {epochs_and_1}):
        yield np.random.default_rng(({seed}, epoch)).permutation(training)


batches = (
    tf.data.Dataset.from_generator(orders, output_signature=tf.TensorSpec([None], "int64"))
    .flat_map(lambda order: tf.data.Dataset.from_tensor_slices(order).batch({batch}))
    .map(lambda some: (tf.gather(images, some), tf.gather(targets, some)))
    .prefetch(8)
)

# The initial weights are those of the study, too.
keras.utils.set_random_seed({seed})
{model}{optimizer}{weights}
model.compile(
    optimizer=optimizer,
    loss={loss},
    metrics=["accuracy"{metric}],
    steps_per_execution={updates},
    jit_compile=False,
)
model.fit(
    batches,
    steps_per_epoch={updates},
    epochs={epochs},
    validation_data=validation,
    validation_batch_size=1000,
    callbacks=[{callbacks}],
{weighted}    shuffle=False,
    verbose=2,
)
found = model.evaluate(*validation, batch_size=1000, verbose=0, return_dict=True)
print("val_accuracy", round(found["accuracy"], 6))
'''

_SEQUENTIAL = """model = keras.Sequential(
    [
        {layers}
    ]
)
"""
_OWN_MODEL = """inputs = keras.Input({shape})
model = keras.Model(inputs, {builder}({shape}, {classes}{arguments})(inputs))
"""
# A model around it would not call its methods.
_OWN_MODEL_WITH_METHODS = """model = {builder}({shape}, {classes}{arguments})
model(keras.Input({shape}))
"""
_SCALED = """# The model computes in float16: its gradients would be rounded to zero if the loss were not scaled.
optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
"""
_OPTIMIZER = """
# The learning rate of each update; an epoch has {updates:,}.
learning_rate = {schedule}
optimizer = {optimizer}
"""
_OPTIMIZER_READ = """
# What was exported.
exported = json.loads(Path({file!r}).read_text(encoding="utf-8"))
optimizer = keras.saving.deserialize_keras_object(exported["optimizer"])
if exported["schedule"]:
    optimizer.learning_rate = keras.optimizers.schedules.deserialize(exported["schedule"])
"""
_BALANCED = """
# In the training loss all classes count the same.
counts = np.bincount(labels[training], minlength={classes}).clip(1)
class_weight = dict(enumerate(len(training) / (len(counts) * counts)))
"""
_WEIGHTS = """
# What each class counts in the training loss.
class_weight = dict(enumerate({weights}))
"""


@dataclass(frozen=True)
class ScriptSource:
    """What a script is made from.

    Attributes:
        config: with a seed of its own.
        objective: decides the best epoch.
        about: what the first lines of the script say.
    """

    config: TrialConfig
    objective: Objective
    about: str


def script(of: ScriptSource, data: TrainingData, optimizer_file: Path | None = None) -> str:
    """Return the script's text.

    Args:
        data: what the configuration trains on.
        optimizer_file: a `keras` export that the script is to take optimizer and schedule from.

    Raises:
        HpsearchError: Keras has no such optimizer, or nothing is held out.
        UserCodeError: a person's own code cannot be found, or raises.
    """
    config = of.config
    if OPTIMIZERS[config.optimizer.selected()].needs_closure:
        raise HpsearchError(f"{config.optimizer.selected()} is SciPy's: Keras has no such optimizer; export it as yaml")
    if not data.held_out:
        raise HpsearchError("data.validation is 0, but a script prints the accuracy on held-out examples")
    schedule = keras_schedule(config, len(data.training))
    loss, defined = _loss(config)
    optimizer = OPTIMIZERS[config.optimizer.selected()].build(**config.optimizer.knobs())
    definitions = [*defined, *([] if is_stock(optimizer) else [source(type(optimizer))])]
    weights = config.training.class_weight
    model = build_model(config, data)
    scaled = _SCALED if uses_float16(model) else ""
    text = _SCRIPT.format(
        about=textwrap.fill(of.about, 110),
        imports="{imports}",
        definitions="".join(f"\n\n{text}\n" for text in definitions) + "\n" * bool(definitions),
        loading=loading(config.data),
        splitting=splitting(config.data, data),
        normalizing=normalizing(config.data, data),
        seed=config.seed or 0,
        model=_model(config, data, model),
        optimizer=(_OPTIMIZER_READ.format(file=str(optimizer_file)) if optimizer_file else _optimizer(config, schedule))
        + scaled,
        loss=loss,
        metric=_objective_metric(of.objective),
        weights=_class_weight(config, data),
        batch="len(training)" if config.batch_size == "full" else config.batch_size,
        updates=schedule.updates,
        epochs_and_1=config.training.last_epoch + 1,
        epochs=config.training.last_epoch,
        callbacks="".join(f"\n        {text}," for text in _callbacks(of, schedule)) + "\n    ",
        weighted="    class_weight=class_weight,\n" if weights is not None else "",
    )
    return text.replace("{imports}", _imports(config, text), 1)


def _imports(config: TrialConfig, text: str) -> str:
    """Return the imports that a script's text needs, a person's own modules last."""
    standard = {"import json": r"\bjson\.", "from pathlib import Path": r"\bPath\(", "from typing import Any": ": Any"}
    lines = [line for line, used in standard.items() if re.search(used, text)] + [""]
    lines += ["import keras", "import numpy as np", "import tensorflow as tf"]
    lines += ["from keras import ops"] if re.search(r"(?<![.\w])ops\.", text) else []
    own = (reference.partition(":") for _, reference in config.references())
    lines += ["", *sorted({f"from {module} import {name}" for module, _, name in own})]
    return "\n".join(lines).strip() + "\n"


def _model(config: TrialConfig, data: TrainingData, model: Any) -> str:
    row, knobs = MODELS[config.model.selected()], config.model.knobs()
    if references := row.references():
        (reference,) = references
        given = "".join(f", {name}={value!r}" for name, value in knobs["arguments"].items())
        builder = knobs[reference].partition(":")[2]
        text = _OWN_MODEL_WITH_METHODS if overridden_methods(model) else _OWN_MODEL
        return text.format(shape=data.shape, classes=data.classes, builder=builder, arguments=given)
    # Every row of the catalogue is a chain of layers.
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    texts = [f"keras.Input({data.shape})", *(call(layer, indent=8) for layer in layers)]
    return _SEQUENTIAL.format(layers="\n        ".join(f"{text}," for text in texts))


def _optimizer(config: TrialConfig, schedule: KerasSchedule) -> str:
    knobs = config.optimizer.knobs()
    optimizer = OPTIMIZERS[config.optimizer.selected()].build(**knobs)
    if schedule.decay is None:
        return f"\noptimizer = {call(optimizer, learning_rate=repr(knobs['learning_rate']))}\n"
    made = call(optimizer, learning_rate="learning_rate")
    return _OPTIMIZER.format(updates=schedule.updates, schedule=call(schedule.decay), optimizer=made)


def _loss(config: TrialConfig) -> tuple[str, list[str]]:
    """Return the text of the loss, and what has to be defined for it."""
    row, knobs = LOSSES[config.loss.selected()], config.loss.knobs()
    if references := row.references():
        return knobs[references[0]].partition(":")[2], []
    loss = row.build(**with_user_code("loss", row, knobs))
    if is_stock(loss):
        return call(loss), []
    return loss.function.__name__, [source(loss.function)]


def _objective_metric(objective: Objective) -> str:
    """Return the text of the metric that decides the best epoch, where Keras does not record it anyway.

    Raises:
        HpsearchError: Keras alone does not record it.
    """
    name = objective.metric.removeprefix("val_")
    if name in ("loss", "accuracy"):
        return ""
    if name not in METRICS:
        raise HpsearchError(f"a script of Keras alone does not record {name}, the objective; export the trial as yaml")
    return f", {METRICS[name].of_logits}"


def _callbacks(of: ScriptSource, schedule: KerasSchedule) -> list[str]:
    training, objective = of.config.training, of.objective
    texts = ["keras.callbacks.SwapEMAWeights(swap_on_epoch=True)"] if of.config.optimizer.knobs()["use_ema"] else []
    for callback in schedule.callbacks:
        if isinstance(callback, keras.callbacks.LearningRateScheduler):
            name = of.config.schedule.knobs()["function"].partition(":")[2]
            texts.append(f"keras.callbacks.LearningRateScheduler({name})")
        else:
            texts.append(call(callback, 8))
    texts += [f"{name.partition(':')[2]}()" for name in training.callbacks]
    best: dict[str, Any] = {"monitor": objective.metric, "mode": objective.direction[:3]}
    stopping = training.early_stopping
    if stopping and stopping.min_delta:
        # It would not restore an epoch that is better by less than min_delta.
        arguments = {**best, "patience": stopping.patience, "min_delta": stopping.min_delta}
        texts.append(call(keras.callbacks.EarlyStopping(**arguments), 8))
    plain = stopping and not stopping.min_delta
    patience = stopping.patience if stopping and plain else training.max_epochs
    texts.append(call(keras.callbacks.EarlyStopping(**best, patience=patience, restore_best_weights=True), 8))
    return texts


def _class_weight(config: TrialConfig, data: TrainingData) -> str:
    weights = config.training.class_weight
    if weights is None:
        return ""
    if weights == "balanced":
        return _BALANCED.format(classes=data.classes)
    return _WEIGHTS.format(weights=list(weights))
