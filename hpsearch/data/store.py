"""The user's cache of verified datasets: `obtain` fills it, `status` describes it.

    <cache>/datasets/<name>/   train_images.npy  train_labels.npy  test_images.npy  test_labels.npy
                               dataset.json      digests, and the source of the files

The folder is created by one rename, so it is never incomplete. A file lock beside it makes a second process wait for
the first. Reading needs neither the lock nor write permission.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from hpsearch.catalogue.datasets import DatasetEntry, RawFile, dataset, is_user_dataset
from hpsearch.data.sources import (
    Report,
    SourceBroken,
    SourceUnavailable,
    idx_header,
    named_folder,
    read_verified,
    sources_for,
)
from hpsearch.errors import DataError

_DESCRIPTION = "dataset.json"


def cache_folder() -> Path:
    """Return the folder for files that can be fetched or computed again: HPSEARCH_CACHE, else the system's cache."""
    from_environment = os.environ.get("HPSEARCH_CACHE")
    chosen = Path(from_environment) if from_environment else Path(platformdirs.user_cache_dir("hpsearch"))
    return chosen.expanduser().absolute()


def dataset_folder(entry: DatasetEntry) -> Path:
    """Return the folder of a dataset's .npy files."""
    return cache_folder() / "datasets" / entry.name


PARTS = ("train", "test")


def obtain(
    name: str,
    *,
    source: Path | None = None,
    report: Callable[[str], None] | None = None,
    force: bool = False,
    parts: Sequence[str] = PARTS,
) -> Path:
    """Make sure that a dataset is in the cache, with every byte checked; fetch it if it is missing or damaged.

    Args:
        name: a dataset of the catalogue.
        source: a folder with the raw files, `.gz` or not. It is read even if the cache is complete, and no other source
            is tried.
        report: called with one line for each message.
        force: whether to fetch again even if the cache is complete.
        parts: the parts in the cache whose bytes are checked, of `train` and `test`; other parts are not opened.

    Returns:
        The folder with train_images.npy uint8 [n, height, width], train_labels.npy uint8 [n], and the same for test.

    Raises:
        UnknownNameError: no such dataset.
        DataError: no source has it, the named folder lacks it, or the cache cannot be written.
    """
    entry = dataset(name)
    say = report if report is not None else _say_nothing
    folder = dataset_folder(entry)
    if not force and source is None and cache_problem(entry, folder, parts) is None:
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _only_one_process(folder, say):
            _fetch_into_cache(entry, folder, source, say, force=force)
    except OSError as error:
        raise DataError(
            f"cannot write dataset '{name}' to {folder.parent}: {error.strerror or error}; "
            "make room there, or set HPSEARCH_CACHE to a folder that you can write"
        ) from error
    return folder


def obtain_training(name: str, report: Report) -> None:
    """Make sure that the training part of a catalogue's dataset is in the cache; a user's own dataset is not checked.

    The test part is checked when it is read. Raises as `obtain`.
    """
    if not is_user_dataset(name):
        obtain(name, report=report, parts=("train",))


def cache_status(name: str) -> dict[str, object]:
    """Return the state of a dataset in the cache; its bytes are checked.

    Returns:
        dataset, ready, problem (empty if ready), folder, source (its origin), digest,
        training and test (numbers of images), megabytes (on disk).
    """
    entry = dataset(name)
    folder = dataset_folder(entry)
    problem = cache_problem(entry, folder)
    size = sum(path.stat().st_size for path in folder.glob("*")) if problem is None else 0
    return {
        "dataset": entry.name,
        "ready": problem is None,
        "problem": problem or "",
        "folder": str(folder),
        "source": read_description(folder).get("source", "") if problem is None else "",
        "digest": entry.digest,
        "training": entry.train_examples,
        "test": entry.test_examples,
        "megabytes": round(size / 1e6, 1),
    }


def cache_problem(entry: DatasetEntry, folder: Path, parts: Sequence[str] = PARTS) -> str | None:
    """Return what is wrong with the dataset in the cache, or None if every byte is right (55 MB take about 0.1 s).

    Args:
        parts: the parts whose bytes are checked; the files of other parts must only exist.
    """
    if not folder.is_dir():
        return "not fetched yet"
    if read_description(folder).get("digest") != entry.digest:
        return f"{_DESCRIPTION} is damaged, or of another version of the dataset"
    inside = [raw for raw in entry.files if raw.array.startswith(tuple(parts))]
    absent = (f"{raw.array}.npy is missing" for raw in entry.files if not (folder / f"{raw.array}.npy").is_file())
    return next(chain(absent, filter(None, (_array_problem(folder, raw) for raw in inside))), None)


