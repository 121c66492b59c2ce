"""Every schedule, as the trainer calls it, is its published formula at every update of a training.

Those that are Keras callbacks are held against `model.fit` in tests/training/test_training_rows.py.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from hpsearch.catalogue.schedules import SCHEDULES, UNITS
from hpsearch.config.trial import TrialConfig
from hpsearch.training.callbacks import learning_rates

EPOCHS, UPDATES, START = 4, 7, 0.2
FORMULAS_OF_RATES = {name: entry for name, entry in SCHEDULES.items() if not entry.callback}


def _dropped(lr: float, t: np.ndarray, total: int, drop: float, epochs_per_drop: float) -> np.ndarray:
    boundaries = np.arange(epochs_per_drop, total, epochs_per_drop)
    return lr * drop ** (t[:, None] >= boundaries).sum(axis=1)


def _warmed_up(lr: float, t: np.ndarray, total: int, alpha: float, warmup: float, warmup_from: float) -> np.ndarray:
    rising = np.interp(t, [0, warmup * total], [warmup_from * lr, lr]) if warmup else lr
    falling = np.cos(np.pi / 2 * (t - warmup * total) / (total - warmup * total)) ** 2
    return np.where(t < warmup * total, rising, alpha * lr + (lr - alpha * lr) * falling)


def _restarted(
    lr: float, t: np.ndarray, total: int, first_decay: float, t_mul: float, m_mul: float, alpha: float
) -> np.ndarray:
    found = []
    for now in t:
        passed, length, height = now, first_decay, 1.0
        while passed >= length:
            passed, length, height = passed - length, length * t_mul, height * m_mul
        found.append(alpha * lr + (lr - alpha * lr) * height * np.cos(np.pi / 2 * passed / length) ** 2)
    return np.array(found)


# name: (lr0, t in epochs, T in epochs, knobs) -> rate; written down independently of the catalogue.
FORMULAS = {
    "constant": lambda lr, t, total: np.full_like(t, lr),
    "inverse_time": lambda lr, t, total, decay_rate: lr / (1 + decay_rate * t),
    "exponential": lambda lr, t, total, decay_rate: lr * np.exp(t * np.log(decay_rate)),
    "step": _dropped,
    "piecewise_constant": lambda lr, t, total, values: np.take(values, t.astype(int), mode="clip"),
    "polynomial": lambda lr, t, total, power, alpha: (lr - alpha * lr) * ((total - t) / total) ** power + alpha * lr,
    "cosine": _warmed_up,
    "cosine_restarts": _restarted,
}
schedules = keras.optimizers.schedules
# name: (updates per epoch, epochs, knobs) -> Keras's schedule over update steps.
KERAS = {
    "inverse_time": lambda n, total, decay_rate: schedules.InverseTimeDecay(START, n, decay_rate),
    "exponential": lambda n, total, decay_rate: schedules.ExponentialDecay(START, n, decay_rate),
    # Keras changes the rate after a boundary.
    "step": lambda n, total, drop, epochs_per_drop: schedules.PiecewiseConstantDecay(
        [n * epochs_per_drop * i - 0.5 for i in range(1, 10)], [START * drop**i for i in range(10)]
    ),
    # Keras changes the rate after a boundary.
    "piecewise_constant": lambda n, total, values: schedules.PiecewiseConstantDecay(
        [n * epoch - 0.5 for epoch in range(1, len(values))], list(values)
    ),
    "polynomial": lambda n, total, power, alpha: schedules.PolynomialDecay(START, n * total, alpha * START, power),
    "cosine": lambda n, total, alpha, warmup, warmup_from: schedules.CosineDecay(
        START * warmup_from if warmup else START,
        n * total * (1 - warmup),
        alpha,
        warmup_target=START if warmup else None,
        warmup_steps=n * total * warmup,
    ),
    "cosine_restarts": lambda n, total, first_decay, t_mul, m_mul, alpha: schedules.CosineDecayRestarts(
        START, n * first_decay, t_mul, m_mul, alpha
    ),
}
SETTINGS = {
    "constant": [{}],
    "inverse_time": [{}, {"decay_rate": 0.0}, {"decay_rate": 0.01}, {"decay_rate": 10.0}],
    "exponential": [{}, {"decay_rate": 1.0}, {"decay_rate": 0.5}, {"decay_rate": 0.99}],
    "step": [{}, {"drop": 0.1, "epochs_per_drop": 1.0}, {"epochs_per_drop": 3.0}, {"epochs_per_drop": 0.7}],
    "piecewise_constant": [{"values": [START, 0.1]}, {"values": [START, 0.1, 0.4, 0.2, 0.9]}],
    "polynomial": [{}, {"power": 2.0, "alpha": 0.1}, {"power": 0.5}, {"alpha": 1.0}],
    "cosine": [
        {},
        {"alpha": 0.1},
        {"alpha": 1.0},
        {"warmup": 0.1},
        {"warmup": 0.25},
        {"warmup": 0.25, "warmup_from": 0.5, "alpha": 0.1},
    ],
    "cosine_restarts": [
        {},
        {"first_decay": 1.0},
        {"first_decay": 1.5, "alpha": 0.1},
        {"first_decay": 1.0, "t_mul": 1.0, "m_mul": 0.5},
        {"first_decay": 0.5, "t_mul": 1.5, "m_mul": 0.8},
    ],
}


def _every_setting() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for name, entry in FORMULAS_OF_RATES.items():
        units = [{"per": unit} for unit in UNITS] if "per" in entry.defaults() else [{}]
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


def test_every_schedule_is_held_against_a_formula_of_its_own_and_that_of_keras():
    assert set(FORMULAS) == set(SETTINGS) == set(FORMULAS_OF_RATES)
    assert set(KERAS) == set(FORMULAS_OF_RATES) - {"constant"}


def test_a_schedule_is_its_formula_at_every_update():
    for name, knobs in _every_setting():
        rates = _rates(name, knobs)
        used = {**SCHEDULES[name].defaults(), **knobs}
        t = np.arange(EPOCHS * UPDATES) / UPDATES
        if used.pop("per", "step") == "epoch":
            t = np.floor(t)
        expected = FORMULAS[name](START, t, EPOCHS, **used)
        assert rates.dtype == np.float32
        np.testing.assert_allclose(rates, expected, rtol=1e-6, atol=1e-9, err_msg=f"{name} {knobs}")
        assert rates[0] == np.float32(START * used["warmup_from"] if used.get("warmup") else START), (name, knobs)


def test_a_schedule_is_keras_own_at_every_update():
    for name, knobs in [case for case in _every_setting() if case[0] in KERAS]:
        used = {"per": "step", **SCHEDULES[name].defaults(), **knobs}
        steps = np.arange(EPOCHS * UPDATES, dtype=np.float32)
        if used.pop("per") == "epoch":
            steps = np.floor(steps / UPDATES) * UPDATES
        expected = np.vectorize(KERAS[name](UPDATES, EPOCHS, **used), otypes=[float])(steps)
        np.testing.assert_allclose(_rates(name, knobs), expected, rtol=2e-5, atol=1e-7, err_msg=f"{name} {knobs}")


# With what the rate moves within each of the first epochs.
MOVING = {name: {} for name, entry in FORMULAS_OF_RATES.items() if "per" in entry.defaults()} | {
    "step": {"epochs_per_drop": 0.7}
}


def test_per_epoch_holds_the_rate_and_per_step_moves_it():
    for name, knobs in MOVING.items():
        by_step = _rates(name, knobs | {"per": "step"}).reshape(EPOCHS, UPDATES)
        by_epoch = _rates(name, knobs | {"per": "epoch"}).reshape(EPOCHS, UPDATES)
        assert np.all(by_epoch == by_epoch[:, :1]), name
        assert np.all(np.ptp(by_step, axis=1) > 0), name
        assert np.array_equal(by_step[:, 0], by_epoch[:, 0]), name


def test_a_decay_means_the_same_at_every_batch_size():
    config = TrialConfig.model_validate({"schedule": {"name": "exponential", "decay_rate": 0.5}})
    for updates in (1, 3, 1000):
        assert learning_rates(config, 3, updates)[0] == np.float32(0.001 * 0.25)


@pytest.mark.parametrize("t_mul", [1.0, 1.5, 2.0, 3.0])
def test_a_restart_that_falls_on_an_update_is_not_missed(t_mul):
    """A logarithm that is rounded down would give the lowest rate where the highest is due."""
    plain = {
        "optimizer": {"name": "sgd", "learning_rate": START},
        "schedule": {"name": "cosine_restarts", "first_decay": 2.0, "t_mul": t_mul},
        "training": {"max_epochs": 1000},
    }
    config = TrialConfig.model_validate(plain)
    begin, length = 0.0, 2.0
    while begin < 900:
        for updates in (1, 3, 7, 430) if begin.is_integer() else ():
            assert learning_rates(config, int(begin) + 1, updates)[0] == np.float32(START), (begin, updates)
        begin, length = begin + length, length * t_mul


def test_a_schedule_that_is_a_callback_begins_with_the_rate_of_the_optimizer():
    for knobs in ({"name": "reduce_on_plateau"}, {"name": "custom", "function": "nobody.asks:yet"}):
        config = TrialConfig.model_validate({"schedule": knobs})
        np.testing.assert_array_equal(learning_rates(config, 2, 3), np.full(3, 0.001, np.float32))
