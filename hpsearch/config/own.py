"""A concrete configuration of a user's own training, and which of the two kinds stored plain data is.

A study with `trainable: module:function` searches whatever that function trains: the keys under `trial:` are
the user's, and the function is called with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hpsearch.config.trial import TrialConfig

# Keys of a stored configuration that are not the user's.
TRAINABLE, SEED = "trainable", "seed"


@dataclass(frozen=True)
class TrainableConfig:
    """What a user's own function is called with.

    Attributes:
        trainable: `module:function`; called as `function(values, seed)`, it yields one mapping of metrics an epoch.
        values: the keys under `trial:`, every distribution replaced by a value.
        seed: of the training; None: one per trial.
    """

    trainable: str
    values: Mapping[str, Any]
    seed: int | None = None

    @staticmethod
    def of(plain: Mapping[str, Any]) -> TrainableConfig:
        values = {key: value for key, value in plain.items() if key not in (TRAINABLE, SEED)}
        return TrainableConfig(plain[TRAINABLE], values, plain.get(SEED))

    def plain(self) -> dict[str, Any]:
        """Plain data, as YAML and JSON take it."""
        return {TRAINABLE: self.trainable, **self.values, SEED: self.seed}

    def flat(self) -> dict[str, Any]:
        """Every value under its key, those of mappings under `outer.inner`."""
        return dict(_flat(self.values)) | ({SEED: self.seed} if self.seed is not None else {})


AnyConfig = TrialConfig | TrainableConfig


def parse_config(plain: Mapping[str, Any]) -> AnyConfig:
    """The configuration that plain data holds; `plain()` is its inverse.

    Raises:
        pydantic.ValidationError: a configuration of hpsearch's own breaks a rule.
    """
    return TrainableConfig.of(plain) if TRAINABLE in plain else TrialConfig.model_validate(plain)


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value
