"""Intervals, each with the name of its method. SciPy is imported when it is needed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

CONFIDENCE = 0.95
# The confidence of a tolerance: one correct training in a hundred falls outside.
TOLERANCE_CONFIDENCE = 0.99
# Fewer values give no tolerance. The 99 % prediction interval of 2 values reaches 78 standard deviations to either
# side, that of 3 values 11, that of 4 values 7 and that of 5 values 5.
TOLERANCE_VALUES = 4
Bounds = tuple[float, float]


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
        """Return `0.8941 [0.8922, 0.8960]`; a difference with `sign="+"`."""
        form = f"{sign}.{digits}f"
        if self.low is None or self.high is None:
            return format(self.mean, form)
        return f"{self.mean:{form}} [{self.low:{form}}, {self.high:{form}}]"


def kept_bounds(bounds: Bounds | None, values: Iterable[float]) -> Bounds | None:
    """Return the bounds of a metric; None if a value is outside of them: a user's `val_accuracy` may be in percent."""
    return bounds if bounds and all(bounds[0] <= value <= bounds[1] for value in values) else None


def difference_bounds(bounds: Bounds | None) -> Bounds | None:
    """Return the bounds of the difference between two values that lie within the given bounds."""
    return (bounds[0] - bounds[1], bounds[1] - bounds[0]) if bounds else None


def mean_interval(
    values: Sequence[float],
    confidence: float = CONFIDENCE,
    over: str = "seeds",
    digits: int = 12,
    bounds: Bounds | None = None,
) -> Interval:
    """Return Student's t interval of a mean (Student 1908; `scipy.stats.ttest_1samp`).

    The interval of few values may reach beyond the values that the mean can have. It is then cut at the bounds. Since
    the mean never lies beyond them, the cut interval contains it as often as the whole one (Mandelkern 2002,
    Statistical Science 17(2), doi:10.1214/ss/1030550859).

    Args:
        values: finite; at least one.
        over: what the values differ in (seeds), for the method's name.
        digits: the number of decimals of the ends, which are rounded to be the same on every machine.
        bounds: the smallest and the largest value that the mean can have; None: there are no bounds.
    """
    name = f"Student's t over {len(values)} {over}"
    if len(values) < 2:
        return Interval(fmean(values), None, None, None, len(values), name, confidence)
    if len(set(values)) == 1:
        # SciPy would warn that there is no spread.
        return Interval(values[0], values[0], values[0], 0.0, len(values), name, confidence)
    from scipy.stats import ttest_1samp

    found = ttest_1samp(values, 0.0).confidence_interval(confidence)
    low, high = round(float(found.low), digits), round(float(found.high), digits)
    if bounds and (low < bounds[0] or high > bounds[1]):
        ends = f"[{bounds[0]:g}, {bounds[1]:g}]" if math.isfinite(bounds[1]) else f"{bounds[0]:g} or more"
        low, high, name = max(low, bounds[0]), min(high, bounds[1]), f"{name}, cut to {ends}"
    return Interval(fmean(values), low, high, stdev(values), len(values), name, confidence)


def paired_difference(
    ours: Sequence[float],
    theirs: Sequence[float],
    confidence: float = CONFIDENCE,
    over: str = "seeds",
    bounds: Bounds | None = None,
) -> Interval:
    """Return the mean of ours minus theirs, pair by pair: Student's t interval (`scipy.stats.ttest_rel`).

    Args:
        bounds: of the difference (`difference_bounds`).
    """
    found = mean_interval([a - b for a, b in zip(ours, theirs, strict=True)], confidence, over, bounds=bounds)
    return Interval(
        found.mean, found.low, found.high, found.std, found.count, f"paired {found.method}", found.confidence
    )


def probability_above_zero(differences: Sequence[float]) -> float:
    """Return the posterior probability that the mean of a distribution is above 0, given draws from it.

    With a normal distribution and the prior 1 / sigma, the posterior of the mean is Student's t around the sample mean,
    with n - 1 degrees of freedom and the scale s / sqrt(n) (Box and Tiao 1973, section 2.4; `scipy.stats.t`).

    Args:
        differences: finite; at least two. If all are equal, the probability is 0, 1/2 or 1.
    """
    n, mean = len(differences), fmean(differences)
    if len(set(differences)) == 1:
        return 0.5 + 0.5 * ((mean > 0) - (mean < 0))
    from scipy.stats import t

    return float(t.cdf(mean / (stdev(differences) / math.sqrt(n)), n - 1))


def proportion_interval(hits: int, count: int, confidence: float = CONFIDENCE) -> Interval:
    """Return Wilson's score interval of a proportion (Wilson 1927; `scipy.stats.binomtest`)."""
    from scipy.stats import binomtest

    found = binomtest(hits, count).proportion_ci(confidence, method="wilson")
    return Interval(hits / count, float(found.low), float(found.high), None, count, "Wilson's score", confidence)


def prediction_half_width(values: Sequence[float], confidence: float = TOLERANCE_CONFIDENCE) -> float:
    """Return the half width of Student's t prediction interval of one more value: t s sqrt(1 + 1/n).

    Args:
        values: at least two.
    """
    from scipy.stats import t

    n = len(values)
    return float(t.ppf((1 + confidence) / 2, n - 1)) * stdev(values) * math.sqrt(1 + 1 / n)


def tolerance_of(values: Sequence[float], useless: float | None = None) -> tuple[float | None, str]:
    """Return how far another training may lie from the mean of some trainings, or why these do not show it.

    Fewer than `TOLERANCE_VALUES` trainings give no tolerance. Neither do trainings so far apart that a useless model
    would be within the tolerance, since a check with such a tolerance could not fail.

    Args:
        values: of trainings of one configuration.
        useless: the value of a useless model, for instance the accuracy of guessing; None: not known.

    Returns:
        The half width of Student's t prediction interval, and an empty text; or None, and the reason.
    """
    if len(values) < TOLERANCE_VALUES:
        return None, f"{len(values)} seeds are too few for a tolerance: it takes {TOLERANCE_VALUES}"
    width = prediction_half_width(values)
    if useless is not None and abs(fmean(values) - useless) <= width:
        return None, f"the seeds lie so far apart that a useless model ({useless:.4g}) would be within the tolerance"
    return width, ""
