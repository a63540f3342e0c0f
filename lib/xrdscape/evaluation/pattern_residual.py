"""The residual by which PXRDnet's results are judged: of sharp patterns, without weights and without a scale."""

import numpy as np
from jaxtyping import Float

from xrdscape.errors import PatternError

NO_CANDIDATE = 1.0
"""Residual of a crystal for which no candidate was found: that of an empty pattern."""


def r_wp_squared(
    reference: Float[np.ndarray, "*#batch bins"], candidate: Float[np.ndarray, "*#batch same"]
) -> Float[np.ndarray, "*batch"]:
    """Return sum (reference - candidate)^2 / sum reference^2: 0 for the same pattern, 1 for an empty one, up to some 2.

    Both are scaled to maximum 1 first. The lower of two candidates is the better one; there is no upper bound that all
    patterns share.

    Args:
        reference: sharp patterns (`diffraction.nano_patterns.sharp_pattern`) of the true crystals, not negative.
        candidate: those of the candidates, on the same bins; an empty one, 0 everywhere, stays as it is.

    Raises:
        PatternError: different numbers of bins, or a reference without any line.

    Source: eq. (5) of G. Guo et al., Nature Materials (2025), whose plain R^2_wp has no weights.

    >>> pattern = np.array([0.0, 2.0, 0.0])
    >>> float(r_wp_squared(pattern, 5 * pattern)), float(r_wp_squared(pattern, pattern[[1, 0, 2]]))
    (0.0, 2.0)
    """
    if reference.shape[-1] != candidate.shape[-1]:
        raise PatternError(
            f"A residual needs two patterns on the same bins. Received {reference.shape[-1]} and {candidate.shape[-1]}."
        )
    highest = reference.max(-1, keepdims=True)
    if not (highest > 0).all():
        raise PatternError("A residual needs a reference pattern with a line. Received one that is 0 everywhere.")
    top = candidate.max(-1, keepdims=True)
    true, found = reference / highest, candidate / np.where(top > 0, top, 1.0)
    return np.asarray(((true - found) ** 2).sum(-1) / (true**2).sum(-1))
