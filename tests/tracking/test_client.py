"""MLflow's empty tables are copied from the cache, and are the ones that MLflow makes."""

import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow
import pytest

from hpsearch.tracking import client as module
from hpsearch.tracking.client import open_client


def tables(database: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HPSEARCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_second_database_has_the_tables_of_the_first_and_a_default_experiment_of_its_own(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "a" / "mlflow.db", tmp_path / "b" / "mlflow.db"
    first.parent.mkdir()
    second.parent.mkdir()
    open_client(first)
    assert (cache / "mlflow" / f"tables-{mlflow.__version__}.db").is_file()
    copied: list[Path] = []
    copy = module._copy
    monkeypatch.setattr(module, "_copy", lambda source, target: (copy(source, target), copied.append(target)))
    client = open_client(second)
    assert copied == [second]
    assert tables(first) == tables(second)
    assert client.get_experiment("0").artifact_location == str(second.parent / "artifacts" / "0")
    with closing(sqlite3.connect(second)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_database_with_runs_is_never_written_over(tmp_path: Path, cache: Path) -> None:
    database = tmp_path / "mlflow.db"
    client = open_client(database)
    run = client.create_run("0").info.run_id
    assert open_client(database).get_run(run).info.run_id == run
