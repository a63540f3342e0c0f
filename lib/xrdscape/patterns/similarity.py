"""Likeness of two patterns."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike

from xrdscape.errors import PatternError
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.patterns.pattern import Pattern, Values

ObjectiveName = Literal["cosine", "mse", "entropy", "cross_correlation"]


def similarity(pattern: Pattern | ArrayLike, other: Pattern | ArrayLike, objective: ObjectiveName = "cosine") -> float:
    """Return how alike two patterns are, whatever their scales: 1, or 0 for the mean squared error, for the same shape.

    >>> from xrdscape import similarity
    >>> similarity([0, 1, 2, 1], [0, 2, 4, 2])
    1.0
    >>> round(similarity([0, 1, 2, 1], [0, 2, 1, 1]), 3)
    0.833

    Args:
        pattern, other: patterns, or their intensities at the same angles. A pattern at other angles is interpolated at
            those of the first that both cover. What lies beneath the peaks counts like the peaks.
        objective: "cosine" and "entropy" are 0 for patterns without anything in common and 1 for equal ones, and so is
            "cross_correlation", which allows for a shift; "mse" is minus the mean squared difference of patterns scaled
            to maximum 1.

    Raises:
        PatternError: for patterns that share no angles, arrays of different lengths, and intensities below zero where
            the objective is the entropy.
        InstrumentError: for a pattern that is zero everywhere.
    """
    first, second = _on_one_axis(pattern, other)
    if objective == "entropy" and min(first.min(), second.min()) < 0:
        raise PatternError("The entropy is of intensities that are not negative: use another objective.")
    measure = OBJECTIVES[objective].similarity
    return float(measure(torch.from_numpy(first)[None], torch.from_numpy(second))[0])


def _on_one_axis(pattern: Pattern | ArrayLike, other: Pattern | ArrayLike) -> tuple[Values, Values]:
    """Return the intensities of two patterns at the same angles."""
    if not (isinstance(pattern, Pattern) and isinstance(other, Pattern)):
        first, second = (
            np.asarray(part.intensity if isinstance(part, Pattern) else part, dtype=np.float64)
            for part in (pattern, other)
        )
        if first.ndim != 1 or first.shape != second.shape:
            raise PatternError(
                f"intensities have the shapes {list(first.shape)} and {list(second.shape)}: give two of one length, or "
                "patterns with their angles."
            )
        return first, second
    angle, theirs = pattern.two_theta_deg, other.two_theta_deg
    if np.array_equal(angle, theirs):
        return pattern.intensity, other.intensity
    shared = (angle >= theirs[0]) & (angle <= theirs[-1])
    if not shared.any():
        raise PatternError(
            f"{pattern.name} and {other.name} share no angles: one goes from {angle[0]:g} to {angle[-1]:g} deg, the "
            f"other from {theirs[0]:g} to {theirs[-1]:g}. Simulate with an instrument of the other's range."
        )
    return pattern.intensity[shared], np.interp(angle[shared], theirs, other.intensity)
