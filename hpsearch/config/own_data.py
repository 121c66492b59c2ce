"""A user's own datasets, checked against a study after their training parts are read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpsearch.config import problems as wording
from hpsearch.config.checking import corners_with_data
from hpsearch.config.space import origin
from hpsearch.config.trial import TrialConfig
from hpsearch.config.yaml_text import KeyPath

if TYPE_CHECKING:
    from hpsearch.config.study import StudySpec


@dataclass(frozen=True)
class OwnData:
    """The training part of a user's own dataset.

    Attributes:
        examples: how many there are.
        classes: how many there are.
        smallest: examples of the rarest class.
        shape: of one example.
        dtype: of the examples: uint8, float32 or float64.
    """

    examples: int
    classes: int
    smallest: int
    shape: tuple[int, ...]
    dtype: str


def dataset_places(spec: StudySpec) -> dict[str, KeyPath]:
    """Where in the study file each of its datasets is named."""
    found: dict[str, KeyPath] = {}
    for pick, config in corners_with_data(spec.space) if not spec.trainable else ():
        found.setdefault(config.data.dataset, origin(spec.space, ("data", "dataset"), pick))
    return found


def unfit(spec: StudySpec, known: Mapping[str, OwnData]) -> Iterator[wording.Finding]:
    """Yield what does not fit between the study and its datasets.

    Args:
        known: the user's own datasets that have been read, by name.
    """
    for pick, config in corners_with_data(spec.space) if known else ():
        if config.data.dataset in known:
            for path, sentence in _problems(config, known[config.data.dataset]):
                yield origin(spec.space, path, pick), sentence


def with_normalization(config: TrialConfig, known: Mapping[str, OwnData]) -> TrialConfig:
    """Return the configuration with the normalization that it gets where none is written."""
    name = config.data.dataset
    return config.for_data(known[name].dtype) if name in known else config


def _problems(config: TrialConfig, data: OwnData) -> Iterator[wording.Finding]:
    name = config.data.dataset
    if problem := config.shape_problem(data.shape):
        yield ("model", "architecture"), problem
    weights = config.training.class_weight
    if isinstance(weights, tuple) and len(weights) != data.classes:
        yield (
            ("training", "class_weight"),
            f"`class_weight` has {len(weights)} numbers, but must have {data.classes}: one for each class of {name}",
        )
    try:
        training, held_out = config.data.examples_of(data.examples)
    except ValueError as error:
        key = re.search("validation|train_examples", str(error))
        yield ("data", key[0] if key else "dataset"), str(error)
        return
    left = data.examples - held_out
    if held_out and (min(held_out, left) < data.classes or data.smallest < 2):
        yield (
            ("data", "validation"),
            f"training and validation must each hold an example of each class, but {name} has {data.examples:,} "
            f"examples of {data.classes} classes, {data.smallest:,} of the rarest, and {held_out:,} are held out",
        )
    elif config.batch_of(training) > training:
        yield (
            ("batch_size",),
            f"batch_size is {config.batch_size:,}, but there are only {training:,} training examples in {name}; "
            f"give `trial.batch_size` a value or a choice up to {training:,}",
        )
