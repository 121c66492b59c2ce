"""The coordinator with workers that train a user's own function: no TensorFlow, so that many trials are cheap."""

from __future__ import annotations

import cProfile
import pstats
from dataclasses import replace

import optuna
import pytest
from support import gain_study

from hpsearch.config.study import load_study
from hpsearch.display.board import Board
from hpsearch.executors.local import LocalExecutor
from hpsearch.search.attempts import enqueue_failed, left_failed
from hpsearch.search.contents import Contents
from hpsearch.search.coordinator import Coordinator
from hpsearch.search.home import Home
from hpsearch.search.listeners import Listener
from hpsearch.search.records import CONTENTS, PLANNED
from hpsearch.search.run import is_complete
from hpsearch.search.sampler_view import PROPOSALS, SamplerView
from hpsearch.search.stages import Stage
from hpsearch.search.stop import Stop
from hpsearch.search.storage import begin_study
from hpsearch.training.results import Outcome

ASHA = "search: {{sampler: random, trials: {}, pruner: {{name: asha, min_resource: 2, reduction_factor: 2}}}}\n"


class Run:
    """A study over a function that yields `gain`, of x in [0, 1] unless `search` has a `trial:` of its own."""

    def __init__(self, folder, executor, name, training, search):
        self.folder, self.executor = folder / f"home-{name}", executor
        self.file = gain_study(folder, name, training, search)
        if "trial:" in search:
            self.file.write_text(self.file.read_text().replace("trial: {x: {float: [0, 1]}}\n", "", 1))
        self.spec = load_study(self.file)
        self.study = begin_study(Home(self.folder), self.spec, self.file.read_text())

    def go(self, total, listeners=(), stop=None, stage=Stage.SEARCH, contents=None):
        coordinator = Coordinator(
            self.study,
            self.spec,
            self.executor,
            lambda: listeners,
            total=total,
            stop=stop or Stop(),
            checkpoints=self.folder / "checkpoints",
            contents=contents,
            stage=stage,
        )
        return coordinator.run(self.file.read_text(), 1)


ENDS = """
def train(config, seed):
    yield {"gain": -seed}
    yield {"gain": -seed}
    if seed in (2, 5):
        yield {"gain": -seed}
    if seed == 3:
        raise ValueError("after its last epoch")
"""


def test_a_trial_that_is_told_to_stop_in_its_last_epoch_is_complete(folder, executor):
    """Each trial is worse than those before it, so that all but the first are told to stop at the rung."""
    run = Run(folder, executor, "ends", ENDS, ASHA.format(6))
    records = run.go(6).records
    assert [len(record.epochs) for record in records] == [2, 2, 2, 2, 2, 2]
    outcomes = [record.outcome for record in records]
    # Trials 2 and 5 would have gone on, and trial 3 had not come to its end either.
    assert outcomes == [
        Outcome.COMPLETED,
        Outcome.COMPLETED,
        Outcome.PRUNED,
        Outcome.PRUNED,
        Outcome.COMPLETED,
        Outcome.PRUNED,
    ]
    assert "after its last epoch" in (folder / "workers.log").read_text()


DIES = """
import os

def train(config, seed):
    yield {"gain": -seed}
    yield {"gain": -seed}
    if seed:
        os._exit(1)
    yield {"gain": 0}
"""


def test_a_worker_that_dies_after_its_trial_was_told_to_stop_is_no_failure(folder, executor):
    run = Run(folder, executor, "dies", DIES, ASHA.format(2))
    first, second = run.go(2).records
    assert (first.outcome, second.outcome) == (Outcome.COMPLETED, Outcome.PRUNED)
    assert second.worker_failures == ()


LONG = """
def train(config, seed):
    for _ in range(int(open({file!r}).read())):
        yield {{"gain": seed}}
"""


@pytest.mark.parametrize("pruner", ["asha", "median"])
def test_what_an_epoch_costs_does_not_grow_with_the_epochs_before_it(folder, executor, pruner):
    """Counted are the values that are read back from the database, whose attributes are JSON."""
    epochs = folder / "epochs"
    settings = "{name: median, startup_trials: 1}" if pruner == "median" else pruner
    search = f"search: {{sampler: random, trials: 9, pruner: {settings}}}\n"
    run = Run(folder, executor, f"long_{pruner}", LONG.format(file=str(epochs)), search)
    # Each trial is better than those before it, so that none is pruned.
    epochs.write_text("1")
    run.go(1)
    counts = []
    for total, length in ((2, 40), (3, 160)):
        epochs.write_text(str(length))
        profile = cProfile.Profile()
        profile.runcall(run.go, total)
        stats = pstats.Stats(profile).stats
        decoded = sum(calls[0] for (_, _, name), calls in stats.items() if name == "raw_decode")
        counts.append(decoded / len(run.study.find_record(total - 1).epochs))
    assert counts[1] < 1.5 * counts[0] < 30


RANDOM = "search: {{sampler: random, trials: {}, pruner: none}}\n"


