"""The simulation of search methods, on a small pool whose curves are made here; nothing is trained."""

from __future__ import annotations

import math
import random
import statistics
from functools import cache

import optuna
import pytest

from benchmarks.curves import POOLS, Pool, draw
from benchmarks.search_choosers import PoolAcquisition, TpeChooser, ask
from benchmarks.search_keras_tuner import KerasTunerBayesian
from benchmarks.search_methods import compare, finals, half_width, table
from benchmarks.search_oracles import HPSEARCH_TPE, METHODS
from benchmarks.search_pool import SearchPool, Simulation
from hpsearch.executors.protocol import Decision
from hpsearch.training.results import Outcome

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")]
EPOCHS, DIVERGED = 9, (4, 5)


def curve(learning_rate: float) -> list[float]:
    """Return accuracies that grow with the learning rate alone, and with the epoch."""
    final = 0.8 + 0.03 * math.log10(learning_rate)
    return [final - 0.1 / epoch for epoch in range(1, EPOCHS + 1)]


@cache
def pool(members: int = 24) -> SearchPool:
    study = POOLS["mlp"].study
    content = []
    for number, member in enumerate(draw(Pool(study, members - 3))):
        accuracy, losses = curve(member["config"]["optimizer"]["learning_rate"]), [1.0] * EPOCHS
        if number in DIVERGED:
            accuracy, losses = accuracy[:2], [1.0, math.nan]
        content.append({**member, "curve": {"val_accuracy": accuracy, "loss": losses, "val_loss": losses}})
    return SearchPool(study, content, members - 4)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_keeps_its_budget_and_trains_every_epoch_of_a_member_once(name):
    # A Gaussian process is slow, and few of its choices are enough: diverged members cost less than a training.
    most = 10 if "bayesian" in name else 24
    points = [2 * EPOCHS, 5 * EPOCHS, most * EPOCHS]
    simulation = Simulation(METHODS[name].make(pool(), 0), points)
    incumbents = simulation.run()
    assert len(incumbents) == len(points)
    assert simulation.spent == sum(simulation.trained.values()) <= points[-1]
    assert all(epochs <= len(pool().members[number].values) for number, epochs in simulation.trained.items())
    # A method goes on while there are members that it may train. Of hpsearch's study there are `total` of them.
    assert len(simulation.trained) >= min(most, pool().total)


def test_the_pool_has_the_defaults_first_and_diverged_members_end():
    assert [member.params["optimizer"] for member in pool().defaults] == ["sgd", "rmsprop", "adam"]
    assert pool().members[4].values == (pytest.approx(pool().members[4].final), None)
    assert all(len(member.values) == EPOCHS for member in pool().members if member.number not in DIVERGED)


class Scripted:
    """Asks for members in a given order and pauses at given epochs."""

    def __init__(self, order, pauses=()):
        self.order, self.pauses, self.ends = list(order), pauses, []

    def ask(self):
        return pool().members[self.order.pop(0)] if self.order else None

    def report(self, member, epoch, value):
        return Decision.PAUSE if (member.number, epoch) in self.pauses else Decision.CONTINUE

    def tell(self, member, outcome):
        self.ends.append((member.number, outcome))


def test_a_paused_member_pays_only_for_its_further_epochs():
    method = Scripted([0, 1, 0, 4], pauses={(0, 3), (1, 2)})
    simulation = Simulation(method, [3, 5, 100])
    incumbents = simulation.run()
    assert simulation.trained == {0: EPOCHS, 1: 2, 4: 2}
    assert simulation.spent == EPOCHS + 2 + 2
    assert method.ends == [
        (0, Outcome.PAUSED),
        (1, Outcome.PAUSED),
        (0, Outcome.COMPLETED),
        (4, Outcome.DIVERGED),
    ]
    # The default learning rate of SGD is 0.01, that of RMSprop 0.001.
    assert [member.number for member in incumbents] == [0, 0, 0]


def test_the_last_point_ends_a_search_within_a_training():
    simulation = Simulation(Scripted([0, 1]), [4])
    simulation.run()
    assert simulation.trained == {0: 4}


def test_a_member_that_has_ended_is_refused():
    with pytest.raises(ValueError, match="member 0 has ended"):
        Simulation(Scripted([0, 0]), [100]).run()


