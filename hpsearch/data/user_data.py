"""A user's own dataset: an `.npz` file, or a function that returns what Keras's `load_data()` does."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.config.checking import UserDataset
from hpsearch.data.arrays import Arrays
from hpsearch.errors import DataError

_KEYS = {"train": ("x_train", "y_train"), "test": ("x_test", "y_test")}
# Names of arrays that hold a validation split: x_val, y_valid, X_validation, x_dev, val_x.
_VALIDATION = re.compile(r"[xy]_?(val|valid|validation|dev)|(val|valid|validation|dev)_[xy]", re.IGNORECASE)
# Labels are kept as uint8.
_MOST_CLASSES = 256
_NUMBERED = "np.unique(labels, return_inverse=True)[1]"
_HELD_OUT = "join these examples to the training examples: `data.validation` holds examples out of those"


def load_npz(name: str, part: str, folders: Sequence[Path]) -> Arrays:
    """Load one part of a user's own file: examples of any shape, see `Arrays`.

    Args:
        name: of an `.npz` file with x_train, y_train, x_test and y_test; the test part may be missing.
        part: `train` or `test`. Only the test part's own loading opens x_test and y_test.
        folders: where a relative file is looked for.

    Raises:
        DataError: there is no such file, or its arrays break a rule.
    """
    path = find(name, folders)
    training = _from_file(name, path, "train")
    return _training(name, *training) if part == "train" else _test(name, training, _from_file(name, path, "test"))


def load_returned(name: str, function: Callable[[], Any], part: str) -> Arrays:
    """Load one part of a user's own function, which returns `(x_train, y_train), (x_test, y_test)`; as `load_npz`.

    Args:
        name: of the function, for messages.
    """
    pairs = _pairs(name, function())
    if part == "train":
        return _training(name, *pairs[0])
    if len(pairs) == 1:
        raise DataError(f"dataset '{name}': there is no test part: the function returned (x_train, y_train) only")
    return _test(name, pairs[0], pairs[1])


def find(name: str, folders: Sequence[Path]) -> Path:
    """Return the file that a dataset's name means.

    Raises:
        DataError: it is in none of the folders.
    """
    for folder in folders or [Path.cwd()]:
        if (found := folder / Path(name).expanduser()).is_file():
            return found
    looked_in = " or ".join(dict.fromkeys(str(folder) for folder in folders)) or str(Path.cwd())
    raise DataError(f"dataset '{name}': there is no such file in {looked_in}")


def summary_of(arrays: Arrays) -> UserDataset:
    """Return the summary of the training part of a user's own dataset, by which a study is checked."""
    sizes = np.bincount(arrays.labels)
    shape = tuple(arrays.images.shape[1:])
    return UserDataset(len(arrays.labels), len(sizes), int(sizes.min()), shape, arrays.images.dtype.name)


