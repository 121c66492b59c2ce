"""CONTRIBUTING.md is right: its example is all that an optimizer needs, and the modules that it names exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from support import ROOT, SMALL, environment

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"```python\n(keras_optimizer\(.*?)\n```", CONTRIBUTING, flags=re.DOTALL)
NAME = "heavy_ball"


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A copy of the repository whose catalogue has the example as its last optimizer."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("hpsearch", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "benchmarks"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    catalogue = folder / "hpsearch" / "catalogue" / "optimizers.py"
    text = catalogue.read_text(encoding="utf-8")
    assert text.endswith("    ),\n)\n")
    catalogue.write_text(text.removesuffix(")\n") + textwrap.indent(EXAMPLE, "    ") + ",\n)\n", encoding="utf-8")
    return folder


def run(copy: Path, *words: str, **more: str) -> str:
    """Run a command of the copy; return its output."""
    paths = {"PYTHONPATH": str(copy), **more}
    done = subprocess.run(
        [sys.executable, "-m", *words],
        capture_output=True,
        text=True,
        cwd=copy,
        env={**environment(copy / "home"), **paths},
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_the_example_is_in_the_schema_and_in_the_catalogue(copy):
    schema = json.loads(run(copy, "hpsearch", "schema"))
    node = schema["$defs"][f"trial.optimizer_{NAME}"]
    assert {"learning_rate", "momentum", "clipnorm"} <= set(node["properties"])
    listed = json.loads(run(copy, "hpsearch", "catalogue", "optimizers", NAME, "-f", "json"))
    assert listed["source"].startswith("Polyak 1964")
    knobs = {knob["name"]: knob for knob in listed["knobs"]}
    assert knobs["momentum"]["default"] == 0.9
    assert knobs["momentum"]["recommended"] == {"one_minus": [0.001, 1.0], "log": True, "prior": 0.9}


@pytest.mark.e2e
def test_the_example_trains_in_a_study_and_is_tested_by_the_contracts(copy):
    (copy / "toy.yaml").write_text(
        textwrap.dedent(
            f"""\
            trial: {{model: {{architecture: mlp, units: [16]}}, optimizer: {NAME}, schedule: constant, batch_size: 128}}
            search: {{trials: 2, pruner: none}}
            """
        )
    )
    done = json.loads(run(copy, "hpsearch", "run", "toy.yaml", *SMALL, "-f", "json"))
    assert done["trials"]["complete"] == 2
    assert done["best"]["config"]["optimizer"]["name"] == NAME
    tests = ["tests/training", "tests/export", "tests/catalogue"]
    chosen = f"{NAME} or test_catalogue_entries"
    passed = run(
        copy, "pytest", "-v", "-n", "0", "-p", "no:cacheprovider", "-k", chosen, *tests, HPSEARCH_REQUIRE_ALL="1"
    )
    for engine in ("graph", "xla"):
        assert re.search(rf"test_each_optimizer_trains_as_model_fit_does\[.*{NAME}.*{engine}|{engine}.*{NAME}", passed)
    assert f"[optimizer-{NAME}] PASSED" in passed


def test_each_dependency_that_is_held_back_says_why():
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    held = [number for number, line in enumerate(lines) if re.match(r'^    "[\w.-]+[^"]*<', line)]
    assert len(held) >= 5
    assert not [lines[number] for number in held if not lines[number - 1].strip().startswith("#")]


def test_the_way_of_a_configuration_names_existing_modules_once_each():
    walk = CONTRIBUTING.partition("## From the study file to MLflow")[2].partition("\n## ")[0]
    named = re.findall(r"`([\w/]+\.py)`", walk)
    assert len(named) >= 12
    assert sorted(set(named)) == sorted(named)
    assert not [name for name in named if not (ROOT / "hpsearch" / name).is_file()]
