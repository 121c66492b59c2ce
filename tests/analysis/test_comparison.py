"""Comparisons: figures by hand, groups, the best point of a group, what diverged, growth."""

from __future__ import annotations

import math
from statistics import mean, median, stdev

import pytest
from support import sample_config

from hpsearch.analysis.comparison import Spread, compare_trials, fit_growth, formatted, notes, table, training_of
from hpsearch.catalogue.metrics import SUMMARY_METRICS
from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.config.file import Compare, Objective
from hpsearch.search.home import Home
from hpsearch.search.records import TrialRecord
from hpsearch.search.storage import find_study
from hpsearch.training.results import GOOD, EpochMetrics, Outcome, best_of

ACCURACY, LOSS = Objective(), Objective.model_validate({"metric": "val_loss"})


def row(epoch, accuracy, loss=0.5, seconds=1.0, **more):
    metrics = {"loss": loss, "accuracy": accuracy + 0.1, "val_loss": loss + 0.2, "val_accuracy": accuracy}
    return EpochMetrics(epoch, {**metrics, "learning_rate": 0.1, "epoch_seconds": seconds, **more})


def record(number, rows, outcome=Outcome.COMPLETED, params=None, **sections):
    """A trial that ended; `sections` of its configuration."""
    rows = tuple(rows)
    good = outcome in GOOD or outcome is Outcome.PRUNED
    return TrialRecord(
        number=number,
        state="COMPLETE",
        outcome=outcome,
        config=sample_config(seed=number, **sections),
        epochs=rows,
        best=best_of(rows, ACCURACY) if good else None,
        seconds=9.0,
        params=params or {},
        info={"weights": 1000},
    )


def compared(records, objective=ACCURACY, **section):
    return compare_trials("s", "about", objective, Compare.model_validate({"by": ["batch_size"], **section}), records)


def figure(name, record_, target=None):
    return SUMMARY_METRICS[name].of(training_of(record_, ACCURACY, target))


CURVE = [row(1, 0.5, 0.9, 7.0), row(2, 0.8, 0.4, 2.0), row(3, 0.7, 0.2, 3.0, updates=19.0)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("val_accuracy", 0.8),
        ("loss", 0.4),
        ("final_loss", 0.2),
        ("final_val_accuracy", 0.7),
        ("final_val_loss", 0.4),
        ("gap", 0.1),
        ("best_epoch", 2),
        ("epochs", 3),
        ("seconds_per_epoch", 3.0),
        ("seconds", 9.0),
        ("updates", 19.0),
        ("weights", 1000),
        ("epochs_to_target", 2),
        ("seconds_to_target", 6.0),
        ("val_f1_score", None),
        ("gradient_noise_scale", None),
    ],
)
def test_a_figure_of_one_training(name, value):
    found = figure(name, record(0, CURVE), target=0.8)
    assert found is None if value is None else found == pytest.approx(value)


def test_a_target_that_was_not_reached_has_no_time():
    assert figure("epochs_to_target", record(0, CURVE), target=0.81) is None
    assert figure("seconds_to_target", record(0, CURVE), target=0.81) is None


def test_a_training_that_diverged_answers_by_chance_and_has_no_loss():
    wild = record(0, [row(1, 0.3), row(2, 0.1, math.nan)], Outcome.DIVERGED)
    assert figure("val_accuracy", wild) == figure("final_val_accuracy", wild) == 0.1
    assert [figure(name, wild) for name in ("val_loss", "final_loss", "gap", "epochs", "best_epoch")] == [None] * 5
    assert figure("seconds_per_epoch", wild) == 1.0


def test_every_row_of_the_catalogue_gives_a_number_or_none():
    training = training_of(record(0, CURVE), ACCURACY, 0.8)
    assert all(isinstance(row.of(training), float | int | None) for row in SUMMARY_METRICS.values())
    assert all(row.title and row.name == name for name, row in SUMMARY_METRICS.items())


def test_groups_have_mean_deviation_and_count():
    records = [
        record(0, [row(1, 0.7)], batch_size=64),
        record(1, [row(1, 0.8)], batch_size=64),
        record(2, [row(1, 0.9)], batch_size=64),
        record(3, [row(1, 0.6)], batch_size=128),
        record(4, [row(1, 0.6)], Outcome.PRUNED, batch_size=128),
        record(5, [], Outcome.FAILED, batch_size=128),
        record(6, [row(1, 0.3)], Outcome.INTERRUPTED, batch_size=128),
    ]
    comparison = compared(records)
    small, large = comparison.points
    assert [point.group["batch_size"] for point in comparison.points] == [64, 128]
    assert small.metrics["val_accuracy"].mean == pytest.approx(0.8)
    assert small.metrics["val_accuracy"].std == pytest.approx(0.1)
    assert small.metrics["val_accuracy"].count == 3
    # Of those that were pruned or failed nothing is counted but that there are some.
    assert large.metrics["val_accuracy"] == Spread(0.6, None, 1)
    assert table(comparison)[1]["trials"] == "3, 1 failed, 1 pruned"
    assert comparison.waiting == 1
    assert any("1 trials of the study have not ended yet" in note for note in notes(comparison))


