"""Shared terms of the rules: the free methods, how strong a noise is strong, how a rate is written."""

from xrdscape.evaluation.estimates import jeffreys_interval
from xrdscape.study.records import PUBLISHED_METHODS

FREE = tuple(name for name, method in PUBLISHED_METHODS.items() if not method.constrained)
"""Methods without constraints."""

STRONG_NOISE = 0.1
"""Lattice noise from which on the paper finds that free descents fail."""

NEARLY_ALL = 0.9
"""The match rate that counts as nearly all."""


def percent(rate: float) -> str:
    """Return a rate in per cent without decimals, but for one that would round to 0 or 100 and is neither.

    >>> percent(0.996), percent(1.0), percent(0.5)
    ('99.6\xa0%', '100\xa0%', '50\xa0%')
    """
    whole = f"{100 * rate:.0f}"
    return f"{100 * rate:.1f}\u00a0%" if whole in ("0", "100") and 0 < rate < 1 else f"{whole}\u00a0%"


def rate_text(matched: int, trials: int) -> str:
    """Return a rate with its 95 % Jeffreys interval, in per cent.

    >>> rate_text(5, 10).replace(chr(160), " ")
    '50 % [22, 78]'
    """
    low, high = jeffreys_interval(matched, trials)
    return f"{percent(matched / trials)} [{100 * low:.0f},\u00a0{100 * high:.0f}]"
