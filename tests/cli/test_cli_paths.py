"""Folders with any characters in their names, and addresses in the place of a folder."""

from __future__ import annotations

import shlex
import sqlite3
import subprocess

import mlflow
import pytest
from support import environment, gain_study, hpsearch_command, result_of
from support import hpsearch_process as hpsearch

from hpsearch.search.database import open_storage
from hpsearch.search.home import Home
from hpsearch.search.sqlite import sqlite_url
from hpsearch.tracking.client import database_uri

pytestmark = pytest.mark.e2e

TRAINING = "def train(config, seed):\n    yield {'gain': config['x']}\n"
# `%41` is an A to whoever decodes it; `?` and `#` end the path of an address; Optuna replaces `{...}`.
NAME = "a %41?b#c d {x} é & 'q'"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The home folder of a study that was run there, everything in folders with such a name."""
    folder = tmp_path_factory.mktemp("paths") / NAME
    folder.mkdir()
    file = gain_study(folder, "odd", TRAINING, "search: {trials: 2, sampler: random}\n")
    home = folder / "home" / NAME
    done = hpsearch("run", str(file), "--workers=1", "-f", "json", home=home, cwd=folder)
    assert result_of(done)["trials"]["complete"] == 2
    assert "MLflow" not in done.stderr
    return home


def test_a_study_lives_in_a_folder_of_any_name(home):
    assert len(result_of(hpsearch("trials", "odd", "-f", "json", home=home))) == 2
    assert hpsearch("doctor", "odd", home=home).returncode == 0
    # Nothing was made in a folder that an address was misread for.
    assert [path.name for path in home.parents[2].iterdir()] == [NAME]
    assert {path.name for path in home.parents[1].iterdir() if path.suffix != ".py"} >= {"home", "odd.yaml"}
    assert [path.name for path in home.parent.iterdir()] == [NAME]


def test_its_artifacts_are_where_mlflow_says(home):
    client = mlflow.MlflowClient(database_uri(home / "mlflow.db"))
    (experiment,) = [found for found in client.search_experiments() if found.name == "odd"]
    (run,) = [
        run for run in client.search_runs([experiment.experiment_id]) if "mlflow.parentRunId" not in run.data.tags
    ]
    assert {file.path for file in client.list_artifacts(run.info.run_id)} >= {"study.yaml", "best.yaml"}
    assert (home / "artifacts" / "odd" / run.info.run_id / "artifacts" / "best.yaml").is_file()


def test_the_best_is_exported_and_trained_there(home):
    best = home.parents[1] / "best ?.yaml"
    assert hpsearch("export", "odd", "-o", str(best), home=home).returncode == 0
    assert "value" in result_of(hpsearch("train", str(best), "-f", "json", home=home))


@pytest.mark.parametrize("name", ["plain", "a b", "a%41", "a?b", "a#b", "{SCHEMA_VERSION}", "é", "a&b=c"])
@pytest.mark.parametrize("read_only", [False, True])
def test_the_address_of_a_database_leads_to_it(tmp_path, name, read_only):
    from sqlalchemy import create_engine

    folder = tmp_path / name
    folder.mkdir()
    sqlite3.connect(folder / "x.db").execute("CREATE TABLE here (x)")
    with create_engine(sqlite_url(folder / "x.db", read_only=read_only)).connect() as connection:
        assert connection.exec_driver_sql("SELECT name FROM sqlite_master").fetchall() == [("here",)]
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a%41?b", "{SCHEMA_VERSION}"])
def test_optuna_opens_the_database_of_such_a_home(tmp_path, name):
    open_storage(Home(tmp_path / name), create=True)
    assert open_storage(Home(tmp_path / name), create=False).get_all_studies() == []
    assert (tmp_path / name / "optuna.db").stat().st_size > 0


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://user:secret@host/db", "postgresql://user:***@host/db"),
        ("sqlite:///runs.db", "sqlite:///runs.db"),
        ("file:///tmp/runs", "file:///tmp/runs"),
    ],
)
def test_an_address_is_no_home_and_its_password_is_not_shown(tmp_path, address, shown):
    for arguments, variable in (((), address), (("--home", address), str(tmp_path))):
        refused = hpsearch("studies", *arguments, home=variable, cwd=tmp_path)
        assert refused.returncode == 2
        assert refused.stderr.startswith(f"error: --home or HPSEARCH_HOME is '{shown}', but must be a folder")
        assert len(refused.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_command_whose_streams_are_closed_ends_as_usual(tmp_path):
    file = gain_study(tmp_path, "closed", TRAINING, "search: {trials: 1, sampler: random}\n")
    command = shlex.join(hpsearch_command("run", file, "--workers=1"))
    closed = ["bash", "-c", f"{command} <&- >&- 2>&-"]
    subprocess.run(closed, env=environment(tmp_path / "home"), cwd=tmp_path, timeout=240, check=True)
    assert hpsearch("doctor", "closed", home=tmp_path / "home").returncode == 0
