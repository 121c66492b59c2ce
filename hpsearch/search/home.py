"""The home folder, `./mlruns` by default: the state of all studies.

optuna.db                 the studies: the source of truth
mlflow.db, artifacts/     what the MLflow UI shows
studies/<name>/           the lock of a study, checkpoints of its running trials, its results: comparison.html,
                          the models of its finalists
logs/                     what workers and servers print
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from hpsearch.errors import EnvironmentProblem, StudyBusyError, command_line

_SQLITE = "sqlite:///"
# Files in a study's folder that name the process that holds it.
HOLDER_FILES = frozenset({"lock", "holder.json"})


@dataclass(frozen=True)
class Home:
    """The home folder; `root` need not exist until `create` is called.

    Attributes:
        root: the folder, absolute: a user's code may change the current folder.
        given: the same folder as the user named it.
    """

    root: Path
    given: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "given", str(self.root))
        object.__setattr__(self, "root", self.root.absolute())

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

    @property
    def arguments(self) -> list[str]:
        """The option with which a further command finds this folder; empty if the folder is the default."""
        default = self.given == "mlruns" and not os.environ.get("HPSEARCH_HOME")
        return [] if default else ["--home", self.given]

    def command(self, *words: object) -> str:
        """Return a command on this home folder as a shell takes it: `hpsearch trials digits --home runs`."""
        return command_line("hpsearch", *words, *self.arguments)

    def study_folder(self, name: str) -> Path:
        return self.root / "studies" / name

    def checkpoints_folder(self, name: str, stage: str = "") -> Path:
        return self.study_folder(name) / stage / "checkpoints"

    def models_folder(self, name: str, stage: str) -> Path:
        return self.study_folder(name) / stage / "models"

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
        """Hold the lock of a study, which one process at a time can have. It is released when the process dies.

        Raises:
            StudyBusyError: another process holds it.
        """
        folder = self.study_folder(name)
        holder = folder / "holder.json"
        lock = FileLock(folder / "lock")
        about = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # `holder` takes the lock for a moment to see whether it is free.
            lock.acquire(timeout=0.5)
            holder.write_text(json.dumps(about), encoding="utf-8")
        except Timeout:
            raise StudyBusyError(
                f"study '{name}' is being run by {self.holder(name)}; `{self.command('stop', name)}` stops it"
            ) from None
        except OSError as error:
            lock.release()
            raise EnvironmentProblem(f"{folder}: the study cannot be locked ({error.strerror})") from None
        try:
            yield
        finally:
            # If the file cannot be deleted (a disk that became read-only), the next holder overwrites it.
            with suppress(OSError):
                holder.unlink(missing_ok=True)
            lock.release()

    def holder(self, name: str) -> Holder | None:
        """Return the process that holds a study now, or None."""
        folder = self.study_folder(name)
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
    """The process that holds a study; all fields are empty while it has not written them yet."""

    pid: int
    host: str
    since: str

    @property
    def here(self) -> bool:
        """Whether it runs on this machine."""
        return self.pid > 0 and self.host == socket.gethostname()

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}" if self.pid else "another process"


def absolute_address(address: str) -> str:
    """Return an address with the path of its SQLite file made absolute."""
    path = address.removeprefix(_SQLITE)
    if path == address or path.startswith(("/", "file:")):
        return address
    return f"{_SQLITE}{Path(path).absolute()}"
