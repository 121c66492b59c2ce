"""Optimizer and schedule as Keras's own JSON, knob by knob."""

from __future__ import annotations

import copy
import json
from typing import Any, get_args

import keras
import numpy as np
import pytest
from export.conftest import row_of
from support import sample_config

from hpsearch.catalogue.entries import Knob
from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.catalogue.schedules import SCHEDULES
from hpsearch.config.trial import TrialConfig
from hpsearch.errors import HpsearchError
from hpsearch.export.keras_objects import keras_json, knob_differences, serialized

STEPWISE = [row.name for row in OPTIMIZERS.values() if not row.needs_closure]
# What Keras takes one of, so that they are set in turn.
CLIPPING = ("clipnorm", "global_clipnorm", "clipvalue")


def _other(knob: Knob) -> Any:
    """A value that is not the default."""
    if knob.type is bool:
        return not knob.default
    if knob.type is int:
        return knob.default + 1
    if type(None) in get_args(knob.type) and knob.default is None:
        return 0.37
    if knob.default:
        return knob.default * 0.9
    return 0.21


def _config(name: str, **knobs: Any) -> TrialConfig:
    return sample_config(optimizer={"name": name, **knobs})


def _read(exported: dict[str, Any]) -> Any:
    read = eval(exported["read_with"], {"keras": keras})
    return read(copy.deepcopy(exported["optimizer"]))


@pytest.mark.parametrize("clipping", CLIPPING)
@pytest.mark.parametrize("name", STEPWISE)
def test_keras_makes_an_optimizer_equal_knob_by_knob(name, clipping):
    knobs = {k.name: _other(k) for k in OPTIMIZERS[name].knobs if k.name not in CLIPPING or k.name == clipping}
    config = _config(name, **knobs)
    exported = json.loads(keras_json(config, 700, "", None))
    optimizer = _read(exported)
    ours = OPTIMIZERS[name].build(**config.optimizer.knobs())
    assert type(optimizer) is type(ours)
    for knob, value in knobs.items():
        found = getattr(optimizer, knob)
        assert (np.float32(found) == np.float32(value)) if knob == "learning_rate" else (found == value), knob
    theirs, mine = ({**of.get_config(), "name": ""} for of in (optimizer, ours))
    assert theirs == mine
    assert exported["optimizer"]["config"]["learning_rate"] == knobs["learning_rate"]
    assert not list(knob_differences(exported, config))


@pytest.mark.parametrize("name", STEPWISE)
def test_a_knob_of_another_value_is_named(name):
    exported = serialized(_config(name), 700)
    for knob in OPTIMIZERS[name].knobs:
        if knob.name not in CLIPPING:
            config = _config(name, **{knob.name: _other(knob)})
            (line,) = knob_differences(exported, config)
            assert line.startswith(f"optimizer.{knob.name}: was ")


def test_keras_own_function_reads_all_but_lamb():
    unread = [
        name for name in STEPWISE if serialized(_config(name), 700)["read_with"] != "keras.optimizers.deserialize"
    ]
    # Once this fails, Keras knows it: then `read_with` can go.
    assert unread == ["lamb"]


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_is_read_by_keras(name):
    training = {"max_epochs": 12, "early_stopping": None}
    optimizer = {"name": "adam", "learning_rate": 0.3}
    config = sample_config(schedule=row_of("schedule", name), optimizer=optimizer, training=training)
    exported = json.loads(keras_json(config, 700, "Trial 3", None))
    decay = keras.optimizers.schedules.deserialize(exported["schedule"]) if exported["schedule"] else None
    optimizer = _read(exported)
    if decay is not None:
        optimizer.learning_rate = decay
    assert float(optimizer.learning_rate) == pytest.approx(0.3)
    assert (decay is None) == (name in ("constant", "reduce_on_plateau"))
    assert exported["about"] == "Trial 3"


def test_a_plateau_is_told_with_its_arguments():
    config = sample_config(schedule={"name": "reduce_on_plateau", "factor": 0.3, "min_lr": 1e-5})
    (told,) = json.loads(keras_json(config, 700, "", None))["callbacks"]
    callback = getattr(keras.callbacks, told["class_name"])(**told["config"])
    assert (callback.factor, callback.min_lr, callback.monitor, callback.patience) == (0.3, 1e-5, "val_loss", 10)


def test_an_optimizer_of_scipy_is_refused():
    with pytest.raises(HpsearchError, match=r"^lbfgs is SciPy's: Keras has no such optimizer; export it as yaml$"):
        serialized(_config("lbfgs"), 700)
