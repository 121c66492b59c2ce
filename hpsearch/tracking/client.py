"""MLflow's client on a database or a server, opened without output on the terminal."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from hpsearch.data.store import cache_folder
from hpsearch.errors import EnvironmentProblem, masked, reason_in
from hpsearch.search.sqlite import creating, prepare_sqlite, sqlite_url
from hpsearch.tracking.target import Target

# With MLflow's own settings one call to a server that is down takes four minutes.
_TIMEOUTS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
# The variable with the folder for artifacts of experiments that name none; see CONTRIBUTING, "Private API that we use".
_ARTIFACT_ROOT = "_MLFLOW_SERVER_ARTIFACT_ROOT"
# The experiment that MLflow makes in every database.
_DEFAULT_EXPERIMENT = "0"


def database_uri(database: Path) -> str:
    """Return the address of a SQLite file for MLflow; absolute, so that the current folder does not matter."""
    return sqlite_url(database.resolve())


def artifact_location(folder: Path) -> str:
    """Return the address of a folder for artifacts for MLflow; absolute."""
    path = folder.resolve()
    # MLflow decodes `%41` even in a plain path.
    return str(path) if quote(str(path)) == str(path) else path.as_uri()


def check_database(database: Path) -> None:
    """Check that a SQLite file can be written to, and make it where it is missing; MLflow is not imported.

    Raises:
        EnvironmentProblem: it cannot be written to.
    """
    with creating(database):
        prepare_sqlite(database)


def address_of(target: Target) -> str:
    """Return the address of a database or server for MLflow; a server's password goes into MLflow's variables."""
    if target.database is not None:
        return database_uri(target.database)
    assert target.uri is not None
    return _without_password(target.uri) if target.is_server else target.uri


def _without_password(uri: str) -> str:
    """Return a server's address alone; MLflow's error messages would show user and password in it."""
    parts = urlsplit(uri)
    if parts.password is not None:
        os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username or "")
        os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def connect(target: Target) -> Any:
    """Return an `mlflow.MlflowClient` on the MLflow that takes the runs. A server is not called yet.

    Raises:
        EnvironmentProblem: the database cannot be used.
    """
    if target.database is not None:
        return open_client(target.database)
    uri, mlflow = address_of(target), _import_mlflow()
    try:
        return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    # For instance a database whose driver is missing, or that cannot be reached.
    except Exception as error:  # noqa: BLE001, RUF100
        raise EnvironmentProblem(f"{target}: MLflow cannot use it ({reason_of(error)})") from None


def open_client(database: Path) -> Any:
    """Return an `mlflow.MlflowClient` on a SQLite database, which is made where it is missing.

    Raises:
        EnvironmentProblem: the database cannot be used.
    """
    mlflow, uri = _import_mlflow(), database_uri(database)
    # The write-ahead log also makes a write six times as fast: 4 ms an epoch instead of 23.
    with creating(database):
        prepare_sqlite(database)
        try:
            new = _is_empty(database)
            if new:
                _copy_tables(mlflow.__version__, database)
            client = _client(mlflow, uri, database.with_name("artifacts"))
            if new:
                _keep_tables(mlflow, database)
        # MLflow, SQLAlchemy, Alembic and sqlite3 each raise errors of their own here.
        except Exception as error:  # noqa: BLE001, RUF100
            raise EnvironmentProblem(
                f"{database}: MLflow cannot use it ({reason_of(error)}); "
                "move the file away or name another home with --home"
            ) from None
    return client


def _client(mlflow: Any, uri: str, artifacts: Path) -> Any:
    """Return a client that has opened the database, and made MLflow's default experiment where it is missing."""
    before = os.environ.get(_ARTIFACT_ROOT)
    os.environ[_ARTIFACT_ROOT] = artifact_location(artifacts)
    try:
        client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    finally:
        del os.environ[_ARTIFACT_ROOT]
        if before is not None:
            os.environ[_ARTIFACT_ROOT] = before
    return client


def _is_empty(database: Path) -> bool:
    """Return whether a SQLite file holds no table yet."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None


# MLflow takes 1.4 s to make its tables. A database with the tables alone is kept in the cache; copying it takes 0.03 s.
def _kept_tables(version: str) -> Path:
    return cache_folder() / "mlflow" / f"tables-{version}.db"


def _copy_tables(version: str, database: Path) -> None:
    """Copy the tables of this version of MLflow, if the cache has them; else leave the file empty."""
    kept = _kept_tables(version)
    if kept.is_file():
        # A failed copy does no harm: MLflow makes the tables that are missing.
        with suppress(sqlite3.Error):
            _copy(kept, database)


def _keep_tables(mlflow: Any, database: Path) -> None:
    """Keep the tables of a new database in the cache, unless it has them or cannot be written to."""
    kept = _kept_tables(mlflow.__version__)
    if kept.is_file():
        return
    from mlflow.tracking._tracking_service.utils import _get_store

    with suppress(OSError, sqlite3.Error):
        kept.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=kept.parent) as folder:
            scratch, tables = Path(folder, "scratch.db"), Path(folder, "tables.db")
            _copy(database, scratch)
            # The default experiment names its folder for artifacts, which is another one for each database.
            _client(mlflow, database_uri(scratch), kept.parent).delete_experiment(_DEFAULT_EXPERIMENT)
            _get_store(database_uri(scratch))._hard_delete_experiment(_DEFAULT_EXPERIMENT)
            # The write-ahead log of the first copy is a file of its own; the second copy is one file.
            _copy(scratch, tables)
            tables.replace(kept)


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as reading, closing(sqlite3.connect(target)) as writing:
        reading.backup(writing)


def search_all(search: Any, *arguments: Any, **options: Any) -> Iterator[Any]:
    """Yield every result of a search by MLflow's client, which returns them page by page."""
    token = None
    while True:
        page = search(*arguments, page_token=token, **options)
        yield from page
        token = page.token
        if not token:
            return


def active_experiment(client: Any, name: str) -> str | None:
    """Return the id of an experiment; None: there is none, or it was deleted."""
    experiment = client.get_experiment_by_name(name)
    active = experiment is not None and experiment.lifecycle_stage == "active"
    return str(experiment.experiment_id) if active else None


@contextmanager
def mlflow_errors(target: Target, verb: str, *others: type[Exception]) -> Iterator[None]:
    """Turn an error of MLflow into an EnvironmentProblem of one line.

    Args:
        verb: what could not be done: `read` or `written`.
        others: further kinds of errors that are treated the same.

    Raises:
        EnvironmentProblem: MLflow, its database or its artifact store raised.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, *others) as error:
        raise EnvironmentProblem(f"{target}: MLflow cannot be {verb} ({reason_of(error)})") from None


def reason_of(error: Exception) -> str:
    """Return an error's reason in one line of at most 200 characters; passwords in it are masked."""
    return masked(reason_in(str(error)) or type(error).__name__)[:200]


def _import_mlflow() -> Any:
    """Import MLflow, which takes 2 to 3 seconds, and keep it from printing."""
    for name, value in (_TIMEOUTS | _QUIET).items():
        os.environ.setdefault(name, value)
    import mlflow

    # Set after the import, which sets levels of its own. MLflow logs the traceback of every database
    # error before it raises it, and urllib3 logs every attempt; the caller reports the error in a line.
    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return mlflow
