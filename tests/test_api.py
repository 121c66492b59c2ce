"""The Python API: what a notebook or a script calls."""

from __future__ import annotations

import asyncio
import doctest
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from support import wait_for

import hpsearch
from hpsearch import api
from hpsearch.config.user_modules import with_references
from hpsearch.errors import EnvironmentProblem, HpsearchError, StudyFileError, UnknownNameError
from hpsearch.search.home import Home

WIDTH = 2


def distance(x):
    return abs(x - WIDTH)


def train(config, seed):
    for epoch in range(3):
        yield {"score": -distance(config["x"]) - 1 / (epoch + 1), "other": float(seed)}


def parabola(**more):
    return {
        "name": "parabola",
        "trainable": train,
        "objective": {"metric": "score", "direction": "maximize"},
        "trial": {"x": {"float": [0, 4]}},
        "search": {"trials": 4, "pruner": "none"},
        **more,
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Run inside of an event loop, as a notebook has one."""
    home = tmp_path_factory.mktemp("api") / "home"

    async def cell():
        return hpsearch.run(parabola(), workers=1, overrides={"search.seed": 3}, home=home, progress=False)

    return asyncio.run(cell())


def test_a_study_gives_its_trials_and_epochs_as_tables(study):
    trials, epochs = study.trials_dataframe(), study.epochs_dataframe()
    assert list(trials["number"]) == [0, 1, 2, 3]
    assert set(trials["state"]) == {"COMPLETE"}
    assert {"params_x", "metrics_score", "metrics_other", "value", "outcome"} <= set(trials.columns)
    assert list(epochs.groupby("number").size()) == [3, 3, 3, 3]
    best = trials.loc[trials["value"].idxmax()]
    assert (best["number"], best["value"]) == (study.best_trial.number, study.best_value)
    assert study.best_params["x"] == best["params_x"]
    assert (study.metric, study.direction) == ("score", "maximize")
    # The override came through: seeds count from it.
    assert list(trials["metrics_other"]) == [3, 4, 5, 6]


def test_it_is_opened_again_and_goes_on(study):
    assert hpsearch.open_study("parabola", home=study.home.root).trials_dataframe().equals(study.trials_dataframe())
    more = hpsearch.run(
        parabola(), trials=5, workers=1, overrides={"search.seed": 3}, home=study.home.root, progress=False
    )
    assert len(more.trials) == 5
    with pytest.raises(UnknownNameError, match="parabola"):
        hpsearch.open_study("parabol", home=study.home.root)


def test_it_is_exported_once(study, tmp_path):
    file = study.export(tmp_path / "best.yaml", trial=1)
    assert f"x: {study.trials[1].flat['x']}" in file.read_text()
    with pytest.raises(EnvironmentProblem, match="exists"):
        study.export(file)
    study.export(file, force=True)
    with pytest.raises(UnknownNameError, match="yaml"):
        study.export(tmp_path / "x", format="yml")


def test_another_function_is_another_study(study):
    with pytest.raises(HpsearchError, match="trainable"):
        hpsearch.run(parabola(trainable=distance), home=study.home.root, progress=False)


def test_a_function_takes_along_what_it_refers_to_or_the_message_names_it(tmp_path):
    content = with_references({"trainable": train, "trial": {"x": [train, 1]}}, tmp_path)
    assert content["trial"]["x"] == [content["trainable"], 1]
    text = (tmp_path / f"{content['trainable'].partition(':')[0]}.py").read_text()
    names = {}
    exec(text, names)
    assert list(names["train"]({"x": 5}, 7)) == list(train({"x": 5}, 7))
    handle = object()

    def refers(config, seed):
        return handle

    for function, word in ((refers, "handle"), (lambda config, seed: 1, "lambda")):
        with pytest.raises(HpsearchError, match=word):
            with_references({"trainable": function}, tmp_path)


def test_a_name_is_a_file_then_a_known_study_then_one_that_comes_with_hpsearch(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec, which = api.find_spec("parabola", study.home)
    assert (spec.name, which) == ("parabola", "study 'parabola' as it was last run")
    spec, which = api.find_spec("quickstart", study.home)
    assert (spec.name, which) == ("quickstart", "'quickstart', which comes with hpsearch")
    (tmp_path / "quickstart.yaml").write_text("name: mine\n")
    spec, which = api.find_spec("quickstart.yaml", study.home)
    assert (spec.name, which) == ("mine", "the file quickstart.yaml")
    with pytest.raises(UnknownNameError, match=r"parabola.*quickstart"):
        api.find_spec("quick", study.home)
    with pytest.raises(StudyFileError, match=r"none\.yaml"):
        api.find_spec("none.yaml", Home(tmp_path / "none"))


def test_the_examples_of_the_documentation_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for module in (hpsearch, api):
        assert doctest.testmod(module).failed == 0


SCRIPT = """
import time
import hpsearch

PAUSE = {pause}

def train(config, seed):
    for epoch in range(3):
        time.sleep(PAUSE)
        yield {{"score": -config["x"]}}

study = hpsearch.run(
    {{
        "name": "script",
        "trainable": train,
        "objective": {{"metric": "score", "direction": "maximize"}},
        "trial": {{"x": {{"float": [0, 4]}}}},
        "search": {{"trials": 4}},
    }},
    workers=2,
)
print("trials:", len(study.trials))
"""


@pytest.mark.e2e
def test_a_script_without_a_guard_runs_is_interrupted_by_ctrl_c_and_goes_on(tmp_path):
    file = tmp_path / "script.py"
    file.write_text(SCRIPT.format(pause=0.5))
    process = subprocess.Popen([sys.executable, str(file)], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    lines = iter(process.stderr.readline, "")
    wait_for(lambda: "trial 0 started" in next(lines), 60, "a trial")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert "KeyboardInterrupt: study 'script' was interrupted" in stderr
    file.write_text(SCRIPT.format(pause=0.5))
    done = subprocess.run([sys.executable, str(file)], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "trials: 4\n"


def test_say_writes_a_line_in_one_piece(monkeypatch):
    """Threads print, too: two pieces of a line may have one of another thread between them."""
    pieces: list[str] = []
    stderr = SimpleNamespace(write=pieces.append, flush=lambda: None)
    monkeypatch.setattr("sys.stderr", stderr)
    api.say("the first line")
    assert pieces == ["the first line\n"]
