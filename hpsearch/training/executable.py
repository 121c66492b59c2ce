"""Models and compiled functions that are shared by all trials of the same structure.

Two trials have the same structure if their graphs are the same (`structure.structure_of`). Everything that differs
between them is an input or a variable. A reused executable gives the same bits as a new one.
"""

from __future__ import annotations

import gc
from collections import OrderedDict
from functools import cached_property
from typing import Any

import keras

from hpsearch.catalogue.metrics import METRICS
from hpsearch.config.trial import TrialConfig
from hpsearch.errors import DataError
from hpsearch.training.compiled import CompiledEngine
from hpsearch.training.engine import Engine, Parts
from hpsearch.training.examples import TrainingData
from hpsearch.training.fit_engine import FitEngine
from hpsearch.training.knobs import KnobVariable, as_variables, make_turnable, turn_model
from hpsearch.training.lbfgs import LbfgsEngine
from hpsearch.training.measures import GradientNoise
from hpsearch.training.structure import structure_of
from hpsearch.training.user_code import with_user_code
from hpsearch.training.user_model import build_user_model, refuse_for_solver, refuse_what_is_ignored, uses_float16

# The number of executables that are kept. A study has a few structures: its optimizers (at most 15) times its models.
MOST_KEPT = 16


def build_model(config: TrialConfig, data: TrainingData) -> Any:
    """Return a new model for examples such as those of `data`, with the initial weights that `config.seed` draws.

    Raises:
        DataError: the architecture cannot take examples of this shape.
        UserCodeError: the user's own builder cannot be found, raises an exception, or returns no suitable model.
    """
    if problem := config.shape_problem(data.shape):
        raise DataError(problem)
    # Layers are numbered from the start again, since their names are part of the keys of XLA's cache.
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(config.seed or 0)
    entry = config.model.entry
    knobs = with_user_code("model", entry, config.model.knobs())
    if entry.references():
        return build_user_model(entry.build, data.shape, data.classes, knobs)
    return entry.build(data.shape, data.classes, **knobs)


def _steps_per_execution(config: TrialConfig, examples: int) -> int:
    """Return the updates of a whole epoch if the learning rate is constant within it, else 1."""
    moves = config.schedule.knobs().get("per") == "step"
    return 1 if moves else -(-examples // config.batch_of(examples))


class Executable:
    """A model, its optimizer and their compiled functions; `prepare` resets them for a trial.

    Attributes:
        parts: the model, optimizer, loss and metrics.
        engine: the engine that trains it.
    """

    def __init__(self, config: TrialConfig, structure: str, data: TrainingData, *, weighted: bool) -> None:
        uses_fit = config.training.engine == "fit"
        entry, loss_entry = config.optimizer.entry, config.loss.entry
        # A solver changes the weights itself, but callbacks expect an optimizer.
        optimizer = keras.optimizers.SGD(1.0) if entry.needs_closure else entry.build(**config.optimizer.knobs())
        loss = with_user_code("loss", loss_entry, config.loss.knobs())
        model = build_model(config, data)
        if is_user_model := bool(config.model.entry.references()):
            refuse_what_is_ignored(model, config.training.engine)
        if is_user_model and entry.needs_closure:
            refuse_for_solver(model, entry.name)
        self._knobs: list[tuple[str, str, KnobVariable]] = []
        if not uses_fit:
            model, of_model = turn_model(model, config.model.knobs())
            of_loss = as_variables(loss)
            of_optimizer = (
                {} if entry.needs_closure else make_turnable(optimizer, config.optimizer.knobs(), entry.structural)
            )
            loss |= of_loss
            sections = {"model": of_model, "loss": of_loss, "optimizer": of_optimizer}
            self._knobs = [(section, name, v) for section, of in sections.items() for name, v in of.items()]
        # There is one replica, so there is nothing to sum. Keras would register a custom gradient for the sum, with
        # which TensorFlow keeps 3 MB for each traced function until the process ends.
        optimizer._all_reduce_sum_gradients = list
        if uses_float16(model):
            # `model.compile` does the same.
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(model.trainable_variables)
        held = {id(variable) for _, _, variable in self._knobs}
        self._slots = [(v, v.numpy()) for v in optimizer.variables if id(v) not in held]
        self.parts = Parts(
            model=model,
            optimizer=optimizer,
            loss=loss_entry.build(**loss),
            metrics={name: METRICS[name].build() for name in config.training.metrics},
            classes=data.classes,
            weighted=weighted,
            pixels=data.examples.images.dtype.name,
        )
        self.engine: Engine
        if entry.needs_closure:
            self.engine = LbfgsEngine(self.parts)
        elif uses_fit:
            self.engine = FitEngine(self.parts, _steps_per_execution(config, len(data.training)))
        else:
            self.engine = CompiledEngine(self.parts, xla=config.training.engine == "xla", name=structure)

    @cached_property
    def noise(self) -> GradientNoise:
        """Measures the noise of the model's gradients; created and traced on first use."""
        return GradientNoise(self.parts)

    def prepare(self, config: TrialConfig, data: TrainingData) -> None:
        """Set the initial weights of the trial's seed, the initial optimizer state, and the trial's knobs."""
        fresh = build_model(config, data)
        for ours, initial in zip(self.parts.model.variables, fresh.variables, strict=True):
            ours.assign(initial)
        for slot, initial in self._slots:
            slot.assign(initial)
        for section, name, variable in self._knobs:
            variable.turn(getattr(config, section).knobs()[name])
        if isinstance(self.engine, LbfgsEngine):
            self.engine.restart(config.optimizer.entry.build(**config.optimizer.knobs()))


class Executables:
    """The executables of a process; the least recently used one is dropped first.

    Attributes:
        built: the number of executables built so far.
    """

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most, self.built = most, 0
        self._kept: OrderedDict[str, Executable] = OrderedDict()

    def ready(self, config: TrialConfig, data: TrainingData, *, weighted: bool) -> Executable:
        """Return the executable of the configuration's structure, prepared for its training.

        Args:
            config: with `engine: auto` already replaced.
            data: the data of the training.
            weighted: whether the examples have weights.
        """
        structure = f"{structure_of(config)} {weighted}"
        # An executable that uses `model.fit` is not reused: `model.fit` compiles for each trial.
        found = None if config.training.engine == "fit" else self._kept.pop(structure, None)
        if found is None:
            while len(self._kept) >= self._most:
                self._kept.popitem(last=False)
                gc.collect()
            found = Executable(config, structure, data, weighted=weighted)
            self.built += 1
        self._kept[structure] = found
        found.prepare(config, data)
        return found
