"""Training and validation images, drawn so that both hold every class in the same proportion."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpsearch.catalogue.datasets import dataset
from hpsearch.data.store import cache_folder
from hpsearch.errors import DataError


@dataclass(frozen=True)
class Split:
    """Positions in the training arrays: int64 [n - validation] and int64 [validation], each ascending."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]


def split_of(name: str, labels: NDArray[np.uint8], validation: int, seed: int) -> Split:
    """Return the stratified split of a dataset, drawn once and then read from the cache.

    The cache saves every worker the import of scikit-learn, which takes a second.

    Args:
        name: of the dataset whose `labels` these are.

    Raises:
        DataError: as `stratified_split`.
    """
    file = cache_folder() / "splits" / f"{name}-{dataset(name).digest[:8]}-{validation}-{seed}.npy"
    held_out = _read(file, len(labels), validation)
    if held_out is None:
        split = stratified_split(labels, validation, seed)
        _write(file, split.validation)
        return split
    return Split(train=np.setdiff1d(np.arange(len(labels), dtype=np.int64), held_out), validation=held_out)


def _read(file: Path, n: int, validation: int) -> NDArray[np.int64] | None:
    """Return the positions in a file; None where it is missing or invalid."""
    try:
        found: NDArray[np.int64] = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = found.dtype == np.int64 and found.shape == (validation,) and bool(np.all(np.diff(found) > 0))
    return found if fits and found[0] >= 0 and found[-1] < n else None


def _write(file: Path, positions: NDArray[np.int64]) -> None:
    # If the cache cannot be written to, the split is drawn again by each process, in about a second.
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(handle, "wb") as stream:
            np.save(stream, positions, allow_pickle=False)
        Path(draft).replace(file)


def stratified_split(labels: NDArray[np.uint8], validation: int, seed: int) -> Split:
    """Hold out `validation` images, every class within one image of its exact share.

    Args:
        labels: uint8 [n].
        validation: how many images; `0 < validation < n`, with every class in both parts.
        seed: the same seed gives the same split; `0 <= seed < 2**32`.

    Raises:
        DataError: a rule above is broken; the message holds the rule and the value.

    Source: scikit-learn's `train_test_split(stratify=...)`.
    """
    from sklearn.model_selection import train_test_split

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
        raise DataError(f"validation is {validation}, but must be from 1 to {n - 1} for {n} examples")
    if not 0 <= seed < 2**32:
        raise DataError(f"the split's seed is {seed}, but must be from 0 to 2**32 - 1")
    classes, sizes = np.unique(labels, return_counts=True)
    if not len(classes) <= validation <= n - len(classes) or sizes.min() < 2:
        raise DataError(
            f"{n} examples of {len(classes)} classes, the rarest with {sizes.min()}, cannot be split with validation "
            f"{validation}: training and validation each need an example of every class"
        )


def _check_every_class_in_both(labels: NDArray[np.uint8], split: Split) -> None:
    """Raise if a part lacks a class: one that is much rarer than the others can be missing despite `_check`."""
    for part, positions in (("training", split.train), ("validation", split.validation)):
        missing = np.setdiff1d(labels, labels[positions])
        if len(missing):
            raise DataError(
                f"class {missing[0]} is too rare: with {len(split.validation)} of {len(labels)} examples held out, the "
                f"{part} examples have none of it, and each part must hold at least one of every class"
            )
