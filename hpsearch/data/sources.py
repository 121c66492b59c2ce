"""Where raw files of a dataset are found, in the order in which the sources are tried, and their verification.

A source turns a catalogue entry into a folder that should hold the four files; `read_verified` checks their bytes. A
folder that the user names is not in this list: it is the only source then.

The files have the idx format of MNIST: bytes 0 0, the type (8: unsigned byte), the number of dimensions; each dimension
as big-endian uint32; then the data in C order. A Debian package is downloaded with apt-get and unpacked into a
scratch folder, without root; apt-get uses the machine's package sources and keys, and its lists, cache and downloads go
to that folder.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import shutil
import struct
import subprocess
import tempfile
import urllib.request
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path

from hpsearch.catalogue.datasets import DatasetEntry, RawFile

Report = Callable[[str], None]

# The longest time without an answer or a byte, in seconds.
_NETWORK_TIMEOUT = 10
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Source:
    """One source of raw files.

    Attributes:
        name: for messages.
        sentence: the source in words.
        offers: whether the source may have the dataset of an entry.
        folder: (entry, empty scratch folder, report) -> folder that should hold the four files; raises
            SourceUnavailable.
    """

    name: str
    sentence: str
    offers: Callable[[DatasetEntry], bool]
    folder: Callable[[DatasetEntry, Path, Report], Path]


def sources_for(entry: DatasetEntry) -> list[Source]:
    """Return the sources of this dataset, in the order in which they are tried."""
    return [source for source in SOURCES if source.offers(entry)]


def named_folder(entry: DatasetEntry, source: Path | None) -> Path | None:
    """Return the folder that the user named (`--from`, then HPSEARCH_DATA_DIR), if any.

    The variable has no effect on a packaged dataset, which is never downloaded.
    """
    if source is not None:
        return source.expanduser().absolute()
    from_environment = os.environ.get("HPSEARCH_DATA_DIR")
    if from_environment and entry.packaged_folder is None:
        return Path(from_environment).expanduser().absolute()
    return None


def _packaged(entry: DatasetEntry, _scratch: Path, _report: Report) -> Path:
    return Path(__file__).parent / str(entry.packaged_folder)


def _keras_cache(entry: DatasetEntry, _scratch: Path, _report: Report) -> Path:
    """Return the folder that Keras's `get_file` uses: a temporary one if the home folder is read-only."""
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    if not os.access(home, os.W_OK):
        elsewhere = Path(tempfile.gettempdir()) / ".keras"
        home = home if home.is_dir() or not elsewhere.is_dir() else elsewhere
    return home / "datasets" / str(entry.keras_folder)


def _system_folder(entry: DatasetEntry, _scratch: Path, _report: Report) -> Path:
    return Path(str(entry.system_folder))


def _keras_download(entry: DatasetEntry, scratch: Path, report: Report) -> Path:
    for raw in entry.files:
        _download(f"{entry.download_url}{raw.name}.gz", scratch / f"{raw.name}.gz", report)
    return scratch


def _debian_package(entry: DatasetEntry, scratch: Path, report: Report) -> Path:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise SourceUnavailable("there is no apt-get on this machine")
    report(f"downloading the Debian package {entry.debian_package}")
    unpacked = download_and_unpack(str(entry.debian_package), scratch)
    return unpacked / str(entry.system_folder).lstrip("/")


def _download(url: str, target: Path, report: Report) -> None:
    """Stream an address into a file, with a line for every third of a big one."""
    try:
        with urllib.request.urlopen(url, timeout=_NETWORK_TIMEOUT) as answer, target.open("wb") as file:
            total = int(answer.headers.get("Content-Length") or 0)
            received, next_line = 0, 0
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                received += len(chunk)
                if total > _CHUNK and received >= next_line:
                    report(f"downloading {target.name}: {received // 1_000_000} of {total // 1_000_000} MB")
                    next_line = received + total // 3
    except (OSError, http.client.HTTPException, ValueError) as error:
        # URLError wraps the reason.
        reason = getattr(error, "reason", None) or error
        raise SourceBroken(f"{url} cannot be downloaded ({reason})") from error


SOURCES = (
    Source(
        name="hpsearch itself",
        sentence="Files that ship with hpsearch.",
        offers=lambda entry: entry.packaged_folder is not None,
        folder=_packaged,
    ),
    Source(
        name="Keras's cache",
        sentence="What keras.datasets downloaded earlier, under KERAS_HOME or ~/.keras.",
        offers=lambda entry: entry.keras_folder is not None,
        folder=_keras_cache,
    ),
    Source(
        name="system folder",
        sentence="Where the system's package manager installs datasets.",
        offers=lambda entry: entry.system_folder is not None,
        folder=_system_folder,
    ),
    Source(
        name="Keras's download",
        sentence="The public storage that keras.datasets downloads from.",
        offers=lambda entry: entry.download_url is not None,
        folder=_keras_download,
    ),
    Source(
        name="Debian package",
        sentence="Debian's or Ubuntu's package, downloaded by apt-get and unpacked without root.",
        offers=lambda entry: entry.debian_package is not None,
        folder=_debian_package,
    ),
)


