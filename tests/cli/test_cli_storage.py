"""A full disk, a read-only folder, a database that is damaged or held by another: one clear line, nothing lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support import (
    epochs_in,
    hpsearch,
    lines_of,
    processes_of,
    require,
    result_of,
    slow_study,
    start_hpsearch,
    wait_for,
)

from hpsearch.errors import EnvironmentProblem
from hpsearch.search import database, sqlite
from hpsearch.search.home import Home

MEGABYTE = 1 << 20


def mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 16 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    require(os.geteuid() == 0 and mount("-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)), "mounting needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """A file that takes all the room that is left."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (MEGABYTE, 4096):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return path


@pytest.mark.e2e
def test_a_full_disk_ends_a_run_with_a_line_and_loses_nothing(small_disk: Path, tmp_path: Path) -> None:
    home, file = small_disk / "home", slow_study(tmp_path, 60, 0.02, 4)
    process = start_hpsearch("run", str(file), "--workers=1", home=home)
    wait_for(lambda: epochs_in(home) > 80, 90, "a finished trial and some epochs")
    filler = fill(small_disk)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 2, stderr
    assert "Traceback" not in stderr
    assert lines_of(stderr)[-1].startswith("error: ")
    assert "full" in lines_of(stderr)[-1] or "No space left" in lines_of(stderr)[-1]
    wait_for(lambda: not processes_of(process.pid), 20, "the end of all processes")
    filler.unlink()
    told = {t["number"]: t for t in result_of(hpsearch("trials", "slow", "-f", "json", home=home))}
    assert told[0]["state"] == "COMPLETE"
    again = hpsearch("run", str(file), "--workers=1", "-f", "json", home=home)
    assert result_of(again)["trials"] == {"complete": 4, "pruned": 0, "failed": 0}
    after = {t["number"]: t for t in result_of(hpsearch("trials", "slow", "-f", "json", home=home))}
    assert after[0] == told[0]
    assert epochs_in(home) == 240
    assert hpsearch("doctor", "slow", home=home).returncode == 0


def test_a_read_only_folder(small_disk: Path, tmp_path: Path) -> None:
    home, file = small_disk / "home", slow_study(tmp_path, 2, 0, 1)
    assert hpsearch("run", str(file), home=home).returncode == 0
    assert mount("-o", "remount,ro", str(small_disk))
    for command in (["run", str(file), "--trials=2"], ["doctor", "slow"]):
        done = hpsearch(*command, home=home)
        assert done.returncode == 2, done.stderr
        assert len(lines_of(done.stderr)) == 1
        assert "Read-only file system" in done.stderr
    # Looking needs no more than reading.
    assert len(result_of(hpsearch("trials", "slow", "-f", "json", home=home))) == 1


@pytest.mark.e2e
def test_a_damaged_mlflow_database_is_named_and_can_be_written_again(tmp_path: Path) -> None:
    home, file = tmp_path / "home", slow_study(tmp_path, 2, 0, 1)
    assert hpsearch("run", str(file), home=home).returncode == 0
    (home / "mlflow.db").write_bytes(b"this is no database" * 1000)
    for command in (["run", str(file), "--trials=2"], ["doctor", "slow"]):
        done = hpsearch(*command, home=home)
        assert done.returncode == 2, done.stderr
        assert "mlflow.db" in lines_of(done.stderr)[-1]
        assert "Traceback" not in done.stderr
    for path in home.glob("mlflow.db*"):
        path.unlink()
    assert hpsearch("run", str(file), "--trials=2", home=home).returncode == 0
    agreed = hpsearch("doctor", "slow", home=home)
    assert (agreed.returncode, agreed.stdout) == (0, "")


def test_a_database_that_another_program_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    database.open_storage(home, create=True)
    for module in (sqlite, database):
        monkeypatch.setattr(module, "BUSY_SECONDS", 0.2)
    with closing(sqlite3.connect(home.optuna_db)) as other:
        other.execute("BEGIN EXCLUSIVE")
        opened = database.open_storage(home, create=False)
        with (
            pytest.raises(EnvironmentProblem, match="is locked; another program holds it"),
            database.database_errors(home),
        ):
            opened.create_new_study(["minimize"], "late")
