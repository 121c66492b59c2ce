"""The judgement on a search without finalists."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from support import sample_config

from hpsearch.analysis.judgement import SEED_STD, Finding, judge_search
from hpsearch.config.file import Objective
from hpsearch.search.records import TrialRecord
from hpsearch.training.results import Best, EpochMetrics, Outcome

ACCURACY, LOSS = Objective(), Objective.model_validate({"metric": "val_loss"})
IMAGES = 166
SGD = {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9}


def trial(number, value, *, optimizer="adam", baseline=False, outcome=Outcome.COMPLETED, metric="val_accuracy", **more):
    epoch = EpochMetrics(1, {metric: value})
    config = sample_config(optimizer=optimizer, seed=number, **more)
    return TrialRecord(number, "COMPLETE", outcome, config, (epoch,), Best(1, value), baseline=baseline)


def judged(*records, objective=ACCURACY):
    return judge_search(records, objective)


def test_the_noise_is_that_of_two_seeds_and_of_the_validation_images():
    found = judged(trial(0, 0.80, baseline=True), trial(1, 0.85, optimizer=SGD))
    variance = (0.80 * 0.20 + 0.85 * 0.15) / IMAGES + 2 * SEED_STD**2
    assert found.images == IMAGES
    assert found.noise == pytest.approx(1.96 * math.sqrt(variance))
    assert found.difference == pytest.approx(0.05)
    assert found.finding is Finding.UNCLEAR
    assert "settle it" in found.sentence("settle it")


def test_a_difference_beyond_the_noise_is_better_and_one_of_the_default_itself_is_none():
    default = trial(0, 0.5, baseline=True)
    assert judged(default, trial(1, 0.8, optimizer=SGD)).finding is Finding.BETTER
    assert judged(default, trial(1, 0.4, optimizer=SGD)).finding is Finding.NOT_BETTER
    assert judged(default).sentence("") == "no trial is better than the untuned Keras default adam, trial 0"


def test_the_default_is_that_of_adam_else_the_best_baseline_of_the_same_model():
    adam, sgd = trial(0, 0.6, baseline=True), trial(1, 0.7, optimizer="sgd", baseline=True)
    best = trial(2, 0.8, optimizer=SGD)
    assert judged(adam, sgd, best).default.number == 0
    assert judged(sgd, best).default.number == 1
    other = trial(3, 0.9, model={"architecture": "mlp", "units": [8]})
    assert judged(adam, sgd, other) is None
    assert judged(replace(adam, outcome=Outcome.DIVERGED, best=None), best) is None
    assert judged() is None


def test_of_a_metric_whose_noise_is_not_known_nothing_is_better_for_sure():
    found = judged(
        trial(0, 0.9, baseline=True, metric="val_loss"),
        trial(1, 0.1, optimizer=SGD, metric="val_loss"),
        objective=LOSS,
    )
    assert found.difference == pytest.approx(0.8)
    assert (found.noise, found.finding) == (None, Finding.UNCLEAR)
