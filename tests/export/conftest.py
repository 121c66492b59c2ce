"""What the tests of exports share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export.made import trained_here
from support import sample_config

from hpsearch.catalogue.losses import LOSSES
from hpsearch.catalogue.models import MODELS
from hpsearch.catalogue.schedules import SCHEDULES
from hpsearch.config.file import Objective
from hpsearch.config.trial import TrialConfig
from hpsearch.data.store import obtain
from hpsearch.export.selected import SelectedTrial
from hpsearch.export.trainings import ExportContext
from hpsearch.search.records import TrialRecord
from hpsearch.training.results import Outcome

# Of rows with a knob that has no default.
NAMED: dict[str, dict[str, dict[str, Any]]] = {
    "schedule": {
        "piecewise_constant": {"values": [0.3, 0.2]},
        "custom": {"function": "training.own_code:schedule"},
    },
    "model": {"custom": {"builder": "training.own_code:two_branches", "arguments": {"width": 4}}},
    "loss": {"custom": {"function": "training.own_code:squared_hinge"}},
}
KEYS = {"schedule": ("name", SCHEDULES), "model": ("architecture", MODELS), "loss": ("name", LOSSES)}


def row_of(section: str, name: str, **knobs: Any) -> dict[str, Any]:
    """A row as a configuration writes it."""
    return {KEYS[section][0]: name, **NAMED[section].get(name, {}), **knobs}


def chosen_of(config: TrialConfig, rows: list[Any] | None = None, best: Any = None) -> SelectedTrial:
    """A trial of a study that nobody needs to have run."""
    record = TrialRecord(
        number=3,
        state="COMPLETE",
        outcome=Outcome.COMPLETED if best else Outcome.FAILED,
        config=config,
        epochs=tuple(rows or ()),
        best=best,
        seconds=1.0,
    )
    return SelectedTrial("small", Objective(), record)


def own_examples() -> Any:
    """A person's own examples of 6 features, of 3 classes that are not equally frequent; there is no test part."""
    generator = np.random.default_rng(0)
    labels = generator.permutation(np.repeat([0, 1, 2], [260, 140, 81]))
    return (generator.normal(size=(481, 6)) + 2 * np.eye(3, 6)[labels], labels), None


@pytest.fixture(scope="session", autouse=True)
def _sample():
    obtain("fashion_mnist_sample")


@pytest.fixture(scope="session")
def context(tmp_path_factory) -> ExportContext:
    return ExportContext((Path(__file__).parents[1],), tmp_path_factory.mktemp("log") / "native.log", lambda _: None)


@pytest.fixture(scope="session")
def selected(context) -> SelectedTrial:
    """A trial of 20 epochs on the packaged sample with a schedule, dropout, averaged weights and early stopping."""
    config = sample_config(
        model={"architecture": "mlp", "units": [32], "dropout": 0.1, "batch_normalization": True},
        optimizer={"name": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "use_ema": True},
        schedule={"name": "cosine", "warmup": 0.1},
        training={"max_epochs": 20, "early_stopping": {"patience": 6}, "engine": "graph"},
    )
    trainer, rows = trained_here(config, context)
    return chosen_of(config, rows, trainer.best)
