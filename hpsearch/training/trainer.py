"""One trial: TrialConfig + data -> a stream of EpochRow. Knows neither Optuna nor MLflow.

data = TrainingData.load(config.data)
trainer = Trainer(config, objective, data)
for row in trainer.epochs():
    ...
trainer.outcome, trainer.best, trainer.model   # the model has its best epoch's weights
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from hpsearch.catalogue.schedules import SCHEDULES
from hpsearch.config.file import Objective
from hpsearch.config.trial import DataConfig, TrialConfig
from hpsearch.data.arrays import Arrays, load_test, load_train
from hpsearch.data.splits import stratified_split
from hpsearch.training.compiled import Examples, Figures
from hpsearch.training.executable import Executables
from hpsearch.training.results import Best, EpochRow, Outcome, best_after


@dataclass(frozen=True)
class TrainingData:
    """The training images of a dataset, split. The test images are not part of it.

    Attributes:
        examples: all training images, with the normalization that was fitted on the training part alone.
        training, validation: int64 indices into them; disjoint, stratified by class.
    """

    examples: Examples
    training: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]

    @staticmethod
    def load(config: DataConfig) -> TrainingData:
        """Read the dataset from the cache and split it.

        Raises:
            DataError: the dataset is not in the cache (`hpsearch data fetch`).
        """
        arrays = load_train(config.dataset)
        split = stratified_split(arrays.labels, config.held_out, config.split_seed)
        shift, scale = _fit_normalization(config.normalization, arrays.images, split.train)
        return TrainingData(_examples(arrays, shift, scale), split.train, split.validation)


def _fit_normalization(
    name: str, images: npt.NDArray[np.uint8], training: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """Shift and scale of raw pixels in [0, 255]."""
    if name == "standardize":
        # Counted block by block: one array of all training pixels as float64 takes 330 MB.
        counts = np.zeros(256, np.int64)
        for some in np.array_split(training, 100):
            counts += np.bincount(images[some].ravel(), minlength=256)
        pixels = np.arange(256)
        mean = float(np.average(pixels, weights=counts))
        return mean, float(np.average((pixels - mean) ** 2, weights=counts) ** 0.5)
    return 0.0, 255.0 if name == "rescale" else 1.0


def _examples(arrays: Arrays, shift: Any, scale: Any) -> Examples:
    shift, scale = tf.constant(shift, tf.float32), tf.constant(scale, tf.float32)
    return Examples(tf.constant(arrays.images), tf.constant(arrays.labels), shift, scale)


class Trainer:
    """Trains one configuration; iterate `epochs()` once.

    Args:
        config: what to train; `config.seed` draws initial weights, order and dropout.
        objective: which metric decides the best epoch and early stopping.
        data: from `TrainingData.load(config.data)`.
        executables: kept from earlier trials, so that nothing is traced twice. What a trainer took from
            them is lent: the model holds this trial's weights until the next trial of the same structure.

    Attributes:
        best: the best epoch so far; None before the first finite one.
        outcome: how it ended, once it has.
        finished: whether the row just given is the last one.
    """

    def __init__(
        self, config: TrialConfig, objective: Objective, data: TrainingData, executables: Executables | None = None
    ) -> None:
        self.config, self.objective, self.data = config, objective, data
        executable = (executables or Executables()).ready(config)
        self.model, self._compiled = executable.model, executable.epochs
        self._seed = config.seed or 0
        self.best: Best | None = None
        self.outcome = Outcome.COMPLETED
        self.finished = False

    def epochs(self) -> Iterator[EpochRow]:
        """Train, one row an epoch; restores the best epoch's weights at the end, also when closed early."""
        best_weights: list[Any] | None = None
        waited, reference = 0, None
        stopping = self.config.training.early_stopping
        try:
            for epoch in range(1, self.config.training.max_epochs + 1):
                row = self._epoch(epoch)
                value = row.metrics[self.objective.metric]
                self.finished = epoch == self.config.training.max_epochs
                if not row.finite:
                    self.outcome, self.finished = Outcome.DIVERGED, True
                    yield row
                    return
                self.best = best_after(self.best, row, self.objective)
                if self.best and self.best.epoch == epoch:
                    best_weights = self.model.get_weights()
                if self.objective.better(value, reference, stopping.min_delta if stopping else 0.0):
                    waited, reference = 0, value
                else:
                    waited += 1
                if stopping and waited >= stopping.patience and not self.finished:
                    self.outcome, self.finished = Outcome.EARLY_STOPPED, True
                    yield row
                    return
                yield row
        finally:
            if best_weights is not None:
                self.model.set_weights(best_weights)

    def test(self) -> Figures:
        """Loss and accuracy on the test images: the one place that reads them."""
        arrays = load_test(self.config.data.dataset)
        seen = self.data.examples
        return self._compiled.evaluate(_examples(arrays, seen.shift, seen.scale), np.arange(len(arrays.labels)))

    def validate(self) -> Figures:
        """Loss and accuracy on the validation images, with the weights that the model has now."""
        return self._compiled.evaluate(self.data.examples, self.data.validation)

    def _epoch(self, epoch: int) -> EpochRow:
        began = time.perf_counter()
        data, rates = self.data, self._rates(epoch)
        # The order depends on seed and epoch alone, so that any epoch can be repeated.
        order = np.random.default_rng((self._seed, epoch)).permutation(data.training)
        train = self._compiled.train(data.examples, order, rates, self.config.batch_size)
        val = self.validate()
        return EpochRow(
            epoch,
            {
                "loss": train.loss,
                "accuracy": train.accuracy,
                "val_loss": val.loss,
                "val_accuracy": val.accuracy,
                "learning_rate": float(rates[-1]),
                "epoch_seconds": time.perf_counter() - began,
            },
        )

    def _rates(self, epoch: int) -> npt.NDArray[np.float32]:
        """The learning rate of each update of an epoch (counted from 1), [updates]."""
        config = self.config
        updates = -(-len(self.data.training) // config.batch_size)
        return learning_rates(config, epoch, updates)


def learning_rates(config: TrialConfig, epoch: int, updates: int) -> npt.NDArray[np.float32]:
    """The schedule's rates for the `updates` updates of an epoch (counted from 1), [updates]."""
    knobs = config.schedule.knobs()
    per_epoch = knobs.pop("per", "step") == "epoch"
    start, total = config.optimizer.knobs()["learning_rate"], float(config.training.max_epochs)
    rate = SCHEDULES[config.schedule.selected()].build
    times = [epoch - 1 + (0.0 if per_epoch else step / updates) for step in range(updates)]
    return np.array([rate(start, t, total, **knobs) for t in times], np.float32)
