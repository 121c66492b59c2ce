"""The cache: whole or not there, checked on every call, safe against a second process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from hpsearch.data.store import cache_problem, cache_status, obtain
from hpsearch.errors import DataError, UnknownNameError

SAMPLE = "fashion_mnist_sample"


@pytest.fixture
def source(tiny, tmp_path) -> Path:
    """A named folder with the whole tiny dataset."""
    return tiny.write(tmp_path / "source")


def test_cache_holds_the_very_bytes(tiny, source, cache):
    folder = obtain("tiny", source=source)
    assert folder == cache / "datasets" / "tiny"
    for raw in tiny.entry.files:
        array = np.load(folder / f"{raw.array}.npy")
        assert array.dtype == np.uint8
        assert array.shape == raw.shape
        assert array.tobytes() == tiny.raw[raw.array][-array.size :]
    description = json.loads((folder / "dataset.json").read_text())
    assert description["digest"] == tiny.entry.digest
    assert description["source"] == f"folder {source}"
    assert description["files"]["t10k-labels-idx1-ubyte"] == tiny.entry.file("test_labels").sha256


def test_nothing_but_the_dataset_and_its_lock_is_left_behind(tiny, source, cache):
    obtain("tiny", source=source)
    assert {path.name for path in (cache / "datasets").iterdir()} <= {"tiny", "tiny.lock"}


def test_second_call_needs_no_source_and_says_nothing(tiny, source):
    obtain("tiny", source=source)
    shutil.rmtree(source)
    lines: list[str] = []
    obtain("tiny", report=lines.append)
    assert lines == []


def flip_a_byte(folder: Path) -> None:
    array = np.load(folder / "test_images.npy", mmap_mode="r+")
    array[3, 4, 5] ^= 1
    array.flush()


def truncate(folder: Path) -> None:
    path = folder / "train_images.npy"
    path.write_bytes(path.read_bytes()[:-1])


def empty(folder: Path) -> None:
    (folder / "train_labels.npy").write_bytes(b"")


def wrong_shape(folder: Path) -> None:
    np.save(folder / "train_labels.npy", np.zeros(59, np.uint8))


def wrong_dtype(folder: Path) -> None:
    np.save(folder / "train_labels.npy", np.zeros(60, np.int64))


def fortran_order(folder: Path) -> None:
    np.save(folder / "train_images.npy", np.asfortranarray(np.load(folder / "train_images.npy")))


def missing(folder: Path) -> None:
    (folder / "test_labels.npy").unlink()


def no_description(folder: Path) -> None:
    (folder / "dataset.json").unlink()


def torn_description(folder: Path) -> None:
    (folder / "dataset.json").write_text('{"dataset": "ti')


def other_description(folder: Path) -> None:
    (folder / "dataset.json").write_text('{"digest": "of something else"}')


DAMAGES = [
    flip_a_byte,
    truncate,
    empty,
    wrong_shape,
    wrong_dtype,
    fortran_order,
    missing,
    no_description,
    torn_description,
    other_description,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_cache_is_reported_and_fetched_again(tiny, tmp_path, damage):
    tiny.write(tmp_path / "keras" / "datasets" / "tiny")
    folder = obtain("tiny")
    damage(folder)
    assert not cache_status("tiny")["ready"]
    lines: list[str] = []
    obtain("tiny", report=lines.append)
    assert "fetching again" in lines[0]
    assert cache_problem(tiny.entry, folder) is None


def test_damaged_cache_is_not_left_for_others_when_it_cannot_be_fetched_again(tiny, source):
    folder = obtain("tiny", source=source)
    flip_a_byte(folder)
    with pytest.raises(DataError):
        obtain("tiny")
    assert not folder.exists()


def test_damaged_named_folder_is_an_error_even_if_another_source_is_good(tiny, source, tmp_path):
    tiny.write(tmp_path / "keras" / "datasets" / "tiny")
    (source / "train-images-idx3-ubyte.gz").write_bytes(b"half a file")
    with pytest.raises(DataError, match=r"from the folder you named: .*train-images-idx3-ubyte\.gz cannot be read"):
        obtain("tiny", source=source)
    assert not cache_status("tiny")["ready"]


def test_damaged_named_folder_is_an_error_even_if_the_cache_is_whole(tiny, source):
    folder = obtain("tiny", source=source)
    (source / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError, match="no train-images-idx3-ubyte"):
        obtain("tiny", source=source)
    assert cache_problem(tiny.entry, folder) is None


def test_folder_of_the_environment_is_used_alone_too(tiny, source, tmp_path, monkeypatch):
    tiny.write(tmp_path / "keras" / "datasets" / "tiny")
    monkeypatch.setenv("HPSEARCH_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"from HPSEARCH_DATA_DIR: no folder .*nowhere"):
        obtain("tiny")
    monkeypatch.setenv("HPSEARCH_DATA_DIR", str(source))
    obtain("tiny")
    assert cache_status("tiny")["source"] == f"folder {source}"


def test_named_folder_comes_before_the_environment(tiny, source, tmp_path, monkeypatch):
    monkeypatch.setenv("HPSEARCH_DATA_DIR", str(tmp_path / "nowhere"))
    obtain("tiny", source=source)
    assert cache_status("tiny")["source"] == f"folder {source}"


def test_force_fetches_a_whole_cache_again(tiny, source, tmp_path):
    obtain("tiny", source=source)
    tiny.write(tmp_path / "keras" / "datasets" / "tiny")
    obtain("tiny", force=True)
    assert cache_status("tiny")["source"] == "Keras's cache"


def test_whole_cache_stays_when_a_forced_fetch_fails(tiny, source):
    folder = obtain("tiny", source=source)
    with pytest.raises(DataError):
        obtain("tiny", force=True)
    assert cache_problem(tiny.entry, folder) is None


def test_left_overs_of_a_killed_process_are_cleared(tiny, source, cache):
    left_over = cache / "datasets" / ".tiny.abandoned"
    left_over.mkdir(parents=True)
    (left_over / "half.npy").write_bytes(b"half")
    obtain("tiny", source=source)
    assert not left_over.exists()


def test_a_file_in_place_of_the_cache_folder_is_one_clear_line(tiny, source, cache):
    cache.write_text("not a folder")
    with pytest.raises(DataError, match="HPSEARCH_CACHE to a folder that you can write") as raised:
        obtain("tiny", source=source)
    assert "\n" not in str(raised.value)


def test_whole_cache_is_used_without_writing(tiny, source, cache):
    """A cache that somebody else filled may be read-only: no lock file is made."""
    obtain("tiny", source=source)
    lock = cache / "datasets" / "tiny.lock"
    lock.unlink(missing_ok=True)
    obtain("tiny")
    assert not lock.exists()


def test_unknown_name_lists_the_known_ones(cache):
    with pytest.raises(UnknownNameError, match=r"did you mean 'fashion_mnist'.*fashion_mnist_sample"):
        obtain("fashion_mnits")


def test_status_before_and_after(tiny, source, cache):
    before = cache_status("tiny")
    assert (before["ready"], before["problem"], before["megabytes"]) == (False, "not fetched yet", 0.0)
    obtain("tiny", source=source)
    after = cache_status("tiny")
    assert (after["ready"], after["problem"], after["training"], after["test"]) == (True, "", 60, 20)
    assert after["megabytes"] > 0
    assert not cache.joinpath("datasets", SAMPLE).exists()


# Waits for the starting gun so that both processes are past their imports, then obtains.
FETCH = """
import sys, time
from pathlib import Path
from hpsearch.data.store import obtain
gun, ready = Path(sys.argv[1]), Path(sys.argv[2])
import numpy
ready.touch()
while not gun.exists():
    time.sleep(0.001)
obtain("fashion_mnist_sample", report=lambda line: print(line, flush=True))
"""


def test_two_processes_at_once_fetch_once(cache, tmp_path):
    gun = tmp_path / "gun"
    marks = [tmp_path / f"ready-{number}" for number in range(2)]
    processes = [
        subprocess.Popen([sys.executable, "-c", FETCH, str(gun), str(mark)], stdout=subprocess.PIPE, text=True)
        for mark in marks
    ]
    while not all(mark.exists() for mark in marks):
        assert all(process.poll() is None for process in processes)
    gun.touch()
    printed = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum("all files verified" in text for text in printed) == 1
    assert cache_status(SAMPLE)["ready"]


def test_a_process_that_waits_says_so_and_finds_it_ready(cache, tmp_path):
    (cache / "datasets").mkdir(parents=True)
    gun = tmp_path / "gun"
    gun.touch()
    with FileLock(cache / "datasets" / f"{SAMPLE}.lock"):
        process = subprocess.Popen(
            [sys.executable, "-c", FETCH, str(gun), str(tmp_path / "mark")], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert "waiting for another process" in process.stdout.readline()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "all files verified" in output
