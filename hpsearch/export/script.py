"""A trial as a readable Python script that trains the same model the same way with Keras alone.

`train.py.jinja` is the script's template. Model, loss, optimizer and schedule are the objects that the catalogue's
entries build, printed as the calls that make them, so the script trains exactly what the study trained.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import keras
import numpy as np

from hpsearch.catalogue.datasets import DATASETS
from hpsearch.catalogue.metrics import METRICS
from hpsearch.config.file import Objective
from hpsearch.config.trial import DataConfig, TrialConfig
from hpsearch.data.store import cache_folder
from hpsearch.errors import HpsearchError
from hpsearch.export.keras_objects import KerasSchedule, call, is_stock, keras_schedule, source
from hpsearch.training.examples import TrainingData
from hpsearch.training.executable import build_model
from hpsearch.training.user_code import with_user_code
from hpsearch.training.user_model import overridden_methods, uses_float16

_TEMPLATE = Path(__file__).with_name("train.py.jinja")


@dataclass(frozen=True)
class ScriptSource:
    """What a script is made from.

    Attributes:
        config: the configuration, with a seed.
        objective: decides the best epoch.
        about: the first sentences of the script.
    """

    config: TrialConfig
    objective: Objective
    about: str


def script(of: ScriptSource, data: TrainingData, optimizer_file: Path | None = None) -> str:
    """Return the script's text.

    Args:
        data: the data of the configuration.
        optimizer_file: a `keras` export that the script is to take optimizer and schedule from.

    Raises:
        HpsearchError: Keras has no such optimizer, or nothing is held out.
        UserCodeError: a user's own code cannot be found, or raises.
    """
    config = of.config
    if config.optimizer.entry.needs_closure:
        raise HpsearchError(f"{config.optimizer.selected()} is SciPy's: Keras has no such optimizer; export it as yaml")
    if not data.held_out:
        raise HpsearchError("data.validation is 0, but a script prints the accuracy on held-out examples")
    schedule = keras_schedule(config, len(data.training))
    loss, defined = _loss(config)
    optimizer = config.optimizer.entry.build(**config.optimizer.knobs())
    model, weights = build_model(config, data), config.training.class_weight
    values = {
        "about": textwrap.fill(of.about, 110),
        "definitions": [*defined, *([] if is_stock(optimizer) else [source(type(optimizer))])],
        "data": _data(config.data, data),
        "shape": data.shape,
        "classes": data.classes,
        "seed": config.seed or 0,
        "model": _model(config, data, model),
        "optimizer": {**_optimizer(config, schedule, optimizer_file), "scaled": uses_float16(model)},
        "loss": loss,
        "metric": _objective_metric(of.objective),
        "class_weight": list(weights) if isinstance(weights, tuple) else weights,
        "batch": "len(training)" if config.batch_size == "full" else config.batch_size,
        "updates": schedule.updates,
        "updates_text": f"{schedule.updates:,}",
        "epochs": config.training.last_epoch,
        "callbacks": _callbacks(of, schedule),
    }
    template = _template()
    return template.render(values, imports=_imports(config, template.render(values, imports="")))


def _template() -> jinja2.Template:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))


def _data(config: DataConfig, data: TrainingData) -> dict[str, Any]:
    """Return the script's values about data: where it is, which examples are held out, how they are normalized."""
    name, dtype = config.dataset, data.examples.images.dtype.name
    sizes = np.bincount(data.examples.labels.numpy(), minlength=data.classes)
    held_out, count = len(data.validation), len(data.training)
    even = len(set(sizes.tolist())) == 1 and held_out % data.classes == 0
    kind = "cached" if name in DATASETS else "npz" if name.endswith(".npz") else "function"
    return {
        "kind": kind,
        "name": name,
        "function": name.partition(":")[2],
        "folder": _cache_folder(name),
        "keras_name": name if kind == "cached" and DATASETS[name].keras_folder else "",
        "shape": f"[{', '.join(['n', *map(str, data.shape)])}]",
        "held_out": held_out,
        "held_out_text": f"{held_out:,}",
        "held_out_of_class": held_out // data.classes if even else 0,
        "split_seed": config.split_seed,
        # 0: all other examples are trained on.
        "count": count if count < int(sizes.sum()) - held_out else 0,
        "count_text": f"{count:,}",
        "normalization": config.normalization_of(dtype),
        "pixels": dtype == "uint8",
    }


def _cache_folder(name: str) -> str:
    """Return the cache's folder of a dataset, under `~` where it is in the home folder."""
    folder = cache_folder() / "datasets" / name
    home = Path.home()
    return f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)


def _imports(config: TrialConfig, text: str) -> str:
    """Return the imports that a script's text needs, the user's own modules last."""
    standard = {"import json": r"\bjson\.", "from pathlib import Path": r"\bPath\(", "from typing import Any": ": Any"}
    lines = [line for line, used in standard.items() if re.search(used, text)] + [""]
    lines += ["import keras", "import numpy as np", "import tensorflow as tf"]
    lines += ["from keras import ops"] if re.search(r"(?<![.\w])ops\.", text) else []
    own = (reference.partition(":") for _, reference in config.references())
    lines += ["", *sorted({f"from {module} import {name}" for module, _, name in own})]
    return "\n".join(lines).strip() + "\n"


def _model(config: TrialConfig, data: TrainingData, model: Any) -> dict[str, Any]:
    """Return the layers of a catalogue's model as text, or how a user's own model is built."""
    entry, knobs = config.model.entry, config.model.knobs()
    if references := entry.references():
        (reference,) = references
        return {
            "layers": [],
            "builder": knobs[reference].partition(":")[2],
            "arguments": "".join(f", {name}={value!r}" for name, value in knobs["arguments"].items()),
            # If a model that overrides methods is wrapped in another, they are not called.
            "methods": overridden_methods(model),
        }
    # Every model of the catalogue is a chain of layers.
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    return {"layers": [f"keras.Input({data.shape})", *(call(layer, indent=8) for layer in layers)]}


def _optimizer(config: TrialConfig, schedule: KerasSchedule, file: Path | None) -> dict[str, Any]:
    """Return the optimizer and its learning rate as text; with `file` they are read from that `keras` export."""
    if file:
        return {"file": repr(str(file))}
    knobs = config.optimizer.knobs()
    optimizer = config.optimizer.entry.build(**knobs)
    if schedule.decay is None:
        return {"file": "", "schedule": "", "text": call(optimizer, learning_rate=repr(knobs["learning_rate"]))}
    return {"file": "", "schedule": call(schedule.decay), "text": call(optimizer, learning_rate="learning_rate")}


def _loss(config: TrialConfig) -> tuple[str, list[str]]:
    """Return the text of the loss, and what has to be defined for it."""
    entry, knobs = config.loss.entry, config.loss.knobs()
    if references := entry.references():
        return knobs[references[0]].partition(":")[2], []
    loss = entry.build(**with_user_code("loss", entry, knobs))
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
        # With min_delta, the callback would not restore an epoch that is better by less.
        arguments = {**best, "patience": stopping.patience, "min_delta": stopping.min_delta}
        texts.append(call(keras.callbacks.EarlyStopping(**arguments), 8))
    plain = stopping and not stopping.min_delta
    patience = stopping.patience if stopping and plain else training.max_epochs
    texts.append(call(keras.callbacks.EarlyStopping(**best, patience=patience, restore_best_weights=True), 8))
    return texts
