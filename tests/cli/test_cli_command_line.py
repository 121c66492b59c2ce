"""Numbers, names and files on the command line. Commands run in this process: none of them gets as far as training."""

from __future__ import annotations

import os
import pty
import sys
from pathlib import Path

import pytest
from support import gain_study, hpsearch, result_of

from hpsearch.cli import main
from hpsearch.cli.options import check_output
from hpsearch.errors import EnvironmentProblem

COUNT = "must be a whole number"
BEST_OF_TWO = """
def train(config, seed):
    yield {"gain": config["x"]}
"""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run x.yaml --trials abc", f"--trials is 'abc', but {COUNT} from 1 to 1,000,000"),
        ("run x.yaml --trials 1e9", f"--trials is '1e9', but {COUNT} from 1 to 1,000,000"),
        ("run x.yaml --trials 0", f"--trials is 0, but {COUNT} from 1 to 1,000,000"),
        ("run x.yaml --finalists 3", "--finalists is '3', but must be top=N,seeds=N, for instance top=3,seeds=5"),
        ("run x.yaml --workers 0", f"--workers is 0, but {COUNT} from 1 to 10,000"),
        ("bench --workers 2.5", f"--workers is 2.5, but {COUNT} from 1 to 10,000"),
        ("train x.yaml --workers many", f"--workers is 'many', but {COUNT} from 1 to 10,000"),
        ("train x.yaml --seeds 5000", f"--seeds is 5000, but {COUNT} from 1 to 1,000"),
        ("show x --trial -1", f"--trial is -1, but {COUNT}, 0 or more"),
        ("export x --trial best", f"--trial is 'best', but {COUNT}, 0 or more"),
        ("reproduce x first", f"TRIAL is 'first', but {COUNT}, 0 or more"),
        (f"ui --port {'9' * 5000}", f"--port is {'9' * 57}..., but {COUNT} from 1 to 65,535"),
        ("run x.yaml --timeout -3", "--timeout is -3, but must be a duration above 0 such as 90s, 20m or 2h"),
        ("run x.yaml --timeout 5days", "--timeout is '5days', but must be a duration above 0"),
        ("run x.yaml --name ../x", "--name is '../x', but must be 1 to 64 letters, digits"),
        ("run", "STUDY is missing; see `hpsearch run --help`"),
        (
            "run x.yaml --trails 3",
            "unknown option '--trails' (did you mean '--trials'?); available: --accept-changes, ",
        ),
        ("best x -f xml", "unknown --format 'xml'; available: csv, json, table, yaml; see `hpsearch best --help`"),
        ("bst", "unknown command 'bst' (did you mean 'best'?); available: bench, "),
        (
            "data ftch",
            "unknown command 'ftch' (did you mean 'fetch'?); available: fetch, status; see `hpsearch",
        ),
    ],
)
def test_what_is_wrong_on_the_command_line_is_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["hpsearch", *arguments.split()])
    assert main._run() == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"error: {message}")
    assert told.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.e2e
def test_a_file_that_exists_is_overwritten_only_if_the_user_says_so(tmp_path):
    """A study under a name of the command line, exported to the same file again."""
    file = gain_study(tmp_path, "own", BEST_OF_TWO, "search: {trials: 2, sampler: random, pruner: none}\n")
    home = tmp_path / "home"
    named = ["run", str(file), "--name", "2024", "--workers", "1", "-f", "json"]
    assert result_of(hpsearch(*named, home=home, cwd=tmp_path))["study"] == "2024"
    best = tmp_path / "best.yaml"
    export = ["export", "2024", "-o", str(best)]
    assert hpsearch(*export, home=home).returncode == 0
    text = best.read_text()
    best.write_text("mine")
    done = hpsearch(*export, home=home)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [f"error: {best}: exists; --force overwrites it, or name another file"]
    assert best.read_text() == "mine"
    assert hpsearch(*export, "--force", home=home).returncode == 0
    assert best.read_text() == text


def _answered(text: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the file in a terminal in which the user types a text."""
    keyboard, terminal = pty.openpty()
    with os.fdopen(terminal, "r", closefd=False) as reads, os.fdopen(terminal, "w") as writes:
        monkeypatch.setattr(sys, "stdin", reads)
        monkeypatch.setattr(sys, "stderr", writes)
        os.write(keyboard, text.encode())
        try:
            check_output(file, force=False)
        finally:
            monkeypatch.undo()
            os.close(keyboard)


def test_in_a_terminal_the_user_is_asked(tmp_path, monkeypatch):
    file = tmp_path / "best.yaml"
    file.write_text("mine")
    _answered("y\n", file, monkeypatch)
    with pytest.raises(EnvironmentProblem, match="exists and was not overwritten"):
        _answered("\n", file, monkeypatch)
    # Nothing is asked about what is not there, or holds nothing.
    check_output(tmp_path / "new.yaml", force=False)
    check_output(Path(os.devnull), force=False)
    for wrong, why in ((tmp_path, "is a folder"), (tmp_path / "no" / "x", "cannot be written: there is no folder")):
        with pytest.raises(EnvironmentProblem, match=why):
            check_output(wrong, force=True)
