"""`hpsearch bench`, the real command on the packaged sample."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest
from support import hpsearch, lines_of, processes_of, result_of, start_hpsearch, wait_for

pytestmark = pytest.mark.e2e

STUDY = """
name: tiny
trial:
  data: {dataset: fashion_mnist_sample, validation: 200}
  model: {architecture: mlp, units: [16]}
  optimizer: {choice: [{name: sgd, momentum: 0.9, nesterov: false}, {name: adam}, {name: rmsprop, centered: false}]}
  batch_size: 100
  training: {max_epochs: 4}
search: {trials: 6}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    file = tmp_path_factory.mktemp("bench") / "tiny.yaml"
    file.write_text(STUDY)
    return file


@pytest.mark.e2e
def test_it_tells_what_the_machine_does_and_writes_nothing(study, tmp_path):
    # Of its own and short: a socket's path may have a hundred characters.
    with tempfile.TemporaryDirectory() as temporary:
        done = hpsearch("bench", str(study), "--workers=2", "-f", "json", home=tmp_path / "home", TMPDIR=temporary)
        assert not list(Path(temporary).glob("hpsearch-*"))
    told = result_of(done)
    assert set(told) == {
        "study",
        "workers",
        "threads_per_worker",
        "matrix_peak_gflops",
        "matrix_peak_gflops_per_worker",
        "epochs_per_second",
        "seconds_to_first_epoch",
        "configurations",
        "forecast",
    }
    assert (told["study"], told["workers"]) == ("tiny", 2)
    assert len(told["matrix_peak_gflops_per_worker"]) == 2
    assert sum(told["matrix_peak_gflops_per_worker"]) == pytest.approx(told["matrix_peak_gflops"], abs=0.01)

    rows = told["configurations"]
    assert len(rows) == 3
    assert {row["optimizer"] for row in rows} == {"sgd", "adam", "rmsprop"}
    # Four epochs do not repay XLA.
    assert {(row["architecture"], row["batch_size"], row["engine"]) for row in rows} == {("mlp", 100, "graph")}
    per_example = 3 * 2 * (784 * 16 + 16 * 10) - 2 * 784 * 16
    for row in rows:
        assert row["weights"] == 784 * 16 + 16 + 16 * 10 + 10
        assert row["matrix_gflop_per_epoch"] == pytest.approx(1e-9 * per_example * 1800)
        assert row["first_epoch_seconds"] > row["second_epoch_seconds"] > 0
        rate = row["matrix_gflop_per_epoch"] / row["second_epoch_seconds"]
        assert row["matrix_peak_share"] == pytest.approx(rate / (told["matrix_peak_gflops"] / 2))
    assert all(row["compiled"] for row in rows)

    mean = sum(row["second_epoch_seconds"] for row in rows) / len(rows)
    assert told["epochs_per_second"] == pytest.approx(2 / mean)
    assert told["seconds_to_first_epoch"] > min(row["first_epoch_seconds"] for row in rows)
    forecast = told["forecast"]
    assert (forecast["trials"], forecast["epochs_per_trial"]) == (6, 4)
    assert forecast["seconds_per_epoch"] == pytest.approx(mean)
    # Either worker compiles each of three optimizers, and no more than the six trials can need.
    assert forecast["compilations"] == 6
    work = 6 * 4 * mean + 6 * forecast["seconds_per_compilation"]
    assert forecast["seconds_at_most"] == pytest.approx(forecast["start_seconds"] + work / 2)
    assert "pruning and early stopping" in forecast["assumptions"]

    assert not (tmp_path / "home").exists()


def test_a_worker_that_fails_leaves_its_log(study, tmp_path):
    (tmp_path / "broken.py").write_text("def callback():\n    raise RuntimeError('out of order')\n")
    file = tmp_path / "broken.yaml"
    file.write_text(STUDY.replace("max_epochs: 4", 'max_epochs: 4, callbacks: ["broken:callback"]'))
    done = hpsearch("bench", str(file), "--workers=1", home=tmp_path / "home", TMPDIR=str(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    (line,) = [line for line in lines_of(done.stderr) if line.startswith("error: ")]
    assert "'broken:callback' raised RuntimeError: out of order" in line
    (log,) = tmp_path.glob("hpsearch-bench-*/workers.log")
    assert str(log) in line
    assert "out of order" in log.read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["bad.yaml"], "bad.yaml:1: trial.optimizer: unknown optimizer 'adm' (did you mean 'adam'?)"),
        (["nothing.yaml"], "nothing.yaml: no such file"),
        (["--set=trial.training.max_epochs=zero"], "must be a whole number, but got 'zero'"),
        (["--workers=0"], "--workers is 0, but must be a whole number from 1"),
    ],
    ids=str,
)
def test_bad_input_gets_one_clear_line(arguments, sentence, tmp_path):
    (tmp_path / "bad.yaml").write_text("trial: {optimizer: adm}\n")
    done = hpsearch("bench", *arguments, home=tmp_path / "home", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = [line for line in lines_of(done.stderr) if "error" in line.lower() or "Invalid" in line]
    assert sentence in line


def test_data_that_cannot_be_had_is_told_as_by_run(tmp_path):
    (tmp_path / "empty").mkdir()
    where = {"HPSEARCH_DATA_DIR": str(tmp_path / "empty"), "HPSEARCH_CACHE": str(tmp_path / "cache")}
    done = hpsearch("bench", home=tmp_path / "home", **where)
    assert done.returncode == 2
    assert lines_of(done.stderr)[-1].startswith("error: ")
    assert "fashion_mnist" in done.stderr


def test_ctrl_c_ends_it_at_once_and_leaves_nothing(study, tmp_path):
    process = start_hpsearch("bench", str(study), home=tmp_path / "home", interpreter=True)
    wait_for(lambda: len(processes_of(process.pid)) > 1, 30, "a process that imports TensorFlow")
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130, stderr
    assert lines_of(stderr)[-1] == "interrupted"
    assert "Traceback" not in stderr
    wait_for(lambda: not processes_of(process.pid), 20, "the end of all processes")
