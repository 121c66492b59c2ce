"""The idx format of MNIST, and the check that raw bytes are exactly the published ones.

Format: bytes 0 0, the type (8: unsigned byte), the number of
dimensions; each dimension as big-endian uint32; then the data in C order.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from math import prod
from pathlib import Path

from hpsearch.catalogue.datasets import DatasetEntry, RawFile

_UNSIGNED_BYTE = 0x08


class SourceUnavailable(Exception):
    """A source does not have the dataset; the message says why."""


class SourceBroken(SourceUnavailable):
    """A source should have had it: a damaged file, a failed download. People are told at once."""


def idx_header(shape: tuple[int, ...]) -> bytes:
    """The header of an idx file that holds unsigned bytes of this shape."""
    return struct.pack(f">{1 + len(shape)}I", (_UNSIGNED_BYTE << 8) + len(shape), *shape)


def read_verified(folder: Path, entry: DatasetEntry) -> dict[str, bytes]:
    """The uncompressed bytes of all raw files in a folder, by array name, each checked by SHA-256.

    Every file may be there as it is or as `.gz`.

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
        # One byte more than expected is enough to see that a file is too long, whatever it expands to.
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