# Seconds for one apt-get; a few are usual.
_APT_TIMEOUT = 600
# The machine's hooks after an update (clearing /var/cache, notifying the desktop) need root and must not run here.
# `#clear` works in a file only; one given with `-c` is read after the machine's own.
_APT_CONF = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Debug::NoLocking "true";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::http::Timeout "10";
Acquire::https::Timeout "10";
Acquire::Retries "1";
"""


def download_and_unpack(package: str, scratch: Path) -> Path:
    """Download a package with apt-get and unpack it below `scratch`.

    Returns:
        The folder with the package's files, in the place of `/`.

    Raises:
        SourceBroken: apt-get or dpkg-deb failed; the message holds its own complaint.
    """
    lists, cache, unpacked = scratch / "lists", scratch / "cache", scratch / "unpacked"
    for folder in (lists / "partial", cache / "archives" / "partial", unpacked):
        folder.mkdir(parents=True)
    configuration = scratch / "apt.conf"
    configuration.write_text(_APT_CONF, encoding="utf-8")
    apt_get = ["apt-get", "-qq", "-c", str(configuration)]
    apt_get += ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={cache}"]

    update = _run([*apt_get, "update"], scratch)
    download = _run([*apt_get, "download", package], scratch)
    archives = list(scratch.glob("*.deb"))
    if download.returncode != 0 or len(archives) != 1:
        # Without a network the update names the cause, and the download only that there is no such package.
        complaints = [complaint for done in (download, update) if (complaint := _complaint(done))]
        raise SourceBroken("; ".join(complaints) or f"apt-get found no {package}")
    unpack = _run(["dpkg-deb", "-x", str(archives[0]), str(unpacked)], scratch)
    if unpack.returncode != 0:
        raise SourceBroken(_complaint(unpack) or f"dpkg-deb cannot unpack {archives[0].name}")
    return unpacked


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_APT_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SourceBroken(f"{command[0]} took more than {_APT_TIMEOUT} s") from error


def _complaint(done: subprocess.CompletedProcess[str]) -> str:
    """Return the first line of an error of apt or dpkg."""
    prefixes = ("E: ", "W: ", "Err:", "dpkg-deb: error: ")
    lines = (line.strip() for line in done.stderr.splitlines())
    return next((line for line in lines if line.startswith(prefixes)), "")


_UNSIGNED_BYTE = 0x08


class SourceUnavailable(Exception):
    """A source does not have the dataset; the message is the reason."""


class SourceBroken(SourceUnavailable):
    """A source should have the dataset, but a file is damaged or a download failed. This is reported at once."""


def idx_header(shape: tuple[int, ...]) -> bytes:
    """Return the header of an idx file that holds unsigned bytes of this shape."""
    return struct.pack(f">{1 + len(shape)}I", (_UNSIGNED_BYTE << 8) + len(shape), *shape)


def read_verified(folder: Path, entry: DatasetEntry) -> dict[str, bytes]:
    """Return the uncompressed bytes of all raw files in a folder, by array name, each checked by SHA-256.

    Every file may be uncompressed or `.gz`.

    Raises:
        SourceUnavailable: the folder or a file is not there.
        SourceBroken: a file is there, and is not the published one.
    """
    if not folder.is_dir():
        raise SourceUnavailable(f"no folder {folder}")
    return {raw.array: _read_one(folder, raw) for raw in entry.files}


def _read_one(folder: Path, raw: RawFile) -> bytes:
    problems = []
    for path in (folder / raw.name, folder / f"{raw.name}.gz"):
        if not path.is_file():
            continue
        # One byte more than expected shows that a file is too long, without expanding all of it.
        limit = len(idx_header(raw.shape)) + prod(raw.shape) + 1
        try:
            content = _uncompressed(path, limit)
        except (OSError, EOFError, zlib.error) as error:
            problems.append(f"{path} cannot be read ({error})")
            continue
        found = hashlib.sha256(content).hexdigest()
        if found == raw.sha256:
            return content
        problems.append(f"{path} is damaged: its SHA-256 is {found[:12]}…, not {raw.sha256[:12]}…")
    if problems:
        raise SourceBroken("; ".join(problems))
    raise SourceUnavailable(f"no {raw.name} or {raw.name}.gz in {folder}")


def _uncompressed(path: Path, limit: int) -> bytes:
    if path.suffix == ".gz":
        with gzip.open(path, "rb") as compressed:
            return compressed.read(limit)
    with path.open("rb") as plain:
        return plain.read(limit)
