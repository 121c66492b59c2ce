"""Which MLflow takes the runs, who may reach the UI, and that no password is ever shown."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from hpsearch.errors import EnvironmentProblem, HpsearchError, masked
from hpsearch.search.home import Home
from hpsearch.search.storage import incomplete_addresses, set_address_complete
from hpsearch.tracking.target import VARIABLE, Target, find_target
from hpsearch.tracking.ui import needs_password

HOME = Home(Path("mlruns"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:s3cret@host/db", "postgresql://me:***@host/db"),
        ("postgresql+psycopg://me:s3@cret:x@host:5432/db?a=1", "postgresql+psycopg://me:***@host:5432/db?a=1"),
        ("GET http://me:s3cret@host:5000/api failed", "GET http://me:***@host:5000/api failed"),
        ("http://:s3cret@host", "http://:***@host"),
        ("postgresql://me@/db?host=/run&password=s3cret&x=1", "postgresql://me@/db?host=/run&password=***&x=1"),
        ("http://host:5000/#/experiments/1", "http://host:5000/#/experiments/1"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("mail me@host: at 10:30", "mail me@host: at 10:30"),
    ],
)
def test_masked(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert masked(shown) == shown


def test_the_option_comes_before_the_variable_and_the_home_folder_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "http://there:5000")
    assert find_target(HOME, "https://here").uri == "https://here"
    assert find_target(HOME, None).uri == "http://there:5000"
    monkeypatch.setenv(VARIABLE, "")
    target = find_target(HOME, None)
    assert (target.uri, target.database) == (None, HOME.mlflow_db)
    assert find_target(HOME, "sqlite:////data/ml.db").database == Path("/data/ml.db")
    # Absolute, since a user's code may change the current folder.
    assert find_target(HOME, "sqlite:///ml.db").database == Path("ml.db").absolute()
    assert find_target(HOME, "postgresql+psycopg://me@host/db").database is None


def test_a_relative_database_that_an_earlier_version_recorded_is_the_one_that_a_run_names() -> None:
    study = optuna.create_study()
    study.set_user_attr("hpsearch:untold", "sqlite:///ml.db")
    key = find_target(HOME, "sqlite:///ml.db").key
    assert incomplete_addresses(study) == [key]
    set_address_complete(study, key)
    assert incomplete_addresses(study) == []


@pytest.mark.parametrize(
    "uri", ["./mlruns", "file:///tmp/x", "ftp://host", "http://", "sqlite://", "sqlite:///", "me:pw"]
)
def test_what_is_no_address_of_mlflow(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HpsearchError, match="--tracking-uri: must be the address"):
        find_target(HOME, uri)
    monkeypatch.setenv(VARIABLE, uri)
    with pytest.raises(HpsearchError, match=f"{VARIABLE}: must be the address"):
        find_target(HOME, None)


def test_a_password_is_refused_on_the_command_line_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    uri = "http://me:s3cret@host"
    with pytest.raises(HpsearchError) as caught:
        find_target(HOME, uri)
    assert VARIABLE in str(caught.value)
    assert "s3cret" not in str(caught.value)
    monkeypatch.setenv(VARIABLE, uri)
    target = find_target(HOME, None)
    assert target.uri == uri
    assert "s3cret" not in f"{target} {target!r} {target.command('doctor', 'digits')}"


def test_a_suggested_command_finds_the_same_home_and_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HPSEARCH_HOME", raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)
    spaced, secret = Home(Path("my runs")), "http://me:s3cret@host"
    assert Target(HOME).command("trials", "digits") == "hpsearch trials digits"
    assert Target(spaced).command("trials", "digits") == "hpsearch trials digits --home 'my runs'"
    assert Target(HOME, "http://host/a b").command("ui") == "hpsearch ui --tracking-uri 'http://host/a b'"
    # The usual folder has to be named where the variable names another one.
    monkeypatch.setenv("HPSEARCH_HOME", "elsewhere")
    assert Target(HOME).command("ui") == "hpsearch ui --home mlruns"
    monkeypatch.delenv("HPSEARCH_HOME")
    hidden = Target.of_key(HOME, Target(HOME, secret).key)
    assert hidden.command("ui") == f"{VARIABLE}='http://me:***@host' hpsearch ui"
    monkeypatch.setenv(VARIABLE, secret)
    assert hidden.command("ui") == Target(HOME, secret).command("ui") == "hpsearch ui"
    assert Target(HOME).command("ui") == f"{VARIABLE}= hpsearch ui"


def test_the_database_of_the_home_folder_has_one_address() -> None:
    assert find_target(HOME, f"sqlite:///{HOME.mlflow_db.resolve()}") == Target(HOME)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_server_for_this_machine_alone_asks_nobody(host: str) -> None:
    assert not needs_password(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "my-machine"])
def test_a_server_that_others_can_reach_asks_for_a_password(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_AUTH_ADMIN_PASSWORD", raising=False)
    with pytest.raises(EnvironmentProblem, match="set MLFLOW_AUTH_ADMIN_PASSWORD"):
        needs_password(host)
