"""Which trials become finalists, what they and the Keras default are trained with, and who wins. Plain values."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from support import sample_config

from hpsearch.analysis.verdict import judge, sentences
from hpsearch.config.file import Objective
from hpsearch.config.trial import TrialConfig, with_seed
from hpsearch.search.finalists import FIRST_SEED, _untaken, choose_finalists, keras_default, retrain_config
from hpsearch.search.records import TrialRecord
from hpsearch.search.stages import Finalist, Finals, Reading, TestResult
from hpsearch.training.results import EpochMetrics, Outcome, best_of

UP, DOWN = Objective(), Objective(metric="val_loss", direction="minimize")


def record(number: int, *values: float, config: TrialConfig | None = None, **changes: Any) -> TrialRecord:
    rows = tuple(
        EpochMetrics(epoch, {"val_accuracy": value, "val_loss": 1 - value, "learning_rate": 0.1 / epoch})
        for epoch, value in enumerate(values, 1)
    )
    made = TrialRecord(
        number=number,
        state="COMPLETE",
        outcome=Outcome.COMPLETED,
        config=(config or sample_config(optimizer={"name": "adam", "beta_1": 0.5 + number / 100})),
        epochs=rows,
        best=best_of(rows, UP),
        seconds=1.0,
        started=datetime.now(),
    )
    return replace(made, **changes)


def finalist(trial: int | None, *bests: float, **sections: Any) -> Finalist:
    config = with_seed(sample_config(**sections), None)
    return Finalist(trial, 0.9, config, tuple(record(i, 0.1, best, of=trial) for i, best in enumerate(bests)))


def test_the_best_that_ended_well_are_chosen_best_first():
    records = [
        record(0, 0.5),
        record(1, 0.9, outcome=Outcome.PRUNED, state="PRUNED"),
        record(2, 0.7),
        record(3, 0.6),
        record(4, 0.8, outcome=Outcome.DIVERGED, best=None),
    ]
    assert [r.number for r in choose_finalists(records, UP, 2)] == [2, 3]
    assert [r.number for r in choose_finalists(records, UP, 9)] == [2, 3, 0]
    lower = [replace(r, best=best_of(r.epochs, DOWN)) for r in records[2:4]]
    assert [r.number for r in choose_finalists(lower, DOWN, 1)] == [2]


def test_trials_that_differ_in_the_seed_alone_are_one_finalist():
    one, other = sample_config(seed=1), sample_config(seed=2)
    records = [record(0, 0.5, config=one), record(1, 0.6, config=other), record(2, 0.4)]
    assert [r.number for r in choose_finalists(records, UP, 3)] == [1, 2]


def test_seeds_are_new():
    taken = {FIRST_SEED, FIRST_SEED + 2, 0}
    seeds = _untaken(taken, FIRST_SEED)
    assert [next(seeds) for _ in range(3)] == [FIRST_SEED + 1, FIRST_SEED + 3, FIRST_SEED + 4]
    assert next(_untaken({2**32 - 1}, 2**32 - 1)) == 0


def test_the_keras_default_is_the_same_model_and_nothing_else_is_tuned():
    tuned = sample_config(
        model={"architecture": "mlp", "units": [24], "dropout": 0.3},
        optimizer={"name": "sgd", "learning_rate": 0.3, "momentum": 0.9},
        schedule={"name": "cosine"},
        loss={"name": "categorical_crossentropy", "label_smoothing": 0.1},
        data={"dataset": "fashion_mnist_sample", "normalization": "standardize", "validation": 300},
        training={"max_epochs": 7, "early_stopping": {"patience": 2}, "class_weight": "balanced"},
    )
    plain = keras_default(tuned, UP)
    assert plain.model == tuned.model
    assert plain.optimizer == TrialConfig().optimizer
    assert (plain.optimizer.selected(), plain.optimizer.knobs()["learning_rate"]) == ("adam", 0.001)
    assert (plain.batch_size, plain.schedule.selected()) == (32, "constant")
    assert plain.loss.knobs() == {"label_smoothing": 0.0}
    assert (plain.data.normalization, plain.data.validation) == ("rescale", 300)
    assert (plain.training.max_epochs, plain.training.early_stopping) == (7, tuned.training.early_stopping)
    assert plain.training.class_weight is None
    # A validation loss with label smoothing cannot be compared with one without.
    assert keras_default(tuned, DOWN).loss == tuned.loss
    weighted = keras_default(tuned, Objective(metric="loss", direction="minimize"))
    assert (weighted.loss, weighted.training.class_weight) == (tuned.loss, "balanced")


def test_a_training_on_everything_stops_at_the_chosen_epoch_and_keeps_its_schedule():
    one = finalist(3, 0.8, 0.9, 0.85, schedule={"name": "cosine"}, training={"max_epochs": 9, "early_stopping": None})
    config = retrain_config(one)
    assert config.data.validation == 0
    assert (config.training.max_epochs, config.training.stop_after) == (9, 2)
    assert config.training.early_stopping is None
    assert config.schedule.selected() == "cosine"
    assert config.seed is None


def test_a_schedule_that_watches_validation_is_replaced_by_the_rates_it_came_to():
    one = finalist(3, 0.8, 0.9, schedule={"name": "reduce_on_plateau"})
    config = retrain_config(one)
    assert config.schedule.selected() == "piecewise_constant"
    assert config.schedule.knobs() == {"values": (0.1, 0.05)}


def finals(*finalists: Finalist, default: Finalist | None = None, readings: tuple[Reading, ...] = ()) -> Finals:
    return Finals(UP, (7, 8), finalists, default, (), readings)


def test_the_best_mean_wins_and_not_the_best_single_training():
    steady, lucky = finalist(1, 0.80, 0.81), finalist(2, 0.90, 0.60)
    assert finals(steady, lucky).winner is steady


def test_a_finalist_that_once_failed_cannot_win():
    broken = finalist(1, 0.9, 0.9)
    broken = replace(broken, runs=(broken.runs[0], replace(broken.runs[1], outcome=Outcome.DIVERGED, best=None)))
    assert broken.mean is None
    assert finals(broken).winner is None


def test_there_is_no_winner_before_all_have_been_trained():
    running = finalist(2, 0.5, 0.5)
    running = replace(running, runs=(running.runs[0], replace(running.runs[1], state="RUNNING", outcome=None)))
    assert finals(finalist(1, 0.9, 0.9), running).winner is None


def reading(winner: int, *, done: bool = True) -> Reading:
    figures = [TestResult(i, of, seed, 0.5, ((1, 1), (1, 1)), "a0") for i, (of, seed) in enumerate(WHO)] if done else []
    return Reading("2026-01-01T00:00:00+00:00", "process 1 on here", winner, "fashion_mnist", "d", 4, tuple(figures))


WHO = [(1, 8), (1, 7), (None, 7), (None, 8)]


def test_the_champion_is_the_model_of_the_first_seed():
    found = finals(finalist(1, 0.8, 0.8), readings=(reading(1, done=False), reading(1)))
    assert found.reading is not None
    assert [result.seed for result in found.tested(1)] == [7, 8]
    assert [result.seed for result in found.tested(None)] == [7, 8]
    champion = found.champion
    assert champion is not None
    assert (champion.trial, champion.seed) == (1, 7)


def test_a_later_winner_has_no_champion():
    assert finals(finalist(2, 0.8, 0.8), readings=(reading(1),)).champion is None
    assert finals(finalist(1, 0.8, 0.8), readings=(reading(1, done=False),)).champion is None


def test_a_reading_without_a_result_is_not_said_to_be_of_an_earlier_winner():
    in_vain, earlier = "for this winner gave no result", "was read for an earlier winner"
    for winner, expected, other in ((1, in_vain, earlier), (2, earlier, in_vain)):
        said = " ".join(sentences(judge("s", finals(finalist(winner, 0.8, 0.8), readings=(reading(1, done=False),)))))
        assert expected in said
        assert other not in said


@pytest.mark.parametrize(("done", "words"), [(True, "4 models"), (False, "it gave no result")])
def test_the_audit_line_says_who_when_and_for_whom(done, words):
    line = reading(3, done=done).line
    assert line.startswith("2026-01-01T00:00:00+00:00 by process 1 on here")
    assert "for trial 3" in line
    assert words in line
