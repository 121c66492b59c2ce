"""A cache of its own for each test, and a tiny dataset in the real format."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hpsearch.catalogue.datasets import DATASETS, DatasetEntry, RawFile
from hpsearch.data.sources import idx_header


@dataclass(frozen=True)
class TinyDataset:
    """60 training and 20 test images of noise, as raw idx files."""

    entry: DatasetEntry
    raw: dict[str, bytes]

    def write(self, folder: Path, *, compressed: bool = True) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for file in self.entry.files:
            if compressed:
                (folder / f"{file.name}.gz").write_bytes(gzip.compress(self.raw[file.array], 1))
            else:
                (folder / file.name).write_bytes(self.raw[file.array])
        return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; nothing of the user's own is looked at."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("HPSEARCH_CACHE", str(folder))
    monkeypatch.delenv("HPSEARCH_DATA_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return folder


@pytest.fixture
def tiny(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyDataset:
    """A dataset of the catalogue that Keras's cache and a system folder (both empty) may hold."""
    random = np.random.default_rng(0)
    arrays = {
        "train_images": random.integers(0, 256, (60, 28, 28), dtype=np.uint8),
        "train_labels": np.arange(60, dtype=np.uint8) % 10,
        "test_images": random.integers(0, 256, (20, 28, 28), dtype=np.uint8),
        "test_labels": np.arange(20, dtype=np.uint8) % 10,
    }
    raw = {name: idx_header(array.shape) + array.tobytes() for name, array in arrays.items()}
    official = {file.array: file.name for file in DATASETS["fashion_mnist"].files}
    entry = DatasetEntry(
        name="tiny",
        summary="noise",
        classes=DATASETS["fashion_mnist"].classes,
        image_shape=(28, 28),
        files=tuple(
            RawFile(name, official[name], arrays[name].shape, hashlib.sha256(content).hexdigest())
            for name, content in raw.items()
        ),
        licence="none",
        homepage="none",
        source="nowhere",
        keras_folder="tiny",
        system_folder=str(tmp_path / "system"),
    )
    monkeypatch.setitem(DATASETS, "tiny", entry)
    return TinyDataset(entry, raw)
