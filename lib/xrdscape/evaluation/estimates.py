"""Estimates with an interval: a rate, a difference of rates, a mutual information, a correlation."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray

from xrdscape.errors import XrdscapeError
from xrdscape.runtime.extras import needs

LEVEL = 0.95
"""Coverage of every interval, as in the paper."""

Statistic = Literal["mutual_information", "pearson", "spearman"]
"""Statistics of geometric distance and dissimilarity of patterns."""
STATISTICS: tuple[Statistic, ...] = get_args(Statistic)


@dataclass(frozen=True)
class Estimate:
    """A value with its interval of coverage LEVEL and the number of pairs behind it; nan where undefined."""

    value: float
    low: float
    high: float
    n: int


def jeffreys_interval(successes: int, trials: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the equal-tailed credible interval of a rate under Jeffreys' prior Beta(1/2, 1/2).

    By the usual rule the low end is 0 when nothing succeeded and the high end 1 when everything did.

    Args:
        successes: 0 <= successes <= trials.
        trials: at least 1.
        level: coverage, between 0 and 1.

    Returns:
        Low and high end.

    Raises:
        XrdscapeError: the counts or the level are impossible.

    Source: Brown, Cai and DasGupta, Statistical Science 16, 101 (2001).

    >>> [round(end, 3) for end in jeffreys_interval(0, 10)]
    [0.0, 0.217]
    """
    if not (0 <= successes <= trials and trials >= 1 and 0 < level < 1):
        raise XrdscapeError(
            f"no rate can be estimated from {successes} successes in {trials} trials at level {level}: "
            "give 0 <= successes <= trials, trials >= 1 and a level between 0 and 1."
        )
    posterior = scipy.stats.beta(successes + 0.5, trials - successes + 0.5)
    low = 0.0 if successes == 0 else float(posterior.ppf((1 - level) / 2))
    high = 1.0 if successes == trials else float(posterior.ppf((1 + level) / 2))
    return low, high


def paired_difference(before: NDArray[np.bool_], after: NDArray[np.bool_], level: float = LEVEL) -> Estimate:
    """Return the difference of two rates, after less before, over the same trials.

    Args:
        before, after: outcomes [n], n at least 1.
        level: coverage, between 0 and 1.

    Returns:
        The difference and its interval.

    Raises:
        XrdscapeError: the two differ in length or are empty.

    Source: Bonett and Price, Journal of Educational and Behavioral Statistics 37, 479 (2012): Wald's interval with one
    trial more for each of the two ways to differ.
    """
    if len(before) != len(after) or not len(before):
        raise XrdscapeError(f"pairs of outcomes are needed; received {len(before)} before and {len(after)} after.")
    n, gained, lost = len(before), int((after & ~before).sum()), int((before & ~after).sum())
    gain, loss = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = float(scipy.stats.norm.ppf((1 + level) / 2)) * ((gain + loss - (gain - loss) ** 2) / (n + 2)) ** 0.5
    return Estimate((gained - lost) / n, max(-1.0, gain - loss - half), min(1.0, gain - loss + half), n)


def nearest_neighbour_information(
    x: NDArray[np.float64], y: NDArray[np.float64], n_neighbors: int, noise_seed: int
) -> float:
    """Return the mutual information in nats as scikit-learn estimates it; `noise_seed` is of what parts tied values."""
    with needs("study"):
        from sklearn.feature_selection import mutual_info_regression

    return float(mutual_info_regression(x[:, None], y, n_neighbors=n_neighbors, random_state=noise_seed)[0])