def test_the_brackets_of_hyperband_are_those_of_keras_tuner():
    """Rounds of 27, 9, 3 and 1 trials, then of 12, 4 and 2, then of 6 and 2, then 4; see its `_get_size`."""
    longer = [{"params": member.params, "curve": {"val_accuracy": [member.final] * 27}} for member in pool(120).members]
    method = METHODS["keras_tuner_hyperband"].make(SearchPool(POOLS["mlp"].study, longer, 50), 0)
    lengths: list[int] = []
    while len(lengths) < 70:
        member = method.ask()
        epoch = 1
        while method.report(member, epoch, member.final) is not Decision.PAUSE:
            epoch += 1
        lengths.append(epoch)
    assert (
        lengths == [1] * 27 + [3] * 9 + [9] * 3 + [27] + [3] * 12 + [9] * 4 + [27] * 2 + [9] * 6 + [27] * 2 + [27] * 4
    )


@pytest.mark.parametrize("settings", [{}, HPSEARCH_TPE], ids=["defaults", "hpsearch"])
def test_tpe_chooses_better_members_than_chance_once_it_has_enough_trials(settings):
    members = pool(120).members
    for seed in range(3):
        chooser, study = TpeChooser(seed, **settings), optuna.create_study(direction="maximize")
        seen = random.Random(seed).sample(members, 20)
        unused = [member for member in members if member not in seen]
        for member in seen:
            study.tell(ask(study, member), member.final)
        chosen = []
        for _ in range(5):
            chosen.append(chooser.choose(unused, study))
            unused.remove(chosen[-1])
        assert mean_final(chosen) > mean_final(unused) + 0.01


def mean_final(members) -> float:
    return statistics.fmean(member.final for member in members)


def test_tpe_chooses_the_branch_first_and_then_by_the_sum_over_all_parameters_of_a_member():
    members = pool(120).members
    study = optuna.create_study(direction="maximize")
    for member in members[:20]:
        study.tell(ask(study, member), member.final)
    unused = members[20:]
    acquisition = PoolAcquisition(study, **HPSEARCH_TPE)
    branches, sums = acquisition.of_branches(unused), acquisition.total(unused)
    # Members of other branches change nothing.
    assert [acquisition.total([member])[0] for member in unused[:9]] == pytest.approx(list(sums[:9]))

    def branch(member):
        return member.params["optimizer"], member.params["schedule"]

    best = branch(unused[branches.argmax()])
    rows = [row for row, member in enumerate(unused) if branch(member) == best]
    chosen = TpeChooser(0, **HPSEARCH_TPE).choose(unused, study)
    assert branch(chosen) == best
    assert sums[unused.index(chosen)] == max(sums[rows])


def test_promotion_and_tpe_find_better_members_than_chance():
    ours, chance = (statistics.fmean(finals(pool(120), name, 10, [4])[0]) for name in ("hpsearch", "random"))
    assert ours > chance


def test_a_gaussian_process_finds_better_members_than_chance():
    method = KerasTunerBayesian(pool(120), 0, initial_points=12)
    Simulation(method, [12 * EPOCHS]).run()
    assert method.ask().final > statistics.quantiles([member.final for member in pool(120).members], n=4)[2]


def test_intervals_are_those_of_student():
    assert half_width([1.0]) is None
    assert half_width([1.0, 2.0, 3.0]) == pytest.approx(4.302653 / math.sqrt(3), rel=1e-5)


def test_a_comparison_holds_differences_within_a_seed_and_its_table_says_what_each_method_is():
    comparison = compare(pool(), 2, ["random"])
    assert list(comparison["methods"]) == ["random", "hpsearch"]
    ours, other = comparison["methods"]["hpsearch"], comparison["methods"]["random"]
    assert ours["difference"] == [0.0, 0.0, 0.0]
    expected = [statistics.fmean(a) - statistics.fmean(b) for a, b in zip(other["final"], ours["final"], strict=True)]
    assert other["difference"] == pytest.approx(expected)
    assert comparison["best_of_pool"] >= max(map(max, ours["final"]))
    printed = table(comparison)
    assert "best of the Keras defaults" in printed
    assert f"  random: {METHODS['random'].about}" in printed
