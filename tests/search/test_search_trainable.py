"""The coordinator with workers that train a user's own function: no TensorFlow, so that many trials are cheap."""

from __future__ import annotations

import cProfile
import pstats

import pytest
from support import gain_study

from hpsearch.config.study import load_study
from hpsearch.executors.local import LocalExecutor
from hpsearch.search.coordinator import Coordinator
from hpsearch.search.home import Home
from hpsearch.search.stop import Stop
from hpsearch.search.storage import open_study
from hpsearch.training.results import Outcome

ASHA = "search: {{sampler: random, trials: {}, pruner: {{name: asha, min_resource: 2, reduction_factor: 2}}}}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the functions are: a worker looks for modules in the folders that it was started with."""
    return tmp_path_factory.mktemp("trainables")


@pytest.fixture(scope="module")
def executor(folder):
    executor = LocalExecutor(1, folder / "workers.log", print, [folder], keras=False)
    yield executor
    executor.close()


class Run:
    """A study over a function of x in [0, 1] that yields `gain`."""

    def __init__(self, folder, executor, name, training, search):
        self.folder, self.executor = folder / f"home-{name}", executor
        self.file = gain_study(folder, name, training, search)
        self.spec = load_study(self.file)
        self.study = open_study(Home(self.folder), self.spec, self.file.read_text())

    def go(self, total, listeners=()):
        coordinator = Coordinator(
            self.study,
            self.spec,
            self.executor,
            lambda: listeners,
            total=total,
            stop=Stop(),
            checkpoints=self.folder / "checkpoints",
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
    assert [len(record.rows) for record in records] == [2, 2, 2, 2, 2, 2]
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
    assert second.losses == ()


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
        counts.append(decoded / len(run.study.record(total - 1).rows))
    assert counts[1] < 1.5 * counts[0] < 30
