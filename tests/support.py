"""What tests of every package share."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from commands import Command, Completed, environment, hpsearch, hpsearch_command, hpsearch_process, start_hpsearch

__all__ = [
    "Command",
    "Completed",
    "environment",
    "hpsearch",
    "hpsearch_command",
    "hpsearch_process",
    "start_hpsearch",
]
ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "studies" / "quickstart.yaml"
# The quickstart on the packaged sample: seconds instead of minutes, everything else the same.
SMALL = (
    "--set=trial.data={dataset: fashion_mnist_sample}",
    "--set=trial.model.units=[16]",
    "--set=trial.training.max_epochs=3",
)
# Whether everything is run, whatever it takes, and a skip is a failure.
THOROUGH = os.environ.get("HPSEARCH_REQUIRE_ALL") == "1"


def require(condition: bool, reason: str) -> None:
    """Skip the test unless `condition`; in a thorough run, fail instead."""
    if condition:
        return
    if THOROUGH:
        pytest.fail(reason)
    pytest.skip(reason)


def gain_study(folder: Path, name: str, training: str, search: str) -> Path:
    """A study file over `train` of a module beside it, which yields `gain` for an `x` in [0, 1].

    Args:
        training: the module's code.
        search: what follows in the file.
    """
    (folder / f"{name}_gain.py").write_text(training)
    file = folder / f"{name}.yaml"
    file.write_text(
        f"trainable: {name}_gain:train\nobjective: {{metric: gain, direction: maximize}}\n"
        f"trial: {{x: {{float: [0, 1]}}}}\n{search}"
    )
    return file


def result_of(done: subprocess.CompletedProcess[str]) -> Any:
    """The JSON that a command printed; its exit code must be 0."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def processes_of(session: int) -> list[psutil.Process]:
    """The processes of a session that still run: what a command started with `start_hpsearch` left."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def workers_of(coordinator: int) -> list[psutil.Process]:
    """The worker processes of a run: the children of the process that they are forked from."""
    try:
        return [worker for child in psutil.Process(coordinator).children() for worker in child.children()]
    except psutil.NoSuchProcess:
        return []


def wait_for(condition: Any, seconds: float, what: str) -> Any:
    """The first true value of `condition()`, asked again and again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")


SLOW = """
import os
import time

def train(config, seed):
    for epoch in range(config["epochs"]):
        time.sleep(config["pause"])
        while seed == config["waits"] and not os.path.exists("go"):
            time.sleep(0.05)
        yield {"val_loss": 1 / (1 + epoch + config["x"]), "clock": time.time()}
"""


def slow_study(folder: Path, epochs: int, pause: float, trials: int, *, waits: int = -1) -> Path:
    """The file of a study whose trials need no TensorFlow, last as long as is wanted and say when each epoch ended.

    Args:
        waits: the trial that waits for a file `go` in the current folder.
    """
    (folder / "slow_training.py").write_text(SLOW)
    file = folder / "slow.yaml"
    file.write_text(
        f"""
name: slow
trainable: slow_training:train
objective: {{metric: val_loss}}
trial: {{epochs: {epochs}, pause: {pause}, waits: {waits}, x: {{float: [0, 1]}}}}
search: {{trials: {trials}, sampler: random, pruner: none}}
"""
    )
    return file


def epochs_in(home: Path) -> int:
    """How many epochs a study's database holds, read without waiting for the writer."""
    try:
        with closing(sqlite3.connect(f"file:{home / 'optuna.db'}?mode=ro", uri=True)) as connection:
            query = "SELECT count(*) FROM trial_user_attributes WHERE key LIKE 'epoch:%'"
            return int(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def lines_of(text: str) -> Sequence[str]:
    return [line for line in text.splitlines() if line.strip()]


def sample_config(**sections: Any) -> Any:
    """A TrialConfig that trains on the packaged sample in a second; `sections` replace its own.

    2,000 - 166 = 1,834 training images: batches of 100 leave a last one of 34.
    """
    from hpsearch.config.trial import TrialConfig

    recipe = {
        "data": {"dataset": "fashion_mnist_sample"},
        "model": {"architecture": "mlp", "units": [16]},
        "batch_size": 100,
        "training": {"max_epochs": 3, "early_stopping": None},
        "seed": 7,
    }
    return TrialConfig.model_validate(recipe | sections)
