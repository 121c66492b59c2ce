"""Samplers with a model propose after an interruption what they would have proposed without it."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from hpsearch.config.study import load_study
from hpsearch.errors import EnvironmentProblem, StudyFileError
from hpsearch.search import prepare
from hpsearch.search.independent import DrawnValues
from hpsearch.search.records import END, EPOCH_PREFIX, OUTCOME, RUNG_PREFIX, TrialRecord, read_trial
from hpsearch.search.sampler_view import SamplerView
from hpsearch.search.sampling import suggest
from hpsearch.training.results import EpochMetrics, Outcome

STUDY = """
trainable: mine:train
objective: {{metric: value, direction: maximize}}
trial:
  x: {{float: [0.0, 1.0]}}
  y: {{float: [0.001, 1.0], log: true}}
  n: {{int: [1, 9]}}
  z: {{choice: [plain, {{w: {{float: [0.0, 1.0]}}}}]}}
search: {{sampler: {}, trials: 20, seed: {}, pruner: none}}
"""
SAMPLERS = ["{name: cmaes, population: 4}", "{name: nsga2, population: 4}"]
WITHOUT_TORCH = pytest.mark.skipif(find_spec("torch") is None, reason="the sampler gp needs torch")
GP = pytest.param("{name: gp, startup_trials: 3}", marks=WITHOUT_TORCH)


@pytest.fixture
def spec(tmp_path):
    def load(sampler, seed=0):
        (tmp_path / "mine.py").write_text("def train(config, seed): yield {}\n")
        file = tmp_path / "study.yaml"
        file.write_text(STUDY.format(sampler, seed))
        return load_study(file)

    return load


def value_of(params):
    return -((params["x"] - 0.8) ** 2) - (np.log10(params["y"]) + 1) ** 2 - ((params["n"] - 4) / 9) ** 2


class Study:
    """A stored study whose trials are trained one after the other, without workers.

    Args:
        rejected: numbers of trials whose first two proposals are refused.
        diverged: numbers of trials that diverge.
    """

    def __init__(self, spec, rungs=(), rejected=(), diverged=()):
        self.spec, self.rungs, self.rejected, self.diverged = spec, rungs, rejected, diverged
        self.stored, self.steps = optuna.create_study(direction="maximize"), 0
        self.restart()

    def restart(self):
        self.view = SamplerView(self.spec, self.rungs)
        trials = self.stored.get_trials()
        self.view.load(trials, [read_trial(trial, self.spec.objective) for trial in trials])

    def run(self, numbers):
        for number in numbers:
            refusals = iter([False, False] if number in self.rejected else [])
            params = self.view.begin_new(number, lambda _, refusals=refusals: next(refusals, True))
            self.stored.sampler = DrawnValues(params)
            trial = self.stored.ask()
            suggest(trial, self.spec.space)
            self.train(trial, value_of(params))
        return [trial.params for trial in self.stored.trials]

    def train(self, trial, value):
        number, outcome = trial.number, Outcome.COMPLETED
        trial.set_user_attr(f"{EPOCH_PREFIX}1", EpochMetrics(1, {"value": value}).plain())
        if number in self.diverged:
            outcome = Outcome.DIVERGED
        elif self.rungs:
            self.step(trial, 1)
            self.view.reached(number, 1, value)
            if number % 3:
                trial.set_user_attr(OUTCOME, Outcome.PAUSED.name)
                self.view.forget(number)
                return
        if self.rungs:
            self.step(trial, END)
        trial.set_user_attr(OUTCOME, outcome.name)
        worst = outcome is Outcome.DIVERGED
        self.stored.tell(trial, None if worst else value, TrialState.PRUNED if worst else TrialState.COMPLETE)
        record = read_trial(self.stored.trials[number], self.spec.objective)
        assert isinstance(record, TrialRecord)
        self.view.end(record)

    def step(self, trial, rung):
        trial.set_user_attr(f"{RUNG_PREFIX}{rung}", self.steps)
        self.steps += 1


@pytest.mark.parametrize("rungs", [(), (1,)], ids=["no rungs", "asha"])
@pytest.mark.parametrize("sampler", [*SAMPLERS, "{name: forest, startup_trials: 3}", GP])
def test_an_interruption_changes_no_proposal(spec, sampler, rungs):
    settings = {"rungs": rungs, "rejected": (2, 7), "diverged": (3,)}
    undisturbed = Study(spec(sampler), **settings).run(range(20))
    for interruptions in ([5], range(1, 20)):
        study, begun = Study(spec(sampler), **settings), 0
        for number in interruptions:
            study.run(range(begun, number))
            study.restart()
            begun = number
        assert study.run(range(begun, 20)) == undisturbed


@pytest.mark.parametrize("rungs", [(), (1,)], ids=["no rungs", "asha"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_later_generations_are_better_than_the_first_one(spec, sampler, rungs):
    firsts, lasts = [], []
    for seed in range(5):
        values = [value_of(params) for params in Study(spec(sampler.replace("4", "6"), seed), rungs).run(range(48))]
        firsts.append(np.mean(values[:12]))
        lasts.append(np.mean(values[-12:]))
    assert np.mean(lasts) > np.mean(firsts) / 2


def test_cma_es_adapts_the_numbers_outside_of_choices(spec):
    study = Study(spec(SAMPLERS[0]))
    study.run(range(30))
    later = [trial.params for trial in study.stored.trials[20:]]
    assert np.std([params["x"] for params in later]) < 0.2
    # Choices are still drawn at random.
    assert {params["z"] for params in later} == {"plain", '{"w":{"float":[0.0,1.0]}}'}


def test_cma_es_needs_a_number_outside_of_choices(tmp_path):
    (tmp_path / "mine.py").write_text("def train(config, seed): yield {}\n")
    file = tmp_path / "study.yaml"
    file.write_text(
        "trainable: mine:train\nobjective: {metric: value, direction: maximize}\n"
        "trial: {z: {choice: [plain, {w: {float: [0.0, 1.0]}}]}}\nsearch: {sampler: cmaes}\n"
    )
    with pytest.raises(StudyFileError, match=r"study.yaml:4: search.sampler: cmaes .* outside of choices"):
        load_study(file)


def test_without_its_package_a_sampler_is_refused_in_one_line_with_the_command_that_installs_it(spec, monkeypatch):
    monkeypatch.setattr(prepare, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentProblem, match=r"^search.sampler: gp needs another package: pip install torch$"):
        prepare.prepare_data(spec("gp"), print)
    prepare.check_packages(spec("tpe"))
