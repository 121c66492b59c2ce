"""What is trained: two fixed lists of configurations, and the study file that enqueues them.

The numbers are written out, so that no generator's version can change what is compared. `fortyeight` was
drawn once (seed 48): a list as a real study has it, many values over few structures, in mixed order.
Learning rates and momenta are kept where nothing diverges: a trial that ends early would train less.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The sections of hpsearch's TrialConfig that vary: optimizer, schedule, batch_size.
Configuration = Mapping[str, Any]

MODEL = {"architecture": "mlp", "units": [256, 128], "activation": "relu", "batch_normalization": True}
EPOCHS = 5


def _with(optimizer: dict[str, Any], batch_size: int, schedule: str, decay_rate: float | None) -> Configuration:
    decay = {} if decay_rate is None else {"decay_rate": decay_rate}
    return {"optimizer": optimizer, "schedule": {"name": schedule, **decay}, "batch_size": batch_size}


def _sgd(
    learning_rate: float,
    momentum: float,
    nesterov: bool,
    batch_size: int,
    schedule: str,
    decay_rate: float | None = None,
) -> Configuration:
    knobs = {"learning_rate": learning_rate, "momentum": momentum, "nesterov": nesterov}
    return _with({"name": "sgd", **knobs}, batch_size, schedule, decay_rate)


def _rmsprop(
    learning_rate: float, rho: float, momentum: float, batch_size: int, schedule: str, decay_rate: float | None = None
) -> Configuration:
    knobs = {"learning_rate": learning_rate, "rho": rho, "momentum": momentum}
    return _with({"name": "rmsprop", **knobs}, batch_size, schedule, decay_rate)


def _adam(
    learning_rate: float, beta_1: float, beta_2: float, batch_size: int, schedule: str, decay_rate: float | None = None
) -> Configuration:
    knobs = {"learning_rate": learning_rate, "beta_1": beta_1, "beta_2": beta_2}
    return _with({"name": "adam", **knobs}, batch_size, schedule, decay_rate)


# Every optimizer with every batch size; each optimizer meets each schedule once.
TWELVE: tuple[Configuration, ...] = (
    _sgd(0.02, 0.9, False, 64, "constant"),
    _rmsprop(0.001, 0.9, 0.0, 64, "inverse_time", 1.0),
    _adam(0.001, 0.9, 0.999, 64, "exponential", 0.7),
    _sgd(0.05, 0.9, False, 128, "inverse_time", 0.5),
    _rmsprop(0.001, 0.9, 0.0, 128, "exponential", 0.7),
    _adam(0.002, 0.9, 0.999, 128, "cosine"),
    _sgd(0.05, 0.9, True, 256, "exponential", 0.8),
    _rmsprop(0.002, 0.9, 0.0, 256, "cosine"),
    _adam(0.001, 0.9, 0.999, 256, "constant"),
    _sgd(0.1, 0.9, False, 512, "cosine"),
    _rmsprop(0.001, 0.9, 0.0, 512, "constant"),
    _adam(0.004, 0.9, 0.999, 512, "inverse_time", 0.5),
)

# Every optimizer with batches of 128 and 256 eight times, each schedule twice.
FORTYEIGHT: tuple[Configuration, ...] = (
    _adam(0.00461, 0.848, 0.9969, 128, "inverse_time", 0.137),
    _sgd(0.0388, 0.873, True, 256, "exponential", 0.9414),
    _rmsprop(0.00078, 0.987, 0.194, 256, "inverse_time", 0.103),
    _rmsprop(0.000798, 0.9539, 0.175, 128, "inverse_time", 0.134),
    _rmsprop(0.00191, 0.9677, 0.497, 128, "exponential", 0.719),
    _rmsprop(0.00188, 0.9264, 0.667, 256, "inverse_time", 0.2),
    _sgd(0.0903, 0.626, False, 128, "exponential", 0.839),
    _adam(0.00366, 0.849, 0.9981, 128, "cosine"),
    _sgd(0.013, 0.865, True, 256, "constant"),
    _sgd(0.00756, 0.775, False, 256, "constant"),
    _adam(0.00109, 0.9258, 0.9975, 128, "inverse_time", 0.181),
    _adam(0.00292, 0.789, 0.9979, 256, "cosine"),
    _adam(0.00192, 0.794, 0.9958, 128, "constant"),
    _rmsprop(0.000479, 0.899, 0.481, 256, "cosine"),
    _sgd(0.0831, 0.9221, False, 128, "inverse_time", 0.98),
    _sgd(0.0496, 0.9221, True, 256, "cosine"),
    _adam(0.00226, 0.9325, 0.9878, 128, "cosine"),
    _rmsprop(0.00132, 0.9456, 0.038, 256, "constant"),
    _adam(0.00273, 0.863, 0.9857, 256, "exponential", 0.813),
    _adam(0.00223, 0.895, 0.9941, 256, "exponential", 0.9285),
    _sgd(0.00815, 0.9327, True, 128, "inverse_time", 0.81),
    _rmsprop(0.00139, 0.839, 0.659, 256, "cosine"),
    _rmsprop(0.000828, 0.88, 0.652, 256, "exponential", 0.9615),
    _sgd(0.0575, 0.697, False, 256, "inverse_time", 0.229),
    _sgd(0.0348, 0.569, True, 128, "cosine"),
    _adam(0.00132, 0.865, 0.9922, 128, "constant"),
    _rmsprop(0.00135, 0.839, 0.634, 128, "constant"),
    _sgd(0.0177, 0.615, True, 256, "inverse_time", 0.1),
    _sgd(0.0119, 0.9022, False, 256, "exponential", 0.9594),
    _adam(0.000793, 0.943, 0.9876, 256, "inverse_time", 0.216),
    _rmsprop(0.00198, 0.939, 0.619, 128, "cosine"),
    _sgd(0.0138, 0.891, True, 128, "exponential", 0.9393),
    _sgd(0.0258, 0.9323, False, 128, "constant"),
    _adam(0.00123, 0.791, 0.9831, 256, "constant"),
    _sgd(0.00958, 0.9408, True, 128, "constant"),
    _adam(0.00283, 0.777, 0.9981, 256, "cosine"),
    _adam(0.00474, 0.9087, 0.9845, 128, "exponential", 0.88),
    _adam(0.000373, 0.804, 0.9865, 256, "constant"),
    _rmsprop(0.000201, 0.9314, 0.533, 128, "constant"),
    _adam(0.00439, 0.753, 0.9975, 256, "inverse_time", 1.15),
    _sgd(0.00706, 0.9299, False, 256, "cosine"),
    _rmsprop(0.000416, 0.9, 0.343, 256, "exponential", 0.712),
    _rmsprop(0.000769, 0.9575, 0.611, 128, "exponential", 0.724),
    _rmsprop(0.00193, 0.9642, 0.584, 256, "constant"),
    _sgd(0.00961, 0.838, False, 128, "cosine"),
    _rmsprop(0.00134, 0.943, 0.275, 128, "inverse_time", 0.368),
    _adam(0.00036, 0.8, 0.9981, 128, "exponential", 0.9042),
    _rmsprop(0.0016, 0.9511, 0.685, 128, "cosine"),
)

LISTS: dict[str, tuple[Configuration, ...]] = {"twelve": TWELVE, "fortyeight": FORTYEIGHT}


def study_file(
    name: str, configurations: tuple[Configuration, ...], data: Mapping[str, Any], epochs: int, seed: int
) -> dict[str, Any]:
    """The study file that trains exactly `configurations`: all enqueued, nothing stopped before its last epoch.

    Args:
        name: of the study.
        configurations: of one of the lists; a study of few trials takes the first ones.
        data: the `data:` section, without normalization.
        epochs: of each trial.
        seed: trial N trains with seed + N.
    """
    return {
        "name": name,
        "trial": {
            "data": {**data, "normalization": "rescale"},
            "model": MODEL,
            # Knobs that are left out take the recommended ranges, which hold every value of the lists.
            "optimizer": {"choice": ["sgd", "rmsprop", "adam"]},
            "schedule": {"choice": ["constant", "inverse_time", "exponential", "cosine"]},
            "batch_size": {"choice": [64, 128, 256, 512]},
            "training": {"max_epochs": epochs, "early_stopping": None},
        },
        "search": {"pruner": "none", "baselines": False, "trials": len(configurations), "seed": seed},
        "enqueue": [dict(configuration) for configuration in configurations],
    }
