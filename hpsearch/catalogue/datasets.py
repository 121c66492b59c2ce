"""The datasets, one entry each. Adding one in the same (idx) format touches this file only.

An entry has the names and digests of the raw files, and the places where they are found; `hpsearch.data` fetches them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from hpsearch.errors import UnknownNameError


@dataclass(frozen=True)
class RawFile:
    """One file in the idx format of MNIST: a big-endian header, then unsigned bytes.

    Attributes:
        array: the array that it holds: train_images, train_labels, test_images or test_labels.
        name: its official name, without `.gz`.
        shape: of the array: [n, height, width] for images, [n] for labels.
        sha256: of the UNCOMPRESSED file, header included. Compressed files differ from source
            to source (Debian strips the gzip header), uncompressed ones do not.
    """

    array: str
    name: str
    shape: tuple[int, ...]
    sha256: str


@dataclass(frozen=True)
class DatasetEntry:
    """One dataset, and the sources of its four raw files; None: that source does not have it.

    Attributes:
        classes: class names; a label is an index into them.
        image_shape: (height, width); pixels are uint8, 0 is the background.
        source: the publication.
        files: train images, train labels, test images, test labels.
        packaged_folder: folder inside `hpsearch/data/` that ships with hpsearch.
        keras_folder: folder name below Keras's `datasets` cache.
        system_folder: absolute folder of the system's package manager.
        download_url: address that the file name with `.gz` is appended to.
        debian_package: package of Debian and Ubuntu that installs `system_folder`.
    """

    name: str
    summary: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int]
    files: tuple[RawFile, ...]
    licence: str
    homepage: str
    source: str
    packaged_folder: str | None = None
    keras_folder: str | None = None
    system_folder: str | None = None
    download_url: str | None = None
    debian_package: str | None = None

    @property
    def train_examples(self) -> int:
        return self.file("train_images").shape[0]

    @property
    def test_examples(self) -> int:
        return self.file("test_images").shape[0]

    @property
    def digest(self) -> str:
        """32 hexadecimal characters that identify all four files (MLflow allows 36 for a dataset)."""
        together = "".join(raw.sha256 for raw in self.files)
        return hashlib.sha256(together.encode("ascii")).hexdigest()[:32]

    def plain(self) -> dict[str, Any]:
        """Return the entry as plain data, for tables and JSON."""
        return {
            **{"name": self.name, "summary": self.summary, "classes": self.classes, "image_shape": self.image_shape},
            **{"train_examples": self.train_examples, "test_examples": self.test_examples},
            **{"licence": self.licence, "homepage": self.homepage, "source": self.source},
        }

    def file(self, array: str) -> RawFile:
        """Return the raw file of one array, such as `train_images`."""
        return next(raw for raw in self.files if raw.array == array)


FASHION_MNIST_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
_MIT = "MIT, Copyright (c) 2017 Zalando SE"
_HOMEPAGE = "https://github.com/zalandoresearch/fashion-mnist"


def _mnist_files(train: int, test: int, shape: tuple[int, int], *digests: str) -> tuple[RawFile, ...]:
    """Return the four files under MNIST's names, with the digests in the order of `DatasetEntry.files`."""
    return (
        RawFile("train_images", "train-images-idx3-ubyte", (train, *shape), digests[0]),
        RawFile("train_labels", "train-labels-idx1-ubyte", (train,), digests[1]),
        RawFile("test_images", "t10k-images-idx3-ubyte", (test, *shape), digests[2]),
        RawFile("test_labels", "t10k-labels-idx1-ubyte", (test,), digests[3]),
    )


_ENTRIES = (
    DatasetEntry(
        name="fashion_mnist",
        summary="Fashion-MNIST: 70,000 grey images of Zalando's articles in 10 classes (Xiao et al. 2017)",
        classes=FASHION_MNIST_CLASSES,
        image_shape=(28, 28),
        files=_mnist_files(
            60_000,
            10_000,
            (28, 28),
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        licence=_MIT,
        homepage=_HOMEPAGE,
        source="Xiao et al. 2017, arXiv:1708.07747",
        keras_folder="fashion-mnist",
        system_folder="/usr/share/datasets/fashion-mnist",
        # As in keras/src/datasets/fashion_mnist.py.
        download_url="https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        debian_package="dataset-fashion-mnist",
    ),
    DatasetEntry(
        name="fashion_mnist_sample",
        summary="2,500 real images of Fashion-MNIST that ship with hpsearch, for trying things out offline",
        classes=FASHION_MNIST_CLASSES,
        image_shape=(28, 28),
        files=_mnist_files(
            2_000,
            500,
            (28, 28),
            "0a73870cd21bcbd660ec64aa0314d62d6e8191710340d66047dc9058e2fc8da3",
            "96254da9497dc463ecc10a5fa432fed32fef360f8d7eaa15d603e6c3f202fd89",
            "28dffec5ff306d89cf2f3034cf7f1013c7d2be2f84b501b9f55d4b36dc63993a",
            "526a4d2f3b82aa96890cf1c6c6869453de21f9280e25df53434445ebbe4f151b",
        ),
        licence=_MIT,
        homepage=_HOMEPAGE,
        source="Xiao et al. 2017, arXiv:1708.07747",
        packaged_folder="sample",
    ),
)

DATASETS: dict[str, DatasetEntry] = {entry.name: entry for entry in _ENTRIES}


def is_user_dataset(name: str) -> bool:
    """Return whether a name means a user's own dataset: an `.npz` file or a `module:function`."""
    return name.endswith(".npz") or ":" in name


def dataset(name: str) -> DatasetEntry:
    """Return the entry of a dataset.

    Raises:
        UnknownNameError: no such dataset; the message lists the known ones.
    """
    if name not in DATASETS:
        raise UnknownNameError("dataset", name, DATASETS)
    return DATASETS[name]
