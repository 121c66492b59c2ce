"""Loading: mapped, read-only, the training split without the test split."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from hpsearch.catalogue.datasets import DATASETS
from hpsearch.data.arrays import digest, load_test, load_train
from hpsearch.data.store import obtain
from hpsearch.errors import DataError

SAMPLE = "fashion_mnist_sample"


@pytest.mark.parametrize(("load", "n"), [(load_train, 2000), (load_test, 500)])
def test_shapes_dtypes_and_memory_map(cache, load, n):
    obtain(SAMPLE)
    arrays = load(SAMPLE)
    assert arrays.images.shape == (n, 28, 28)
    assert arrays.labels.shape == (n,)
    assert arrays.images.dtype == arrays.labels.dtype == np.uint8
    assert isinstance(arrays.images, np.memmap)
    assert not arrays.images.flags.writeable


def test_training_needs_no_test_files(cache):
    folder = obtain(SAMPLE)
    (folder / "test_images.npy").unlink()
    (folder / "test_labels.npy").unlink()
    assert len(load_train(SAMPLE).images) == 2000
    with pytest.raises(DataError, match=f"hpsearch data fetch {SAMPLE}"):
        load_test(SAMPLE)


@pytest.mark.parametrize("use", [load_train, load_test, digest])
def test_what_was_not_obtained_names_the_command(cache, use):
    with pytest.raises(DataError, match=f"run `hpsearch data fetch {SAMPLE}`"):
        use(SAMPLE)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00torn", None])
def test_broken_file_names_the_repair(cache, content):
    path = obtain(SAMPLE) / "train_images.npy"
    path.write_bytes(path.read_bytes()[:-1] if content is None else content)
    with pytest.raises(DataError, match="repairs it"):
        load_train(SAMPLE)


def test_file_of_another_shape_names_the_rule(cache):
    np.save(obtain(SAMPLE) / "train_labels.npy", np.zeros(3, np.uint8))
    with pytest.raises(DataError, match=r"must be uint8 \[2000\], but is uint8 \[3\]"):
        load_train(SAMPLE)


def test_digests_differ(cache):
    obtain(SAMPLE)
    assert digest(SAMPLE) == DATASETS[SAMPLE].digest != DATASETS["fashion_mnist"].digest


def test_real_dataset_has_its_known_shape(real_folder, monkeypatch):
    monkeypatch.setenv("HPSEARCH_CACHE", str(real_folder.parents[1]))
    train, test = load_train("fashion_mnist"), load_test("fashion_mnist")
    assert train.images.shape == (60_000, 28, 28)
    assert test.images.shape == (10_000, 28, 28)
    assert np.bincount(train.labels).tolist() == [6000] * 10
    assert np.bincount(test.labels).tolist() == [1000] * 10
    # Xiao et al. and everybody since: mean 0.2860, standard deviation 0.3530 of the training pixels.
    assert round(float(train.images.mean()) / 255, 4) == 0.2860


def test_importing_the_package_is_light():
    code = (
        "import sys, hpsearch.data, hpsearch.data.store, hpsearch.data.arrays, hpsearch.catalogue.datasets; "
        "print(sorted({'numpy', 'sklearn', 'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
