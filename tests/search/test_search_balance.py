"""`search.balance`: every option of a choice gets the same number of trials, also after an interruption."""

from __future__ import annotations

from collections import Counter

import pytest
from support import gain_study

from hpsearch.config.problems import changes
from hpsearch.config.study import load_study
from hpsearch.errors import StudyFileError
from hpsearch.executors.local import LocalExecutor
from hpsearch.search.balance import Balance
from hpsearch.search.coordinator import Coordinator
from hpsearch.search.home import Home
from hpsearch.search.listeners import Listener
from hpsearch.search.stop import Stop
from hpsearch.search.storage import begin_study, check_unchanged

TRIAL = "trial: {way: {choice: [a, b, c]}, x: {float: [0, 1]}}\n"
SEARCH = "search: {{sampler: {}, trials: 9, pruner: none, balance: way}}\n"
TRAINING = """
def train(config, seed):
    yield {"gain": config["x"]}
"""
# The option b fails in its first trials.
B_FAILS = """
import os

def train(config, seed):
    if config["way"] == "b":
        with open({file!r}, "a") as file:
            file.write("x")
        if os.path.getsize({file!r}) <= {times}:
            raise ValueError("the second way is closed")
    yield {{"gain": config["x"]}}
"""


class Run:
    def __init__(self, folder, executor, name, search, training=TRAINING, trial=TRIAL):
        self.folder, self.executor = folder / f"home-{name}", executor
        self.file = gain_study(folder, name, training, "")
        head = self.file.read_text().partition("trial:")[0]
        self.file.write_text(head + trial + search)
        self.spec = load_study(self.file)
        self.study = begin_study(Home(self.folder), self.spec, self.file.read_text())

    def go(self, total=9, stop=None, listeners=()):
        coordinator = Coordinator(
            self.study,
            self.spec,
            self.executor,
            lambda: listeners,
            total=total,
            stop=stop or Stop(),
            checkpoints=self.folder / "checkpoints",
        )
        return coordinator.run(self.file.read_text(), 1).records


def ways(records):
    return [record.params["way"] for record in records]


@pytest.mark.parametrize("sampler", ["random", "{name: tpe, startup_trials: 3}"])
def test_nine_trials_over_three_options_are_three_each(folder, executor, sampler):
    name = "even" + sampler[:1].strip("{")
    records = Run(folder, executor, name, SEARCH.format(sampler)).go()
    assert ways(records) == ["a", "b", "c"] * 3
    assert len({record.params["x"] for record in records}) == 9


class StopsAt(Listener):
    """Asks to stop when a trial has started, as Ctrl-C does."""

    def __init__(self, stop, trial):
        self.stop, self.trial = stop, trial

    def trial_started(self, record):
        if record.number == self.trial:
            self.stop.asked = True


def test_an_interruption_changes_nothing(folder, executor):
    undisturbed = Run(folder, executor, "undisturbed", SEARCH.format("random")).go()
    run = Run(folder, executor, "interrupted", SEARCH.format("random"))
    for trial in (0, 4):
        # Workers of its own, since an interrupted trial keeps its worker until the run's executor is closed.
        stop, run.executor = Stop(), LocalExecutor(1, folder / "workers.log", print, [folder], keras=False)
        before = run.go(stop=stop, listeners=[StopsAt(stop, trial)])
        run.executor.close()
        assert len(before) == trial + 1
    run.executor = executor
    run.go(7)
    assert [record.params for record in run.go(9)] == [record.params for record in undisturbed]


def test_a_process_that_died_between_creating_a_trial_and_drawing_it_goes_on_with_the_same_option(folder, executor):
    run = Run(folder, executor, "died", SEARCH.format("random"))
    run.go(4)
    run.study.optuna.ask()
    assert ways(run.go()) == ["a", "b", "c"] * 3


def test_enqueued_trials_count_and_one_without_the_choice_gets_the_next_option(folder, executor):
    enqueue = "enqueue: [{way: c}, {way: c, x: 0.5}, {x: 0.25}]\n"
    records = Run(folder, executor, "enqueued", SEARCH.format("random") + enqueue).go()
    assert ways(records)[:3] == ["c", "c", "a"]
    assert records[2].params["x"] == 0.25
    assert Counter(ways(records)) == {"a": 3, "b": 3, "c": 3}


def good_ways(records):
    return Counter(record.params["way"] for record in records if record.good)


