"""The Optuna database of a home folder: opened, and its errors told in a line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from hpsearch.errors import EnvironmentProblem
from hpsearch.search.home import BUSY_SECONDS, Home, advice, creating, prepare_sqlite, sqlite_url


def open_storage(home: Home, *, create: bool) -> RDBStorage:
    """The database of a home folder.

    Raises:
        EnvironmentProblem: it does not exist (and `create` is False), is damaged or cannot be written to.
    """
    if create:
        home.create()
        with creating(home.optuna_db):
            if not os.path.lexists(home.optuna_db):
                _create(home)
            prepare_sqlite(home.optuna_db)
            return _connect(home)
    if not home.optuna_db.is_file():
        raise EnvironmentProblem(
            f"{home.root}: no studies here; run one with `hpsearch run`, or name another folder with --home"
        )
    return _connect(home)


def _create(home: Home) -> None:
    """Make the database under another name: who looks at a home folder makes tables that are missing, too."""
    unfinished = home.optuna_db.with_name(f".{home.optuna_db.name}.new")
    # Left by one that was killed here.
    for left in home.root.glob(f"{unfinished.name}*"):
        left.unlink()
    prepare_sqlite(unfinished)
    # Closing it ends its write-ahead log, which would keep that name.
    _connect(home, unfinished).engine.dispose()
    # The log of a database that a person has moved away would be played into this one.
    for end in ("-wal", "-shm", "-journal"):
        home.optuna_db.with_name(home.optuna_db.name + end).unlink(missing_ok=True)
    unfinished.replace(home.optuna_db)


def _connect(home: Home, database: Path | None = None) -> RDBStorage:
    with database_errors(home, RuntimeError):
        settings = {"connect_args": {"timeout": BUSY_SECONDS}}
        return RDBStorage(_address((database or home.optuna_db).resolve()), engine_kwargs=settings)


def _address(database: Path) -> str:
    """The database as SQLAlchemy is told of it; one on a read-only disk can be looked at all the same.

    A write-ahead log needs a file beside the database, unless SQLite is told that nobody writes.
    """
    log = database.with_name(f"{database.name}-wal")
    if os.access(database.parent, os.W_OK) or (log.is_file() and log.stat().st_size):
        return sqlite_url(database)
    return sqlite_url(database, read_only=True)


@contextmanager
def database_errors(home: Home, *further: type[Exception]) -> Iterator[None]:
    """Errors of the database as one line that says what to do.

    Args:
        further: what else Optuna raises about a database: RuntimeError for one of another version.

    Raises:
        EnvironmentProblem: in the place of any of them.
    """
    told: tuple[type[Exception], ...] = (SQLAlchemyError, StorageInternalError, *further)
    try:
        yield
    except told as error:
        # Optuna wraps the database's own error.
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        reason = str(getattr(cause, "orig", None) or cause).splitlines()[0]
        raise EnvironmentProblem(f"{home.optuna_db}: cannot be used: {reason}; {advice(reason)}") from None
