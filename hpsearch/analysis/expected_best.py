"""The expected best of k trials, with a band, and the probability that it is better than that of other trials.

A search with more trials finds better values by chance alone. So two searches are compared by the best value that each
is expected to find in the same number of trials, k (Dodge et al. 2019, "Show Your Work", arXiv:1909.03004). Their
estimator draws the k values with replacement and is biased. The one here draws them without replacement and is
unbiased (Tang et al. 2020, "Showing Your Work Doesn't Always Work", arXiv:2004.13705).

Both the estimate and the bootstrap assume that the trials are independent draws from one distribution. A bootstrap
never draws a value above the largest one, so bands are too narrow and probabilities too far from 1/2 where k is near
the number of trials n (Tang et al.). In simulations with n of 5 to 30 from normal and beta distributions, the 95 % band
holds the true value in 91 to 96 % of the samples for k = 1, in 65 to 79 % for k = n / 2, and in 47 to 60 % for k = n.
For two samples of one distribution and k = n, the probability is beyond 0.05 or 0.95 in 19 to 25 %, instead of 10 %.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from hpsearch.analysis.statistics import CONFIDENCE, Interval

# The seed of the bootstrap, and its number of resamples: 50 of them lie beyond each end of a 95 % band.
BOOTSTRAP_SEED, RESAMPLES = 0, 2_000
# How many resamples are held in memory at once.
_BATCH = 200
METHOD = "percentile bootstrap over trials"
PROBABILITY_METHOD = "bootstrap over trials"
CAUTION = (
    "A bootstrap draws no value above the best one. Where k is the number of an option's trials, such a band holds the "
    "true value in about half of simulated studies, and of two equal options one has a probability above 0.95 in 20 % "
    "instead of 10 %."
)


@lru_cache(maxsize=16)
def order_weights(n: int) -> NDArray[np.float64]:
    """Return the weights of the sorted values in the expected largest of k of them.

    The weight of the i-th smallest of n values is C(i - 1, k - 1) / C(n, k): the probability that it is the largest of
    k values drawn without replacement. It is computed from k / n for i = n, by the ratio (i - k) / (i - 1) of the
    weight of i - 1 to that of i, since the binomials themselves overflow.

    Returns:
        [n, n]: row k - 1, column i - 1.
    """
    k = np.arange(1, n + 1)
    weights = np.zeros((n, n))
    weights[:, n - 1] = k / n
    for i in range(n, 1, -1):
        weights[:, i - 2] = weights[:, i - 1] * np.maximum(i - k, 0) / (i - 1)
    return weights


def expected_best(gains: Sequence[float], k: int) -> float:
    """Return the expected largest of k of the values, drawn without replacement (a U-statistic).

    Args:
        gains: finite; larger is better.
        k: from 1 to the number of values.
    """
    return float(_statistic(len(gains), slice(k - 1, k))(np.asarray(gains, dtype=float))[0])


def expected_best_curve(gains: Sequence[float], confidence: float = CONFIDENCE) -> tuple[Interval, ...]:
    """Return the expected largest of k of the values for each k from 1 to n, each with its bootstrap band.

    The band is pointwise: for each k alone. A single value has none.

    Args:
        gains: finite; larger is better; at least one.
    """
    n, values = len(gains), np.asarray(gains, dtype=float)
    statistic = _statistic(n, slice(None))
    means = statistic(values)
    lows: Sequence[float | None] = [None] * n
    highs: Sequence[float | None] = [None] * n
    if n > 1:
        found = _bootstrap((values,), statistic, confidence).confidence_interval
        lows, highs = found.low.tolist(), found.high.tolist()
    return tuple(
        Interval(mean, low, high, None, n, METHOD, confidence)
        for mean, low, high in zip(means.tolist(), lows, highs, strict=True)
    )


def probability_better(ours: Sequence[float], theirs: Sequence[float], k: int) -> float | None:
    """Return the share of bootstrap resamples in which our expected best of k is larger than theirs.

    Resamples in which they are equal count half. None if either has fewer than two values.

    Args:
        ours, theirs: finite; larger is better; at least k values each.
    """
    if min(len(ours), len(theirs)) < 2:
        return None
    of_ours, of_theirs = (_statistic(len(gains), slice(k - 1, k)) for gains in (ours, theirs))

    def difference(x: NDArray[np.float64], y: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
        found: NDArray[np.float64] = (of_ours(x, axis) - of_theirs(y, axis))[0]
        return found

    samples = tuple(np.asarray(gains, dtype=float) for gains in (ours, theirs))
    differences = _bootstrap(samples, difference, CONFIDENCE).bootstrap_distribution
    # Equal values may differ in their last bits, since they are sums of different weights.
    rounding = 1e-12 * max(np.abs(values).max() for values in samples)
    return float(np.mean(differences > rounding) + np.mean(np.abs(differences) <= rounding) / 2)


def _statistic(n: int, ks: slice) -> Callable[..., NDArray[np.float64]]:
    """Return the function that maps samples of n values [..., n] to the expected best of each k: [k, ...]."""
    weights = order_weights(n)[ks]

    def statistic(samples: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
        ordered = np.sort(np.moveaxis(samples, axis, -1), axis=-1)
        return np.moveaxis(ordered @ weights.T, -1, 0)

    return statistic


def _bootstrap(samples: tuple[NDArray[np.float64], ...], statistic: Callable[..., Any], confidence: float) -> Any:
    # Not BCa: its jackknife leaves out a value, and the expected best of k = n does not exist for n - 1 values.
    return bootstrap(
        samples,
        statistic,
        n_resamples=RESAMPLES,
        batch=_BATCH,
        vectorized=True,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(BOOTSTRAP_SEED),
    )
