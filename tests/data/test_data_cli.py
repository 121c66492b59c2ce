"""`hpsearch data`, through the whole command line."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest
from support import require


def hpsearch(*arguments: str) -> subprocess.CompletedProcess[str]:
    require(importlib.util.find_spec("hpsearch.cli.main") is not None, "the command line is not there yet")
    code = "import sys; from hpsearch.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ.copy(), check=False)


def test_fetch_prints_the_folder_and_status_knows_it(cache):
    done = hpsearch("data", "fetch", "fashion_mnist_sample")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(cache / "datasets" / "fashion_mnist_sample")
    assert "fashion_mnist_sample is ready" in done.stderr

    listed = hpsearch("data", "status", "--format", "json")
    assert listed.returncode == 0, listed.stderr
    ready = {row["dataset"]: row["ready"] for row in json.loads(listed.stdout)}
    assert ready == {"fashion_mnist": False, "fashion_mnist_sample": True}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fetch", "fashion_mnits"], "did you mean 'fashion_mnist'"),
        (["fetch", "--from", "/nowhere/at/all"], "no folder /nowhere/at/all"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(cache, arguments, words):
    done = hpsearch("data", *arguments)
    assert done.returncode == 2
    assert words in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["fetch", "status"])
def test_every_command_has_help(command):
    done = hpsearch("data", command, "--help")
    assert done.returncode == 0
    assert "--" in done.stdout
