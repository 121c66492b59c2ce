"""What the commands import, in new processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAVY = {"tensorflow", "keras", "sklearn", "mlflow", "optuna", "pandas", "plotly", "numpy", "rich.live"}
QUICKSTART = str(ROOT / "studies" / "quickstart.yaml")


# The commands are run one after the other in one process, so what none of them imports is what each does not import.
RUN = """
import contextlib, io, json, sys
from hpsearch.cli import main
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        sys.argv = ["hpsearch", *arguments]
        code = main._run()
    assert code in (0, 2, 4), (arguments, code)
sys.stderr.write(json.dumps(sorted(sys.modules)))
"""


def imported_by(*commands: list[str], home: Path) -> set[str]:
    """The modules that a new process holds after these commands."""
    result = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(commands)],
        capture_output=True,
        text=True,
        env=os.environ | {"HPSEARCH_HOME": str(home)},
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stderr.splitlines()[-1]))


COMMANDS = ["run", "stop", "delete", "validate", "studies", "trials", "show", "best", "compare", "finalists", "export"]
COMMANDS += ["train", "reproduce", "ui", "doctor", "bench", "data", "schema", "catalogue"]


def test_help_imports_nothing_heavy(tmp_path):
    helps = [[*command.split(), "--help"] for command in ["", *COMMANDS, "data fetch", "data status"]]
    assert not imported_by(*helps, home=tmp_path) & HEAVY


def test_no_command_but_run_and_train_imports_tensorflow(tmp_path):
    commands = [
        ["validate", QUICKSTART],
        ["schema"],
        ["catalogue"],
        ["studies"],
        *([command, "nothing"] for command in ("trials", "show", "stop", "delete", "best", "compare", "finalists")),
        *([command, "nothing"] for command in ("export", "ui", "doctor")),
        ["reproduce", "nothing", "0"],
        ["data", "status"],
        ["data", "fetch", "fashion_mnist_sample"],
    ]
    assert not imported_by(*commands, home=tmp_path) & {"tensorflow", "keras"}


def test_validate_and_schema_need_no_optuna(tmp_path):
    for command in (["validate", QUICKSTART], ["schema"], ["catalogue", "models"]):
        assert not imported_by(command, home=tmp_path) & {"optuna", "mlflow", "sklearn"}
