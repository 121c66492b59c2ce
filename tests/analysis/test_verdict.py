"""The verdict on finalists: the winner against the untuned default, intervals within a metric's bounds, tolerances."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from export.made import record_of
from support import sample_config

from hpsearch.analysis.statistics import difference_bounds, kept_bounds, mean_interval, paired_difference, tolerance_of
from hpsearch.analysis.verdict import AgainstDefault, default_sentences, judge, markdown, rows, sentences
from hpsearch.catalogue.metrics import METRICS, bounds_of
from hpsearch.config.file import Objective
from hpsearch.config.trial import TrainableConfig, TrialConfig, with_seed
from hpsearch.export.formats import FORMATS
from hpsearch.export.selected import SelectedTrial, WinnerValues, origin_sentences, winner_values
from hpsearch.export.trainings import ExportContext
from hpsearch.search.stages import Finalist, Finals
from hpsearch.training.results import best_of

UP, DOWN = Objective(), Objective(metric="val_loss", direction="minimize")
TUNED = sample_config(optimizer={"name": "sgd", "learning_rate": 0.3})
# Nothing is trained or read here, so nothing is written to the log.
PLACE = ExportContext((), Path("/nowhere/native.log"), lambda _: None)


def finalist(
    trial: int | None, *values: float, config: TrialConfig | TrainableConfig = TUNED, objective: Objective = UP
) -> Finalist:
    """A finalist whose trainings had these values of the objective's metric."""
    runs = []
    for number, value in enumerate(values):
        run = record_of(config, [0.1, 0.5], number, of=trial)
        first, last = run.epochs
        earlier = value + (0.1 if objective.direction == "minimize" else -0.1)
        rows = (
            replace(first, metrics={**first.metrics, objective.metric: earlier}),
            replace(last, metrics={**last.metrics, objective.metric: value}),
        )
        run = replace(run, epochs=rows)
        runs.append(replace(run, best=best_of(run.epochs, objective)))
    return Finalist(trial, values[0] if trial is not None else None, with_seed(config, None), tuple(runs))


def finals(*finalists: Finalist, default: Finalist | None = None, objective: Objective = UP) -> Finals:
    return Finals(objective, tuple(range(5)), finalists, default, (), ())


TOGETHER = (0.760, 0.761, 0.759, 0.762, 0.758)


@pytest.mark.parametrize(
    ("default", "finding", "words"),
    [
        (
            (0.740, 0.742, 0.738, 0.741, 0.739),
            AgainstDefault.BETTER,
            "It is better than the untuned Keras default of its model",
        ),
        (
            (0.759, 0.764, 0.754, 0.765, 0.753),
            AgainstDefault.UNCLEAR,
            ", but perhaps by chance: mean val_accuracy 0.7600",
        ),
        (
            (0.700, 0.861, 0.799, 0.742, 0.773),
            AgainstDefault.NOT_BETTER,
            "It is not better than the untuned Keras default",
        ),
        (
            (0.775, 0.776, 0.774, 0.777, 0.773),
            AgainstDefault.WORSE,
            "It is worse than the untuned Keras default of its",
        ),
    ],
)
def test_the_winner_is_compared_with_the_untuned_default(default, finding, words):
    verdict = judge("s", finals(finalist(3, *TOGETHER), default=finalist(None, *default, config=sample_config())))
    assert verdict.against_default is finding
    [sentence] = default_sentences(verdict)
    assert words in sentence
    assert f"mean val_accuracy 0.7600 against {sum(default) / 5:.4f}, a gain of " in sentence
    assert verdict.default is not None
    assert verdict.default.difference is not None
    assert f"{verdict.default.difference.shown(sign='+')} (paired Student's t over 5 seeds)" in sentence
    # Right after the sentence that says who won, wherever a verdict is told.
    assert sentences(verdict)[1] == sentence
    assert sentence in markdown(verdict)
    plain = json.loads(json.dumps(verdict.plain(), allow_nan=False))["against_default"]
    assert plain["finding"] == finding.value
    assert (plain["recommendation"] is None) == (finding is AgainstDefault.BETTER)
    assert sentence.endswith(plain["recommendation"] or "seeds).")
    assert (rows(verdict)[-1]["note"] != "") == (finding in (AgainstDefault.WORSE, AgainstDefault.NOT_BETTER))


