"""A trial's optimizer and learning-rate schedule as Keras's own serialization, in JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.config.trial import TrialConfig
from hpsearch.errors import HpsearchError, first_line
from hpsearch.export.figure import Figure
from hpsearch.export.printed import arguments
from hpsearch.export.schedule import as_decay, keras_schedule

# keras.optimizers.deserialize of Keras 3.15 does not know all of its own optimizers (lamb).
_READ_WITH = "keras.optimizers.deserialize", "keras.saving.deserialize_keras_object"


def serialized(config: TrialConfig, examples: int) -> dict[str, Any]:
    """`{"optimizer": ..., "schedule": ...}`, and `callbacks` where one sets the learning rate.

    optimizer  for `read_with`, with the rate at the start
    schedule   for keras.optimizers.schedules.deserialize, in updates; null: the rate stays, or a callback sets it
    callbacks  the class in keras.callbacks and its arguments

    Args:
        examples: how many are trained on.

    Raises:
        HpsearchError: Keras has no such optimizer.
        UserCodeError: a person's own schedule cannot be found, or raises.
    """
    row = OPTIMIZERS[config.optimizer.selected()]
    if row.needs_closure:
        raise HpsearchError(f"{row.name} is SciPy's: Keras has no such optimizer; export it as yaml")
    knobs = config.optimizer.knobs()
    optimizer = keras.optimizers.serialize(row.build(**knobs))
    # Keras says it as the float32 that it holds, and numbers the optimizers of a process.
    optimizer["config"] |= {"learning_rate": knobs["learning_rate"], "name": row.name}
    schedule = keras_schedule(config, examples)
    decay = as_decay(schedule, config)
    others = [one for one in schedule.callbacks if not isinstance(one, keras.callbacks.LearningRateScheduler)]
    callbacks = [{"class_name": type(one).__name__, "config": arguments(one)} for one in others]
    return {
        "read_with": next(name for name in _READ_WITH if _reads(name, optimizer)),
        "optimizer": optimizer,
        "schedule": keras.optimizers.schedules.serialize(decay) if decay else None,
        **({"callbacks": callbacks} if callbacks else {}),
    }


def keras_json(config: TrialConfig, examples: int, about: str, figure: Figure | None) -> str:
    """Return the same as JSON text, with where it comes from and what it reached.

    Raises:
        As `serialized`.
    """
    data = {"about": about, **serialized(config, examples), "figure": figure.plain() if figure else None}
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


def knob_differences(exported: Mapping[str, Any], config: TrialConfig) -> Iterator[str]:
    """Where the optimizer that Keras makes of an export has other knobs than the configuration.

    Raises:
        HpsearchError: Keras does not take it.
    """
    try:
        optimizer = keras.saving.deserialize_keras_object(exported["optimizer"])
    except Exception as error:
        raise HpsearchError(f"Keras does not take this optimizer: {first_line(error)}") from None
    for name, value in config.optimizer.knobs().items():
        found = getattr(optimizer, name)
        # Keras holds it in float32.
        now = float(str(found.numpy())) if name == "learning_rate" else found
        if now != value and not (name == "learning_rate" and math.isclose(now, value, rel_tol=1e-6)):
            yield f"optimizer.{name}: was {value!r}, is now {now!r}"


def _reads(name: str, optimizer: Mapping[str, Any]) -> bool:
    """Return whether the function of this name gives an optimizer back."""
    function = keras.optimizers.deserialize if "optimizers" in name else keras.saving.deserialize_keras_object
    try:
        # It changes what it is given.
        return isinstance(function(json.loads(json.dumps(optimizer))), keras.optimizers.Optimizer)
    except (AttributeError, TypeError, ValueError):
        return False
