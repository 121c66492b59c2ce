"""Every schedule, as the trainer calls it, is its published formula at every update of a training."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from hpsearch.catalogue.schedules import SCHEDULES, UNITS
from hpsearch.config.trial import TrialConfig
from hpsearch.training.trainer import learning_rates

EPOCHS, UPDATES, START = 4, 7, 0.2
# name: (lr0, t in epochs, T in epochs, knobs) -> rate; written down independently of the catalogue.
FORMULAS = {
    "constant": lambda lr, t, total: np.full_like(t, lr),
    "inverse_time": lambda lr, t, total, decay_rate: lr / (1 + decay_rate * t),
    "exponential": lambda lr, t, total, decay_rate: lr * np.exp(t * np.log(decay_rate)),
    "cosine": lambda lr, t, total, alpha: (
        alpha * lr + (lr - alpha * lr) * np.cos(np.pi / 2 * np.minimum(t / total, 1)) ** 2
    ),
}
# name: (updates per epoch, epochs, staircase, knobs) -> Keras's schedule over update steps.
KERAS = {
    "inverse_time": lambda n, total, stairs, decay_rate: keras.optimizers.schedules.InverseTimeDecay(
        START, decay_steps=n, decay_rate=decay_rate, staircase=stairs
    ),
    "exponential": lambda n, total, stairs, decay_rate: keras.optimizers.schedules.ExponentialDecay(
        START, decay_steps=n, decay_rate=decay_rate, staircase=stairs
    ),
    "cosine": lambda n, total, stairs, alpha: keras.optimizers.schedules.CosineDecay(
        START, decay_steps=n * total, alpha=alpha
    ),
}
SETTINGS = {
    "constant": [{}],
    "inverse_time": [{}, {"decay_rate": 0.0}, {"decay_rate": 0.01}, {"decay_rate": 10.0}],
    "exponential": [{}, {"decay_rate": 1.0}, {"decay_rate": 0.5}, {"decay_rate": 0.99}],
    "cosine": [{}, {"alpha": 0.1}, {"alpha": 1.0}],
}


def _every_setting() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for name, row in SCHEDULES.items():
        units = [{"per": unit} for unit in UNITS] if "per" in row.defaults() else [{}]
        found += [(name, knobs | unit) for knobs in SETTINGS[name] for unit in units]
    return found


def _rates(name: str, knobs: dict[str, Any]) -> np.ndarray:
    """The rates of every update of a training, [epochs * updates]."""
    config = TrialConfig.model_validate(
        {
            "optimizer": {"name": "sgd", "learning_rate": START},
            "schedule": {"name": name, **knobs},
            "training": {"max_epochs": EPOCHS},
        }
    )
    return np.concatenate([learning_rates(config, epoch, UPDATES) for epoch in range(1, EPOCHS + 1)])


def test_every_schedule_is_held_against_a_formula_of_its_own():
    assert set(FORMULAS) == set(SETTINGS) == set(SCHEDULES)


@pytest.mark.parametrize(("name", "knobs"), _every_setting(), ids=str)
def test_a_schedule_is_its_formula_at_every_update(name, knobs):
    rates = _rates(name, knobs)
    used = {**SCHEDULES[name].defaults(), **knobs}
    t = np.arange(EPOCHS * UPDATES) / UPDATES
    if used.pop("per", "step") == "epoch":
        t = np.floor(t)
    expected = FORMULAS[name](START, t, EPOCHS, **used)
    assert rates.dtype == np.float32
    np.testing.assert_allclose(rates, expected, rtol=1e-6, atol=1e-9)
    assert rates[0] == np.float32(START)


@pytest.mark.parametrize(("name", "knobs"), [case for case in _every_setting() if case[0] in KERAS], ids=str)
def test_a_schedule_is_keras_own_at_every_update(name, knobs):
    used = {**SCHEDULES[name].defaults(), **knobs}
    stairs = used.pop("per") == "epoch"
    steps = np.arange(EPOCHS * UPDATES, dtype=np.float32)
    if stairs and name == "cosine":  # Keras's cosine has no staircase of its own.
        steps = np.floor(steps / UPDATES) * UPDATES
    schedule = KERAS[name](UPDATES, EPOCHS, stairs, **used)
    np.testing.assert_allclose(_rates(name, knobs), np.asarray(schedule(steps)), rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name != "constant"])
def test_per_epoch_holds_the_rate_and_per_step_moves_it(name):
    by_step = _rates(name, {"per": "step"}).reshape(EPOCHS, UPDATES)
    by_epoch = _rates(name, {"per": "epoch"}).reshape(EPOCHS, UPDATES)
    assert np.all(by_epoch == by_epoch[:, :1])
    assert np.all(np.diff(by_step) < 0)
    assert np.array_equal(by_step[:, 0], by_epoch[:, 0])


def test_a_decay_means_the_same_at_every_batch_size():
    config = TrialConfig.model_validate({"schedule": {"name": "exponential", "decay_rate": 0.5}})
    for updates in (1, 3, 1000):
        assert learning_rates(config, 3, updates)[0] == np.float32(0.001 * 0.25)