def test_failed_trials_are_made_up_for(folder, executor):
    training = B_FAILS.format(file=str(folder / "twice"), times=2)
    records = Run(folder, executor, "twice", SEARCH.format("random"), training).go()
    assert len(records) == 11
    assert good_ways(records) == {"a": 3, "b": 3, "c": 3}


def test_an_option_that_always_fails_does_not_get_all_trials(folder, executor):
    training = B_FAILS.format(file=str(folder / "always"), times=1000)
    records = Run(folder, executor, "always", SEARCH.format("random"), training).go()
    assert good_ways(records) == {"a": 5, "c": 4}
    assert len(records) < 18


def test_the_other_options_go_on_where_one_has_no_new_configuration(folder, executor):
    trial = "trial: {seed: 1, way: {choice: [{one: 1}, {two: {choice: [1, 2, 3, 4]}}]}}\n"
    training = 'def train(config, seed):\n    yield {"gain": 1.0}\n'
    search = "search: {sampler: random, trials: 9, pruner: none, balance: way}\n"
    records = Run(folder, executor, "spent", search, training, trial).go()
    assert len(records) == 5


KERAS = """
name: even
trial: {{optimizer: {{choice: [sgd, adam, lion]}}, schedule: constant, batch_size: 32}}
search: {{balance: {}}}
"""


def load(tmp_path, text):
    file = tmp_path / "even.yaml"
    file.write_text(text)
    return load_study(file)


def test_baselines_count(tmp_path):
    spec = load(tmp_path, KERAS.format("optimizer"))
    study = begin_study(Home(tmp_path / "home"), spec, "")
    first = [trial.system_attrs["fixed_params"] for trial in study.optuna.get_trials()]
    balance = Balance(spec)
    begun = []
    for number in range(9):
        params = first[number] if number < len(first) else next(balance.options())
        balance.begin(number, params)
        begun.append(params["optimizer"])
    # Baselines come in the order of the catalogue.
    assert (sorted(begun[:3]), begun[3:]) == (["adam", "lion", "sgd"], ["sgd", "adam", "lion"] * 2)


def test_the_identity_of_a_study_without_the_key_is_that_of_earlier_versions(tmp_path):
    text = KERAS.replace("search: {{balance: {}}}", "search: {{trials: 9}}").format()
    spec = load(tmp_path, text)
    assert "balance" not in spec.identity()["search"]
    home = Home(tmp_path / "home")
    begin_study(home, spec, text)
    assert check_unchanged(home, load(tmp_path, text.replace("trials: 9", "trials: 9, balance: null")))
    balanced = load(tmp_path, KERAS.format("optimizer"))
    assert list(changes(spec.identity(), balanced.identity())) == ["search.balance: was absent, is now 'optimizer'"]


@pytest.mark.parametrize(
    ("balance", "sampler", "line"),
    [
        ("optimizr", "tpe", "unknown choice 'optimizr' (did you mean 'optimizer'?); available: optimizer"),
        ("batch_size", "tpe", "unknown choice 'batch_size'; available: optimizer"),
        (
            "optimizer.sgd.nesterov",
            "tpe",
            "must be a choice that every trial draws (optimizer), but got optimizer.sgd.nesterov",
        ),
        ("optimizer", "qmc", "under qmc, whose points belong to all options together, but got optimizer"),
        ("3", "tpe", "must be a word or text, but got 3"),
    ],
)
def test_a_name_that_cannot_be_balanced_is_refused_in_one_line(tmp_path, balance, sampler, line):
    with pytest.raises(StudyFileError) as error:
        load(tmp_path, KERAS.format(f"{balance}, sampler: {sampler}"))
    (problem,) = error.value.problems
    assert "even.yaml:4: search.balance: " in problem
    assert line in problem


def test_a_study_without_a_choice_and_a_grid_have_nothing_to_balance(tmp_path):
    with pytest.raises(StudyFileError, match="is optimizer, but no parameter of the study is a choice"):
        load(tmp_path, KERAS.replace("{{choice: [sgd, adam, lion]}}", "adadelta").format("optimizer"))
    with pytest.raises(StudyFileError, match="must be left out under grid, which trains each of its points once"):
        load(tmp_path, KERAS.format("optimizer, sampler: grid"))


def test_a_choice_between_models_is_called_architecture_too(tmp_path):
    text = KERAS.replace("trial: {{", "trial: {{model: {{choice: [mlp, cnn]}}, ").format("architecture")
    balance = Balance(load(tmp_path, text))
    assert list(balance.options()) == [{"model": "mlp"}, {"model": "cnn"}]
