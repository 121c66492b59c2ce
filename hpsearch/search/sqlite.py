"""What is special to SQLite: its URLs, the write-ahead log, several processes, advice about errors."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock, Timeout

from hpsearch.errors import EnvironmentProblem

# The longest wait for a database that another program has locked.
BUSY_SECONDS = 60.0


_AGAIN = "nothing recorded is lost; run the same command again to continue"
_ADVICE = {
    "full": f"make room; {_AGAIN}",
    "locked": f"another program holds it; end that one: {_AGAIN}",
    "readonly": f"see that it can be written to; {_AGAIN}",
    "I/O error": f"see that the disk is well; {_AGAIN}",
}


@contextmanager
def creating(database: Path) -> Iterator[None]:
    """Hold a lock while the tables of a SQLite file are made: Optuna and MLflow fail if two processes do so at once.

    Raises:
        EnvironmentProblem: another process has held the lock for two minutes.
    """
    lock = FileLock(database.with_name(f".{database.name}.lock"), timeout=120)
    try:
        lock.acquire()
    except Timeout:
        raise EnvironmentProblem(f"{database}: another process has held {lock.lock_file} for two minutes") from None
    try:
        yield
    finally:
        lock.release()


def prepare_sqlite(path: Path) -> None:
    """Switch on write-ahead logging, so that readers (the UI, `hpsearch trials`) never wait for the coordinator.

    Raises:
        EnvironmentProblem: the file is no database, or cannot be written to.
    """
    try:
        with sqlite3.connect(path, timeout=BUSY_SECONDS) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA schema_version")
        connection.close()
    except sqlite3.Error as error:
        raise EnvironmentProblem(f"{path}: cannot be used: {error}; {advice(str(error))}") from None


def advice(reason: str) -> str:
    """Return what the user can do about an error of SQLite."""
    for words, what in _ADVICE.items():
        if words in reason:
            return what
    return "move the file away or name another home with --home"


def sqlite_url(database: Path, *, read_only: bool = False) -> str:
    """Return the URL of a SQLite file for SQLAlchemy, whatever characters its path has.

    Args:
        database: an absolute path.
        read_only: whether no process writes to it; otherwise SQLite makes a file beside the database.
    """
    path, quoted = str(database), quote(str(database))
    if path == quoted and not read_only:
        return f"sqlite:///{path}"
    from sqlalchemy.engine import URL, make_url

    def rendered(name: str, **query: str) -> str:
        # The URL names the driver, since MLflow creates the folder of a path after `sqlite:///` without decoding it.
        return URL.create("sqlite+pysqlite", database=name, query=query).render_as_string(hide_password=False)

    if read_only:
        return rendered(f"file:{quoted}", mode="ro", immutable="1", uri="true")
    plain = rendered(path)
    # Versions of SQLAlchemy that do not encode the path end it at a `?`. Optuna replaces `{}` in URLs.
    if make_url(plain).database == path and "{" not in plain:
        return plain
    return rendered(f"file:{quoted}", uri="true")


def readable_url(database: Path) -> str:
    """Return the URL of a SQLite file that may be on a read-only disk.

    SQLite makes a file for the write-ahead log beside the database, unless the URL says that no process writes.
    """
    log = database.with_name(f"{database.name}-wal")
    if os.access(database.parent, os.W_OK) or (log.is_file() and log.stat().st_size):
        return sqlite_url(database)
    return sqlite_url(database, read_only=True)
