"""Our pruners against Optuna's, on the same values in the same order."""

from __future__ import annotations

import random

import optuna
import pytest
from optuna.pruners import MedianPruner, PercentilePruner, SuccessiveHalvingPruner, ThresholdPruner
from optuna.trial import TrialState

from hpsearch.config.file import AshaStop, Median, NoPruner, Objective, Percentile, SearchConfig, Threshold
from hpsearch.search.pruning import make_pruner
from hpsearch.search.records import TrialRecord
from hpsearch.training.results import Best, EpochMetrics, Outcome

SETTINGS = {
    "asha_stop": (
        AshaStop(min_resource=2, reduction_factor=3),
        lambda s: SuccessiveHalvingPruner(min_resource=s.min_resource, reduction_factor=s.reduction_factor),
    ),
    "asha_stop of every epoch": (
        AshaStop(min_resource=1, reduction_factor=2),
        lambda s: SuccessiveHalvingPruner(min_resource=s.min_resource, reduction_factor=s.reduction_factor),
    ),
    "median": (
        Median(startup_trials=3, warmup_epochs=2),
        lambda s: MedianPruner(n_startup_trials=s.startup_trials, n_warmup_steps=s.warmup_epochs),
    ),
    "percentile": (
        Percentile(percentile=30.0, startup_trials=3, warmup_epochs=1),
        lambda s: PercentilePruner(s.percentile, n_startup_trials=s.startup_trials, n_warmup_steps=s.warmup_epochs),
    ),
    "threshold": (
        Threshold(lower=0.05, upper=0.95, warmup_epochs=3),
        lambda s: ThresholdPruner(lower=s.lower, upper=s.upper, n_warmup_steps=s.warmup_epochs),
    ),
}
EPOCHS, TRIALS, AT_ONCE = 9, 40, 3


def record(number: int, outcome: Outcome, values: list[float]) -> TrialRecord:
    rows = tuple(EpochMetrics(epoch, {"value": value}) for epoch, value in enumerate(values, start=1))
    return TrialRecord(number, "COMPLETE", outcome, None, rows, Best(1, values[0]), 1.0)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("name", SETTINGS)
def test_each_decision_is_that_of_optunas_pruner(name, direction):
    settings, theirs = SETTINGS[name]
    objective = Objective(metric="value", direction=direction)
    ours = make_pruner(SearchConfig(pruner=settings), objective)
    study = optuna.create_study(direction=direction, pruner=theirs(settings))
    source = random.Random(3)
    running, best, pruned = {}, {}, 0
    began = ended = 0
    while ended < TRIALS:
        while len(running) < AT_ONCE and began < TRIALS:
            running[began] = study.ask()
            began += 1
        number = source.choice(sorted(running))
        trial, epoch = running[number], len(best.setdefault(number, [])) + 1
        # Few different values, so that there are equals.
        value = round(source.random(), 1)
        values = [*best[number][-1:], value]
        best[number].append(max(values) if direction == "maximize" else min(values))
        trial.report(best[number][-1], epoch)
        ours.report(number, epoch, best[number][-1])
        stops = trial.should_prune()
        assert ours.prunes(number, epoch) == stops
        if stops or epoch == EPOCHS:
            study.tell(running.pop(number), None if stops else 0.0, TrialState.PRUNED if stops else None)
            ours.end(number, completed=not stops)
            ended, pruned = ended + 1, pruned + stops
    assert 0 < pruned < TRIALS


@pytest.mark.parametrize("name", SETTINGS)
def test_a_pruner_that_loads_the_trials_of_earlier_runs_decides_as_if_it_had_seen_them(name):
    search = SearchConfig(pruner=SETTINGS[name][0])
    objective = Objective(metric="value", direction="maximize")
    loaded, seen = make_pruner(search, objective), make_pruner(search, objective)
    records = [record(n, Outcome.COMPLETED, [n / 10 + e / 100 for e in range(6)]) for n in range(6)]
    loaded.load([*records, record(6, Outcome.DIVERGED, [9.0] * 6)])
    for number in range(6):
        for epoch, row in enumerate(records[number].epochs, start=1):
            seen.report(number, epoch, row.metrics["value"])
        seen.end(number, completed=True)
    for value in (0.0, 0.3, 0.5, 0.9):
        for pruner in (loaded, seen):
            pruner.forget(9)
        for epoch in range(1, 7):
            decisions = []
            for pruner in (loaded, seen):
                pruner.report(9, epoch, value)
                decisions.append(pruner.prunes(9, epoch))
            assert decisions[0] == decisions[1]


@pytest.mark.parametrize("name", SETTINGS)
def test_a_trial_that_is_run_again_is_not_compared_with_its_own_earlier_values(name):
    pruner = make_pruner(SearchConfig(pruner=SETTINGS[name][0]), Objective(metric="value", direction="maximize"))
    for number in range(3):
        pruner.replay(number, record(number, Outcome.COMPLETED, [0.5] * 4).epochs)
        pruner.end(number, completed=True)
    pruner.replay(3, record(3, Outcome.INTERRUPTED, [0.9] * 4).epochs)
    pruner.forget(3)
    for epoch in range(1, 5):
        pruner.report(3, epoch, 0.6)
        assert not pruner.prunes(3, epoch)


def test_without_a_pruner_nothing_is_pruned():
    pruner = make_pruner(SearchConfig(pruner=NoPruner()), Objective(metric="value", direction="maximize"))
    for number, value in ((0, 1.0), (1, 0.0)):
        for epoch in range(1, 10):
            pruner.report(number, epoch, value)
            assert not pruner.prunes(number, epoch)
