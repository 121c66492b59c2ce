"""Arrays of an obtained dataset, mapped into memory: all workers share one copy.

`load_train` and `load_test` are apart, and each opens its own files only, so a search never touches
the test split. Neither hashes anything: `store.obtain` did, once, before the workers started.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpsearch.catalogue.datasets import DatasetEntry, RawFile, dataset
from hpsearch.data.store import dataset_folder, read_description
from hpsearch.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Arrays:
    """Read-only arrays: images uint8 [n, 28, 28] with 0 as background, labels uint8 [n].

    Of a user's own dataset examples of any shape. Where they are not uint8 they are float32, or float64 if float32
    would lose digits.
    """

    images: NDArray[np.uint8] | NDArray[np.float32] | NDArray[np.float64]
    labels: NDArray[np.uint8]


def load_train(name: str) -> Arrays:
    """The training split: 60,000 images for Fashion-MNIST, from which validation images are split off.

    Raises:
        UnknownNameError: no such dataset.
        DataError: it was not obtained, or its files are broken.
    """
    return _load(dataset(name), "train")


def load_test(name: str) -> Arrays:
    """The test split: 10,000 images for Fashion-MNIST, for the final figures only. Raises as `load_train`."""
    return _load(dataset(name), "test")


def digest(name: str) -> str:
    """32 hexadecimal characters that stand for the obtained dataset's bytes. Raises as `load_train`."""
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
