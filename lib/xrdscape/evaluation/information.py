"""Other estimators of mutual information, and what a choice shifts in a statistic of paired samples."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma
from scipy.stats import rankdata

from xrdscape.errors import XrdscapeError
from xrdscape.evaluation.estimates import (
    LEVEL,
    Estimate,
    Statistic,
    coefficient,
    nearest_neighbour_information,
    rank_coefficient,
)
from xrdscape.runtime.extras import needs

Values = NDArray[np.float64]

NEIGHBOURS = 3
"""Neighbours of the estimator that the book uses."""

LEAST_CASES = 4 * NEIGHBOURS
"""Cases that a shift needs: fewer say nothing."""


def by_neighbours(x: Values, y: Values, neighbours: int) -> float:
    """Return the mutual information in nats by nearest neighbours, as `estimates.mutual_information` has it."""
    return nearest_neighbour_information(x, y, neighbours, 0)


def by_bins(x: Values, y: Values, bins: int = 10) -> float:
    """Return the mutual information in nats of a histogram of equal bins; biased upwards by about (bins - 1)^2 / 2n."""
    with needs("study"):
        from sklearn.metrics import mutual_info_score

    return float(mutual_info_score(None, None, contingency=np.histogram2d(x, y, bins)[0]))


ESTIMATORS: Mapping[str, Callable[[Values, Values], float]] = MappingProxyType(
    {
        "3 neighbours": lambda x, y: by_neighbours(x, y, NEIGHBOURS),
        "5 neighbours": lambda x, y: by_neighbours(x, y, 5),
        "10 neighbours": lambda x, y: by_neighbours(x, y, 10),
        "3 neighbours, of ranks": lambda x, y: by_neighbours(rankdata(x), rankdata(y), NEIGHBOURS),
        "10 × 10 bins": by_bins,
        "10 × 10 bins, of ranks": lambda x, y: by_bins(rankdata(x), rankdata(y)),
    }
)
"""Ways to estimate a mutual information from pairs (x [n], y [n]); the first is the book's."""


def information(x: Values, y: Values, neighbours: int = NEIGHBOURS) -> Any:
    """Return the mutual information in nats by nearest neighbours, of many small samples at once [..., n].

    The same estimator as `by_neighbours`, whose search trees are the better way for one large sample: this one
    compares all pairs.

    Source: Kraskov et al., Phys. Rev. E 69, 066138 (2004), first kind.
    """
    noise = np.random.default_rng(0)
    gaps = []
    for values in (x, y):
        spread = values.std(axis=-1, keepdims=True)
        scaled = np.divide(values, spread, out=np.zeros_like(values), where=spread > 0)
        # Ties are parted as scikit-learn does.
        scaled = scaled + 1e-10 * np.maximum(1, np.abs(scaled).mean()) * noise.standard_normal(scaled.shape)
        gaps.append(np.abs(scaled[..., :, None] - scaled[..., None, :]))
    # Place 0 is the sample itself.
    radius = np.nextafter(np.partition(np.maximum(*gaps), neighbours, axis=-1)[..., neighbours], 0)
    within = [(gap <= radius[..., None]).sum(axis=-1) for gap in gaps]
    value = digamma(x.shape[-1]) + digamma(neighbours) - sum(digamma(count).mean(axis=-1) for count in within)
    return np.maximum(0.0, value)


BATCHED: Mapping[Statistic, Callable[[Values, Values], Any]] = MappingProxyType(
    {"mutual_information": information, "pearson": coefficient, "spearman": rank_coefficient}
)
"""Statistics of paired samples [..., n], by the names that records have for them."""


def shift(
    before: tuple[Values, Values], after: tuple[Values, Values], statistic: Statistic, seed: int = 0, halves: int = 200
) -> Estimate:
    """Return the change of a statistic by a choice: after less before, over the same cases.

    The interval is by half-sampling, as in `estimates.mutual_information`, the same halves for both.

    Args:
        before, after: pairs x [n], y [n], case by case.
        statistic: which one.
        seed: of the halves.
        halves: how many are drawn.

    Raises:
        XrdscapeError: the two differ in length, or are too short.
    """
    n = len(before[0])
    if len(after[0]) != n or n < LEAST_CASES:
        raise XrdscapeError(
            f"a shift needs {LEAST_CASES} or more cases in pairs; received {n} before and {len(after[0])} after."
        )
    rng = np.random.default_rng(seed)
    half = np.array([rng.permutation(n)[: n // 2] for _ in range(halves)])
    of = BATCHED[statistic]
    value = float(of(*after) - of(*before))
    drawn = of(after[0][half], after[1][half]) - of(before[0][half], before[1][half])
    reach = float(np.quantile(np.abs(drawn - drawn.mean()), LEVEL))
    return Estimate(value, value - reach, value + reach, n)
