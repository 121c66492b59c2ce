"""An MLflow server that asks for a password: a study logs to it, the doctor reads it, a wrong one costs a line."""

from __future__ import annotations

import signal
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from mlflow_server import MlflowServer
from support import hpsearch, lines_of, result_of, slow_study, start_hpsearch, wait_for

from hpsearch.search.home import Home
from hpsearch.tracking import runs as module
from hpsearch.tracking.client import connect
from hpsearch.tracking.runs import read_metrics, read_run_metrics, study_runs
from hpsearch.tracking.target import Target

pytestmark = pytest.mark.e2e

PASSWORD = "of one's own"
WHO = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": PASSWORD}
WRONG = WHO | {"MLFLOW_TRACKING_PASSWORD": "of somebody else"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with pytest.MonkeyPatch.context() as context:
        context.setenv("NO_PROXY", "127.0.0.1")
        server = MlflowServer(tmp_path_factory.mktemp("server"), PASSWORD)
        server.start()
        yield server
        server.kill()


@pytest.fixture(scope="module")
def home(server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A study whose runs are on the server."""
    folder = tmp_path_factory.mktemp("study")
    home = Home(folder / "home")
    file = str(slow_study(folder, 5, 0.01, 1))
    done = hpsearch("run", file, "--workers=1", "--tracking-uri", server.url, home=home.root, cwd=folder, **WHO)
    assert done.returncode == 0, done.stderr
    assert "MLflow" not in done.stderr
    return home


def test_a_study_logs_to_a_server_with_a_password(server: MlflowServer, home: Home) -> None:
    # The password may stand in the variable's address, which nothing prints.
    address = server.url.replace("http://", "http://admin:of%20one%27s%20own@")
    done = hpsearch("doctor", "slow", "-f", "json", home=home.root, MLFLOW_TRACKING_URI=address)
    assert result_of(done)["agree"] is True
    assert "own@" not in done.stdout + done.stderr


@pytest.mark.e2e
def test_a_wrong_password_is_told_once_and_the_study_goes_on(server: MlflowServer, tmp_path: Path) -> None:
    file, address = str(slow_study(tmp_path, 5, 0.2, 3)), ["--tracking-uri", server.url]
    done = hpsearch("run", file, "--workers=1", "--set=name=other", *address, home=tmp_path, cwd=tmp_path, **WRONG)
    assert done.returncode == 0
    assert "study 'other' is complete: 3 of 3 trials" in done.stderr
    told = [line for line in lines_of(done.stderr) if "MLflow" in line]
    assert len(told) == 2
    assert f"MLflow at {server.url} could not be written" in told[0]
    assert "not authenticated" in told[0].lower() or "401" in told[0]
    assert "hpsearch doctor other --repair" in told[1]
    assert WRONG["MLFLOW_TRACKING_PASSWORD"] not in done.stderr

    refused = hpsearch("doctor", "other", *address, home=tmp_path, **WRONG)
    assert (refused.returncode, len(lines_of(refused.stderr))) == (2, 1)


def test_many_runs_are_read_in_few_calls(server: MlflowServer, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in WHO.items():
        monkeypatch.setenv(name, value)
    target = Target(home, server.url)
    client = connect(target)
    runs = list(study_runs(client, client.get_experiment_by_name("slow").experiment_id))
    for run in runs:
        read_run_metrics(client, run)
    one_by_one = [run.metrics for run in runs]
    assert sorted(sum("val_loss" in values for values in metrics.values()) for metrics in one_by_one) == [0, 5]
    with monkeypatch.context() as forbidden:
        forbidden.delattr(type(client), "get_metric_history")
        read_metrics(client, target, runs)
        assert [run.metrics for run in runs] == one_by_one
    # An answer that is full may lack something.
    monkeypatch.setattr(module, "_VALUES", 4)
    read_metrics(client, target, runs)
    assert [run.metrics for run in runs] == one_by_one


@pytest.mark.e2e
def test_the_ui_that_others_can_reach_asks_for_a_password(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    connect(Target(home))
    command = start_hpsearch(
        "ui", "--host", "0.0.0.0", "--no-open", home=home.root, MLFLOW_AUTH_ADMIN_PASSWORD=PASSWORD
    )
    try:
        assert command.stdout is not None
        address = command.stdout.readline().partition("/#")[0]
        search = f"{address}/api/2.0/mlflow/experiments/search?max_results=5"
        opener = build_opener(ProxyHandler({}))
        with pytest.raises(HTTPError, match="401"):
            opener.open(search, timeout=90)
        login = {"Authorization": f"Basic {b64encode(f'admin:{PASSWORD}'.encode()).decode()}"}
        with opener.open(Request(search, headers=login), timeout=90) as answer:
            assert answer.status == 200
    finally:
        command.send_signal(signal.SIGINT)
        command.communicate(timeout=90)
    wait_for(lambda: command.returncode == 0, 30, "the command ends")
