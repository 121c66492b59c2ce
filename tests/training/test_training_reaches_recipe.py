"""Every schedule, model and loss learns real Fashion-MNIST: 0.80 of the validation images in a few epochs.

Whether its mathematics are right is held elsewhere; here it is that a study that takes it is worth running.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from support import require
from training.stock import train

from hpsearch.catalogue.losses import LOSSES
from hpsearch.catalogue.models import MODELS
from hpsearch.catalogue.schedules import SCHEDULES
from hpsearch.config.trial import TrialConfig
from hpsearch.data.store import obtain
from hpsearch.errors import DataError
from hpsearch.training.examples import TrainingData

OWN = "training.own_code"
ENOUGH = 0.80
# Trained on 20,000 images; 5,000 of the others are enough to validate on.
DATA = {"dataset": "fashion_mnist", "validation": 40_000}
MLP = {"architecture": "mlp", "units": [32]}
SGD = {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9}
ADAM = {"name": "adam", "learning_rate": 0.003}

MODEL_KNOBS = {
    "perceptron": [{}],
    "mlp": [{"units": [64]}],
    "deep_mlp": [{"units": 64}],
    "cnn": [{"filters": [8], "units": []}],
    "rnn": [{"cell": "lstm", "units": 32}],
    "custom": [{"builder": f"{OWN}:two_branches", "arguments": {"width": 32}}],
}
SCHEDULE_KNOBS = {
    "constant": [{}],
    "inverse_time": [{"decay_rate": 0.5}],
    "exponential": [{"decay_rate": 0.7}],
    "step": [{"drop": 0.5, "epochs_per_drop": 1.0}],
    "piecewise_constant": [{"values": [0.05, 0.02, 0.005]}],
    "polynomial": [{"power": 2.0}],
    "cosine": [{}, {"warmup": 0.2}],
    "cosine_restarts": [{"first_decay": 1.0}],
    "reduce_on_plateau": [{"patience": 1, "factor": 0.5}],
    "custom": [{"function": f"{OWN}:schedule"}],
}
LOSS_KNOBS = {
    "categorical_crossentropy": [{}, {"label_smoothing": 0.1}],
    "mean_squared_error": [{}],
    "custom": [{"function": f"{OWN}:squared_hinge"}],
}


def _name(recipe: dict[str, Any]) -> str:
    """`schedule-cosine`, `model-cnn`."""
    section, knobs = next(iter(recipe.items()))
    return f"{section}-{knobs.get('name', knobs.get('architecture'))}"


RECIPES = [
    *({"model": {"architecture": name, **knobs}, "optimizer": ADAM} for name in MODELS for knobs in MODEL_KNOBS[name]),
    *({"schedule": {"name": name, **knobs}} for name in SCHEDULES for knobs in SCHEDULE_KNOBS[name]),
    *({"loss": {"name": name, **knobs}, "optimizer": ADAM} for name in LOSSES for knobs in LOSS_KNOBS[name]),
]


@pytest.fixture(scope="module")
def data():
    try:
        obtain("fashion_mnist")
    except DataError as why:
        require(False, f"the real Fashion-MNIST cannot be had here: {why}")
    data = TrainingData.load(TrialConfig.model_validate({"data": DATA}).data)
    return dataclasses.replace(data, validation=data.validation[:5000])


@pytest.mark.parametrize("recipe", RECIPES, ids=[_name(recipe) for recipe in RECIPES])
@pytest.mark.e2e(but=("mlp", "cosine1", "mean_squared_error"))
def test_it_learns_fashion_mnist(recipe, data, executables):
    training = {"max_epochs": 3, "early_stopping": None, "engine": "graph"}
    plain = {"data": DATA, "model": MLP, "optimizer": SGD, "batch_size": 128, "training": training, "seed": 0}
    trainer, _ = train(TrialConfig.model_validate(plain | recipe), data, executables)
    assert trainer.best.value >= ENOUGH
