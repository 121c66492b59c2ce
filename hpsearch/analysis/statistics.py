"""Intervals, each by the method that it names. SciPy's statistics; imported when they are asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

CONFIDENCE = 0.95
# Of what a figure's tolerance is made of: one right training in a hundred falls outside.
TOLERANCE_CONFIDENCE = 0.99


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval.

    Attributes:
        mean: the estimate.
        low, high: ends of the interval; None where there are too few values for one.
        std: sample standard deviation of the values; None of a single one.
        count: how many values.
        method: how the interval was made, in words.
        confidence: of the interval, in (0, 1).
    """

    mean: float
    low: float | None
    high: float | None
    std: float | None
    count: int
    method: str
    confidence: float = CONFIDENCE

    def plain(self) -> dict[str, Any]:
        return {
            "mean": self.mean,
            "low": self.low,
            "high": self.high,
            "std": self.std,
            "count": self.count,
            "confidence": self.confidence,
            "method": self.method,
        }

    def shown(self, digits: int = 4, sign: str = "") -> str:
        """`0.8941 [0.8922, 0.8960]`; a difference with `sign="+"`."""
        form = f"{sign}.{digits}f"
        if self.low is None or self.high is None:
            return format(self.mean, form)
        return f"{self.mean:{form}} [{self.low:{form}}, {self.high:{form}}]"


def mean_interval(
    values: Sequence[float], confidence: float = CONFIDENCE, over: str = "seeds", digits: int = 12
) -> Interval:
    """Student's t interval of a mean (Student 1908; `scipy.stats.ttest_1samp`).

    Args:
        values: finite; at least one.
        over: what the values differ by, for the method's name.
        digits: the ends are rounded to so many, so that they are the same wherever they are calculated.
    """
    name = f"Student's t over {len(values)} {over}"
    if len(values) < 2:
        return Interval(fmean(values), None, None, None, len(values), name, confidence)
    if len(set(values)) == 1:
        # No spread at all, of which SciPy warns.
        return Interval(values[0], values[0], values[0], 0.0, len(values), name, confidence)
    from scipy.stats import ttest_1samp

    found = ttest_1samp(values, 0.0).confidence_interval(confidence)
    low, high = round(float(found.low), digits), round(float(found.high), digits)
    return Interval(fmean(values), low, high, stdev(values), len(values), name, confidence)


def paired_difference(
    ours: Sequence[float], theirs: Sequence[float], confidence: float = CONFIDENCE, over: str = "seeds"
) -> Interval:
    """The mean of ours minus theirs, pair by pair: Student's t interval (`scipy.stats.ttest_rel`)."""
    found = mean_interval([a - b for a, b in zip(ours, theirs, strict=True)], confidence, over)
    return Interval(
        found.mean, found.low, found.high, found.std, found.count, f"paired {found.method}", found.confidence
    )


def proportion_interval(hits: int, count: int, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval of a proportion (Wilson 1927; `scipy.stats.binomtest`)."""
    from scipy.stats import binomtest

    found = binomtest(hits, count).proportion_ci(confidence, method="wilson")
    return Interval(hits / count, float(found.low), float(found.high), None, count, "Wilson's score", confidence)


def prediction_half_width(values: Sequence[float], confidence: float = TOLERANCE_CONFIDENCE) -> float:
    """How far one more value may lie from the mean of these: t s sqrt(1 + 1/n), Student's t prediction interval.

    Args:
        values: at least two.
    """
    from scipy.stats import t

    n = len(values)
    return float(t.ppf((1 + confidence) / 2, n - 1)) * stdev(values) * math.sqrt(1 + 1 / n)
