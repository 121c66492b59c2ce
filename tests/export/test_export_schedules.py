"""Every schedule, as Keras has it, gives the learning rate of every update of the trainer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from export.conftest import row_of
from support import sample_config

from hpsearch.catalogue.schedules import SCHEDULES, UNITS
from hpsearch.config.trial import TrialConfig
from hpsearch.export.keras_objects import as_decay, keras_schedule
from hpsearch.training.callbacks import learning_rates

EPOCHS, EXAMPLES, START = 6, 700, 0.3
UPDATES = 7
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "inverse_time": [{"decay_rate": 6.784}],
    "step": [{"epochs_per_drop": 2.0}, {"epochs_per_drop": 1.3, "drop": 0.7}, {"epochs_per_drop": 10.0}],
    "piecewise_constant": [{"values": [0.2]}, {"values": [0.3]}, {"values": [0.1, 0.5, 0.2]}],
    "polynomial": [{"power": 2.0, "alpha": 0.1}],
    "cosine": [{"alpha": 0.1}, {"warmup": 0.25}, {"warmup": 0.33, "warmup_from": 0.5, "alpha": 0.1}],
    "cosine_restarts": [{"first_decay": 1.0}, {"first_decay": 1.5, "t_mul": 1.0, "m_mul": 0.5, "alpha": 0.1}],
}
FORMULA_ROWS = [row for row in SCHEDULES.values() if not row.callback]


def _settings() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for row in FORMULA_ROWS:
        units = [{"per": unit} for unit in UNITS] if "per" in row.defaults() else [{}]
        settings = [{}] * row.complete + SETTINGS.get(row.name, [])
        found += [(row.name, {**knobs, **unit}) for knobs in settings for unit in units]
    return found


def _config(schedule: dict[str, Any]) -> TrialConfig:
    optimizer = {"name": "sgd", "learning_rate": START}
    training = {"max_epochs": EPOCHS, "early_stopping": None}
    return sample_config(optimizer=optimizer, schedule=schedule, training=training)


def _rates(decay: Any) -> np.ndarray:
    """What a Keras optimizer takes for each update."""
    optimizer = keras.optimizers.SGD(decay if decay is not None else START)
    rates = []
    for step in range(EPOCHS * UPDATES):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    return np.array(rates)


@pytest.mark.parametrize(("name", "knobs"), _settings(), ids=str)
def test_keras_takes_the_same_rates(name, knobs):
    config = _config({"name": name, **knobs})
    expected = np.concatenate([learning_rates(config, epoch, UPDATES) for epoch in range(1, EPOCHS + 1)])
    schedule = keras_schedule(config, EXAMPLES)
    assert schedule.updates == UPDATES
    assert not schedule.callbacks
    np.testing.assert_allclose(_rates(schedule.decay), expected, rtol=2e-6, atol=1e-7)


def test_a_schedule_that_changes_nothing_is_none():
    assert keras_schedule(_config({"name": "constant"}), EXAMPLES).decay is None
    assert keras_schedule(_config({"name": "step", "epochs_per_drop": 6.0}), EXAMPLES).decay is None


@pytest.mark.parametrize(
    ("name", "knobs", "stock"),
    [
        ("inverse_time", {}, "InverseTimeDecay"),
        ("exponential", {"per": "epoch"}, "ExponentialDecay"),
        ("step", {"epochs_per_drop": 2.0}, "PiecewiseConstantDecay"),
        ("polynomial", {}, "PolynomialDecay"),
        ("polynomial", {"per": "epoch"}, "PiecewiseConstantDecay"),
        ("cosine", {}, "CosineDecay"),
        ("cosine_restarts", {}, "CosineDecayRestarts"),
    ],
)
def test_the_class_is_the_one_that_a_keras_user_takes(name, knobs, stock):
    assert type(keras_schedule(_config({"name": name, **knobs}), EXAMPLES).decay).__name__ == stock


def test_a_persons_own_function_becomes_its_rates():
    config = _config(row_of("schedule", "custom"))
    schedule = keras_schedule(config, EXAMPLES)
    assert schedule.decay is None
    assert isinstance(schedule.callbacks[0], keras.callbacks.LearningRateScheduler)
    expected = np.repeat([START * 0.4**epoch for epoch in range(EPOCHS)], UPDATES)
    np.testing.assert_allclose(_rates(as_decay(schedule, config)), expected, rtol=1e-6)


def test_a_plateau_stays_a_callback():
    schedule = keras_schedule(_config({"name": "reduce_on_plateau", "monitor": "accuracy", "factor": 0.2}), EXAMPLES)
    (callback,) = schedule.callbacks
    assert schedule.decay is None
    assert (type(callback).__name__, callback.factor, callback.mode) == ("ReduceLROnPlateau", 0.2, "max")
