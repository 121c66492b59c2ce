"""The sampler `forest`: its encoding of spaces, what it learns from, and that it finds good configurations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from hpsearch.config.file import RandomForest
from hpsearch.config.study import load_study
from hpsearch.search import forest
from hpsearch.search.forest import EncodedSpace, ForestSampler, Observation, expected_improvement
from hpsearch.search.independent import position, quantile
from hpsearch.search.records import TrialRecord
from hpsearch.search.sampler_view import SamplerView
from hpsearch.training.results import Best, EpochMetrics, Outcome

STUDY = """
trial:
  model: {{architecture: perceptron}}
  optimizer:
    choice:
      - name: sgd
        learning_rate: {{float: [0.0001, 1.0], log: true}}
        momentum: {{float: [0.0, 0.9]}}
        nesterov: false
      - {{name: adam, learning_rate: {{float: [0.0001, 1.0], log: true}}, beta_1: 0.9, beta_2: 0.999}}
  schedule: constant
  batch_size: {{int: [32, 256], step: 32}}
  training: {{max_epochs: 16}}
search: {{sampler: {}, trials: 64, seed: {}, pruner: {}}}
"""


@pytest.fixture
def spec(tmp_path):
    def load(sampler="forest", seed=0, pruner="none"):
        file = tmp_path / "study.yaml"
        file.write_text(STUDY.format(sampler, seed, pruner))
        return load_study(file)

    return load


def value_of(params):
    """The best is Adam with 0.01 and a batch of 96."""
    name = params["optimizer"]
    away = (math.log10(params[f"optimizer.{name}.learning_rate"]) + 2) ** 2 + ((params["batch_size"] - 96) / 96) ** 2
    return 0.9 - 0.1 * away - 0.1 * (name == "sgd")


def ended(number, value, outcome=Outcome.COMPLETED):
    state = "COMPLETE" if outcome is Outcome.COMPLETED else "PRUNED"
    epochs = (EpochMetrics(1, {"val_accuracy": value}),)
    return TrialRecord(number, state, outcome, None, epochs, Best(1, value))


def search(spec, trials):
    """Return the parameters of all trials, each trained to its end at once."""
    view, drawn = SamplerView(spec), []
    for number in range(trials):
        drawn.append(view.begin_new(number, lambda _: True))
        view.end(ended(number, value_of(drawn[-1])))
    return drawn


@pytest.mark.parametrize(
    ("distribution", "values"),
    [
        (IntDistribution(2, 9), range(2, 10)),
        (IntDistribution(10, 40, step=10), [10, 20, 30, 40]),
        (IntDistribution(1, 1000, log=True), range(1, 1001)),
        (CategoricalDistribution(["a", 1.5, None, True]), ["a", 1.5, None, True]),
        (FloatDistribution(-1, 3), np.linspace(-1, 3, 30)),
        (FloatDistribution(1e-5, 0.3, log=True), np.geomspace(1e-5, 0.3, 30)),
    ],
)
def test_share_is_the_inverse_of_quantile(distribution, values):
    for value in values:
        found = quantile(distribution, position(distribution, value))
        assert found == (pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value)
    if not isinstance(distribution, CategoricalDistribution):
        low, high = distribution.low, distribution.high
        assert 0 <= position(distribution, low - 1) <= position(distribution, low)
        assert position(distribution, high) <= position(distribution, high + 10) < 1


def test_choices_are_columns_of_zero_and_one_and_parameters_of_other_branches_are_minus_one(spec):
    space = EncodedSpace(spec().space)
    names = [each.name for each in space.parameters]
    assert names == [
        "optimizer",
        "optimizer.sgd.learning_rate",
        "optimizer.sgd.momentum",
        "optimizer.adam.learning_rate",
        "batch_size",
    ]
    sgd = {"optimizer": "sgd", "optimizer.sgd.learning_rate": 0.01, "optimizer.sgd.momentum": 0.45, "batch_size": 32}
    adam = {"optimizer": "adam", "optimizer.adam.learning_rate": 1.0, "batch_size": 256}
    points = space.points([sgd, adam])
    expected = [[1, 0, 0.5, 0.5, -1, 1 / 16], [0, 1, -1, -1, 1, 15 / 16]]
    assert space.encoded(points) == pytest.approx(np.array(expected))
    assert (space.rounded(points) == points).all()


def test_neighbours_differ_in_one_parameter_that_exists(spec):
    space = EncodedSpace(spec().space)
    centre = space.points([{"optimizer": "adam", "optimizer.adam.learning_rate": 0.01, "batch_size": 96}])
    # The optimizer is given.
    free = np.array([False, True, True, True, True])
    found = space.neighbours(centre, free, np.random.default_rng(0))
    changed = {tuple(np.flatnonzero(row)) for row in (found != centre) & space.active(found)}
    assert changed == {(3,), (4,)}
    assert ((found >= 0) & (found < 1)).all()


def test_expected_improvement_is_the_mean_of_the_positive_part():
    draws = np.random.default_rng(0).normal(0.3, 2.0, 1_000_000)
    found = expected_improvement(np.array([0.3]), np.array([4.0]), 1.0)[0]
    assert found == pytest.approx(np.maximum(draws - 1.0, 0).mean(), rel=0.01)
    assert expected_improvement(np.array([0.3, 1.5]), np.zeros(2), 1.0) == pytest.approx([0.0, 0.5])


def test_it_finds_better_configurations_than_random_ones(spec, monkeypatch):
    # Fewer trees, for the time of the test.
    monkeypatch.setattr(forest, "TREES", 20)

    def best(sampler, seed):
        return max(map(value_of, search(spec(sampler, seed), 30)))

    settings = "{name: forest, startup_trials: 5}"
    differences = [best(settings, seed) - best("random", seed) for seed in range(10)]
    assert np.mean(differences) > 0.005
    assert sum(difference > 0 for difference in differences) >= 6


def test_the_value_at_an_early_epoch_is_evidence_about_the_last_one(spec):
    """Trials that were paused at epoch 2 show which optimizer is good; only two have trained to their end."""
    view = SamplerView(spec("{name: forest, startup_trials: 4}", pruner="asha"), rungs=(2, 6))
    for number in range(30):
        params = view.begin_new(number, lambda _: True)
        view.reached(number, 2, value_of(params) - 0.1)
        if number in (5, 8):
            view.reached(number, 6, value_of(params) - 0.05)
            view.end(ended(number, value_of(params)))
        view.forget(number)
    proposals = [view.begin_new(number, lambda _: True) for number in range(30, 50) if number % 2]
    assert np.mean([value_of(params) for params in proposals]) > 0.75


def test_the_proposal_depends_on_the_observations_and_not_on_their_order(spec):
    space, drawn = spec().space, search(spec("random"), 20)
    seen = [Observation(number, params, 16, value_of(params)) for number, params in enumerate(drawn)]

    trial = create_trial(state=TrialState.RUNNING)

    def proposal(seed, observations):
        sampler = ForestSampler(RandomForest(), seed, 31, 0, space, lambda: observations)
        sampler.sample_independent(None, trial, "batch_size", IntDistribution(32, 256, step=32))
        return sampler._point

    assert proposal(1, seen) == proposal(1, seen[::-1])
    assert proposal(1, seen) != proposal(2, seen)
    assert proposal(1, seen) != proposal(1, seen[:15])


def test_given_parameters_are_kept_and_the_rest_fits_them(spec):
    view = SamplerView(spec("{name: forest, startup_trials: 3}"))
    for number in range(12):
        params = view.begin_new(number, lambda _: True)
        view.end(ended(number, value_of(params)))
    # Of the parameters, those of the other branch are absent.
    fixed = {"optimizer": "sgd", "batch_size": 256}
    params = view._draw(12, fixed)
    assert {name: params[name] for name in fixed} == fixed
    assert set(params) == {*fixed, "optimizer.sgd.learning_rate", "optimizer.sgd.momentum"}


def test_diverged_trials_count_as_the_worst_and_an_outlier_does_not_matter(spec):
    view = SamplerView(spec("{name: forest, startup_trials: 4}"))
    for number in range(24):
        params = view.begin_new(number, lambda _: True)
        rate = params[f"optimizer.{params['optimizer']}.learning_rate"]
        outcome = Outcome.DIVERGED if rate > 0.1 else Outcome.COMPLETED
        view.end(ended(number, -1e9 if rate < 0.0005 else value_of(params), outcome))
    rates = [
        params[f"optimizer.{params['optimizer']}.learning_rate"]
        for number in range(24, 40)
        if number % 2 and (params := view.begin_new(number, lambda _: True))
    ]
    # Below are the outliers, above the diverged trials.
    assert sum(0.0005 < rate < 0.1 for rate in rates) >= 6


def test_a_small_space_is_tried_whole(spec, tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text(
        "trial: {seed: 1, model: {architecture: perceptron}, optimizer: adam, schedule: constant, "
        "batch_size: {int: [32, 256], step: 32}}\n"
        "search: {sampler: {name: forest, startup_trials: 2}, trials: 8, baselines: false}\n"
    )
    small = load_study(file, ["trial.optimizer={name: adam, learning_rate: 0.01, beta_1: 0.9, beta_2: 0.9}"])
    view, seen = SamplerView(small), []
    for number in range(8):
        params = view.begin_new(number, lambda config: config["batch_size"] not in seen)
        seen.append(params["batch_size"])
        view.end(ended(number, value_of({**params, "optimizer": "adam", "optimizer.adam.learning_rate": 0.01})))
    assert sorted(seen) == list(range(32, 257, 32))
