"""A study deleted from its home folder: its trials, the trainings of its finalists, checkpoints, models and logs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import optuna

from hpsearch.errors import EnvironmentProblem
from hpsearch.search.database import database_errors
from hpsearch.search.home import HOLDER_FILES, Home
from hpsearch.search.storage import StoredStudy


def delete_study(home: Home, study: StoredStudy) -> None:
    """Delete a study and its files; the caller holds it.

    The study's own entry in the database goes last: until then the same command finds it again.

    Raises:
        EnvironmentProblem: a file or the database cannot be written.
    """
    delete_files(home, study.name)
    with database_errors(home, RuntimeError):
        names = optuna.get_all_study_names(study.storage)
        parts = [name for name in names if name.startswith(f"{study.name}/")]
        for name in [*parts, study.name]:
            optuna.delete_study(study_name=name, storage=study.storage)


def delete_files(home: Home, name: str) -> None:
    """Delete what a study left in its folder and among the logs, except the lock that says who holds it.

    Raises:
        EnvironmentProblem: a file cannot be deleted.
    """
    for path in _files(home, name):
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError as error:
            raise EnvironmentProblem(f"{error.filename}: cannot be deleted: {error.strerror}") from None


def delete_folder(home: Home, name: str) -> None:
    """Delete the folder of a study whose files are deleted; the caller holds the study.

    Once the lock is released, another process may hold a new study of this name: its lock must not be deleted.
    """
    folder = home.study(name)
    with suppress(OSError):
        for file in HOLDER_FILES:
            (folder / file).unlink(missing_ok=True)
        folder.rmdir()


def _files(home: Home, name: str) -> Iterator[Path]:
    folder = home.study(name)
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if path.name not in HOLDER_FILES)
    logs = (home.logs / f"{name}-{what}.log" for what in ("workers", "models", "reproduce"))
    yield from (log for log in logs if log.is_file())
