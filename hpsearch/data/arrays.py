"""Arrays of a dataset in the cache, mapped into memory, so that all workers share one copy; and digests of data.

`load_train` and `load_test` each open their own files only, so a search never touches the test split. Neither hashes
the files: `store.obtain` does that once, before the workers start.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpsearch.catalogue.datasets import DatasetEntry, RawFile, dataset
from hpsearch.data.store import dataset_folder, read_description
from hpsearch.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Arrays:
    """Read-only arrays of labelled examples.

    Attributes:
        images: uint8 [n, height, width] or [n, height, width, channels]. A user's own dataset may have any shape, and
            other types: float32, or float64 if float32 would lose digits.
        labels: uint8 [n].
    """

    images: NDArray[np.uint8] | NDArray[np.float32] | NDArray[np.float64]
    labels: NDArray[np.uint8]


def load_train(name: str) -> Arrays:
    """Return the training split: 60,000 images for Fashion-MNIST, from which validation images are split off.

    Raises:
        UnknownNameError: no such dataset.
        DataError: it was not obtained, or its files are broken.
    """
    return _load(dataset(name), "train")


def load_test(name: str) -> Arrays:
    """Return the test split: 10,000 images for Fashion-MNIST, for final test metrics only. Raises as `load_train`."""
    return _load(dataset(name), "test")


def digest(name: str) -> str:
    """Return the digest of a dataset in the cache. Raises as `load_train`."""
    entry = dataset(name)
    _check_obtained(entry)
    return entry.digest


def _load(entry: DatasetEntry, part: str) -> Arrays:
    _check_obtained(entry)
    return Arrays(images=_map(entry, entry.file(f"{part}_images")), labels=_map(entry, entry.file(f"{part}_labels")))


def _check_obtained(entry: DatasetEntry) -> None:
    folder = dataset_folder(entry)
    if read_description(folder).get("digest") != entry.digest:
        raise DataError(f"dataset '{entry.name}' is not in {folder}: run `hpsearch data fetch {entry.name}`")


def _map(entry: DatasetEntry, raw: RawFile) -> NDArray[np.uint8]:
    import numpy as np

    path = dataset_folder(entry) / f"{raw.array}.npy"
    try:
        array: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"cannot read {path} ({error}): run `hpsearch data fetch {entry.name}`, which repairs it"
        ) from error
    if array.dtype != np.uint8 or array.shape != raw.shape:
        raise DataError(
            f"{path} must be uint8 {list(raw.shape)}, but is {array.dtype} {list(array.shape)}: "
            f"run `hpsearch data fetch {entry.name}`, which repairs it"
        )
    return array


def digest_of(file: Path) -> str:
    """Return the digest of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:32]


def arrays_digest(arrays: Arrays) -> str:
    """Return the digest of examples and labels: their types, shapes and values."""
    import numpy as np

    digest = hashlib.sha256()
    for array in (arrays.images, arrays.labels):
        digest.update(f"{array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:32]
