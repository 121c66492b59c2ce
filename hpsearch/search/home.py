"""The home folder: the state of all studies, `./mlruns` unless told otherwise.

optuna.db                 the studies: the source of truth
mlflow.db, artifacts/     what the MLflow UI shows
studies/<name>/           who holds a study, checkpoints of its running trials
logs/                     what workers and servers print
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from hpsearch.errors import EnvironmentProblem, StudyBusyError


@dataclass(frozen=True)
class Home:
    """Where everything lives; `root` need not exist until `create` is called."""

    root: Path

    @property
    def optuna_db(self) -> Path:
        return self.root / "optuna.db"

    @property
    def mlflow_db(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def study(self, name: str) -> Path:
        return self.root / "studies" / name

    def checkpoints(self, name: str) -> Path:
        return self.study(name) / "checkpoints"

    def create(self) -> None:
        """Make the folder and see that it can be written to.

        Raises:
            EnvironmentProblem: it cannot.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise EnvironmentProblem(
                f"{self.root}: the home folder cannot be written to ({error.strerror}); "
                "name another with --home or HPSEARCH_HOME"
            ) from None

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Hold a study: one coordinator at a time. A dead holder's lock is gone with its process.

        Raises:
            StudyBusyError: says who holds it.
        """
        folder = self.study(name)
        folder.mkdir(parents=True, exist_ok=True)
        holder = folder / "holder.json"
        lock = FileLock(folder / "lock")
        try:
            # `holder` holds it for a moment to see whether anybody does.
            lock.acquire(timeout=0.5)
        except Timeout:
            raise StudyBusyError(f"study '{name}' is being run by {self.holder(name)}") from None
        try:
            about = {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            }
            holder.write_text(json.dumps(about), encoding="utf-8")
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def holder(self, name: str) -> Holder | None:
        """Who holds a study now; None where nobody does, whatever a dead one has left."""
        folder = self.study(name)
        if not (folder / "lock").is_file():
            return None
        lock = FileLock(folder / "lock")
        try:
            lock.acquire(blocking=False)
            lock.release()
            return None
        except Timeout:
            pass
        try:
            about = json.loads((folder / "holder.json").read_text(encoding="utf-8"))
            return Holder(int(about["pid"]), str(about["host"]), str(about["since"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Holder(0, "", "")


@dataclass(frozen=True)
class Holder:
    """The process that holds a study; all empty where it has not said yet who it is."""

    pid: int
    host: str
    since: str

    @property
    def here(self) -> bool:
        """Whether it runs on this machine."""
        return self.pid > 0 and self.host == socket.gethostname()

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}" if self.pid else "another process"


@contextmanager
def creating(database: Path) -> Iterator[None]:
    """Hold a SQLite file while its tables are made: two that make them at once fail, in Optuna as in MLflow.

    Raises:
        EnvironmentProblem: as `_prepare_sqlite`, or another process holds it for two minutes.
    """
    lock = FileLock(database.with_name(f".{database.name}.lock"), timeout=120)
    try:
        lock.acquire()
    except Timeout:
        raise EnvironmentProblem(f"{database}: another process has held {lock.lock_file} for two minutes") from None
    try:
        _prepare_sqlite(database)
        yield
    finally:
        lock.release()


def _prepare_sqlite(path: Path) -> None:
    """Write-ahead logging, so that readers (the UI, `hpsearch trials`) never wait for the coordinator.

    Raises:
        EnvironmentProblem: the file is no database, or cannot be written to.
    """
    try:
        with sqlite3.connect(path, timeout=30) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA schema_version")
        connection.close()
    except sqlite3.Error as error:
        raise EnvironmentProblem(f"{path}: {error}; move the file away or name another home with --home") from None
