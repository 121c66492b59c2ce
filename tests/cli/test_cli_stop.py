"""`hpsearch stop`: from another terminal, the real command on the real command."""

from __future__ import annotations

import json
import signal

import pytest
from cli.kills import assert_stores_agree, records_of, write_quick
from support import hpsearch, processes_of, start_hpsearch, wait_for

pytestmark = pytest.mark.e2e


def holder(home, study):
    return home / "studies" / study / "holder.json"


def test_stop_ends_a_run_as_ctrl_c_does_and_the_same_command_goes_on(tmp_path):
    file, home = write_quick(tmp_path, "halted", trials=3, epochs=20, seconds=0.1, pruner="none"), tmp_path / "home"
    process = start_hpsearch("run", str(file), home=home)
    wait_for((home / "mlflow.db").exists, 60, "training")
    done = hpsearch("stop", "halted", home=home)
    assert done.returncode == 0, done.stderr
    assert "study 'halted' was stopped" in done.stderr
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    wait_for(lambda: not processes_of(process.pid), 10, "the end of all processes")
    assert "RUNNING" not in {record.state for record in records_of(home, "halted")}
    assert hpsearch("run", str(file), home=home).returncode == 0
    assert_stores_agree(home, "halted", 3)


def test_there_is_a_clear_line_where_there_is_nothing_to_stop(tmp_path):
    file, home = write_quick(tmp_path, "still", trials=1, epochs=1, seconds=0), tmp_path / "home"
    assert hpsearch("run", str(file), home=home).returncode == 0
    # As a killed run leaves it: the lock is gone with its process, what it wrote is not.
    holder(home, "still").write_text(json.dumps({"pid": 1, "host": "elsewhere", "since": "yesterday"}))
    for study, line in (
        ("still", "error: study 'still' is not being run"),
        ("stil", "error: unknown study 'stil' (did you mean 'still'?); available: still"),
        ("../studies/still", "error: unknown study '../studies/still'; available: still"),
    ):
        done = hpsearch("stop", study, home=home)
        assert (done.returncode, done.stderr.strip()) == (2, line)


def test_a_run_on_another_machine_is_not_stopped_here(tmp_path):
    file, home = write_quick(tmp_path, "far", trials=3, epochs=100, seconds=0.1), tmp_path / "home"
    process = start_hpsearch("run", str(file), home=home)
    try:
        wait_for(holder(home, "far").exists, 60, "the lock")
        about = json.loads(holder(home, "far").read_text())
        holder(home, "far").write_text(json.dumps(about | {"host": "elsewhere"}))
        done = hpsearch("stop", "far", home=home)
        assert done.returncode == 2
        assert f"is being run by process {process.pid} on elsewhere" in done.stderr
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
