"""Which MLflow takes the runs, who may reach the UI, and that no password is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpsearch.errors import EnvironmentProblem, HpsearchError, masked
from hpsearch.search.home import Home
from hpsearch.tracking.target import VARIABLE, find_target
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
    assert (target.uri, target.database, target.options) == (None, HOME.mlflow_db, "")
    assert find_target(HOME, "sqlite:////data/ml.db").database == Path("/data/ml.db")
    assert find_target(HOME, "postgresql+psycopg://me@host/db").database is None


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
    assert "s3cret" not in f"{target} {target!r} {target.options}"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_server_for_this_machine_alone_asks_nobody(host: str) -> None:
    assert not needs_password(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "my-machine"])
def test_a_server_that_others_can_reach_asks_for_a_password(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_AUTH_ADMIN_PASSWORD", raising=False)
    with pytest.raises(EnvironmentProblem, match="set MLFLOW_AUTH_ADMIN_PASSWORD"):
        needs_password(host)
