"""Open the Optuna database of a home folder, and report its errors in one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from hpsearch.errors import EnvironmentProblem
from hpsearch.search.home import Home
from hpsearch.search.sqlite import BUSY_SECONDS, advice, creating, prepare_sqlite, readable_url


def open_storage(home: Home, *, create: bool) -> RDBStorage:
    """Open the database of a home folder.

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
    """Create the database under a temporary name, since a reading command would create missing tables, too."""
    unfinished = home.optuna_db.with_name(f".{home.optuna_db.name}.new")
    # Files of a process that was killed here.
    for file in home.root.glob(f"{unfinished.name}*"):
        file.unlink()
    prepare_sqlite(unfinished)
    # Closing the database removes its write-ahead log, which would keep the temporary name.
    _connect(home, unfinished).engine.dispose()
    # If the user moved the old database away, SQLite would apply its leftover log to the new one.
    for end in ("-wal", "-shm", "-journal"):
        home.optuna_db.with_name(home.optuna_db.name + end).unlink(missing_ok=True)
    unfinished.replace(home.optuna_db)


def _connect(home: Home, database: Path | None = None) -> RDBStorage:
    with database_errors(home, RuntimeError):
        settings = {"connect_args": {"timeout": BUSY_SECONDS}}
        return RDBStorage(readable_url((database or home.optuna_db).resolve()), engine_kwargs=settings)


@contextmanager
def database_errors(home: Home, *further: type[Exception]) -> Iterator[None]:
    """Turn an error of the database into one line that says what to do.

    Args:
        further: further kinds of errors; Optuna raises RuntimeError for a database of another version.

    Raises:
        EnvironmentProblem: the database raised an error.
    """
    kinds: tuple[type[Exception], ...] = (SQLAlchemyError, StorageInternalError, *further)
    try:
        yield
    except kinds as error:
        # Optuna wraps the database's own error.
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        reason = str(getattr(cause, "orig", None) or cause).splitlines()[0]
        raise EnvironmentProblem(f"{home.optuna_db}: cannot be used: {reason}; {advice(reason)}") from None