def read_description(folder: Path) -> dict[str, object]:
    """Return the content of dataset.json; empty if it is not there or damaged."""
    try:
        content = json.loads((folder / _DESCRIPTION).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _array_problem(folder: Path, raw: RawFile) -> str | None:
    import numpy as np

    path = folder / f"{raw.array}.npy"
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return f"{path.name} is damaged"
    if array.dtype != np.uint8 or array.shape != raw.shape or not array.flags.c_contiguous:
        return f"{path.name} is {array.dtype} {list(array.shape)}, not uint8 {list(raw.shape)}"
    # Header and bytes are those of the raw file, so the published hash can be checked.
    hashed = hashlib.sha256(idx_header(raw.shape))
    hashed.update(array.data)
    return None if hashed.hexdigest() == raw.sha256 else f"{path.name} is damaged"


@contextmanager
def _only_one_process(folder: Path, say: Report) -> Iterator[None]:
    lock = FileLock(folder.with_name(f"{folder.name}.lock"))
    try:
        lock.acquire(timeout=0.1)
    except Timeout:
        say(f"waiting for another process that is fetching {folder.name}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fetch_into_cache(entry: DatasetEntry, folder: Path, source: Path | None, say: Report, *, force: bool) -> None:
    problem = cache_problem(entry, folder)
    if problem is None and not force and source is None:
        return  # another process fetched it while this one waited
    if problem is not None and folder.exists():
        say(f"{folder}: {problem}; throwing it away and fetching again")
        shutil.rmtree(folder)
    with _scratch_folder(folder) as scratch:
        content, origin = _from_first_source(entry, source, scratch, say)
        if problem is None and not force:
            say(f"{entry.name}: the files in {source} are right, and the cache already holds the same ones")
            return
        ready = scratch / "ready"
        _write(entry, content, origin, ready)
        if folder.exists():
            folder.rename(scratch / "old")
        ready.rename(folder)
    say(f"{entry.name}: all files verified, from {origin}")


@contextmanager
def _scratch_folder(folder: Path) -> Iterator[Path]:
    """Make a folder on the same file system and delete it afterwards; call it under the lock only."""
    prefix = f".{folder.name}."
    for left_over in folder.parent.glob(f"{prefix}*"):
        # Left by a process that was killed: while we hold the lock, no other process uses one.
        shutil.rmtree(left_over, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _from_first_source(
    entry: DatasetEntry, source: Path | None, scratch: Path, say: Report
) -> tuple[dict[str, bytes], str]:
    """Return verified bytes by array name, and a phrase that names their source."""
    named = named_folder(entry, source)
    if named is not None:
        try:
            return read_verified(named, entry), f"folder {named}"
        except SourceUnavailable as why:
            by_whom = "the folder you named" if source is not None else "HPSEARCH_DATA_DIR"
            raise DataError(f"cannot take dataset '{entry.name}' from {by_whom}: {why}") from why
    failures = []
    for number, data_source in enumerate(sources_for(entry)):
        own_scratch = scratch / str(number)
        own_scratch.mkdir()
        try:
            return read_verified(data_source.folder(entry, own_scratch, say), entry), data_source.name
        except SourceUnavailable as why:
            failures.append(f"{data_source.name}: {why}")
            if isinstance(why, SourceBroken):
                say(f"{data_source.name}: {why}; trying elsewhere")
    raise DataError(
        f"cannot get dataset '{entry.name}' ({'; '.join(failures)}); put its four files into a folder "
        f"and run `hpsearch data fetch {entry.name} --from FOLDER`"
    )


def _write(entry: DatasetEntry, content: dict[str, bytes], origin: str, folder: Path) -> None:
    import numpy as np

    folder.mkdir()
    for raw in entry.files:
        pixels = np.frombuffer(content[raw.array], dtype=np.uint8, offset=len(idx_header(raw.shape)))
        np.save(folder / f"{raw.array}.npy", pixels.reshape(raw.shape))
    description = {
        "dataset": entry.name,
        "digest": entry.digest,
        "files": {raw.name: raw.sha256 for raw in entry.files},
        "source": origin,
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
        "licence": entry.licence,
    }
    (folder / _DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def _say_nothing(_line: str) -> None:
    pass