def test_a_parameter_gives_its_label_and_a_plain_name_its_value():
    records = [
        record(n, [row(1, 0.5)], params={"model": label}, model={"architecture": "mlp", "units": [units]})
        for n, (label, units) in enumerate([("slim", 4), ("slim", 4), ("wide", 64)])
    ]
    assert [p.group for p in compared(records, by=["model"]).points] == [{"model": "slim"}, {"model": "wide"}]
    assert [p.group for p in compared(records, by=["units"]).points] == [{"units": [4]}, {"units": [64]}]
    (all_of_them,) = compared(records, by=["optimizer"]).points
    assert len(all_of_them.trials) == 3


def rates(outcomes=(Outcome.COMPLETED,) * 3):
    """Three rates, two trials each; the middle one has the best mean, the last one the best single trial."""
    values = [(0.5, 0.6), (0.7, 0.8), (0.9, 0.2)]
    return [
        record(2 * i + j, [row(1, value)], outcomes[i], optimizer={"name": "sgd", "learning_rate": 10.0**-i})
        for i, pair in enumerate(values)
        for j, value in enumerate(pair)
    ]


def test_of_a_group_the_point_with_the_best_mean_is_shown():
    comparison = compared(rates(), by=["optimizer"], best_of=["learning_rate"])
    (point,) = comparison.points
    assert point.at == {"learning_rate": 0.1}
    assert len(comparison.every) == 3
    assert [p.plain()["chosen"] for p in comparison.every] == [False, True, False]
    assert table(comparison)[0]["learning_rate"] == "0.1"


def test_a_point_with_a_trial_that_has_no_value_is_the_worst():
    failed = (Outcome.COMPLETED, Outcome.FAILED, Outcome.COMPLETED)
    (point,) = compared(rates(failed), by=["optimizer"], best_of=["learning_rate"]).points
    assert point.at == {"learning_rate": 1.0}
    wild = (Outcome.COMPLETED, Outcome.DIVERGED, Outcome.DIVERGED)
    (point,) = compared(rates(wild), LOSS, by=["optimizer"], best_of=["learning_rate"]).points
    assert point.at == {"learning_rate": 1.0}


def sized(exponent, sizes, noise=0.0):
    def seconds(i, size):
        return 3.0 * size**exponent * math.exp(noise * (-1) ** i)

    return [record(i, [row(1, 0.5, seconds=seconds(i, size))], batch_size=size) for i, size in enumerate(sizes)]


def test_growth_finds_the_power_law():
    comparison = compared(sized(1.5, [1, 10, 100, 1000]), growth=["seconds_per_epoch"])
    (fit,) = comparison.growth
    assert (fit.exponent, fit.factor, fit.points) == (pytest.approx(1.5), pytest.approx(3.0), 4)
    assert fit.standard_error == pytest.approx(0.0, abs=1e-9)
    assert any("to the power 1.50 ± 0.00" in note for note in notes(comparison))


def test_growth_has_the_error_of_least_squares():
    sizes = [2, 8, 64, 512, 1024]
    (fit,) = compared(sized(0.7, sizes, noise=0.3), growth=["seconds_per_epoch"]).growth
    scipy = pytest.importorskip("scipy.stats")
    seconds = [3.0 * size**0.7 * math.exp(0.3 * (-1) ** i) for i, size in enumerate(sizes)]
    expected = scipy.linregress([math.log(size) for size in sizes], [math.log(s) for s in seconds])
    assert (fit.exponent, fit.standard_error) == (pytest.approx(expected.slope), pytest.approx(expected.stderr))


def test_growth_needs_two_sizes_and_its_error_three():
    assert compared(sized(1.0, [10]), growth=["seconds_per_epoch"]).growth == ()
    (fit,) = compared(sized(1.0, [10, 100]), growth=["seconds_per_epoch"]).growth
    assert fit.standard_error is None
    assert fit_growth("seconds_per_epoch", []) is None


