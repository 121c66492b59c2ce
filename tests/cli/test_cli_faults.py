"""A user's own code that does its worst: each trial fails alone, with what happened."""

from __future__ import annotations

import mlflow
import pytest
from cli.kills import assert_stores_agree, records_of
from support import lines_of, processes_of, start_hpsearch, wait_for

from hpsearch.training.results import Outcome

pytestmark = pytest.mark.e2e

MODULE = """
import os, subprocess, sys, time

def train(config, seed):
    yield {"value": 1}
    FAULTS[config["fault"]]()
    yield {"value": 2}
    while config["fault"] == "dawdles":
        time.sleep(0.1)
        yield {"value": 3}

def nothing():
    pass

def raises():
    raise ValueError("a fault of my own")

def looks_gone():
    raise BrokenPipeError("as if the coordinator were gone")

def interrupts():
    raise KeyboardInterrupt

def exits():
    sys.exit(3)

def exits_at_once():
    # What it has started must end with it.
    subprocess.Popen(["sleep", "1000"])
    os._exit(4)

def prints():
    print("x" * 100_000)
    sys.stderr.write("and more\\n")

def hangs():
    time.sleep(1000)

def allocates():
    held = []
    while True:
        held.append(bytearray(os.urandom(1)) * 10_000_000)
        time.sleep(0.002)

FAULTS = {f.__name__: f for f in (
    nothing, raises, looks_gone, interrupts, exits, exits_at_once, prints, hangs, allocates)}
FAULTS["dawdles"] = nothing
"""
STUDY = """
name: faults
trainable: faults:train
objective: {metric: value, direction: maximize}
trial: {fault: {choice: [%(names)s]}}
enqueue: [%(enqueued)s]
limits: {%(limits)s}
search: {trials: %(trials)d, pruner: none}
"""
NAMES = "nothing, raises, looks_gone, interrupts, exits, exits_at_once, prints, hangs, dawdles, allocates"


def write_study(folder, names, limits="retries: 1", trials=None):
    (folder / "faults.py").write_text(MODULE)
    enqueued = ", ".join(f"{{fault: {name}}}" for name in names)
    texts = {"names": NAMES, "enqueued": enqueued, "limits": limits, "trials": trials or len(names)}
    file = folder / "faults.yaml"
    file.write_text(STUDY % texts)
    return file


def run(file, home, *arguments):
    """(exit code, stderr, records by fault); nothing is left running."""
    process = start_hpsearch("run", str(file), *arguments, home=home)
    stdout, stderr = process.communicate(timeout=120)
    assert "Traceback" not in stdout + stderr
    wait_for(lambda: not processes_of(process.pid), 20, "the end of all processes")
    return process.returncode, stderr, {record.config.values["fault"]: record for record in records_of(home, "faults")}


def test_what_raises_exits_or_prints_fails_alone_with_its_traceback(tmp_path):
    names = ["nothing", "raises", "looks_gone", "interrupts", "exits", "exits_at_once", "prints"]
    # Two of them end without failing, the second one last.
    code, stderr, records = run(write_study(tmp_path, names, trials=2), tmp_path / "home", "--workers=2")
    assert code == 0, stderr
    assert_stores_agree(tmp_path / "home", "faults", len(names))
    good = {name for name, record in records.items() if record.good}
    assert good == {"nothing", "prints"}
    details = {name: record.detail for name, record in records.items()}
    assert details["raises"] == "ValueError: a fault of my own"
    assert details["looks_gone"].startswith("BrokenPipeError")
    assert details["interrupts"].startswith("KeyboardInterrupt")
    assert details["exits"].endswith("SystemExit: 3")
    assert "exit code 4" in details["exits_at_once"]
    assert details["exits_at_once"].endswith("given up after 1 retries")
    assert len(records["exits_at_once"].worker_failures) == 2
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'home' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("faults")
    for run_ in client.search_runs([experiment.experiment_id], "params.fault = 'raises'"):
        text = mlflow.artifacts.load_text(f"{run_.info.artifact_uri}/traceback.txt")
        assert "in raises" in text
        assert text == records["raises"].traceback
    assert "x" * 100_000 in (tmp_path / "home" / "logs" / "faults-workers.log").read_text()


def test_what_hangs_dawdles_or_allocates_without_end_is_ended_and_the_rest_goes_on(tmp_path):
    limits = "epoch_seconds: 1, trial_seconds: 3s, memory: 500MB, retries: 1"
    file = write_study(tmp_path, ["hangs", "dawdles", "allocates", "nothing"], limits, trials=3)
    code, stderr, records = run(file, tmp_path / "home", "--workers=2")
    assert code == 0, stderr
    expected = {
        "hangs": (Outcome.FAILED, "no epoch ended within limits.epoch_seconds of 1 s"),
        "dawdles": (Outcome.OVER_TIME, "longer than limits.trial_seconds of 3 s"),
        "allocates": (Outcome.OVER_MEMORY, "more than limits.memory of 500 MB"),
    }
    for fault, (outcome, sentence) in expected.items():
        assert records[fault].outcome is outcome
        assert sentence in records[fault].detail
    assert len(records["hangs"].worker_failures) == 2
    assert not records["dawdles"].worker_failures
    assert records["nothing"].good
    assert "2 of the pruned went over their limits" in stderr
    assert_stores_agree(tmp_path / "home", "faults", 4)


def test_a_study_in_which_everything_fails_stops_early_and_says_why(tmp_path):
    file = write_study(tmp_path, ["raises"] * 20, trials=20)
    file.write_text(file.read_text().replace(f"[{NAMES}]", "[raises, exits]"))
    code, stderr, _ = run(file, tmp_path / "home", "--workers=1")
    assert code == 3
    (line,) = [line for line in lines_of(stderr) if "was stopped early" in line]
    assert "the first 5 trials of this run all failed" in line
    assert "a fault of my own" in line or "SystemExit" in line
    assert len([r for r in records_of(tmp_path / "home", "faults") if r.state == "FAIL"]) == 5
