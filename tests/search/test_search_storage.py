"""What a study keeps, forgets and refuses, on a real SQLite database."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import optuna
import pytest
from optuna.trial import TrialState

from hpsearch.config.study import load_study
from hpsearch.errors import StudyChangedError
from hpsearch.search.database import open_storage
from hpsearch.search.home import Home
from hpsearch.search.recording import begin_again, interrupt
from hpsearch.search.records import CONFIG, EPOCH_PREFIX, OUTCOME
from hpsearch.search.sampler_view import last_report
from hpsearch.search.sampling import ProposalRequest, make_sampler, suggest
from hpsearch.search.storage import (
    ENGINES,
    begin_study,
    check_unchanged,
    find_study,
    list_studies,
)
from hpsearch.training.results import Outcome

STUDY = """
name: kept
trial:
  data: {dataset: fashion_mnist_sample}
  optimizer: {choice: [sgd, adam]}
  batch_size: {choice: [64, 128]}
  schedule: constant
search: {trials: 5, pruner: median}
"""


@pytest.fixture
def spec(tmp_path):
    file = tmp_path / "kept.yaml"
    file.write_text(STUDY)
    return load_study(file)


@pytest.fixture
def study(spec, tmp_path):
    return begin_study(Home(tmp_path / "home"), spec, STUDY)


def ask(study, spec) -> optuna.Trial:
    study.optuna.sampler = make_sampler(ProposalRequest(spec.search, 0))
    trial = study.optuna.ask()
    trial.set_user_attr(CONFIG, {"optimizer": suggest(trial, spec.space)["optimizer"]})
    return trial


def report(study, trial, *values: float) -> None:
    for epoch, value in enumerate(values, start=1):
        trial.set_user_attr(
            f"{EPOCH_PREFIX}{epoch}", {"epoch": epoch, "val_accuracy": value, "loss": 1.0, "val_loss": 1.0}
        )
        trial.report(value, epoch)


def test_the_defaults_of_each_optimizer_wait_first_and_only_once(study, spec, tmp_path):
    waiting = study.optuna.get_trials(states=(TrialState.WAITING,))
    assert [t.system_attrs["fixed_params"]["optimizer"] for t in waiting] == ["sgd", "adam"]
    again = begin_study(Home(tmp_path / "home"), spec, STUDY)
    assert len(again.optuna.get_trials()) == 2


def test_a_run_that_was_killed_while_it_created_the_study_is_gone_on_with(spec, tmp_path):
    home = Home(tmp_path / "home")
    begin_study(home, load_study(tmp_path / "kept.yaml", ["name=other"]), STUDY)
    optuna.create_study(study_name="kept", storage=f"sqlite:///{home.optuna_db}", direction="maximize")
    assert check_unchanged(home, spec) is None
    assert len(begin_study(home, spec, STUDY).optuna.get_trials()) == 2


def test_a_study_that_hpsearch_did_not_make_is_refused(spec, tmp_path):
    home = Home(tmp_path / "home")
    begin_study(home, load_study(tmp_path / "kept.yaml", ["name=other"]), STUDY)
    foreign = optuna.create_study(study_name="kept", storage=f"sqlite:///{home.optuna_db}")
    foreign.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(StudyChangedError, match="did not make"):
        begin_study(home, spec, STUDY)


def test_a_study_keeps_the_engines_that_were_chosen_when_it_was_made(spec, study, tmp_path):
    # 20 epochs by default.
    assert (study.engines["mlp"], study.engines["cnn"]) == ("xla", "graph")
    short = load_study(tmp_path / "kept.yaml", ["name=short", "trial.training={max_epochs: {int: [2, 4]}}"])
    home = Home(tmp_path / "home")
    assert begin_study(home, short, STUDY).engines["mlp"] == "graph"
    # Another version may have chosen otherwise.
    study.optuna.set_user_attr(ENGINES, {"mlp": "fit", "cnn": "graph"})
    assert begin_study(home, spec, STUDY).engines == {"mlp": "fit", "cnn": "graph"}
    assert find_study(home, "kept").engines == {"mlp": "fit", "cnn": "graph"}


def test_a_study_of_a_version_without_engines_goes_on_with_what_that_version_had(spec, study, tmp_path):
    home = Home(tmp_path / "early")
    storage = open_storage(home, create=True)
    early = optuna.create_study(study_name="kept", storage=storage, direction="maximize")
    for name, value in study.optuna.user_attrs.items():
        if name != ENGINES:
            early.set_user_attr(name, value)
    assert begin_study(home, spec, STUDY).engines["mlp"] == "graph"


def test_an_interrupted_trial_stays_running_in_the_storage_and_goes_on_under_its_number(study, spec):
    trial = ask(study, spec)
    report(study, trial, 0.1, 0.2, 0.99)
    params = dict(trial.params)
    interrupt(trial)
    assert study.stored(0).state == TrialState.RUNNING
    assert (study.find_record(0).state, study.find_record(0).outcome) == ("WAITING", Outcome.INTERRUPTED)
    again = study.take(study.stored(0))
    assert again.number == trial.number
    begin_again(again, 0)
    suggest(again, spec.space)
    assert dict(again.params) == params
    record = study.find_record(0)
    assert (record.state, record.outcome, record.epochs) == ("RUNNING", None, ())
    again.set_user_attr(f"{EPOCH_PREFIX}1", {"epoch": 1, "val_accuracy": 0.5, "loss": 1.0, "val_loss": 1.0})
    assert [row.metrics["val_accuracy"] for row in study.find_record(0).epochs] == [0.5]


def test_a_diverged_trial_gives_the_sampler_no_report_so_that_it_ranks_last(study, spec):
    for outcome in (Outcome.DIVERGED, Outcome.PRUNED):
        trial = ask(study, spec)
        report(study, trial, 0.8, 0.95, 0.9)
        trial.set_user_attr(OUTCOME, outcome.name)
        study.optuna.tell(trial.number, state=TrialState.PRUNED)
    diverged, pruned = study.records()
    assert [last_report(record, study.objective) for record in (diverged, pruned)] == [{}, {3: 0.95}]
    assert (diverged.best, len(diverged.epochs)) == (None, 3)


KILLED = """
import os, sys
from pathlib import Path
import optuna
from hpsearch.search.database import open_storage
from hpsearch.search.home import Home

optuna.create_study(study_name="gone", storage=open_storage(Home(Path(sys.argv[1])), create=True))
os._exit(0)
"""


def test_the_log_of_a_database_that_was_taken_away_is_not_played_into_the_next_one(spec, tmp_path):
    home = Home(tmp_path / "home")
    subprocess.run([sys.executable, "-c", KILLED, str(home.root)], check=True)
    assert home.optuna_db.with_name("optuna.db-wal").stat().st_size
    home.optuna_db.unlink()
    begin_study(home, spec, STUDY)
    assert optuna.get_all_study_names(f"sqlite:///{home.optuna_db}") == ["kept"]


@pytest.mark.e2e
def test_who_looks_at_a_new_home_never_meets_half_a_database(tmp_path):
    for number in range(20):
        home = Home(tmp_path / f"home{number}")
        with ThreadPoolExecutor(1) as pool:
            over = Event()
            looking = pool.submit(_look_until, over, home)
            try:
                open_storage(home, create=True)
            finally:
                over.set()
            assert looking.result() > 0


def _look_until(over, home):
    looks = 0
    while not over.is_set():
        assert list_studies(home) == []
        looks += 1
    return looks
