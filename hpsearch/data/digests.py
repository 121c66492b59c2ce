"""Digests of data: 32 hexadecimal characters, as `DatasetEntry.digest` has them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpsearch.data.arrays import Arrays


def digest_of(file: Path) -> str:
    """Return the digest of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:32]


def arrays_digest(arrays: Arrays) -> str:
    """Return the digest of examples and labels: their types, shapes and values."""
    import numpy as np

    digest = hashlib.sha256()
    for array in (arrays.images, arrays.labels):
        digest.update(f"{array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:32]