def mutual_information(
    x: ArrayLike, y: ArrayLike, n_neighbors: int = 3, seed: int = 0, n_resamples: int = 200
) -> Estimate:
    """Return the mutual information in nats, by nearest neighbours, with a half-sampling interval.

    The estimator is scikit-learn's (Kraskov, Stoegbauer and Grassberger, first kind), on the values as they
    are, not on their ranks: only the exact mutual information is the same for both. It is cut off at 0.
    Exactly tied values are parted by noise of 1e-10 standard deviations.

    The bootstrap proper draws pairs twice, and a doubled point is its own nearest neighbour, which inflates
    the estimate. Here half of the pairs are drawn without replacement: the spread of such estimates about
    their mean is that of the whole sample's (the halved sample doubles the variance, the shared points take
    half of it away), whatever the bias. The interval reaches as far to either side as 95 % of the halves stray
    from their mean: symmetric, because the cut at 0 robs the estimates of weak dependence of their lower side.

    Args:
        x, y: paired samples [n], any unit; pairs with a value that is not finite are left out.
        n_neighbors: neighbours of the estimator.
        seed: of the halves and of the noise that parts ties.
        n_resamples: halves drawn.

    Returns:
        The estimate; all nan when fewer than 4 n_neighbors + 4 pairs remain or a variable is constant.

    Source: Kraskov et al., Phys. Rev. E 69, 066138 (2004); half-sampling: Politis, Romano and Wolf,
    Subsampling (1999).
    """
    x, y = _finite_pairs(x, y)
    n = len(x)
    if n < 4 * n_neighbors + 4 or _is_constant(x) or _is_constant(y):
        return Estimate(float("nan"), float("nan"), float("nan"), n)
    rng = np.random.default_rng(seed)

    def estimate(rows: NDArray[np.int64]) -> float:
        return nearest_neighbour_information(x[rows], y[rows], n_neighbors, int(rng.integers(2**31)))

    value = estimate(np.arange(n))
    halves = np.array([estimate(rng.permutation(n)[: n // 2]) for _ in range(n_resamples)])
    reach = float(np.quantile(np.abs(halves - halves.mean()), LEVEL))
    return Estimate(value, max(0.0, value - reach), value + reach, n)


def pearson(x: ArrayLike, y: ArrayLike, seed: int = 0, n_resamples: int = 2000) -> Estimate:
    """Return Pearson's correlation with a BCa bootstrap interval.

    Args:
        x, y: paired samples [n], any unit; pairs with a value that is not finite are left out.
        seed: of the resampling.
        n_resamples: bootstrap samples drawn.

    Returns:
        The estimate; all nan when fewer than 3 pairs remain or a variable is constant.
    """
    return _correlation(x, y, coefficient, seed, n_resamples)


def spearman(x: ArrayLike, y: ArrayLike, seed: int = 0, n_resamples: int = 2000) -> Estimate:
    """Return Spearman's rank correlation with a BCa bootstrap interval; ties share their mean rank.

    Args:
        x, y: paired samples [n], any unit; pairs with a value that is not finite are left out.
        seed: of the resampling.
        n_resamples: bootstrap samples drawn.

    Returns:
        The estimate; all nan when fewer than 3 pairs remain or a variable is constant.
    """
    return _correlation(x, y, rank_coefficient, seed, n_resamples)


def _correlation(x: ArrayLike, y: ArrayLike, statistic: Callable[..., Any], seed: int, n_resamples: int) -> Estimate:
    x, y = _finite_pairs(x, y)
    n = len(x)
    if n < 3 or _is_constant(x) or _is_constant(y):
        return Estimate(float("nan"), float("nan"), float("nan"), n)
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore")  # a degenerate resampling distribution is handled below
        outcome = scipy.stats.bootstrap(
            (x, y),
            statistic,
            paired=True,
            vectorized=True,
            n_resamples=n_resamples,
            confidence_level=LEVEL,
            method="BCa",
            rng=np.random.default_rng(seed),
        )
    low, high = outcome.confidence_interval
    if not (np.isfinite(low) and np.isfinite(high)):
        # BCa has no answer where all resamples agree (|r| = 1) or one was constant: plain percentiles then.
        tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
        low, high = np.nanquantile(outcome.bootstrap_distribution, tails)
    return Estimate(float(statistic(x, y)), float(low), float(high), n)


def coefficient(x: NDArray[np.float64], y: NDArray[np.float64], axis: int = -1) -> Any:
    """Return Pearson's correlation along an axis."""
    dx = x - x.mean(axis=axis, keepdims=True)
    dy = y - y.mean(axis=axis, keepdims=True)
    covariance = (dx * dy).sum(axis=axis)
    return covariance / np.sqrt((dx**2).sum(axis=axis) * (dy**2).sum(axis=axis))


def rank_coefficient(x: NDArray[np.float64], y: NDArray[np.float64], axis: int = -1) -> Any:
    """Return Spearman's correlation along an axis."""
    return coefficient(scipy.stats.rankdata(x, axis=axis), scipy.stats.rankdata(y, axis=axis), axis=axis)


def _finite_pairs(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise XrdscapeError(f"paired samples need one length each, but got shapes {x.shape} and {y.shape}.")
    kept = np.isfinite(x) & np.isfinite(y)
    return x[kept], y[kept]


def _is_constant(values: NDArray[np.float64]) -> bool:
    return bool(np.ptp(values) == 0)
