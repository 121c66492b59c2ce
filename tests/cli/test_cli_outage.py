"""An MLflow server that is stopped in mid-study and started again, one that is never there; real processes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import mlflow
import psutil
import pytest
from mlflow_server import MlflowServer
from support import epochs_in, gain_study, hpsearch, processes_of, result_of, slow_study, start_hpsearch, wait_for

pytestmark = pytest.mark.e2e

TRIALS, EPOCHS, PAUSE = 4, 40, 0.05


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = MlflowServer(tmp_path)
    yield server
    server.kill()


def runs(uri: str) -> dict[str, Any]:
    """Every run of the study: status, parameters, tags and every metric at every step."""
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("slow")
    said = {}
    for run in client.search_runs([experiment.experiment_id]) if experiment else []:
        tags = {key: value for key, value in run.data.tags.items() if key != "mlflow.parentRunId"}
        metrics = {
            name: sorted((m.step, m.value) for m in client.get_metric_history(run.info.run_id, name))
            for name in run.data.metrics
        }
        said[run.info.run_name] = (run.info.status, run.data.params, tags, metrics)
    return said


@pytest.mark.e2e
def test_a_server_that_stops_in_mid_study_costs_no_row_and_no_time(server: MlflowServer, tmp_path: Path) -> None:
    home, file = tmp_path / "home", slow_study(tmp_path, EPOCHS, PAUSE, TRIALS, waits=TRIALS - 1)
    server.start()
    address = ["--tracking-uri", server.url]
    process = start_hpsearch("run", str(file), "--workers=1", *address, home=home, cwd=tmp_path)
    wait_for(lambda: len(runs(server.url)) >= 2 and epochs_in(home) > 10, 60, "runs on the server")
    server.kill()
    assert epochs_in(home) < 2 * EPOCHS
    # All but the last trial, which waits for the server to be back.
    wait_for(lambda: epochs_in(home) == (TRIALS - 1) * EPOCHS, 60, "epochs while the server is down")
    server.start()
    (tmp_path / "go").touch()
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert stderr.count("could not be written") == 1
    assert f"compare the runs:   {server.url}" in stderr
    assert "/experiments/" not in stdout

    agreed = hpsearch("doctor", "slow", "--tracking-uri", server.url, "-f", "json", home=home)
    assert result_of(agreed)["agree"] is True
    on_server = runs(server.url)
    assert len(on_server) == TRIALS + 1
    for number in range(TRIALS):
        status, _, _, metrics = on_server[f"trial {number}"]
        assert status == "FINISHED"
        assert [step for step, _ in metrics["val_loss"]] == list(range(1, EPOCHS + 1))
        # No epoch waited for the server: neither for its death nor for its return.
        clocks = [value for _, value in metrics["clock"]]
        assert max(after - first for first, after in pairwise(clocks)) < 5.0

    # The home folder's own database has seen nothing of the study so far.
    rebuilt = hpsearch("doctor", "slow", "--repair", home=home)
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert rebuilt.stdout.count("has no run") == TRIALS
    assert runs(f"sqlite:///{home / 'mlflow.db'}") == on_server


@pytest.mark.e2e
def test_without_a_server_a_study_trains_and_nobody_sees_the_password(tmp_path: Path) -> None:
    home, file, secret = tmp_path / "home", slow_study(tmp_path, 20, 0.05, 2), "s3cret-Word"
    variables = {"MLFLOW_TRACKING_URI": f"http://me:{secret}@127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    process = start_hpsearch("run", str(file), "--workers=1", home=home, **variables)
    wait_for(lambda: epochs_in(home) > 5, 60, "the first epochs")
    commands = [" ".join(command_of(found)) for found in processes_of(process.pid)]
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert [line for line in stderr.splitlines() if "could not be written" in line]
    assert "hpsearch doctor slow --repair" in stderr
    assert epochs_in(home) == 40
    refused = hpsearch("doctor", "slow", home=home, **variables)
    assert refused.returncode == 2
    assert "http://me:***@127.0.0.1:9: MLflow cannot be read" in refused.stderr
    kept = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    for text in [*commands, stdout, stderr, refused.stderr]:
        assert secret not in text
    assert commands
    assert not [content for content in kept if secret.encode() in content]
    mended = hpsearch("doctor", "slow", "--repair", home=home)
    assert mended.returncode == 0, mended.stderr
    again = hpsearch("doctor", "slow", home=home)
    assert (again.returncode, again.stdout) == (0, "")


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def test_doctor_says_so_where_mlflow_lacks_the_study(finished, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'other.db'}"
    done = hpsearch("doctor", "quickstart", "--tracking-uri", uri, home=finished.home)
    assert done.returncode == 4
    assert done.stdout.splitlines()[:2] == ["the study's own run is missing", "trial 0 has no run"]
    assert "7 differences" in done.stderr
    assert not (tmp_path / "other.db").exists()
    agreed = hpsearch("doctor", "quickstart", home=finished.home)
    assert (agreed.returncode, agreed.stdout) == (0, "")
    assert "agrees with study 'quickstart': 7 runs" in agreed.stderr


def test_an_address_of_no_mlflow_is_refused_before_anything_trains(tmp_path: Path) -> None:
    file = slow_study(tmp_path, 1, 0, 1)
    done = hpsearch("run", str(file), "--tracking-uri", "./mlruns", home=tmp_path / "home")
    assert done.returncode == 2
    assert "--tracking-uri: must be the address" in done.stderr
    assert not (tmp_path / "home").exists()


BROKEN = """
def train(config, seed):
    for epoch in range(2):
        if config["x"] < 0.43:
            raise ValueError("too small")
        yield {"gain": config["x"]}
