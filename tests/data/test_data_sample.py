"""The sample that ships with hpsearch is what its README says: real images, drawn by a rule."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

import hpsearch.data.store
from hpsearch.catalogue.datasets import DATASETS
from hpsearch.data.arrays import load_test, load_train
from hpsearch.data.store import cache_status, obtain
from hpsearch.errors import DataError

SAMPLE = "fashion_mnist_sample"
PACKAGED = Path(hpsearch.data.store.__file__).parent / "sample"


def drawn(labels: np.ndarray, each: int) -> np.ndarray:
    """The rule of the sample's README: per class the positions with the smallest hashes."""

    def rank(position: int) -> bytes:
        return hashlib.sha256(f"fashion_mnist_sample:{position}".encode()).digest()

    classes = [sorted(map(int, np.flatnonzero(labels == label)), key=rank)[:each] for label in range(10)]
    return np.sort(np.concatenate(classes))


@pytest.mark.parametrize(("load", "each"), [(load_train, 200), (load_test, 50)])
def test_sample_is_drawn_from_the_real_set_by_its_rule(real_folder, cache, monkeypatch, load, each):
    obtain(SAMPLE)
    sample = load(SAMPLE)
    monkeypatch.setenv("HPSEARCH_CACHE", str(real_folder.parents[1]))
    real = load("fashion_mnist")
    positions = drawn(np.asarray(real.labels), each)
    assert np.array_equal(sample.images, real.images[positions])
    assert np.array_equal(sample.labels, real.labels[positions])


def test_sample_needs_no_network_and_no_apt(cache, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    obtain(SAMPLE)
    assert cache_status(SAMPLE)["source"] == "hpsearch itself"
    assert np.bincount(load_train(SAMPLE).labels).tolist() == [200] * 10


def test_folder_of_the_environment_does_not_concern_the_sample(cache, monkeypatch, tmp_path):
    monkeypatch.setenv("HPSEARCH_DATA_DIR", str(tmp_path / "nowhere"))
    obtain(SAMPLE)
    assert cache_status(SAMPLE)["ready"]


def test_real_dataset_never_falls_back_to_the_sample(cache):
    with pytest.raises(DataError, match="damaged"):
        obtain("fashion_mnist", source=PACKAGED)
    assert not cache_status("fashion_mnist")["ready"]


def test_damaged_package_is_refused(cache, tmp_path):
    folder = shutil.copytree(PACKAGED, tmp_path / "copy")
    path = folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte\.gz"):
        obtain(SAMPLE, source=folder)


def test_licence_and_size_of_the_packaged_files():
    assert "MIT License" in (PACKAGED / "README.md").read_text(encoding="utf-8")
    assert sum(path.stat().st_size for path in PACKAGED.iterdir()) < 1_500_000
    assert {path.name for path in PACKAGED.iterdir()} == {
        "README.md",
        *(f"{raw.name}.gz" for raw in DATASETS[SAMPLE].files),
    }