def test_all_trials_are_read_when_a_run_begins_and_ends_and_never_between(folder, executor, monkeypatch):
    read, counts = optuna.Study.get_trials, []

    def counted(study, *arguments, **more):
        # The sampler's own view of the study, in memory, has another name.
        counts[-1] += study.study_name.startswith("read")
        return read(study, *arguments, **more)

    training = "def train(config, seed):\n    for _ in range(3):\n        yield {'gain': config['x']}\n"
    for trials in (3, 12):
        search = f"search: {{trials: {trials}, sampler: {{name: tpe, startup_trials: 2}}, pruner: asha}}\n"
        run = Run(folder, executor, f"read{trials}", training, search)
        counts.append(0)
        with monkeypatch.context() as patch:
            patch.setattr(optuna.Study, "get_trials", counted)
            assert len(run.go(trials).records) == trials
    assert counts == [2, 2]


SOME_FAIL = """
def train(config, seed):
    if seed % 3 == 1:
        raise ValueError("the third wheel came off")
    yield {"gain": config["x"]}
"""


def states(records):
    return [record.state for record in records]


def test_failed_trials_do_not_use_up_the_total(folder, executor):
    run = Run(folder, executor, "some", SOME_FAIL, RANDOM.format(4))
    ended = run.go(4)
    assert states(ended.records) == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE", "FAIL", "COMPLETE"]
    assert (ended.abort_reason, is_complete(run.study, 4), is_complete(run.study, 5)) == ("", True, False)
    # Continued, it trains what is missing and nothing else.
    assert len(run.go(4).records) == 6
    assert len(run.go(5).records) == 7


def test_an_objective_that_is_no_number_has_diverged_and_a_training_without_an_epoch_has_failed(folder, executor):
    training = """
def train(config, seed):
    if seed == 1:
        yield {"gain": float("nan")}
    elif seed == 2:
        yield {"gain": float("inf")}
    elif seed != 3:
        yield {"gain": config["x"]}
"""
    records = Run(folder, executor, "nan", training, RANDOM.format(4)).go(4).records
    assert [record.outcome for record in records] == [
        Outcome.COMPLETED,
        Outcome.DIVERGED,
        Outcome.DIVERGED,
        Outcome.FAILED,
        Outcome.COMPLETED,
    ]
    assert [record.detail for record in records][1:4] == [
        "no epoch had a finite gain",
        "no epoch had a finite gain",
        "it ended without an epoch",
    ]


MOST_FAIL = """
def train(config, seed):
    if seed:
        raise ValueError("the third wheel came off")
    yield {"gain": config["x"]}
"""


def test_a_run_in_which_many_more_fail_than_the_study_is_to_have_stops(folder, executor):
    ended = Run(folder, executor, "most", MOST_FAIL, RANDOM.format(3)).go(3)
    assert states(ended.records) == ["COMPLETE", *["FAIL"] * 10]
    assert ended.abort_reason == "10 trials of this run failed, the last one so: ValueError: the third wheel came off"


def test_no_proposal_for_a_trial_is_repeated_for_the_next_one(folder):
    spec = load_study(gain_study(folder, "proposals", SOME_FAIL, RANDOM.format(3)))
    proposed = []

    def refuse(config):
        proposed.append(config["x"])
        return False

    for number in range(2):
        assert SamplerView(spec).begin_new(number, refuse) is None
    assert len(set(proposed)) == len(proposed) == 4 * PROPOSALS


class StopsAtOnce(Listener):
    """Asks to stop when the first trial has started, as Ctrl-C does."""

    def __init__(self, stop):
        self.stop = stop

    def trial_started(self, event):
        self.stop.asked = True


def test_failed_configurations_are_tried_again_on_request_as_new_trials_that_name_them(folder, executor):
    training = "import os\n\n" + SOME_FAIL.replace(
        "if seed", f"if not os.path.exists({str(folder / 'mended')!r}) and seed"
    )
    run = Run(folder, executor, "again", training, RANDOM.format(3))
    before = run.go(3).records
    assert states(before) == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    (folder / "mended").touch()
    assert is_complete(run.study, 3)
    assert [enqueue_failed(run.study) for _ in range(2)] == [1, 1]
    # The study has its total, and what was asked for is trained all the same: so also if the run was interrupted.
    assert not is_complete(run.study, 3)
    # A worker of its own, since an interrupted trial keeps its worker until the run's executor is closed.
    stop, run.executor = Stop(), LocalExecutor(1, folder / "workers.log", print, [folder], keras=False)
    interrupted = run.go(3, [StopsAtOnce(stop)], stop)
    run.executor.close()
    assert (interrupted.interrupted, states(interrupted.records)[4:]) == (True, ["WAITING"])
    run.executor, board = executor, Board()
    *same, last = run.go(3, [board]).records
    assert (same, board._total, board._counted(), board._left()) == (before, 4, 4, "about 0:00 left")
    assert (last.state, last.retry_of, last.config) == ("COMPLETE", 1, before[1].config)
    assert (enqueue_failed(run.study), is_complete(run.study, 3)) == (0, True)
    # What the sampler proposes again does not name the trial that failed.
    assert (left_failed(before), left_failed([*before, replace(last, retry_of=None)])) == ([1], [])


