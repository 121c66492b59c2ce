"""Where raw files may be had, in the order in which the places are tried.

A source turns a catalogue row into a folder that should hold the four files; whether they are the
right ones is for `raw.read_verified` to say. A folder that the user names stands outside of this list:
it is used alone or not at all.
"""

from __future__ import annotations

import http.client
import os
import shutil
import tempfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hpsearch.catalogue.datasets import DatasetEntry
from hpsearch.data.debian import download_and_unpack
from hpsearch.data.raw import SourceBroken, SourceUnavailable

Report = Callable[[str], None]

# Seconds without an answer or a byte; a closed network must not keep anybody waiting.
_NETWORK_TIMEOUT = 10
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Source:
    """One place.

    Attributes:
        name: for the lines that people read.
        sentence: what the place is.
        offers: whether the row has an address there at all.
        folder: (row, empty scratch folder, report) -> folder that should hold the four files; raises
            SourceUnavailable.
    """

    name: str
    sentence: str
    offers: Callable[[DatasetEntry], bool]
    folder: Callable[[DatasetEntry, Path, Report], Path]


def sources_for(entry: DatasetEntry) -> list[Source]:
    """The places where this dataset may be had, first choice first."""
    return [source for source in SOURCES if source.offers(entry)]


def named_folder(entry: DatasetEntry, source: Path | None) -> Path | None:
    """The folder that the user named (`--from`, then HPSEARCH_DATA_DIR), if any.

    The variable says where downloads are to be had from, so it does not concern a packaged dataset.
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
    """The same folder as Keras's `get_file`, which turns to the temporary folder where home is read-only."""
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
        # URLError wraps the reason that is worth reading.
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
