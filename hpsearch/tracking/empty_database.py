"""MLflow's empty database, kept in the cache: making its tables takes two seconds, copying them nothing."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from hpsearch.data.store import cache_folder


def is_empty(database: Path) -> bool:
    """Whether a SQLite file holds no table yet."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None


def fill_from_cache(database: Path, version: str) -> None:
    """Copy the tables that this version of MLflow makes, if they have been kept; else leave the file empty."""
    kept = _kept(version)
    if kept.is_file():
        # A damaged copy is no loss: MLflow makes what is missing.
        with suppress(sqlite3.Error):
            _copy(kept, database)


def keep(database: Path, version: str) -> None:
    """Keep the tables of a database that MLflow has just made, where the cache lacks them and can be written."""
    kept = _kept(version)
    unfinished = kept.with_suffix(f".{os.getpid()}")
    with suppress(OSError, sqlite3.Error):
        if not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            _copy(database, unfinished)
            unfinished.replace(kept)


def has_experiment(database: Path, name: str) -> bool:
    """Whether MLflow keeps runs under a name, read without importing MLflow."""
    query = "SELECT 1 FROM experiments WHERE name = ? AND lifecycle_stage = 'active'"
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)) as connection,
    ):
        return connection.execute(query, (name,)).fetchone() is not None
    return False


def settle(database: Path, artifacts: str) -> None:
    """Say of MLflow's own experiment, "Default", where its artifacts are, and that it was made now."""
    now = int(time.time() * 1000)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "UPDATE experiments SET artifact_location = ?, creation_time = ?, last_update_time = ? "
            "WHERE experiment_id = 0",
            (artifacts, now, now),
        )


def _kept(version: str) -> Path:
    return cache_folder() / "mlflow" / f"empty-{version}.db"


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as reading, closing(sqlite3.connect(target)) as writing:
        reading.backup(writing)