"""


def lacking(stderr: str) -> dict[str, list[str]]:
    """What the end of a run says of each MLflow that lacks a part: the command that is suggested, by address."""
    said = [line for line in stderr.splitlines() if "MLflow lacks a part of study 'broken'" in line]
    assert said == stderr.splitlines()[len(stderr.splitlines()) - len(said) :]
    return {line.partition(": MLflow")[0]: shlex.split(line.split("`")[1]) for line in said}


def test_what_an_mlflow_lacks_is_said_whichever_address_the_next_run_has(tmp_path):
    gain_study(tmp_path, "broken", BROKEN, "search: {trials: 3, sampler: random, pruner: none}\n")
    home, other = tmp_path / "my home", f"sqlite:///{tmp_path / 'other.db'}"
    here, there = str(home / "mlflow.db"), ["--tracking-uri", other]
    repair = ["hpsearch", "doctor", "broken", "--repair", "--home", str(home)]

    def run(*options: str) -> str:
        done = hpsearch("run", "broken.yaml", "--workers=1", *options, home=home, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stderr

    home.mkdir()
    # Nothing can be written below a file.
    (home / "artifacts").touch()
    told = run()
    assert "MLflow's artifacts could not be written" in told
    assert lacking(told) == {here: repair}
    # Nothing is trained, and nothing is written to an address that the study has never had.
    assert lacking(run(*there)) == {here: repair, other: [*repair, *there]}
    assert not (tmp_path / "other.db").exists()
    (home / "artifacts").unlink()
    # The other one gets the whole study; the first one lacks its last trial now, too.
    told = run(*there, "--trials", "4")
    assert lacking(told) == {here: repair}
    agrees = hpsearch("doctor", "broken", *there, home=home, cwd=tmp_path)
    assert agrees.returncode == 0, agrees.stdout
    assert hpsearch("doctor", "broken", home=home).returncode == 4
    told = run("--trials", "4")
    assert "telling MLflow what an earlier run could not ..." in told
    assert lacking(told) == {}
    agrees = hpsearch("doctor", "broken", home=home)
    assert agrees.returncode == 0, agrees.stdout
    # Once is enough.
    assert "telling MLflow" not in run("--trials", "4")
    # What is suggested mends what was said.
    told = run("--trials", "5")
    suggested = lacking(told)[other]
    mended = hpsearch(*suggested[1:], home=tmp_path / "elsewhere", cwd=tmp_path)
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert lacking(run("--trials", "5")) == {}
