"""MLflow's client on a database or a server, opened without a word on the terminal."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from hpsearch.errors import EnvironmentProblem, masked, reason_in
from hpsearch.search.home import creating, prepare_sqlite, sqlite_url
from hpsearch.tracking.empty_database import fill_from_cache, is_empty, keep, settle
from hpsearch.tracking.target import Target

# MLflow's own settings would keep one call to a server that is down waiting for four minutes.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def database_uri(database: Path) -> str:
    """The database as MLflow is told of it; absolute, so that the current folder does not matter."""
    return sqlite_url(database.resolve())


def artifact_location(folder: Path) -> str:
    """A folder for artifacts as MLflow is told of it; absolute."""
    path = folder.resolve()
    # MLflow decodes `%41` even in a plain path.
    return str(path) if quote(str(path)) == str(path) else path.as_uri()


def check_database(database: Path) -> None:
    """See that a SQLite file can be written to, which takes no import of MLflow; it is made where it is missing.

    Raises:
        EnvironmentProblem: it cannot.
    """
    with creating(database):
        prepare_sqlite(database)


def address_of(target: Target) -> str:
    """The database or server as MLflow is told of it; of a server without the password, see `_without_password`."""
    if target.database is not None:
        return database_uri(target.database)
    assert target.uri is not None
    return _without_password(target.uri) if target.is_server else target.uri


def connect(target: Target) -> Any:
    """An `mlflow.MlflowClient` on what takes the runs. Of a server nothing is asked yet.

    Raises:
        EnvironmentProblem: the database cannot be used.
    """
    if target.database is not None:
        return open_client(target.database)
    uri, mlflow = address_of(target), _import_mlflow()
    try:
        return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    # A database's driver that is missing, a database that cannot be reached.
    except Exception as error:  # noqa: BLE001, RUF100
        raise EnvironmentProblem(f"{target}: MLflow cannot use it ({reason_of(error)})") from None


def open_client(database: Path) -> Any:
    """An `mlflow.MlflowClient` on a SQLite database, which is created where it is missing.

    Raises:
        EnvironmentProblem: the database cannot be used.
    """
    mlflow = _import_mlflow()
    uri = database_uri(database)
    # The write-ahead log also makes a write six times as fast: 4 ms an epoch instead of 23.
    with creating(database):
        prepare_sqlite(database)
        try:
            new = is_empty(database)
            if new:
                fill_from_cache(database, mlflow.__version__)
            client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
            client.search_experiments(max_results=1)
            if new:
                keep(database, mlflow.__version__)
                settle(database, artifact_location(database.with_name("artifacts") / "0"))
        # MLflow, SQLAlchemy, Alembic and sqlite3 each raise errors of their own here.
        except Exception as error:  # noqa: BLE001, RUF100
            raise EnvironmentProblem(
                f"{database}: MLflow cannot use it ({reason_of(error)}); "
                "move the file away or name another home with --home"
            ) from None
    return client


def reason_of(error: Exception) -> str:
    """Return an error's reason in one line, not longer than a terminal can take; passwords in it are masked."""
    return masked(reason_in(str(error)) or type(error).__name__)[:200]


def _import_mlflow() -> Any:
    """MLflow, quiet. Importing it takes 2 to 3 seconds, so it happens here and not with this module."""
    for name, value in (_PATIENCE | _QUIET).items():
        os.environ.setdefault(name, value)
    import mlflow

    # After the import, which sets levels of its own. MLflow logs the traceback of every database
    # error before it raises it, and urllib3 every attempt; who calls tells the error in a line.
    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return mlflow


def _without_password(uri: str) -> str:
    """A server's address alone; who asks goes into the variables that MLflow reads, out of sight of its messages."""
    parts = urlsplit(uri)
    if parts.password is not None:
        os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username or "")
        os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
