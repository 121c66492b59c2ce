"""`trials`, `show`, `best`, `studies` and the end of `run`: one vocabulary, what varies, no number cut."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from support import hpsearch
from typer.testing import CliRunner

from hpsearch.cli.main import app
from hpsearch.training.results import Outcome

TRAINING = """
def train(config, seed):
    if config["way"] == "breaks":
        raise ValueError("no such way")
    for epoch in range(2):
        yield {"val_loss": float("nan") if config["way"] == "diverges" else 1 / config["deep"]["width"] + epoch / 10}
"""
STUDY = """
description: Which way is best?
trainable: ways:train
objective: {metric: val_loss}
trial: {way: {choice: [plain, diverges, breaks]}, deep: {width: {choice: [8, 16]}}, fixed: 3, seed: 1}
search: {sampler: grid}
limits: {retries: 0}
"""
# Of a trial, wherever it is printed.
NAMES = ["number", "state", "outcome", "reason", "value", "epoch", "params", "seconds"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ways")
    (folder / "ways.py").write_text(TRAINING)
    (folder / "ways.yaml").write_text(STUDY)
    done = hpsearch("run", "ways.yaml", "--workers", "1", home=folder / "home", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "home", done


@pytest.fixture
def told(study):
    def run(*arguments: str, columns: int = 80) -> str:
        variables = {"HPSEARCH_HOME": str(study[0]), "COLUMNS": str(columns), "MLFLOW_TRACKING_URI": ""}
        done = CliRunner().invoke(app, arguments, env=variables)
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def test_trials_have_outcome_and_reason_in_every_format(told):
    trials = json.loads(told("trials", "ways", "-f", "json"))
    assert [list(trial) for trial in trials] == [NAMES] * 6
    assert [(t["state"], t["outcome"]) for t in trials[::2]] == [
        ("COMPLETE", "completed"),
        ("PRUNED", "diverged"),
        ("FAIL", "failed"),
    ]
    assert trials[2]["reason"] == Outcome.DIVERGED.value
    assert "no such way" in trials[4]["reason"]
    rows = list(csv.DictReader(io.StringIO(told("trials", "ways", "-f", "csv"))))
    for row, trial in zip(rows, trials, strict=True):
        assert [row[name] for name in NAMES[:4]] == [str(trial[name]) for name in NAMES[:4]]


def test_show_and_best_use_the_same_names(told):
    best = json.loads(told("best", "ways", "-f", "json"))
    assert {"study", "trial", "config", *NAMES} == set(best)
    assert best["number"] == best["trial"] == 1
    shown = json.loads(told("show", "ways", "--trial", "1", "-f", "json"))
    assert {name: shown[name] for name in NAMES} == {name: best[name] for name in NAMES}
    assert json.loads(told("show", "ways", "-f", "json"))["best"] == {name: best[name] for name in NAMES}


def test_the_table_of_trials_shows_what_varies_and_wraps_instead_of_cutting(told):
    def words(text: str) -> list[list[str]]:
        return [line.split() for line in text.splitlines()]

    wide, narrow = told("trials", "ways", columns=160), told("trials", "ways", columns=80)
    for table in (wide, narrow):
        assert ["number", "state", "outcome", "value", "epoch", "seconds"] in [line[:6] for line in words(table)]
        assert max(map(len, table.splitlines())) <= (160 if table is wide else 80)
        assert all(
            re.search(rf"\bway={way} width={width}\b", table) for way in ("plain", "breaks") for width in (8, 16)
        )
        assert "fixed" not in table
        assert "no such way" in table
    assert any(
        line[:3] == ["1", "COMPLETE", "completed"] and line[-2:] == ["way=plain", "width=16"] for line in words(wide)
    )


def test_show_prints_the_settings_the_counts_and_the_best_trial(told):
    text = told("show", "ways")
    rows = dict(re.findall(r"^ (\S+) {2,}(.*?) *$", text, flags=re.MULTILINE))
    expected = {
        "description": "Which way is best?",
        "objective.metric": "val_loss",
        "sampler.name": "grid",
        "pruner.name": "none",
        "parameters": "way, deep.width",
        "total": "6",
        "trials.complete": "2",
        "trials.pruned": "2",
        "trials.failed": "2",
        "outcomes.completed": "2",
        "outcomes.diverged": "2",
        "outcomes.failed": "2",
        "best.number": "1",
        "best.value": "0.0625",
        "best.params.way": "plain",
        "best.params.deep.width": "16",
    }
    assert {name: rows.get(name) for name in expected} == expected
    assert "best.params.fixed" not in rows


def test_the_learning_curve_is_whole_at_80_columns(told, study):
    curve = json.loads(told("show", "ways", "--trial", "1", "-f", "json"))["epochs"]
    text = told("show", "ways", "--trial", "1", columns=40).partition("Epochs")[2]
    assert max(map(len, text.splitlines())) <= 40
    for row in curve:
        for value in row.values():
            assert re.search(rf"(?<!\S){re.escape(f'{value:.5g}')}(?!\S)", text), value


def test_a_long_name_of_a_study_is_not_squeezed(told):
    (line,) = [line for line in told("studies").splitlines() if line.startswith(" ways")]
    assert line.split() == ["ways", "6", "2", "2", "2", "val_loss", "0.0625", "1"]


def test_a_run_ends_with_its_best_trials_and_what_varies(study):
    _, done = study
    assert "Best trials, by val_loss" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if "COMPLETE" in line]
    assert [(row[0], row[3], *row[6:]) for row in rows] == [
        ("1", "0.0625", "way=plain", "width=16"),
        ("0", "0.125", "way=plain", "width=8"),
    ]
    started = re.findall(r"trial \d+ started: (.*)", done.stderr)
    assert sorted(started) == sorted({f"way={w} width={n}" for w in ("plain", "diverges", "breaks") for n in (8, 16)})
