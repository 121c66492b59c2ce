"""Intervals held against closed forms, tables and simulated coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hpsearch.analysis.statistics import (
    mean_interval,
    paired_difference,
    prediction_half_width,
    probability_above_zero,
    proportion_interval,
)


def test_a_mean_has_students_interval():
    found = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    # t(0.975; 4) = 2.776445 in every table.
    half = 2.776445 * math.sqrt(2.5) / math.sqrt(5)
    assert found.mean == 3.0
    assert found.low == pytest.approx(3 - half, abs=1e-5)
    assert found.high == pytest.approx(3 + half, abs=1e-5)
    assert found.std == pytest.approx(math.sqrt(2.5))
    assert found.method == "Student's t over 5 seeds"


def test_a_single_value_has_no_interval_and_equal_ones_have_no_width():
    assert mean_interval([0.5]).plain() | {"method": ""} == {
        **{"mean": 0.5, "low": None, "high": None, "std": None, "count": 1, "confidence": 0.95, "method": ""}
    }
    equal = mean_interval([0.5, 0.5, 0.5])
    assert (equal.low, equal.high, equal.std) == (0.5, 0.5, 0.0)


def test_a_difference_is_taken_pair_by_pair():
    ours, theirs = [0.91, 0.81, 0.71], [0.90, 0.80, 0.69]
    found = paired_difference(ours, theirs)
    assert found.mean == pytest.approx(0.04 / 3)
    # The spread between the pairs does not count, only that within them.
    assert found.low is not None
    assert found.low == pytest.approx(0.04 / 3 - 4.302653 * (0.01 / math.sqrt(3)) / math.sqrt(3), abs=1e-6)
    with pytest.raises(ValueError, match="zip"):
        paired_difference([1.0], [1.0, 2.0])


def test_a_proportion_has_wilsons_interval():
    found = proportion_interval(90, 100)
    # Wilson 1927, with z = 1.959964.
    z = 1.959964
    centre = (0.9 + z**2 / 200) / (1 + z**2 / 100)
    half = z * math.sqrt(0.9 * 0.1 / 100 + z**2 / 40000) / (1 + z**2 / 100)
    assert found.mean == 0.9
    assert found.low == pytest.approx(centre - half, abs=1e-6)
    assert found.high == pytest.approx(centre + half, abs=1e-6)


def test_ninety_nine_of_a_hundred_further_values_keep_within_the_tolerance():
    rng = np.random.default_rng(0)
    draws = rng.normal(0.9, 0.002, size=(4000, 6))
    inside = [abs(row[5] - row[:5].mean()) <= prediction_half_width(list(row[:5])) for row in draws]
    assert np.mean(inside) == pytest.approx(0.99, abs=0.006)


def test_an_interval_reads_as_people_write_it():
    found = mean_interval([0.1, 0.2, 0.3])
    assert found.shown() == "0.2000 [-0.0484, 0.4484]"
    assert found.shown(sign="+") == "+0.2000 [-0.0484, +0.4484]"
    assert mean_interval([0.25]).shown(2) == "0.25"


def test_the_probability_that_a_mean_is_above_zero_is_one_minus_the_p_value_of_the_one_sided_test():
    from scipy.stats import ttest_1samp

    values = [0.01, -0.002, 0.004, 0.006, 0.001]
    p = ttest_1samp(values, 0.0, alternative="greater").pvalue
    assert probability_above_zero(values) == pytest.approx(1 - p)
    assert [probability_above_zero([x, x]) for x in (-1.0, 0.0, 2.0)] == [0.0, 0.5, 1.0]
