"""One trial: TrialConfig + data -> a stream of EpochMetrics. Knows neither Optuna nor MLflow.

data = TrainingData.load(config.data)
trainer = Trainer(config, objective, data)
for epoch in trainer.epochs():
    ...
trainer.outcome, trainer.best, trainer.model   # the model has its best epoch's weights
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from hpsearch.config.file import Objective
from hpsearch.config.trial import TrialConfig
from hpsearch.training.callbacks import Callbacks, learning_rates, make_callbacks, scheduling_callbacks
from hpsearch.training.checkpoint import State
from hpsearch.training.engine import Evaluation
from hpsearch.training.examples import TrainingData
from hpsearch.training.executable import Executables
from hpsearch.training.measures import matrix_flops
from hpsearch.training.results import Best, EpochMetrics, Outcome, best_after
from hpsearch.training.structure import engines_for, with_engine
from hpsearch.training.user_code import training_with
from hpsearch.training.user_model import inner_optimizer


class Trainer:
    """Trains one configuration; iterate `epochs()` once.

    Args:
        config: what to train; from `config.seed` the initial weights, the order of the examples and dropout are drawn.
            `engine: auto` is resolved for the length of this training, not for the longest of a study.
        objective: which metric decides the best epoch and early stopping.
        data: from `TrainingData.load(config.data)`.
        executables: those of earlier trials, so that nothing is traced twice. The model is shared with them: it has
            this trial's weights until the next trial of the same structure begins.
        callbacks: Keras callbacks beside those that the configuration names, after them.

    Attributes:
        config: the given one, with the engine and the normalization that are used.
        model: a Keras model, logits from normalized images.
        best: the best epoch so far; None before the first finite one. Without validation images it is the last epoch;
            its value is NaN if the objective's metric is one of validation.
        outcome: how the training ended, once it has.
        finished: whether the epoch just yielded is the last one.
        info: `weights`, their number; `matrix_flops_per_example` of training, where it is known.
    """

    def __init__(
        self,
        config: TrialConfig,
        objective: Objective,
        data: TrainingData,
        executables: Executables | None = None,
        callbacks: Sequence[Any] = (),
    ) -> None:
        config = config.for_data(data.examples.images.dtype.name)
        self.config = with_engine(config, engines_for(config.training.max_epochs))
        self.objective, self.data = objective, data
        self._examples = data.weighted(config.training.class_weight)
        weighted = len(self._examples.weights) > 0
        executable = (executables or Executables()).ready(self.config, data, weighted=weighted)
        self._uses_solver = config.optimizer.entry.needs_closure
        self._engine, self._parts = executable.engine, executable.parts
        self.model = executable.parts.model
        self._average = _Average(inner_optimizer(self._parts.optimizer))
        callbacks = [*scheduling_callbacks(config), *make_callbacks(config.training.callbacks), *callbacks]
        self._noise = executable.noise if config.training.gradient_noise else None
        self._seed = config.seed or 0
        self.info: dict[str, Any] = {"weights": int(self.model.count_params())}
        if flops := matrix_flops(self.model):
            self.info["matrix_flops_per_example"] = flops[1]
        self._callbacks: Callbacks | None = None
        if callbacks:
            self._callbacks = Callbacks(self._parts, callbacks, config.training.max_epochs, self._rates(1)[0])
        self.best: Best | None = None
        self.outcome = Outcome.COMPLETED
        self.finished = False
        self._last_epoch: EpochMetrics | None = None
        self._best_weights: list[Any] | None = None
        # For early stopping: the epochs since the last improvement, and the value of that improvement.
        self._waited = 0
        self._reference: float | None = None

    def epochs(self) -> Iterator[EpochMetrics]:
        """Train, and yield the metrics of each epoch; restore the best epoch's weights at the end or when closed."""
        stopping = self.config.training.early_stopping
        done = self._last_epoch.epoch if self._last_epoch else 0
        try:
            for number in range(done + 1, self.config.training.last_epoch + 1):
                with training_with(name for _, name in self.config.references()):
                    epoch, asked_to_stop = self._train_epoch(number)
                self._last_epoch = epoch
                value = epoch.metrics.get(self.objective.metric, math.nan)
                self.finished = number == self.config.training.last_epoch or self._engine.converged
                if not epoch.finite or not self._weights_finite():
                    self.outcome, self.finished = Outcome.DIVERGED, True
                    yield epoch
                    return
                if self.data.held_out:
                    self.best = best_after(self.best, epoch, self.objective)
                    if self.best and self.best.epoch == number:
                        self._best_weights = self.model.get_weights()
                else:
                    self.best = Best(number, value)
                if self.objective.better(value, self._reference, stopping.min_delta if stopping else 0.0):
                    self._waited, self._reference = 0, value
                else:
                    self._waited += 1
                waited_enough = stopping is not None and self._waited >= stopping.patience
                if (waited_enough or asked_to_stop) and not self.finished:
                    self.outcome, self.finished = Outcome.EARLY_STOPPED, True
                    yield epoch
                    return
                yield epoch
                if self.finished:
                    return
        finally:
            if self._callbacks:
                self._callbacks.training_ends()
            if self._best_weights is not None:
                self.model.set_weights(self._best_weights)

    def state(self) -> State | None:
        """Return the state on which the coming epochs depend.

        It is None before the first epoch, and for a solver, whose state cannot be saved. The order of the examples, the
        schedule and the engine depend on configuration and epoch alone.
        """
        if self._uses_solver or self._last_epoch is None:
            return None
        arrays = {f"variable/{i}": variable.numpy() for i, variable in enumerate(self._variables())}
        arrays |= {f"best/{i}": weights for i, weights in enumerate(self._best_weights or [])}
        plain = {
            "best": [self.best.epoch, self.best.value] if self.best else None,
            "waited": self._waited,
            "reference": self._reference,
            "averaged": self._average.in_model,
            "callbacks": self._callbacks.state(arrays) if self._callbacks else None,
        }
        return State(self._last_epoch, plain, arrays)

    def restore(self, state: State) -> None:
        """Continue from a checkpoint's state; call it before `epochs`.

        Raises:
            ValueError: the state is that of another model or optimizer.
        """
        arrays, plain = state.arrays, state.plain
        variables = self._variables()
        kept = [arrays[f"variable/{i}"] for i in range(sum(name.startswith("variable/") for name in arrays))]
        if [v.shape for v in variables] != [values.shape for values in kept]:
            raise ValueError("the checkpoint is of another model or optimizer")
        for variable, values in zip(variables, kept, strict=True):
            variable.assign(values)
        self._last_epoch = state.last_epoch
        self.best = Best(*plain["best"]) if plain["best"] else None
        if self.best:
            self._best_weights = [arrays[f"best/{i}"] for i in range(len(self.model.weights))]
        self._waited, self._reference = plain["waited"], plain["reference"]
        self._average.in_model = plain["averaged"]
        if self._callbacks:
            self._callbacks.restore(plain["callbacks"], arrays)

    def _variables(self) -> list[Any]:
        """Return the variables of the model (its random states included) and of the optimizer, each once."""
        optimizer = self._parts.optimizer
        # Nadam has one that is not among `optimizer.variables`.
        own = [value for value in vars(inner_optimizer(optimizer)).values() if isinstance(value, keras.Variable)]
        found = {id(v): v for v in [*self.model.variables, *optimizer.variables, *own]}
        return list(found.values())

    def test(self, folders: Sequence[Path] = ()) -> Evaluation:
        """Return loss and accuracy on the test images.

        Args:
            folders: where a user's own file is looked for.
        """
        examples = self.data.load_test(self.config.data, folders)
        return self._engine.evaluate(examples, np.arange(len(examples.labels)))

    def validate(self) -> Evaluation:
        """Return loss and accuracy on the validation images with the model's current weights."""
        return self._engine.evaluate(self._examples, self.data.validation)

    def _train_epoch(self, epoch: int) -> tuple[EpochMetrics, bool]:
        """Train an epoch; return its metrics, and whether a callback asks to stop."""
        began = time.perf_counter()
        self._average.out_of_model()
        rates = self._rates(epoch)
        if self._callbacks:
            rates = self._callbacks.epoch_begins(epoch, rates)
        # The order depends on seed and epoch alone, so that any epoch can be repeated.
        order = np.random.default_rng((self._seed, epoch)).permutation(self.data.training)
        training = time.perf_counter()
        train = self._engine.train(self._examples, order, rates, self.config.batch_of(len(order)))
        trained = time.perf_counter() - training
        noise = {"gradient_noise_scale": self._noise.measure(self._examples, order)} if self._noise else {}
        self._average.into_model()
        metrics = {
            "loss": train.loss,
            "accuracy": train.accuracy,
            **(_as_validation(self.validate()) if self.data.held_out else {}),
            **train.more,
            **noise,
            # A solver chooses its steps itself.
            **({} if self._uses_solver else {"learning_rate": float(rates[-1])}),
            "updates": float(len(rates)),
            "seconds_per_update": trained / len(rates),
        }
        stop = self._callbacks.epoch_ends(epoch, rates, metrics) if self._callbacks else False
        return EpochMetrics(epoch, {**metrics, "epoch_seconds": time.perf_counter() - began}), stop

    def _weights_finite(self) -> bool:
        """Return whether no weight is NaN or infinite: a ReLU turns NaN into 0, so the loss may be finite."""
        return all(np.isfinite(variable.numpy()).all() for variable in self.model.trainable_variables)

    def _rates(self, epoch: int) -> npt.NDArray[np.float32]:
        """Return the learning rate of each update of an epoch (counted from 1), [updates]."""
        examples = len(self.data.training)
        updates = 1 if self._uses_solver else -(-examples // self.config.batch_of(examples))
        return learning_rates(self.config, epoch, updates)


def _as_validation(evaluation: Evaluation) -> dict[str, float]:
    values = {"loss": evaluation.loss, "accuracy": evaluation.accuracy, **evaluation.more}
    return {f"val_{name}": value for name, value in values.items()}


class _Average:
    """The moving average of the weights (`use_ema`), exchanged with the model's weights for validation.

    `keras.callbacks.SwapEMAWeights` does the same, but exchanges by sums, which changes the last bits.

    Attributes:
        in_model: whether the model has the averages as its weights.
    """

    def __init__(self, optimizer: Any) -> None:
        self._optimizer, self.in_model = optimizer, False

    def into_model(self) -> None:
        self._exchange(in_model=True)

    def out_of_model(self) -> None:
        self._exchange(in_model=False)

    def _exchange(self, *, in_model: bool) -> None:
        if not self._optimizer.use_ema or in_model == self.in_model:
            return
        self.in_model = in_model
        pairs = zip(self._optimizer._trainable_variables, self._optimizer._model_variables_moving_average, strict=True)
        for weights, average in pairs:
            before = weights.numpy()
            weights.assign(average)
            average.assign(before)
