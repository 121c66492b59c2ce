"""The expected best of k trials: against all subsets, by hand, and its band and probability."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from itertools import combinations, product
from statistics import fmean

import pytest

from hpsearch.analysis.expected_best import (
    CAUTION,
    expected_best,
    expected_best_curve,
    order_weights,
    probability_better,
)


@pytest.mark.parametrize("values", [[0.3], [0.7, 0.1], [0.5, 0.5, 0.1], [0.9, -2.0, 0.4, 0.4, 7.0, 0.0, 1e-3]])
def test_it_is_the_mean_of_the_largest_over_all_subsets(values):
    curve = expected_best_curve(values)
    for k in range(1, len(values) + 1):
        brute = fmean(max(subset) for subset in combinations(values, k))
        assert expected_best(values, k) == pytest.approx(brute)
        assert curve[k - 1].mean == pytest.approx(brute)


def test_by_hand():
    # Of 1, 2, 4 two are drawn: {1, 2}, {1, 4}, {2, 4}, so (2 + 4 + 4) / 3.
    assert [expected_best([4, 1, 2], k) for k in (1, 2, 3)] == pytest.approx([7 / 3, 10 / 3, 4])


@pytest.mark.parametrize("n", [1, 2, 7, 60])
def test_the_weights_are_the_ratios_of_binomials(n):
    for k in range(1, n + 1):
        exact = [Fraction(math.comb(i - 1, k - 1), math.comb(n, k)) for i in range(1, n + 1)]
        assert sum(exact) == 1
        assert order_weights(n)[k - 1] == pytest.approx([float(weight) for weight in exact], rel=1e-12)


def test_many_trials_do_not_overflow():
    weights = order_weights(1500)
    assert weights.sum(axis=1) == pytest.approx([1.0] * 1500)


def test_it_is_unbiased_and_the_plug_in_estimator_is_not():
    """Over all 27 samples of three draws from {0, 1, 5}, for k = 2."""
    population = (0, 1, 5)
    truth = fmean(max(pair) for pair in product(population, repeat=2))
    samples = list(product(population, repeat=3))
    assert fmean(expected_best(sample, 2) for sample in samples) == pytest.approx(truth)
    # Dodge et al. 2019, equation 1: k draws with replacement from the sample.
    plug_in = fmean(max(pair) for sample in samples for pair in product(sample, repeat=2))
    assert plug_in < truth - 0.1


def test_the_band_repeats_itself_holds_the_estimate_and_stays_within_the_values():
    source = random.Random(3)
    values = [source.gauss(0, 1) for _ in range(30)]
    curve = expected_best_curve(values)
    assert curve == expected_best_curve(values)
    assert [at.mean for at in curve] == sorted(at.mean for at in curve)
    for at in curve:
        assert min(values) <= at.low <= at.mean <= at.high <= max(values) + 1e-12
    assert "percentile bootstrap" in curve[0].method


def test_a_single_value_has_no_band_and_equal_values_have_one_of_no_width():
    (single,) = expected_best_curve([0.5])
    assert (single.mean, single.low, single.high) == (0.5, None, None)
    for at in expected_best_curve([0.7] * 4):
        assert (at.low, at.mean, at.high) == pytest.approx((0.7, 0.7, 0.7))


def test_the_band_of_a_mean_covers_it_about_as_often_as_it_says():
    source, hits = random.Random(0), 0
    for _ in range(400):
        at = expected_best_curve([source.random() for _ in range(30)])[0]
        hits += at.low <= 0.5 <= at.high
    # The percentile bootstrap of 30 values covers a mean in 93 to 94 %.
    assert 0.9 * 400 <= hits <= 0.97 * 400


def test_the_probability_to_be_better():
    low, high = [0.1, 0.2, 0.15, 0.12], [0.8, 0.9, 0.7, 0.85]
    assert probability_better(high, low, 3) == 1.0
    assert probability_better(low, high, 3) == 0.0
    assert probability_better([0.7] * 3, [0.7] * 5, 2) == 0.5
    assert probability_better([0.7], [0.1, 0.2], 1) is None
    near = probability_better([0.1, 0.5, 0.6, 0.9], [0.2, 0.4, 0.6, 0.8], 2)
    assert 0.4 < near < 0.8
    assert near == probability_better([0.1, 0.5, 0.6, 0.9], [0.2, 0.4, 0.6, 0.8], 2)


def test_what_the_caution_says_of_the_number_of_trials():
    """200 samples of 10 normal values: the true expected largest of 10 is 1.5388."""
    source = random.Random(1)
    samples = [[source.gauss(0, 1) for _ in range(10)] for _ in range(200)]
    bands = [expected_best_curve(sample)[-1] for sample in samples]
    assert 0.35 < fmean(at.low <= 1.53875 <= at.high for at in bands) < 0.6
    pairs = zip(samples[::2], samples[1::2], strict=True)
    assert 0.1 < fmean(not 0.05 <= probability_better(ours, theirs, 10) <= 0.95 for ours, theirs in pairs) < 0.35
    assert "about half" in CAUTION
    assert "20 %" in CAUTION
