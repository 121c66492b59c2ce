"""Which trials can share what is compiled, and which engine trains them. Plain data, no TensorFlow."""

from __future__ import annotations

import json
import random
from collections.abc import Container, Mapping
from typing import Any

from pydantic import ValidationError

from hpsearch.catalogue.distributions import Float, Int, OneMinus
from hpsearch.catalogue.models import MODELS
from hpsearch.config.space import Pick, Ranged, concrete
from hpsearch.config.study import StudySpec
from hpsearch.config.trial import Selected, TrialConfig

# XLA takes about 2.3 s to compile an epoch for one batch size and saves 0.1 to 0.4 s of each epoch
# (tests/benchmarks/README.md), so an executable must serve this many epochs to repay itself with certainty.
XLA_REPAID = 24
# Of a model: the numbers that can be variables (`knobs.turn_model`).
MODEL_KNOBS = ("dropout", "l1", "l2")
# Trials drawn to see how many executables a study needs.
DRAWN = 100


def turnable(knobs: Mapping[str, Any]) -> dict[str, float]:
    """The knobs that may differ between trials of one structure: non-zero numbers.

    The learning rate is a variable in every Keras optimizer already. Switches and zeros decide which
    operations there are, so they belong to the structure.
    """
    return {
        name: float(value)
        for name, value in knobs.items()
        if isinstance(value, float) and value != 0 and name != "learning_rate"
    }


def structure_of(config: TrialConfig) -> str:
    """Equal for configurations that can share an executable: their graphs are the same.

    Learning rate, momentum, betas, penalties, dropout, batch size, schedule, seed and normalization are inputs.
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


def _fixed(row: Selected, variables: Container[str] | None = None) -> dict[str, Any]:
    """The row with its variables replaced by a word.

    Args:
        variables: the names that can be variables; None: all.
    """
    turned = {name for name in turnable(row.knobs()) if variables is None or name in variables}
    values = row.model_dump(mode="json")
    return {name: "any" if name in turned else value for name, value in values.items() if name != "learning_rate"}


def executable_of(config: TrialConfig) -> str:
    """Equal for configurations that need nothing new compiled for each other."""
    return structure_of(config) + (f" batch {config.batch_size}" if config.training.engine == "xla" else "")


def with_engine(config: TrialConfig, engines: Mapping[str, str]) -> TrialConfig:
    """The configuration with `engine: auto` replaced by what `engines` says of its architecture."""
    if config.training.engine != "auto":
        return config
    training = config.training.model_copy(update={"engine": engines[config.model.selected()]})
    return config.model_copy(update={"training": training})


def engines_for(epochs_per_executable: float) -> dict[str, str]:
    """What `engine: auto` means for each architecture where an XLA executable would serve so many epochs."""
    repaid = epochs_per_executable >= XLA_REPAID
    return {name: "xla" if repaid and row.xla else "graph" for name, row in MODELS.items()}


def epochs_per_executable(spec: StudySpec) -> float:
    """How many epochs an XLA executable would serve on average in a study, were no trial pruned.

    Trials are drawn at random from the space, always the same ones; what they would need compiled is counted.
    """
    rng = random.Random(0)
    pick = Pick(number=lambda node: _any_number(node, rng), option=lambda node: rng.randrange(len(node.options)))
    needed, epochs = set(), 0
    for _ in range(min(spec.search.trials, DRAWN)):
        try:
            config = TrialConfig.model_validate(concrete(spec.space, pick))
        except ValidationError:
            continue  # two values that are each allowed and cannot go together
        needed.add(f"{structure_of(config)} {config.batch_size}")
        epochs += config.training.max_epochs
    return epochs / max(1, len(needed))


def _any_number(node: Ranged, rng: random.Random) -> int | float:
    match node.distribution:
        case Int(low, high, _, step):
            return rng.randrange(low, high + 1, step)
        case OneMinus(low, high):
            return 1.0 - rng.uniform(low, high)
        case Float(low, high):
            return rng.uniform(low, high)