def _from_file(name: str, path: Path, part: str) -> tuple[Any, Any]:
    """Return the two arrays of one part of an `.npz` file; of the other parts only the names are read."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            _check_names(name, arrays.files, part)
            return _array(name, arrays, _KEYS[part][0]), _array(name, arrays, _KEYS[part][1])
    # An .npy file, which holds one array without a name, raises a TypeError.
    except (OSError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read as an .npz file of numbers: {error}") from None


def _check_names(name: str, names: Sequence[str], part: str) -> None:
    wanted = [*_KEYS["train"], *(key for key in _KEYS["test"] if part == "test" or set(_KEYS["test"]) & set(names))]
    if missing := [key for key in wanted if key not in names]:
        has = ", ".join(names) or "none"
        raise DataError(f"dataset '{name}': the array '{missing[0]}' is missing; it has {has}")
    if validation := [key for key in names if _VALIDATION.fullmatch(key)]:
        listed = " and ".join(f"'{key}'" for key in validation)
        raise DataError(f"dataset '{name}': a validation split of its own, {listed}, is not supported; {_HELD_OUT}")


def _array(name: str, arrays: Any, key: str) -> Any:
    try:
        return arrays[key]
    except ValueError:
        # Reading objects would run code of the file's.
        kind = "labels must be whole numbers from 0" if key.startswith("y") else "examples must be numbers"
        raise DataError(
            f"dataset '{name}': {kind}, but the array '{key}' holds Python objects; "
            + (f"{_NUMBERED} numbers the classes" if key.startswith("y") else "save it with a dtype of numbers")
        ) from None


def _pairs(name: str, returned: Any) -> Sequence[tuple[Any, Any]]:
    """Return the one or two pairs that a dataset function returned.

    Raises:
        DataError: it returned something else.
    """
    must = f"dataset '{name}': the function must return (x_train, y_train), (x_test, y_test), but returned"
    if not isinstance(returned, tuple | list):
        raise DataError(f"{must} {_article(type(returned).__name__)}")
    if len(returned) == 2 and returned[1] is None:
        # There is no test part.
        returned = returned[:1]
    pairs = [isinstance(item, tuple | list) and len(item) == 2 for item in returned]
    if len(returned) == 3 and all(pairs):
        raise DataError(f"{must} three pairs; a validation split of its own is not supported; {_HELD_OUT}")
    if len(returned) not in (1, 2) or not all(pairs):
        kinds = ", ".join(
            f"({', '.join(type(value).__name__ for value in item)})"
            if isinstance(item, tuple | list) and len(item) < 5
            else type(item).__name__
            for item in returned[:6]
        )
        raise DataError(f"{must} {len(returned)} values: {kinds}")
    return [(x, y) for x, y in returned]


def _article(noun: str) -> str:
    return noun if noun == "NoneType" else f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def _training(name: str, x: Any, y: Any) -> Arrays:
    """Return the training part; its labels must name every class from 0 to the last one."""
    images, labels = _examples(name, x), _labels(name, y)
    _check_lengths(name, images, labels)
    present = np.unique(labels)
    if len(present) <= int(present[-1]):
        what_to_do = "subtract 1" if present[0] == 1 and present[-1] == len(present) else f"use {_NUMBERED}"
        raise DataError(
            f"dataset '{name}': labels must be numbered from 0 without a gap, but got {_listed(present)}; {what_to_do}"
        )
    if len(present) == 1:
        raise DataError(f"dataset '{name}': labels must be of two classes at least, but all are 0")
    return Arrays(images, labels)


def _test(name: str, training: tuple[Any, Any], test: tuple[Any, Any]) -> Arrays:
    """Return the test part, which must look like the training part and have no class that it lacks."""
    known, tested = _training(name, *training), Arrays(_examples(name, test[0]), _labels(name, test[1]))
    _check_lengths(name, tested.images, tested.labels)
    kinds = [
        f"{'uint8' if images.dtype == np.uint8 else 'floats'} {list(images.shape[1:])}"
        for images in (known.images, tested.images)
    ]
    if kinds[0] != kinds[1]:
        raise DataError(
            f"dataset '{name}': the test examples must be {kinds[0]} as the training examples are, but got {kinds[1]}"
        )
    if len(unknown := np.setdiff1d(tested.labels, known.labels)):
        raise DataError(
            f"dataset '{name}': the test labels must be among the training labels, which are 0 to "
            f"{known.labels.max()}, but got {_listed(unknown)}"
        )
    return tested


def _examples(name: str, x: Any) -> Any:
    """Return examples [n, ...]: uint8 as they are, others as float32 where that loses no digit, else as float64."""
    try:
        images = np.asarray(x)
    except ValueError:
        raise DataError(f"dataset '{name}': examples must be of one shape, but they differ") from None
    if images.dtype == np.uint8:
        return images
    try:
        if images.dtype.kind not in "biufO":
            raise TypeError
        with np.errstate(over="ignore"):
            images = images.astype(np.float32 if np.can_cast(images.dtype, np.float32) else np.float64)
            # The model takes float32, once the examples are normalized.
            fits = np.isfinite(images.astype(np.float32)).all()
    except (TypeError, ValueError):
        raise DataError(f"dataset '{name}': examples must be numbers, but got {images.dtype}") from None
    if not fits:
        raise DataError(f"dataset '{name}': examples must be finite numbers")
    return images


def _labels(name: str, y: Any) -> NDArray[np.uint8]:
    """Return labels uint8 [n], from whole numbers of any type; True is 1, False is 0, and 2.0 is 2."""
    must = f"dataset '{name}': labels must be"
    try:
        labels = np.asarray(y)
        # For instance the values of a data frame.
        labels = np.asarray(labels.tolist()) if labels.dtype.kind == "O" else labels
    except ValueError:
        raise DataError(f"{must} one whole number for each example, but they differ in shape") from None
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2:
        raise DataError(
            f"{must} one whole number for each example, but got {list(labels.shape)}; "
            "of one-hot labels take labels.argmax(axis=1)"
        )
    if not labels.size or labels.dtype.kind == "b":
        return labels.astype(np.uint8)
    numbers = f"{must} whole numbers from 0 to {_MOST_CLASSES - 1}, but got"
    if labels.dtype.kind not in "iuf":
        first = labels.ravel()[0]
        what = f"words such as {str(first)!r}" if labels.dtype.kind in "US" else f"{labels.dtype}"
        raise DataError(f"{numbers} {what}; {_NUMBERED} numbers the classes")
    if not np.isfinite(labels).all():
        raise DataError(f"{numbers} {labels.dtype} with NaN or infinity")
    if labels.min() < 0 or labels.max() >= _MOST_CLASSES:
        raise DataError(f"{numbers} {labels.dtype} from {labels.min()} to {labels.max()}")
    if len(fractions := np.unique(labels[labels != np.floor(labels)])):
        raise DataError(f"{numbers} {labels.dtype} such as {fractions[0]}")
    return labels.astype(np.uint8)


def _check_lengths(name: str, images: Any, labels: Any) -> None:
    if images.ndim < 2 or labels.ndim != 1 or len(images) != len(labels) or not len(labels):
        raise DataError(
            f"dataset '{name}': examples [n, ...] and labels [n] must be given, "
            f"but got {list(images.shape)} and {list(labels.shape)}"
        )


def _listed(values: NDArray[Any]) -> str:
    """Return `1, 2, 3`, of many values the first ten."""
    return ", ".join(map(str, values[:10])) + (", ..." if len(values) > 10 else "")
