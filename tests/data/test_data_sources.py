"""Each place that a dataset can come from, and what happens when its files are not the right ones."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support import require

from hpsearch.catalogue.datasets import DATASETS
from hpsearch.data.sources import (
    SOURCES,
    SourceBroken,
    SourceUnavailable,
    download_and_unpack,
    read_verified,
    sources_for,
)
from hpsearch.data.store import cache_status, obtain
from hpsearch.errors import DataError


def keras_cache(tmp_path: Path) -> Path:
    return tmp_path / "keras" / "datasets" / "tiny"


def truncate_gzip(folder: Path) -> None:
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-200])


def truncate_plain(folder: Path) -> None:
    path = folder / "t10k-images-idx3-ubyte.gz"
    (folder / "t10k-images-idx3-ubyte").write_bytes(gzip.decompress(path.read_bytes())[:-1])
    path.unlink()


def flip_a_byte(folder: Path) -> None:
    path = folder / "t10k-images-idx3-ubyte.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[5000] ^= 1
    path.write_bytes(gzip.compress(bytes(content)))


def flip_a_compressed_byte(folder: Path) -> None:
    path = folder / "t10k-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


def append(folder: Path) -> None:
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"more"))


def not_gzip(folder: Path) -> None:
    (folder / "t10k-images-idx3-ubyte.gz").write_text("<html>log in to this network</html>")


DAMAGES = [truncate_gzip, truncate_plain, flip_a_byte, flip_a_compressed_byte, append, not_gzip]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A real HTTP server for the files of a folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("row", DATASETS.values(), ids=DATASETS)
def test_row_is_complete(row):
    assert [file.array for file in row.files] == [
        "train_images",
        "train_labels",
        "test_images",
        "test_labels",
    ]
    assert all(len(file.sha256) == 64 for file in row.files)
    assert len({file.sha256 for file in row.files}) == 4
    assert len(row.classes) == len(set(row.classes)) == 10
    assert row.file("train_images").shape == (row.train_examples, *row.image_shape)
    assert row.file("test_labels").shape == (row.test_examples,)
    assert len(row.digest) == 32
    assert sources_for(row)


def test_every_source_has_a_name_and_a_sentence():
    assert len({source.name for source in SOURCES}) == len(SOURCES)
    assert all(source.sentence.endswith(".") for source in SOURCES)


def test_the_real_dataset_is_never_taken_from_what_ships_with_hpsearch():
    assert "hpsearch itself" not in [source.name for source in sources_for(DATASETS["fashion_mnist"])]


@pytest.mark.parametrize("compressed", [True, False])
def test_raw_bytes_are_the_same_compressed_or_not(tiny, tmp_path, compressed):
    assert read_verified(tiny.write(tmp_path / "raw", compressed=compressed), tiny.entry) == tiny.raw


def test_a_good_gz_beside_a_damaged_plain_file_is_used(tiny, tmp_path):
    folder = tiny.write(tmp_path / "raw")
    (folder / "train-images-idx3-ubyte").write_bytes(b"half")
    assert read_verified(folder, tiny.entry) == tiny.raw


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_file_is_refused_by_name(tiny, tmp_path, damage):
    folder = tiny.write(tmp_path / "raw")
    damage(folder)
    with pytest.raises(SourceBroken, match="t10k-images-idx3-ubyte"):
        read_verified(folder, tiny.entry)


def test_missing_file_and_missing_folder_are_told_apart_from_damage(tiny, tmp_path):
    folder = tiny.write(tmp_path / "raw")
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    for place, words in ((folder, "no train-labels-idx1-ubyte"), (tmp_path / "nowhere", "no folder")):
        with pytest.raises(SourceUnavailable, match=words) as raised:
            read_verified(place, tiny.entry)
        assert not isinstance(raised.value, SourceBroken)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_source_is_reported_and_the_next_one_used(tiny, tmp_path, damage):
    damage(tiny.write(keras_cache(tmp_path)))
    tiny.write(Path(str(tiny.entry.system_folder)))
    lines: list[str] = []
    obtain("tiny", report=lines.append)
    assert [line for line in lines if line.startswith("Keras's cache:") and "t10k-images" in line]
    assert all("\n" not in line for line in lines)
    assert cache_status("tiny")["source"] == "system folder"


def test_keras_cache_comes_before_the_system_folder(tiny, tmp_path):
    tiny.write(keras_cache(tmp_path))
    tiny.write(Path(str(tiny.entry.system_folder)))
    obtain("tiny")
    assert cache_status("tiny")["source"] == "Keras's cache"


def test_no_source_names_every_place_and_the_way_out(tiny, cache):
    with pytest.raises(DataError) as raised:
        obtain("tiny")
    message = str(raised.value)
    assert "Keras's cache: no folder" in message
    assert "system folder: no folder" in message
    assert "hpsearch data fetch tiny --from FOLDER" in message
    assert "\n" not in message
    assert not list(cache.glob("datasets/*.npy"))


def test_download_over_http(tiny, tmp_path, monkeypatch):
    with served(tiny.write(tmp_path / "remote")) as address:
        monkeypatch.setitem(DATASETS, "tiny", replace(tiny.entry, download_url=address))
        obtain("tiny")
    assert cache_status("tiny")["source"] == "Keras's download"
    assert cache_status("tiny")["ready"]


def test_download_tells_its_progress_in_few_lines(tiny, tmp_path, monkeypatch):
    remote = tmp_path / "remote"
    remote.mkdir()
    (remote / "train-images-idx3-ubyte.gz").write_bytes(bytes(9_000_000))
    lines: list[str] = []
    with served(remote) as address:
        monkeypatch.setitem(DATASETS, "tiny", replace(tiny.entry, download_url=address))
        with pytest.raises(DataError):
            obtain("tiny", report=lines.append)
    progress = [line for line in lines if line.startswith("downloading train-images-idx3-ubyte.gz")]
    assert 2 <= len(progress) <= 4
    assert all(line.endswith(" of 9 MB") for line in progress)


@pytest.mark.parametrize("damage", [flip_a_byte, not_gzip, truncate_gzip])
def test_damaged_download_is_refused(tiny, tmp_path, monkeypatch, damage):
    remote = tiny.write(tmp_path / "remote")
    damage(remote)
    with served(remote) as address:
        monkeypatch.setitem(DATASETS, "tiny", replace(tiny.entry, download_url=address))
        with pytest.raises(DataError, match=r"Keras's download: .*t10k-images"):
            obtain("tiny")


def test_unreachable_download_fails_at_once_with_its_reason(tiny, monkeypatch):
    # Port 9 (discard) of this machine: nobody listens, so the connection is refused.
    monkeypatch.setitem(DATASETS, "tiny", replace(tiny.entry, download_url="http://127.0.0.1:9/"))
    with pytest.raises(DataError, match=r"Keras's download: http://127\.0\.0\.1:9/.* cannot be downloaded"):
        obtain("tiny")


@pytest.mark.e2e
def test_unknown_debian_package_gives_apts_own_complaint(tmp_path):
    require(shutil.which("apt-get") is not None, "there is no apt-get on this machine")
    with pytest.raises(SourceBroken, match=r"^(E|W|Err): "):
        download_and_unpack("no-such-package-hpsearch", tmp_path)


def test_without_apt_get_the_reason_says_so(tiny, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(DATASETS, "tiny", replace(tiny.entry, debian_package="dataset-tiny"))
    with pytest.raises(DataError, match="Debian package: there is no apt-get on this machine"):
        obtain("tiny")


@pytest.mark.e2e
def test_real_debian_package_without_root_or_installation(tmp_path):
    require(shutil.which("apt-get") is not None, "there is no apt-get on this machine")
    entry = DATASETS["fashion_mnist"]
    debian = next(source for source in SOURCES if source.name == "Debian package")
    scratch = tmp_path / "a folder with spaces"
    scratch.mkdir()
    try:
        folder = debian.folder(entry, scratch, lambda line: None)
    except SourceBroken as why:
        require("resolve" not in str(why) and "connect" not in str(why), f"no package archive: {why}")
        raise
    content = read_verified(folder, entry)
    assert hashlib.sha256(content["train_images"]).hexdigest() == entry.file("train_images").sha256
    assert folder.is_relative_to(scratch)
