"""A configuration's learning rates as Keras has them: a class of keras.optimizers.schedules, or a callback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from hpsearch.catalogue.schedules import SCHEDULES
from hpsearch.config.trial import TrialConfig
from hpsearch.training.callbacks import learning_rates, scheduling_callbacks


@dataclass(frozen=True)
class KerasSchedule:
    """What sets the learning rate of a stock training.

    Attributes:
        decay: a LearningRateSchedule over updates; None: the rate is the optimizer's own.
        callbacks: Keras callbacks that set the rate between epochs.
        updates: of an epoch.
    """

    decay: Any
    callbacks: tuple[Any, ...]
    updates: int


def keras_schedule(config: TrialConfig, examples: int) -> KerasSchedule:
    """Return the schedule of a configuration.

    A schedule that Keras has no class for is piecewise constant: epoch by epoch, or as it drops.

    Args:
        examples: how many are trained on.

    Raises:
        UserCodeError: a person's own schedule cannot be found, or raises.
    """
    updates = -(-examples // config.batch_of(examples))
    row, total = SCHEDULES[config.schedule.selected()], config.training.max_epochs
    if row.callback:
        return KerasSchedule(None, tuple(scheduling_callbacks(config)), updates)
    start, knobs = config.optimizer.knobs()["learning_rate"], config.schedule.knobs()
    if row.stock and (found := row.stock(start, updates, total, **knobs)):
        name, arguments = found
        return KerasSchedule(getattr(keras.optimizers.schedules, name)(**arguments), (), updates)
    rates = [learning_rates(config, epoch, updates) for epoch in range(1, total + 1)]
    return KerasSchedule(_piecewise(np.concatenate(rates), start), (), updates)


def as_decay(schedule: KerasSchedule, config: TrialConfig) -> Any:
    """Return the LearningRateSchedule of a schedule, that of a person's own function of the epoch included; or None.

    Raises:
        UserCodeError: the function raises.
    """
    rate = config.optimizer.knobs()["learning_rate"]
    rates = []
    for callback in schedule.callbacks:
        if isinstance(callback, keras.callbacks.LearningRateScheduler):
            for epoch in range(config.training.max_epochs):
                rate = float(np.float32(callback.schedule(epoch, rate)))
                rates.append(rate)
    of_updates = np.repeat(np.array(rates, np.float32), schedule.updates)
    return _piecewise(of_updates, config.optimizer.knobs()["learning_rate"]) if rates else schedule.decay


def _piecewise(rates: npt.NDArray[np.float32], start: float) -> Any:
    """Return the rates of all updates [n] as a PiecewiseConstantDecay; None where they stay at `start`."""
    drops = np.flatnonzero(np.diff(rates))
    if not len(drops):
        if rates[0] == np.float32(start):
            return None
        # Keras wants two pieces.
        drops = np.array([0])
    # The shortest number that is the same float32; Keras's boundaries belong to the piece before them.
    values = [float(str(rates[at])) for at in (0, *(drops + 1))]
    return keras.optimizers.schedules.PiecewiseConstantDecay([int(at) for at in drops], values)
