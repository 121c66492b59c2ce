"""When no new trial starts: epochs, a target, trials without a better one, time."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from support import gain_study, hpsearch, result_of

from hpsearch.config.file import Objective, SearchConfig
from hpsearch.search.budget import TIMEOUT, Budget, reason_of_records
from hpsearch.search.records import TrialRecord
from hpsearch.training.results import Best, EpochMetrics, Outcome

MINIMIZE = Objective.model_validate({"metric": "val_loss"})


def search(**limits):
    return SearchConfig.model_validate(limits)


def trial(number, value, epochs=2, state="COMPLETE", outcome=Outcome.COMPLETED, metric="val_accuracy"):
    curve = tuple(EpochMetrics(epoch, {metric: value}) for epoch in range(1, epochs + 1))
    ended = datetime(2026, 1, 1) + timedelta(minutes=number)
    return TrialRecord(number, state, outcome, None, curve, Best(1, value), ended=ended)


def test_without_a_limit_there_is_no_end():
    assert reason_of_records(search(), Objective(), [trial(number, 0.9) for number in range(100)]) == ""


def test_epochs_of_all_trials_count_those_of_failed_and_interrupted_ones_too():
    records = [trial(0, 0.5), trial(1, 0.5, state="FAIL", outcome=Outcome.FAILED), trial(2, 0.5, state="WAITING")]
    assert reason_of_records(search(total_epochs=7), Objective(), records) == ""
    assert "6 epochs" in reason_of_records(search(total_epochs=6), Objective(), records)
    budget = Budget(search(total_epochs=7), Objective())
    budget.load(records)
    budget.epoch_done(0.5)
    assert "7 epochs" in budget.reason


@pytest.mark.parametrize(("objective", "values"), [(Objective(), (0.8, 0.9)), (MINIMIZE, (0.5, 0.4))])
def test_a_target_is_reached_by_any_epoch(objective, values):
    before, at = values
    budget = Budget(search(stop_at=at), objective)
    for value in (None, before):
        budget.epoch_done(value)
        assert budget.reason == ""
    budget.epoch_done(at)
    assert f"stop_at of {at}" in budget.reason
    assert "stop_at" in reason_of_records(search(stop_at=at), objective, [trial(0, at, metric=objective.metric)])


def test_the_trials_since_the_best_one_are_counted_in_the_order_of_their_ends():
    values = [0.5, 0.7, 0.6, 0.7, 0.6]
    records = [trial(number, value) for number, value in enumerate(values)]
    failed = trial(5, 0.9, state="FAIL", outcome=Outcome.FAILED)
    pruned = trial(6, 0.9, state="PRUNED", outcome=Outcome.PRUNED)
    assert reason_of_records(search(patience_trials=4), Objective(), [*reversed(records), failed]) == ""
    # A pruned trial cannot be the best.
    assert "last 4" in reason_of_records(search(patience_trials=4), Objective(), [*records, pruned])


def test_a_timeout_holds_for_one_run():
    budget = Budget(search(timeout=1e-9), Objective())
    assert budget.reason == TIMEOUT
    assert reason_of_records(search(timeout=1e-9), Objective(), []) == ""


TRAIN = """
def train(config, seed):
    for epoch in range(3):
        yield {"gain": seed / 10}
"""


@pytest.mark.e2e
def test_a_study_that_has_spent_its_budget_is_complete_and_goes_on_with_a_larger_one(tmp_path):
    file = gain_study(tmp_path, "spent", TRAIN, "search: {trials: 20, sampler: random, pruner: none, stop_at: 0.3}\n")
    command = ["run", str(file), "--workers=1"]
    first = hpsearch(*command, home=tmp_path / "home", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "study 'spent' is complete: gain reached search.stop_at of 0.3; 4 of 20 trials" in first.stderr
    again = hpsearch(*command, home=tmp_path / "home", cwd=tmp_path)
    assert "is complete: gain reached search.stop_at of 0.3; 4 of 20 trials" in again.stderr
    assert "started" not in again.stderr
    more = hpsearch(
        *command, "--set=search.stop_at=null", "--set=search.total_epochs=20", home=tmp_path / "home", cwd=tmp_path
    )
    assert "21 epochs" in more.stderr
    rows = result_of(hpsearch("trials", "spent", "-f", "json", home=tmp_path / "home"))
    assert [row["value"] for row in rows] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