GRID = "trial: {{x: {{choice: [0, 1, 2]}}{}}}\nsearch: {{sampler: grid}}\nlimits: {{retries: 1}}\n"
POINT_FAILS = """
def train(config, seed):
    if config["x"] == 1:
        raise ValueError("the third wheel came off")
    yield {"gain": config["x"]}
"""


@pytest.mark.parametrize("seed", ["", ", seed: 5"])
def test_a_point_of_a_grid_that_fails_is_tried_again_last_and_not_for_ever(folder, executor, seed):
    run = Run(folder, executor, f"grid{len(seed)}", POINT_FAILS, GRID.format(seed))
    ended = run.go(3)
    assert [record.config.values["x"] for record in ended.records] == [0, 1, 2, 1]
    assert [record.retry_of for record in ended.records] == [None, None, None, 1]
    assert ended.records[3].config == ended.records[1].config
    assert (ended.abort_reason, ended.no_new_configuration, is_complete(run.study, 3)) == ("", True, True)
    assert len(run.go(3).records) == 4


LETTERS = "trial: {{x: {{choice: [a, b, c]}}, y: {{int: [1, 2]}}, seed: 1}}\nsearch: {{sampler: {}, trials: 20}}\n"
LETTER = """
def train(config, seed):
    yield {"gain": ord(config["x"]) + config["y"]}
"""


@pytest.mark.parametrize(
    "sampler", ["tpe", "random", "qmc", "nsga2", "{name: tpe, startup_trials: 0}", "{name: forest, startup_trials: 2}"]
)
def test_with_a_fixed_seed_no_configuration_is_trained_twice(folder, executor, sampler):
    name = "".join(filter(str.isalnum, sampler))
    run = Run(folder, executor, f"letters_{name}", LETTER, LETTERS.format(sampler))
    half = run.go(4).records
    # A copy that has seen the same trials proposes the same.
    ended = run.go(20)
    configs = {(record.config.values["x"], record.config.values["y"]) for record in ended.records}
    assert len(ended.records) == len(configs) == 6
    assert ended.records[:4] == half
    assert (ended.abort_reason, ended.no_new_configuration, is_complete(run.study, 20)) == ("", True, True)
    assert len(run.go(20).records) == 6


def test_what_an_early_version_trained_is_not_trained_again(folder, executor):
    """Its trials have no digests of the modules, so their configurations alone are compared."""
    run = Run(folder, executor, "early", LETTER, LETTERS.format("random"))
    run.go(4)
    trained = run.study.optuna.get_trials()
    run.study = begin_study(Home(folder / "home-early-version"), run.spec, run.file.read_text())
    for trial in trained:
        del trial.user_attrs[CONTENTS]
        run.study.optuna.add_trial(trial)
    records = run.go(20, contents=Contents(sources={"gain.py": "0" * 32})).records
    assert len(records) == len({(record.config.values["x"], record.config.values["y"]) for record in records}) == 6


MIXED = """
trial: {x: {choice: [{kind: plain}, {kind: scaled, by: {float: [1, 2]}}]}, seed: 1}
search: {sampler: {name: tpe, startup_trials: 0}, trials: 8}
enqueue: [{x: {kind: plain}}]
"""


def test_a_branch_without_numbers_is_trained_once_beside_one_that_has_no_end(folder, executor):
    training = 'def train(config, seed):\n    yield {"gain": 9 if config["x"]["kind"] == "plain" else 0}\n'
    records = Run(folder, executor, "mixed", training, MIXED).go(8).records
    assert [record.config.values["x"]["kind"] for record in records] == ["plain", *["scaled"] * 7]


def test_with_a_seed_a_trial_configurations_may_repeat(folder, executor):
    search = LETTERS.format("random").replace(", seed: 1", "").replace("20", "8")
    records = Run(folder, executor, "seeds", LETTER, search).go(8).records
    assert len(records) == len({record.config.seed for record in records}) == 8


def test_two_workers_do_not_train_the_same_configuration_at_once(folder):
    executor = LocalExecutor(2, folder / "two.log", print, [folder], keras=False)
    try:
        run = Run(folder, executor, "two", LETTER, LETTERS.format("tpe"))
        records = run.go(20).records
    finally:
        executor.close()
    assert len(records) == len({(record.config.values["x"], record.config.values["y"]) for record in records}) == 6


def test_finalists_with_the_same_configuration_and_seed_are_all_trained(folder, executor):
    """As where the untuned default wins: it is trained as the winner and as what the winner is compared with."""
    fixed = "trial: {x: {choice: [0, 1]}, seed: 1}\nsearch: {sampler: random, trials: 2, baselines: false}\n"
    run = Run(folder, executor, "same", "def train(config, seed):\n    yield {'gain': config['x']}\n", fixed)
    config = run.spec.config({"x": 1, "seed": 1}).plain()
    for _ in range(2):
        run.study.optuna.enqueue_trial({}, user_attrs={PLANNED: config})
    assert states(run.go(2, stage=Stage.FINALISTS).records) == ["COMPLETE", "COMPLETE"]
