"""What each command imports: read from Python's own import log of the real command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"tensorflow", "keras", "sklearn", "mlflow", "optuna", "pandas", "plotly", "numpy", "rich.live"}
QUICKSTART = str(ROOT / "studies" / "quickstart.yaml")


def imported_by(*command: str, home: Path) -> set[str]:
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "hpsearch", *command],
        capture_output=True,
        text=True,
        env=os.environ | {"HPSEARCH_HOME": str(home)},
        check=False,
        timeout=60,
    )
    lines = [line for line in result.stderr.splitlines() if line.startswith("import time:")]
    assert lines, result.stderr
    return {line.rpartition("|")[2].strip() for line in lines}


COMMANDS = ["run", "stop", "delete", "validate", "studies", "trials", "show", "best", "compare", "finalists", "export"]
COMMANDS += ["train", "reproduce", "ui", "doctor", "bench", "data", "schema", "catalogue"]


@pytest.mark.parametrize("command", ["", *COMMANDS, "data fetch", "data status"])
def test_help_imports_nothing_heavy(command, tmp_path):
    assert not imported_by(*command.split(), "--help", home=tmp_path) & HEAVY


@pytest.mark.parametrize(
    "command",
    [
        ["validate", QUICKSTART],
        ["schema"],
        ["catalogue"],
        ["studies"],
        ["trials", "nothing"],
        ["show", "nothing"],
        ["stop", "nothing"],
        ["delete", "nothing"],
        ["best", "nothing"],
        ["compare", "nothing"],
        ["finalists", "nothing"],
        ["export", "nothing"],
        ["reproduce", "nothing", "0"],
        ["ui", "nothing"],
        ["doctor", "nothing"],
        ["data", "status"],
        ["data", "fetch", "fashion_mnist_sample"],
    ],
    ids=" ".join,
)
def test_no_command_but_run_and_train_imports_tensorflow(command, tmp_path):
    assert not imported_by(*command, home=tmp_path) & {"tensorflow", "keras"}


def test_validate_and_schema_need_no_optuna(tmp_path):
    for command in (["validate", QUICKSTART], ["schema"], ["catalogue", "models"]):
        assert not imported_by(*command, home=tmp_path) & {"optuna", "mlflow", "sklearn"}
