"""Everything that can be chosen learns the real Fashion-MNIST at a configuration that is right for it."""

from __future__ import annotations

from typing import Any

import pytest
from training.stock import train

from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.config.trial import TrialConfig
from hpsearch.training.examples import TrainingData

ACCURACY = 0.80


@pytest.fixture(scope="module")
def data(real_folder):
    return TrainingData.load(_config().data)


def _config(**sections: Any) -> TrialConfig:
    """784-64-10, two epochs of 215 updates by 256 of 55,000 images."""
    recipe: dict[str, Any] = {
        "data": {"dataset": "fashion_mnist"},
        "model": {"architecture": "mlp", "units": [64]},
        "batch_size": 256,
        "training": {"max_epochs": 2, "early_stopping": None, "engine": "graph"},
        "seed": 0,
    }
    return TrialConfig.model_validate(recipe | sections)


# Learning rates that suit this training; Keras's defaults for adagrad, adadelta and ftrl need many more epochs.
KNOBS: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": 0.1},
    "adagrad": {"learning_rate": 0.03},
    "adadelta": {"learning_rate": 1.0},
    "adamax": {"learning_rate": 3e-3},
    "ftrl": {"learning_rate": 0.03, "initial_accumulator_value": 1e-6},
    "proximal_gradient_descent": {"learning_rate": 0.1, "l1": 1e-5},
    "lion": {"learning_rate": 3e-4},
    "adafactor": {"learning_rate": 0.03},
    "lamb": {"learning_rate": 0.01},
}
# An epoch of it is one step, not hundreds.
MORE = {"lbfgs": {"model": {"architecture": "perceptron"}, "training": {"max_epochs": 20, "engine": "graph"}}}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.e2e(but=("sgd", "adam"))
def test_an_optimizer_reaches(data, optimizer):
    config = _config(optimizer={"name": optimizer, **KNOBS.get(optimizer, {})}, **MORE.get(optimizer, {}))
    trainer, _ = train(config, data)
    assert trainer.best.value >= ACCURACY
