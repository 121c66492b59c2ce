"""Which trials can share compiled functions, and which engine trains them. Plain data, no TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from typing import Any

from hpsearch.catalogue.models import MODELS
from hpsearch.config.trial import AnyConfig, Selected, TrainableConfig, TrialConfig

# XLA makes an epoch a fifth to a third shorter. For each batch size, compiling takes as long as two epochs (half an
# epoch if the cache on disk has the result): with fewer epochs than this it does not pay (tests/benchmarks/README.md).
XLA_REPAID = 5
# The knobs of a model that can be variables (`knobs.turn_model`).
MODEL_KNOBS = ("dropout", "l1", "l2")


def turnable(knobs: Mapping[str, Any], structural: Container[str] = ()) -> dict[str, float]:
    """Return the knobs that may differ between trials of one structure: non-zero numbers.

    The learning rate is a variable in every Keras optimizer already. Switches and zeros decide which
    operations there are, so they belong to the structure.

    Args:
        structural: names of the numbers that belong to the structure by the catalogue's entry.
    """
    return {
        name: float(value)
        for name, value in knobs.items()
        if isinstance(value, float) and value != 0 and name != "learning_rate" and name not in structural
    }


def structure_of(config: TrialConfig) -> str:
    """Return a text that is the same for configurations that can share an executable, since their graphs are the same.

    Learning rate, momentum, betas, penalties, dropout, batch size, schedule, seed and normalization are not part of it:
    they are inputs or variables of the graph.
    """
    training = config.training
    parts = {
        "dataset": config.data.dataset,
        "model": _fixed(config.model, MODEL_KNOBS),
        "loss": _fixed(config.loss),
        "optimizer": _fixed(config.optimizer),
        "engine": training.engine,
        "weighted": training.class_weight is not None,
        "metrics": training.metrics,
    }
    return json.dumps(parts, sort_keys=True)


def _fixed(selected: Selected, variables: Container[str] | None = None) -> dict[str, Any]:
    """Return the selected entry with each of its variables replaced by "any", and without the learning rate.

    Args:
        variables: the names that can be variables; None: all that are not structural.
    """
    structural = selected.entry.structural
    turned = {name for name in turnable(selected.knobs(), structural) if variables is None or name in variables}
    values = selected.model_dump(mode="json")
    return {name: "any" if name in turned else value for name, value in values.items() if name != "learning_rate"}


def needs_of(config: AnyConfig) -> frozenset[str]:
    """Return the names of the functions to compile for a configuration; XLA compiles one for each batch size."""
    if isinstance(config, TrainableConfig):
        return frozenset()
    structure = structure_of(config)
    return frozenset({structure, f"{structure} {config.batch_size}" if config.training.engine == "xla" else structure})


def with_engine(config: TrialConfig, engines: Mapping[str, str]) -> TrialConfig:
    """Return the configuration with `engine: auto` replaced.

    The engine becomes `graph` for a solver or with dropout, else that of the architecture in `engines`.
    """
    if config.training.engine != "auto":
        return config
    solver = config.optimizer.entry.needs_closure
    # On a CPU XLA draws random numbers so slowly that an epoch takes twelve times as long (tests/benchmarks/README.md).
    dropout = config.model.knobs().get("dropout")
    engine = "graph" if solver or dropout else engines[config.model.selected()]
    training = config.training.model_copy(update={"engine": engine})
    return config.model_copy(update={"training": training})


def engines_for(max_epochs: int) -> dict[str, str]:
    """Return what `engine: auto` means for each architecture in trainings of up to `max_epochs`."""
    repaid = max_epochs >= XLA_REPAID
    return {name: "xla" if repaid and entry.xla and entry.auto_xla else "graph" for name, entry in MODELS.items()}
