"""Decision of whether a third column holds standard uncertainties."""

import re

import numpy as np

from xrdscape.patterns.pattern import Values

NAMES = re.compile(
    r"(?<![a-z])(?:e\.?s\.?d|s\.?u|sig|sigma|sigmas|std|stdev|stddev|standard|err|errs|error|errors|uncertainty|"
    r"uncertainties|uncert|unc|unsicherheit|fehler|standardabweichung|erreur|incertitude|ecart|écart|incertidumbre|"
    r"desviaci[oó]n|incertezza|errore|erro|e|d_?i|delta_?i)(?![a-z])|σ|±|\+/-|\+-|誤差|误差",
    re.IGNORECASE,
)
"""Names of uncertainties in the header of a column."""

_NO_ESD = re.compile(r"\*\*\s*2|²|square|2\s*$|%|percent|proz|(?<![a-z])rel(?:ative)?(?![a-z])", re.IGNORECASE)

LIKENESS = 0.3
"""Share that uncertainties over the square root of the intensities may stray by, for nine points of ten."""

CORRELATION = 0.95
"""Least correlation of the squares of the uncertainties with the intensities."""

PROPORTIONAL = 0.8
"""Exponent of the intensity from which a column grows like the intensities themselves, as a calculated pattern does."""

FEW_FACTORS = 5
"""Different factors of an attenuator at most."""

FEWEST = 10
"""Points above zero without which a behaviour is not judged."""


def named(name: str) -> bool:
    """Return whether the name of a column is one of uncertainties.

    >>> named("sigma(I)"), named("esd"), named("I_err"), named("background"), named("weight")
    (True, True, True, False, False)
    """
    return bool(NAMES.search(name.replace("_", " ")))


def squared_or_relative(name: str) -> bool:
    """Return whether the name of uncertainties says that they are squares, or shares of the intensities.

    >>> squared_or_relative("sigma^2"), squared_or_relative("error (%)"), squared_or_relative("esd")
    (True, True, False)
    """
    return bool(_NO_ESD.search(name))


def like_counts(intensity: Values, sigma: Values) -> bool:
    """Return whether a column [n] is proportional to the square root of the intensities [n], as that of counts is."""
    both = (intensity > 0) & (sigma > 0) & np.isfinite(intensity) & np.isfinite(sigma)
    if both.sum() < max(FEWEST, 0.9 * (intensity > 0).sum()):
        return False
    y, ratio = intensity[both], sigma[both] / np.sqrt(intensity[both])
    middle = float(np.median(ratio))
    low, high = np.quantile(ratio / middle, (0.05, 0.95))
    highest = float(np.median(ratio[np.argsort(y)[-max(5, len(y) // 100) :]])) / middle
    if min(low, highest) < 1 - LIKENESS or max(high, highest) > 1 + LIKENESS or np.ptp(y) == 0:
        return False
    squares = sigma[both] ** 2
    return bool(np.ptp(squares) > 0 and np.corrcoef(squares, y)[0, 1] > CORRELATION)


def like_intensities(intensity: Values, sigma: Values) -> bool:
    """Return whether a column [n] grows like the intensities [n], or falls as weights do, or is not positive."""
    both = (intensity > 0) & (sigma > 0) & np.isfinite(intensity) & np.isfinite(sigma)
    if both.sum() < max(FEWEST, 0.5 * len(intensity)):
        return True
    x, y = np.log(intensity[both]), np.log(sigma[both])
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return False
    slope, correlation = np.cov(x, y)[0, 1] / np.var(x), np.corrcoef(x, y)[0, 1]
    return bool((slope > PROPORTIONAL and correlation > 0.5) or correlation < -0.5)


def like_no_uncertainties(sigma: Values) -> bool:
    """Return whether a column [n] rises or falls all the way, or has the few whole values of an attenuator."""
    steps = np.diff(sigma)
    factors = np.unique(sigma)
    few = 1 < len(factors) <= FEW_FACTORS and (factors >= 1).all() and (factors == np.round(factors)).all()
    return bool((steps > 0).all() or (steps < 0).all() or (few and factors[0] == 1))
