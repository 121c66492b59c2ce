"""The sampler `qmc` covers the space evenly, by the numbers of the trials alone."""

from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.stats import qmc

from hpsearch.config.study import load_study
from hpsearch.search.independent import quantile
from hpsearch.search.sampler_view import SamplerView

STUDY = """
trial:
  model: {{architecture: perceptron}}
  optimizer:
    choice:
      - {{name: sgd, learning_rate: {{float: [0.0001, 1.0], log: true}}, momentum: {{float: [0.0, 0.9]}}}}
      - {{name: adam, learning_rate: {{float: [0.0001, 1.0], log: true}}}}
  batch_size: {{int: [32, 256], step: 32}}
search: {{sampler: {}, trials: 64, seed: {}}}
"""


def points(folder, sampler, numbers, seed=3):
    file = folder / "study.yaml"
    file.write_text(STUDY.format(sampler, seed))
    view = SamplerView(load_study(file))
    return [view.begin_new(number, lambda _: True) for number in numbers]


@pytest.mark.parametrize("sampler", ["qmc", "{name: qmc, sequence: halton}"])
def test_a_point_depends_on_the_number_of_its_trial_and_the_seed_alone(tmp_path, sampler):
    drawn = points(tmp_path, sampler, range(8))
    assert points(tmp_path, sampler, [6, 2]) == [drawn[6], drawn[2]]
    assert points(tmp_path, sampler, range(8), seed=4) != drawn
    assert len({str(point) for point in drawn}) == 8


def test_as_many_trials_as_a_power_of_two_have_one_in_each_part_of_a_range(tmp_path):
    drawn = points(tmp_path, "qmc", range(64))
    # Of 64 points, 8 have each of the 8 batch sizes, and half have each optimizer.
    assert sorted(point["batch_size"] for point in drawn) == [size for size in range(32, 257, 32) for _ in range(8)]
    assert [point["optimizer"] for point in drawn].count("sgd") == 32


def test_each_parameter_of_a_branch_has_a_dimension_of_its_own(tmp_path):
    sgd = [point for point in points(tmp_path, "qmc", range(64)) if point["optimizer"] == "sgd"]
    rates = np.log10([point["optimizer.sgd.learning_rate"] for point in sgd])
    momenta = np.array([point["optimizer.sgd.momentum"] for point in sgd])
    assert abs(np.corrcoef(rates, momenta)[0, 1]) < 0.3
    assert abs(np.mean(rates) + 2) < 0.25
    assert abs(np.mean(momenta) - 0.45) < 0.06


def test_it_is_more_even_than_random_points(tmp_path):
    def discrepancy(sampler):
        drawn = points(tmp_path, sampler, range(64))
        unit = [[(point["batch_size"] - 32) / 32 / 7, point["optimizer"] == "sgd"] for point in drawn]
        return qmc.discrepancy(np.array(unit, float), method="L2-star")

    assert discrepancy("qmc") < discrepancy("random")


SHARES = (np.arange(12_000) + 0.5) / 12_000


@pytest.mark.parametrize(
    ("distribution", "options"),
    [
        (IntDistribution(2, 4), [2, 3, 4]),
        (IntDistribution(10, 40, step=10), [10, 20, 30, 40]),
        (CategoricalDistribution(["a", "b", None]), ["a", "b", None]),
    ],
)
def test_each_option_has_an_equal_share(distribution, options):
    drawn = [quantile(distribution, share) for share in SHARES]
    assert [drawn.count(option) for option in options] == [12_000 / len(options)] * len(options)


def test_a_range_is_uniform_or_uniform_in_the_logarithm():
    assert [quantile(FloatDistribution(-1, 3), share) for share in (0, 0.25, 0.5)] == [-1, 0, 1]
    assert quantile(FloatDistribution(1e-4, 1, log=True), 0.5) == pytest.approx(1e-2)
    whole = [quantile(IntDistribution(1, 100, log=True), share) for share in SHARES]
    assert (min(whole), max(whole)) == (1, 100)
    # From 0.5 to 100.5 the logarithm is uniform; 1 is what lies below 1.5.
    assert whole.count(1) / 12_000 == pytest.approx(np.log(3) / np.log(201), abs=1e-3)
    almost = np.nextafter(1, 0)
    for distribution in (FloatDistribution(0.1, 0.3), FloatDistribution(1e-5, 0.3, log=True), IntDistribution(1, 7)):
        assert distribution.low <= quantile(distribution, 0.0) <= quantile(distribution, almost) <= distribution.high
