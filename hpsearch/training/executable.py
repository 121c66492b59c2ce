"""What is compiled once and used by every trial of the same structure.

Two trials share a structure when their graphs are the same: model, loss, optimizer class, its switches
and which of its knobs are zero. Learning rate, momentum, betas, batch size, schedule, seed and
normalization are inputs. A reused executable gives the same bits as a fresh one.
"""

from __future__ import annotations

import gc
import json
from collections import OrderedDict
from typing import Any

import keras

from hpsearch.catalogue.datasets import DATASETS
from hpsearch.catalogue.losses import LOSSES
from hpsearch.catalogue.models import MODELS
from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.config.trial import TrialConfig
from hpsearch.training.compiled import CompiledEpochs
from hpsearch.training.knobs import make_turnable, turnable

# A study has a few structures (optimizers times shapes); each holds a model and its graphs.
MOST_KEPT = 8


def structure_of(config: TrialConfig) -> str:
    """Equal for configurations that can share an executable."""
    knobs = config.optimizer.knobs()
    fixed = {name: value for name, value in knobs.items() if name not in turnable(knobs) and name != "learning_rate"}
    parts = {
        "dataset": config.data.dataset,
        "model": config.model.model_dump(mode="json"),
        "loss": config.loss.model_dump(mode="json"),
        "optimizer": {"name": config.optimizer.selected(), **fixed},
    }
    return json.dumps(parts, sort_keys=True)


def build_model(config: TrialConfig) -> Any:
    """A fresh model with the initial weights that `config.seed` draws."""
    keras.utils.set_random_seed(config.seed or 0)
    dataset = DATASETS[config.data.dataset]
    row = MODELS[config.model.selected()]
    return row.build(dataset.image_shape, len(dataset.classes), **config.model.knobs())


class Executable:
    """A model, its optimizer and their compiled functions; `prepare` readies them for a trial."""

    def __init__(self, config: TrialConfig) -> None:
        self.model = build_model(config)
        knobs = config.optimizer.knobs()
        self.optimizer = OPTIMIZERS[config.optimizer.selected()].build(**knobs)
        self._knobs = make_turnable(self.optimizer, knobs)
        self.optimizer.build(self.model.trainable_variables)
        held = {id(variable) for variable in self._knobs.values()}
        self._slots = [(v, v.numpy()) for v in self.optimizer.variables if id(v) not in held]
        loss = LOSSES[config.loss.selected()].build(**config.loss.knobs())
        classes = len(DATASETS[config.data.dataset].classes)
        self.epochs = CompiledEpochs(self.model, self.optimizer, loss, classes)

    def prepare(self, config: TrialConfig) -> None:
        """Initial weights by the trial's seed, empty optimizer slots, the trial's knobs."""
        fresh = build_model(config)
        for ours, initial in zip(self.model.variables, fresh.variables, strict=True):
            ours.assign(initial)
        for slot, initial in self._slots:
            slot.assign(initial)
        for name, value in turnable(config.optimizer.knobs()).items():
            self._knobs[name].turn(value)


class Executables:
    """The executables of a process, the least recently used one forgotten first."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[str, Executable] = OrderedDict()

    def ready(self, config: TrialConfig) -> Executable:
        """The executable of the configuration's structure, ready to train it."""
        structure = structure_of(config)
        found = self._kept.pop(structure, None)
        if found is None:
            while len(self._kept) >= self._most:
                self._kept.popitem(last=False)
                gc.collect()
            found = Executable(config)
        self._kept[structure] = found
        found.prepare(config)
        return found
