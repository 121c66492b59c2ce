"""Training and validation images, drawn so that both hold every class in the same proportion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from hpsearch.errors import DataError


@dataclass(frozen=True)
class Split:
    """Positions in the training arrays: int64 [n - validation] and int64 [validation], each ascending."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]


def stratified_split(labels: NDArray[np.uint8], validation: int, seed: int) -> Split:
    """Set `validation` images apart, every class within one image of its exact share.

    Args:
        labels: uint8 [n].
        validation: how many images; `0 < validation < n`, with every class in both parts.
        seed: the same seed gives the same split; `0 <= seed < 2**32`.

    Raises:
        DataError: a rule above is broken; the message holds the rule and the value.

    Source: scikit-learn's `train_test_split(stratify=...)`.
    """
    labels = np.asarray(labels)
    _check(labels, validation, seed)
    train, held_out = train_test_split(
        np.arange(len(labels), dtype=np.int64),
        test_size=validation,
        train_size=len(labels) - validation,
        stratify=labels,
        random_state=seed,
    )
    split = Split(train=np.sort(train), validation=np.sort(held_out))
    _check_every_class_in_both(labels, split)
    return split


def _check(labels: NDArray[np.uint8], validation: int, seed: int) -> None:
    n = len(labels)
    if not 0 < validation < n:
        raise DataError(f"`0 < validation < n` must hold, but got (validation={validation}, n={n})")
    if not 0 <= seed < 2**32:
        raise DataError(f"`0 <= seed < 2**32` must hold for the split, but got (seed={seed})")
    classes, sizes = np.unique(labels, return_counts=True)
    if not len(classes) <= validation <= n - len(classes) or sizes.min() < 2:
        raise DataError(
            "training and validation must each hold at least one image per class, but got "
            f"(validation={validation}, n={n}, classes={len(classes)}, smallest class={sizes.min()})"
        )


def _check_every_class_in_both(labels: NDArray[np.uint8], split: Split) -> None:
    """A class that is much rarer than the others can be missing even if there is room for all."""
    for part, positions in (("training", split.train), ("validation", split.validation)):
        missing = np.setdiff1d(labels, labels[positions])
        if len(missing):
            raise DataError(
                f"{part} must hold at least one image per class, but class {missing[0]} is too rare for "
                f"(validation={len(split.validation)}, n={len(labels)})"
            )
