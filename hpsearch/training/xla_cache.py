"""The functions that XLA has compiled, kept on disk for the next worker and the next run.

TensorFlow reads these settings once, when it first compiles, so they must be in the environment before it is imported.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

FLAG = "--tf_xla_persistent_cache_directory"
# The largest size of the cache. An entry takes about 1 MB; the oldest ones are deleted first.
MOST_BYTES = 512 * 2**20


def use_xla_cache(root: Path, threads: int) -> None:
    """Keep compiled functions below `root`; do nothing where the user has set a cache or the folder cannot be made.

    TensorFlow's own key depends on the program alone. The compiled code also depends on the kind of processor, the
    version and the number of threads (by which XLA splits loops), so each combination has a folder of its own.
    """
    flags = os.environ.get("TF_XLA_FLAGS", "")
    if FLAG in flags:
        return
    folder = root / _machine(threads)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _make_room(folder)
    except OSError:
        return
    # In quotes where it has spaces, at which TensorFlow splits the flags.
    value = f"'{folder}'" if any(character.isspace() for character in str(folder)) else str(folder)
    os.environ["TF_XLA_FLAGS"] = f"{flags} {FLAG}={value}".strip()


_named: set[str] = set()


@contextmanager
def same_names(program: str) -> Iterator[None]:
    """Within this context, give the functions that TensorFlow traces names that depend on the program alone.

    TensorFlow numbers its functions by a counter of the process, and the numbers are part of the key of the cache on
    disk. Without this context, a process would find an entry only if it had compiled the same functions in the same
    order.

    Args:
        program: identifies the function. At its second use in a process, the names are TensorFlow's own.
    """
    from tensorflow.python.framework import ops

    counter = getattr(ops, "uid", None)
    if counter is None or program in _named:
        yield
        return
    _named.add(program)
    first = int(hashlib.sha256(program.encode()).hexdigest()[:12], 16)
    ops.uid = itertools.count(first).__next__
    try:
        yield
    finally:
        ops.uid = counter


def _machine(threads: int) -> str:
    """Return a name for everything that compiled code depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((line for line in lines if line.startswith(("flags", "Features"))), os.uname().machine)
    except OSError:
        cpu = os.uname().machine
    parts = (version("tensorflow"), cpu, os.environ.get("XLA_FLAGS", ""), threads)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _make_room(folder: Path) -> None:
    """Delete the oldest entries beyond MOST_BYTES."""
    entries = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another process makes room too
            entries.append((path.stat().st_mtime, path.stat().st_size, path))
    size = 0
    for _, bytes_, path in sorted(entries, reverse=True):
        size += bytes_
        if size > MOST_BYTES and path.is_file():
            path.unlink(missing_ok=True)
