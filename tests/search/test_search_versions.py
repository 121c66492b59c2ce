"""A study that an earlier version began is continued."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from hpsearch.config.study import load_study
from hpsearch.executors.local import LocalExecutor
from hpsearch.search.contents import contents_of, settle_contents
from hpsearch.search.coordinator import Coordinator
from hpsearch.search.home import Home
from hpsearch.search.stop import Stop
from hpsearch.search.storage import begin_study, check_unchanged, find_study
from hpsearch.training.results import Outcome

EARLIER = Path(__file__).parent / "version_0_1"


@pytest.fixture
def home(tmp_path):
    for name in ("mine.py", "study.yaml"):
        shutil.copy(EARLIER / name, tmp_path)
    home = Home(tmp_path / "home")
    home.root.mkdir()
    with sqlite3.connect(home.optuna_db) as connection:
        connection.executescript((EARLIER / "optuna.sql").read_text())
    return home


def test_its_trials_are_read_and_those_that_were_interrupted_go_on_under_their_numbers(home, tmp_path):
    before = find_study(home, "a").records()
    assert [record.state for record in before[-2:]] == ["RUNNING", "WAITING"]
    assert before[-1].outcome is Outcome.INTERRUPTED
    spec, text = load_study(tmp_path / "study.yaml"), (tmp_path / "study.yaml").read_text()
    contents = contents_of(spec, check_unchanged(home, spec))
    study = begin_study(home, spec, text)
    executor = LocalExecutor(1, tmp_path / "workers.log", print, [tmp_path], keras=False)
    try:
        ended = Coordinator(
            study,
            spec,
            executor,
            list,
            total=spec.total(),
            stop=Stop(),
            checkpoints=tmp_path / "checkpoints",
            contents=settle_contents(study, contents, print, accept=False),
        ).run(text, 1)
    finally:
        executor.close()
    assert list(ended.records[: len(before) - 2]) == before[:-2]
    finished = [record for record in ended.records if record.state in {"COMPLETE", "PRUNED"}]
    assert [record.number for record in finished] == list(range(30))
    for record, again in zip(before[-2:], ended.records[19:21], strict=True):
        assert (again.params, again.config) == (record.params, record.config)
        assert [row.epoch for row in again.epochs] == list(range(1, len(again.epochs) + 1))
