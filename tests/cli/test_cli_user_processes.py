"""What a user's code and files may do to the processes of the commands: print, read arguments, shadow modules."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest
from support import hpsearch_process as hpsearch
from support import result_of, start_hpsearch

pytestmark = pytest.mark.e2e

MODULE = """
import argparse
import atexit
import multiprocessing
import os
import subprocess

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=2)
options = parser.parse_args()
print("printed when imported")
os.write(1, b"written when imported\\n")
atexit.register(print, "printed at the end")
os.makedirs("elsewhere", exist_ok=True)
os.chdir("elsewhere")

def train(config, seed):
    subprocess.run(["echo", "echoed"])
    with multiprocessing.Pool(2) as pool:
        gains = pool.map(abs, [-config["x"], 0])
    for _ in range(parser.parse_args().epochs):
        print("printed")
        yield {"gain": sum(gains)}
"""
STUDY = """
name: loud
trainable: loud_module:train
objective: {metric: gain, direction: maximize}
trial: {x: {choice: [0.25, 0.5]}}
search: {sampler: grid}
"""
# Each is imported somewhere between a command's first line and its last.
SHADOWS = (
    "statistics",
    "queue",
    "random",
    "csv",
    "email",
    "socket",
    "keras",
    "mlflow",
    "optuna",
    "numpy",
    "tensorflow",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder full of files named like modules, in which a study was run; its home is `mlruns`."""
    folder = tmp_path_factory.mktemp("loud")
    for name in SHADOWS:
        (folder / f"{name}.py").write_text("raise ImportError('a note of the user, not a module')\n")
    (folder / "loud_module.py").write_text(MODULE)
    (folder / "loud.yaml").write_text(STUDY)
    done = hpsearch("run", "loud.yaml", "--workers=1", "-f", "json", home="home", cwd=folder)
    assert result_of(done)["trials"] == {"complete": 2, "pruned": 0, "failed": 0}, done.stderr
    return folder


def test_the_study_was_told_to_mlflow_and_nothing_is_written_elsewhere(folder):
    assert hpsearch("doctor", "loud", home="home", cwd=folder).returncode == 0
    assert not list((folder / "elsewhere").iterdir())


def test_the_ui_starts_there(folder):
    command = start_hpsearch("ui", "loud", "--no-open", home="home", cwd=folder)
    try:
        assert command.stdout.readline().startswith("http://"), command.stderr.read()
    finally:
        command.send_signal(signal.SIGINT)
        command.communicate(timeout=60)


def test_what_a_users_code_prints_is_not_in_the_result(folder):
    exported = hpsearch("export", "loud", "-o", "best.yaml", "--force", home="home", cwd=folder)
    assert exported.returncode == 0, exported.stderr
    trained = hpsearch("train", "best.yaml", "-f", "json", home="home", cwd=folder)
    assert result_of(trained)["value"] == 0.5
    (log,) = re.findall(r"what your code printed is in (.*)", trained.stderr)
    printed = Path(log).read_text().splitlines()
    assert {"printed when imported", "written when imported", "printed", "echoed"} <= set(printed)
    assert "Traceback" not in trained.stderr
    assert not list((folder / "elsewhere").iterdir())


def test_a_module_that_ends_the_import_is_named(folder):
    (folder / "leaving.py").write_text(
        "import sys\n\ndef train(config, seed):\n    yield {}\n\nsys.exit('not today')\n"
    )
    study = STUDY.replace("loud_module", "leaving").replace("name: loud", "name: leaving")
    (folder / "leaving.yaml").write_text(study)
    ended = hpsearch("run", "leaving.yaml", "--workers=1", home="home", cwd=folder)
    sentence = "trainable: 'leaving:train' cannot be imported: SystemExit: not today"
    assert sentence in ended.stderr
    (folder / "one.yaml").write_text(json.dumps(ONE))
    trained = hpsearch("train", "one.yaml", "--no-log", home="home", cwd=folder)
    assert (trained.returncode, trained.stderr.strip().splitlines()[-1]) == (2, f"error: {sentence}")


ONE = {
    "trainable": "leaving:train",
    "objective": {"metric": "gain", "direction": "maximize"},
    "trial": {"x": 0.5, "seed": 0},
}


@pytest.mark.parametrize("name", ["statistics", "keras"])
def test_a_module_of_the_users_whose_name_is_taken_is_refused_before_anything_starts(tmp_path, name):
    (tmp_path / f"{name}.py").write_text("def train(config, seed):\n    yield {'gain': 1.0}\n")
    (tmp_path / "taken.yaml").write_text(STUDY.replace("loud_module", name))
    refused = hpsearch("run", "taken.yaml", home=tmp_path / "home", cwd=tmp_path)
    assert refused.returncode == 2
    assert f"taken.yaml:3: trainable: the module '{name}' has the name of a " in refused.stderr
    assert f"rename {tmp_path / name}.py" in refused.stderr
    assert not (tmp_path / "home").exists()
