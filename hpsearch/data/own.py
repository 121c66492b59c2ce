"""A user's own dataset: an `.npz` file, or a function that returns what Keras's `load_data()` does."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpsearch.data.arrays import Arrays
from hpsearch.errors import DataError

_TRAIN, _TEST = ("x_train", "y_train"), ("x_test", "y_test")


def load_npz(name: str, part: str, folders: Sequence[Path]) -> Arrays:
    """Examples of a user's own file: any shape, uint8 as it is and every other type as float32.

    Args:
        name: of an `.npz` file with x_train, y_train, x_test and y_test. Labels are whole numbers from 0; the test
            part may be missing.
        part: `train` or `test`.
        folders: where a relative file is looked for.

    Raises:
        DataError: there is no such file, or what it holds breaks a rule.
    """
    return _checked(name, *_from_file(find(name, folders), _TRAIN if part == "train" else _TEST))


def load_returned(name: str, function: Callable[[], Any], part: str) -> Arrays:
    """Examples that a user's own function returns as `(x_train, y_train), (x_test, y_test)`; as `load_npz`.

    Args:
        name: of the function, for messages.
    """
    returned = function()
    try:
        (x_train, y_train), *rest = returned
        x, y = (x_train, y_train) if part == "train" else rest[0]
    except (TypeError, ValueError, IndexError):
        raise DataError(
            f"dataset '{name}' must return (x_train, y_train), (x_test, y_test); no {part} part found"
        ) from None
    return _checked(name, x, y)


def find(name: str, folders: Sequence[Path]) -> Path:
    """The file that a dataset's name means.

    Raises:
        DataError: it is in none of the folders.
    """
    for folder in folders or [Path.cwd()]:
        if (found := folder / Path(name).expanduser()).is_file():
            return found
    places = " or ".join(dict.fromkeys(str(folder) for folder in folders)) or str(Path.cwd())
    raise DataError(f"dataset '{name}': there is no such file in {places}")


def _from_file(path: Path, keys: tuple[str, str]) -> tuple[Any, Any]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            missing = [key for key in keys if key not in arrays.files]
            if missing:
                has = ", ".join(arrays.files) or "none"
                raise DataError(f"{path}: the array '{missing[0]}' is missing; it has {has}")
            return arrays[keys[0]], arrays[keys[1]]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read as an .npz file of numbers: {error}") from None


def _checked(name: str, x: Any, y: Any) -> Arrays:
    images, labels = np.asarray(x), np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if images.ndim < 2 or labels.ndim != 1 or len(images) != len(labels) or not len(labels):
        raise DataError(
            f"dataset '{name}': examples [n, ...] and labels [n] must be given, "
            f"but got {list(images.shape)} and {list(labels.shape)}"
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() > 255:
        raise DataError(
            f"dataset '{name}': labels must be whole numbers from 0 to 255, "
            f"but got {labels.dtype} from {labels.min()} to {labels.max()}"
        )
    if images.dtype != np.uint8:
        try:
            images = images.astype(np.float32)
        except (TypeError, ValueError):
            raise DataError(f"dataset '{name}': examples must be numbers, but got {images.dtype}") from None
        if not np.isfinite(images).all():
            raise DataError(f"dataset '{name}': examples must be finite numbers")
    return Arrays(images, labels.astype(np.uint8))