def test_a_solver_that_has_not_converged_is_marked_and_explained():
    """Whatever it is called: its entry in the catalogue says that it is a solver."""
    curve = [row(epoch, 0.4, updates=1.0) for epoch in (1, 2, 3)]
    many = [row(epoch, 0.8, updates=215.0) for epoch in (1, 2, 3)]
    solver = {"name": next(name for name, entry in OPTIMIZERS.items() if entry.needs_closure)}
    records = [record(0, curve, optimizer=solver), record(1, many), record(2, many[:2], optimizer=solver, batch_size=9)]
    found = compared(records, by=["optimizer", "batch_size"])
    assert [line["optimizer"] for line in table(found)] == [f"{solver['name']} *", "adam", solver["name"]]
    [note] = [note for note in notes(found) if note.startswith("* ")]
    assert note.startswith(
        f"* An epoch of {solver['name']} is one evaluation of the loss and its gradient on all training"
    )
    assert "at most one step: 3 in all, where the others made 645 updates. It had not converged" in note
    assert not [note for note in notes(compared(records[1:2])) if note.startswith("* ")]


def test_losses_that_mean_something_else_in_each_row_are_named():
    smoothed = {"name": "categorical_crossentropy", "label_smoothing": 0.1}
    found = compared([record(0, CURVE), record(1, CURVE, batch_size=64, loss=smoothed)], report=["val_loss", "loss"])
    told = [note for note in notes(found) if "cannot be compared between rows" in note]
    assert told[0].startswith("Validation loss cannot be compared between rows that differ in loss.label_smoothing;")
    assert len(told) == 2
    same = compared([record(0, CURVE), record(1, CURVE, batch_size=64)], report=["val_loss"])
    assert not [note for note in notes(same) if "cannot be compared" in note]


def test_a_full_batch_lies_on_the_axis_where_its_examples_are():
    full, small = compared([record(0, CURVE, batch_size="full"), record(1, CURVE, batch_size=64)]).points
    # 2,000 - 166 held out.
    assert (full.x, small.x) == (1834, 64)
    assert full.group["batch_size"] == "full"


@pytest.mark.parametrize(
    ("spread", "text"),
    [
        (Spread(None, None, 0), "–"),
        (Spread(0.89123, None, 1), "0.8912 (1)"),
        (Spread(0.89123, 0.00214, 5), "0.8912 ± 0.0021 (5)"),
        (Spread(0.1, 0.0, 5), "0.1 ± 0 (5)"),
        (Spread(235146, 0.0, 5), "235,146 ± 0 (5)"),
        (Spread(1234.5, 321.0, 3), "1,234 ± 321 (3)"),
        (Spread(2.4, 0.55, 5), "2.40 ± 0.55 (5)"),
        (Spread(0.5, 1e-12, 2), "0.5 ± 1.0e-12 (2)"),
    ],
)
def test_a_cell_has_as_many_digits_as_the_deviation_allows(spread, text):
    assert formatted(spread) == text


@pytest.mark.e2e
def test_the_figures_of_a_real_study_are_those_that_can_be_computed_from_its_trials(tiny):
    study = find_study(Home(tiny.home), "tiny")
    comparison = compare_trials(study.name, study.description, study.objective, study.compare, study.records())
    calm, wild = comparison.points
    assert (calm.group, calm.at) == ({"optimizer": "calm"}, {"learning_rate": 0.1})
    shown_calm = [t for t in tiny.trials if t["params"]["learning_rate"] == 0.1]
    assert sorted(trial["params"]["seed"] for trial in shown_calm) == [0, 1, 2]
    values = [max(epoch["val_accuracy"] for epoch in trial["epochs"]) for trial in shown_calm]
    assert calm.metrics["val_accuracy"] == Spread(pytest.approx(mean(values)), pytest.approx(stdev(values)), 3)
    losses = [trial["epochs"][-1]["val_loss"] for trial in shown_calm]
    assert calm.metrics["final_val_loss"] == Spread(pytest.approx(mean(losses)), pytest.approx(stdev(losses)), 3)
    seconds = [median(epoch["epoch_seconds"] for epoch in trial["epochs"]) for trial in shown_calm]
    assert calm.metrics["seconds_per_epoch"].mean == pytest.approx(mean(seconds))
    # 784 x 16 + 16 + 16 x 10 + 10.
    assert calm.metrics["weights"] == Spread(12_730, 0.0, 3)
    reached = [next(e["epoch"] for e in t["epochs"] if e["val_accuracy"] >= 0.5) for t in shown_calm]
    assert calm.metrics["epochs_to_target"].mean == pytest.approx(mean(reached))
    assert wild.count(Outcome.DIVERGED) == 3
    assert wild.metrics["val_accuracy"] == Spread(pytest.approx(0.1), 0.0, 3)
    assert wild.metrics["val_loss"].count == 0
    assert table(comparison)[1]["trials"] == "3, 3 diverged"
