"""The MLflow database of a home folder, opened without a word on the terminal."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from hpsearch.errors import EnvironmentProblem
from hpsearch.search.home import creating
from hpsearch.tracking.empty_database import fill_from_cache, is_empty, keep, settle


def database_uri(database: Path) -> str:
    """The database as MLflow is told of it; absolute, so that the current folder does not matter."""
    return f"sqlite:///{database.resolve()}"


def open_client(database: Path) -> Any:
    """An `mlflow.MlflowClient` on the database, which is created where it is missing.

    Importing MLflow takes 2 to 3 seconds, so it happens here and not with this module.

    Raises:
        EnvironmentProblem: the database cannot be used.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow

    # After the import, which sets levels of its own. MLflow logs the traceback of every database
    # error before it raises it; who calls tells the error in a line.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    uri = database_uri(database)
    # The write-ahead log also makes a write six times as fast: 4 ms an epoch instead of 23.
    with creating(database):
        try:
            new = is_empty(database)
            if new:
                fill_from_cache(database, mlflow.__version__)
            client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
            client.search_experiments(max_results=1)
            if new:
                keep(database, mlflow.__version__)
                settle(database, database.resolve().with_name("artifacts"))
        # MLflow, SQLAlchemy, Alembic and sqlite3 each raise errors of their own here.
        except Exception as error:  # noqa: BLE001, RUF100
            raise EnvironmentProblem(
                f"{database}: MLflow cannot use it ({first_line(error)}); "
                "move the file away or name another home with --home"
            ) from None
    return client


def first_line(error: Exception) -> str:
    """The first line of an error's text, as long as a terminal can take."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
