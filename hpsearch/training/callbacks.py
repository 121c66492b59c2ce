"""The learning rates of a schedule, and Keras callbacks called at epochs as `model.fit` calls them.

Callbacks are called for epochs only: the batches are processed inside compiled functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from hpsearch.config.trial import TrialConfig
from hpsearch.errors import UserCodeError
from hpsearch.training.checkpoint import packed, unpacked
from hpsearch.training.engine import Parts
from hpsearch.training.user_code import load, with_user_code


def make_callbacks(names: Sequence[str]) -> list[Any]:
    """Return the Keras callbacks that a study file names; each `module:name` is called without arguments.

    Raises:
        UserCodeError: there is no such module or name, or the call returns no Keras callback.
    """
    return [_make_callback(name) for name in names]


def _make_callback(name: str) -> Any:
    found = load(name, "training.callbacks")
    callback = found() if callable(found) else found
    if not (callable(found) and isinstance(callback, keras.callbacks.Callback)):
        raise UserCodeError(
            f"training.callbacks: '{name}' must give a keras.callbacks.Callback when called, got {callback!r}"
        )
    return callback


class Callbacks:
    """Callbacks attached to a model; they may set the learning rate, the weights and `model.stop_training`.

    Args:
        parts: the model and the optimizer that callbacks see.
        callbacks: Keras callbacks.
        epochs: the largest number of epochs that will be trained.
        rate: the first learning rate of the schedule.
    """

    def __init__(self, parts: Parts, callbacks: Sequence[Any], epochs: int, rate: np.float32) -> None:
        self._model, self._rate = parts.model, parts.optimizer.learning_rate
        # Callbacks reach the optimizer through the model.
        if getattr(self._model, "optimizer", None) is not parts.optimizer:
            self._model.compile(optimizer=parts.optimizer, loss=parts.loss, metrics=["accuracy"])
        self._list = keras.callbacks.CallbackList(callbacks, model=self._model, epochs=epochs, verbose=0)
        self._model.stop_training = False
        # An optimizer that is used again still has the rate of the trial before.
        self._rate.assign(rate)
        self._list.on_train_begin()
        self._scale = 1.0
        self._rescale(float(rate))
        self._last_scheduled = float(rate)

    def epoch_begins(self, epoch: int, scheduled: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the learning rate of each update: the schedule's, times the factor by which callbacks have changed it.

        Args:
            epoch: counted from 1; Keras counts from 0.
            scheduled: the rates of the schedule, [updates].
        """
        before = np.float32(float(scheduled[0]) * self._scale)
        self._rate.assign(before)
        self._list.on_epoch_begin(epoch - 1)
        self._stop = self._model.stop_training
        if self._current_rate() != before:
            self._rescale(float(scheduled[0]))
        self._last_scheduled = float(scheduled[-1])
        if not np.ptp(scheduled):
            return np.full_like(scheduled, self._current_rate())
        return (scheduled * self._scale).astype(np.float32)

    def epoch_ends(self, epoch: int, rates: npt.NDArray[np.float32], metrics: Mapping[str, float]) -> bool:
        """Return whether a callback asks to stop."""
        # `model.fit`, which the engine `fit` calls, has set it to False.
        self._model.stop_training = self._stop
        self._list.on_epoch_end(epoch - 1, dict(metrics))
        if self._current_rate() != rates[-1]:
            self._rescale(self._last_scheduled)
        return bool(self._model.stop_training)

    def training_ends(self) -> None:
        self._list.on_train_end()

    def _rescale(self, scheduled: float) -> None:
        # Where the schedule's rate is 0 there is no factor, and the rate stays 0.
        self._scale = self._current_rate() / scheduled if scheduled else self._scale

    def state(self, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
        """Return the state of the callbacks as plain data for JSON; arrays are put into `arrays`.

        It contains the attributes of each callback that are numbers, texts, arrays, lists or mappings of these, or
        functions of `keras.ops`. All other attributes are those of the new callback after `restore`.
        """
        return {"scale": self._scale, "callbacks": [_kept(callback, arrays) for callback in self._list.callbacks]}

    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Restore what `state` returned; `on_train_begin` was already called."""
        self._scale = state["scale"]
        for callback, kept in zip(self._list.callbacks, state["callbacks"], strict=True):
            for name, value in kept.items():
                op = value.get("op") if isinstance(value, dict) else None
                setattr(callback, name, getattr(keras.ops, op) if op else unpacked(value, arrays))

    def _current_rate(self) -> float:
        return float(self._rate.numpy())


def _kept(callback: Any, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
    kept = {}
    for name, value in vars(callback).items():
        op = getattr(value, "__name__", "")
        if op and getattr(keras.ops, op, None) is value:
            # ReduceLROnPlateau, for instance, has `keras.ops.less` or `greater` as an attribute after its first epoch.
            kept[name] = {"op": op}
        # These two are set by Keras's `CallbackList`.
        elif name not in ("_model", "params"):
            with suppress(TypeError):
                kept[name] = packed(value, arrays)
    return kept


def learning_rates(config: TrialConfig, epoch: int, updates: int) -> npt.NDArray[np.float32]:
    """Return the schedule's rates for the `updates` updates of an epoch (counted from 1), [updates].

    If the schedule is a Keras callback, this is the optimizer's own rate; the callback changes it.
    """
    entry, knobs = config.schedule.entry, config.schedule.knobs()
    start, total = config.optimizer.knobs().get("learning_rate", 1.0), float(config.training.max_epochs)
    if entry.callback:
        return np.full(updates, start, np.float32)
    per_epoch = knobs.pop("per", "step") == "epoch"
    if per_epoch or not knobs:
        return np.full(updates, entry.build(start, epoch - 1.0, total, **knobs), np.float32)
    times = (epoch - 1 + step / updates for step in range(updates))
    return np.array([entry.build(start, t, total, **knobs) for t in times], np.float32)


def scheduling_callbacks(config: TrialConfig) -> list[Any]:
    """Return the Keras callback of the schedule in a list; an empty list if the schedule is a formula.

    Raises:
        UserCodeError: the user's own schedule cannot be found.
    """
    entry = config.schedule.entry
    return [entry.build(**with_user_code("schedule", entry, config.schedule.knobs()))] if entry.callback else []