def test_a_lower_loss_is_a_gain():
    better = finalist(3, 0.30, 0.31, 0.29, objective=DOWN)
    worse = finalist(None, 0.40, 0.42, 0.38, config=sample_config(), objective=DOWN)
    verdict = judge("s", finals(better, default=worse, objective=DOWN))
    assert verdict.against_default is AgainstDefault.BETTER
    assert "mean val_loss 0.3000 against 0.4000, a gain of +0.1000" in default_sentences(verdict)[0]


def test_a_winner_that_is_the_default_itself_and_one_without_a_default():
    same = finalist(3, *TOGETHER)
    [sentence] = default_sentences(judge("s", finals(same, default=replace(same, trial=None, score=None))))
    assert sentence.startswith("It is the untuned Keras default of its model. The search has found nothing better")
    assert default_sentences(judge("s", finals(same))) == []
    [sentence] = default_sentences(judge("s", finals(same, default=finalist(None, 0.7, config=sample_config()))))
    assert sentence.endswith("since 1 of 1 trainings of it ended well.")


def test_every_metric_of_the_catalogue_says_its_bounds():
    assert all(entry.bounds for entry in METRICS.values())
    assert bounds_of("val_f1_score") == bounds_of("test_accuracy") == (0, 1)
    assert bounds_of("val_cross_entropy") == (0, float("inf"))
    assert bounds_of("val_loss") is bounds_of("gain") is None


def test_no_interval_leaves_what_its_metric_can_be():
    found = mean_interval([0.99, 0.999, 0.95], bounds=(0, 1))
    assert (found.low, found.high) == (mean_interval([0.99, 0.999, 0.95]).low, 1)
    assert found.method == "Student's t over 3 seeds, cut to [0, 1]"
    assert mean_interval([0.1, 0.2, 0.3], bounds=bounds_of("val_cross_entropy")).shown() == "0.2000 [0.0000, 0.4484]"
    inside = mean_interval([0.5, 0.51], bounds=(0, 1))
    assert inside == mean_interval([0.5, 0.51])
    wide = paired_difference([1.0, 0.0], [0.0, 0.1], bounds=difference_bounds((0, 1)))
    assert (wide.low, wide.high) == (-1, 1)
    # In percent they are no accuracies in [0, 1].
    assert kept_bounds((0, 1), [87.5, 0.9]) is None
    verdict = judge("s", finals(finalist(1, 0.99, 0.60), default=finalist(None, 0.9, 0.99, config=sample_config())))
    shown = [interval for one in rows(verdict) for interval in one.values() if isinstance(interval, str)]
    assert "0.7950 [0.0000, 1.0000]" in shown
    plain = verdict.plain()
    for one in (*plain["entrants"], plain["default"]):
        assert 0 <= one["mean"]["low"] <= one["mean"]["high"] <= 1
        for name in ("optimism", "winner_minus_this"):
            assert one[name] is None or -1 <= one[name]["low"] <= one[name]["high"] <= 1
    percent = judge("s", finals(finalist(1, 99.0, 87.0)))
    assert percent.winner is not None
    assert percent.winner.interval is not None
    assert percent.winner.interval.high > 100


