"""The learning rates of a training: a schedule's formula, or the Keras callback that sets them between epochs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hpsearch.catalogue.schedules import SCHEDULES
from hpsearch.config.trial import TrialConfig
from hpsearch.training.user_code import with_user_code


def learning_rates(config: TrialConfig, epoch: int, updates: int) -> npt.NDArray[np.float32]:
    """The schedule's rates for the `updates` updates of an epoch (counted from 1), [updates].

    Of a schedule that is a callback, the optimizer's own rate, which the callback changes.
    """
    row, knobs = SCHEDULES[config.schedule.selected()], config.schedule.knobs()
    start, total = config.optimizer.knobs().get("learning_rate", 1.0), float(config.training.max_epochs)
    if row.callback:
        return np.full(updates, start, np.float32)
    per_epoch = knobs.pop("per", "step") == "epoch"
    if per_epoch or not knobs:
        return np.full(updates, row.build(start, epoch - 1.0, total, **knobs), np.float32)
    times = (epoch - 1 + step / updates for step in range(updates))
    return np.array([row.build(start, t, total, **knobs) for t in times], np.float32)


def scheduling_callbacks(config: TrialConfig) -> list[Any]:
    """The callback of a schedule that is one; else none.

    Raises:
        UserCodeError: a person's own schedule cannot be found.
    """
    row = SCHEDULES[config.schedule.selected()]
    return [row.build(**with_user_code("schedule", row, config.schedule.knobs()))] if row.callback else []