def test_a_tolerance_that_nothing_could_miss_is_none():
    assert tolerance_of([0.76, 0.80]) == (None, "2 seeds are too few for a tolerance: it takes 4")
    width, reason = tolerance_of([0.90, 0.91, 0.89, 0.90], 0.1)
    assert (round(width or 0, 4), reason) == (0.0533, "")
    assert tolerance_of([0.2, 0.9, 0.4, 0.9], 0.1)[1].endswith("a useless model (0.1) would be within the tolerance")
    verdict = judge("s", finals(finalist(3, 0.76, 0.80)))
    assert (verdict.tolerance, verdict.plain()["no_tolerance"]) == (None, verdict.no_tolerance)


def winner_of(found: Finals) -> SelectedTrial:
    """The winner as what is exported; the trial of the search reached 0.5 at its second epoch."""
    record = record_of(TUNED, [0.1, 0.5], 3)
    record = replace(
        record, epochs=tuple(replace(row, metrics={**row.metrics, "val_loss": 0.4}) for row in record.epochs)
    )
    return SelectedTrial("s", found.objective, record, winner_values(found))


def test_a_winner_of_two_seeds_is_compared_by_the_trials_own_value():
    chosen = winner_of(finals(finalist(3, 0.9, 0.5)))
    figure = chosen.reference(PLACE)
    assert figure is not None
    # Three standard errors of 0.5 on the 166 validation images of the sample.
    assert (figure.value, round(figure.tolerance or 0, 3)) == (0.5, 0.116)
    assert not figure.agrees(0.1)
    text = FORMATS["yaml"].text(chosen, PLACE)
    assert "It won among the finalists: mean val_accuracy 0.7000 [0.0000, 1.0000] over 2 new seeds (95%, " in text
    assert "It is not compared by this mean: 2 seeds are too few for a tolerance" in text
    assert "agrees where it reaches val_accuracy 0.5000 +- 0.1164 (three standard errors" in text


@pytest.mark.parametrize("objective", [UP, DOWN])
def test_the_finalists_mean_is_exported_for_every_objective(objective):
    chosen = winner_of(finals(finalist(3, 0.30, 0.31, 0.29, 0.30, objective=objective), objective=objective))
    assert f"agrees where it reaches {objective.metric} 0.3000 +- 0.0533 (mean over 4" in FORMATS["yaml"].text(
        chosen, PLACE
    )
    # A script or a model says its accuracy only: the mean of that, at the epochs that the objective chose.
    accuracy = FORMATS["python"].reference(chosen, PLACE)
    assert accuracy is not None
    assert accuracy.metric == "val_accuracy"
    assert accuracy.basis == ("mean over 4 seeds, 99% Student's t prediction interval")
    assert chosen.own_value("val_accuracy") == 0.5


def test_a_training_of_ones_own_is_compared_by_the_mean_of_its_own_metric():
    own = Objective(metric="gain", direction="maximize")
    config = TrainableConfig("mine:train", {"x": 1}, 0)
    found = finals(finalist(3, 5.0, 5.1, 4.9, 5.0, config=config, objective=own), objective=own)
    record = record_of(config, [0.1, 0.5], 3)
    record = replace(record, epochs=tuple(replace(row, metrics={**row.metrics, "gain": 5.0}) for row in record.epochs))
    chosen = SelectedTrial("s", own, replace(record, best=best_of(record.epochs, own)), winner_values(found))
    figure = FORMATS["yaml"].reference(chosen, PLACE)
    assert figure is not None
    assert (figure.metric, round(figure.value, 9), round(figure.tolerance or 0, 3)) == ("gain", 5.0, 0.533)


def test_too_few_validation_examples_give_no_tolerance_either():
    config = sample_config(data={"dataset": "fashion_mnist_sample", "validation": 10})
    chosen = SelectedTrial("s", UP, record_of(config, [0.1, 0.5], 3), None)
    figure = chosen.reference(PLACE)
    assert figure is not None
    # 0.5 +- 0.47 would hold 0.1, which is guessing.
    assert (figure.tolerance, figure.basis) == (None, "on 10 validation examples, too few for a tolerance")
    assert origin_sentences("s", UP, chosen.record, figure, WinnerValues({}, "It won."))[1] == "It won."
