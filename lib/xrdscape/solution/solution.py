"""What a search comes to: candidates in order, how far they explain the pattern, and what that is worth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Composition, Structure

from xrdscape.crystal.primitive_groups import primitive_group
from xrdscape.solution.candidates import Candidate
from xrdscape.solution.measurement import Measurement
from xrdscape.solution.prototypes import Search
from xrdscape.solution.shape import pattern_of
from xrdscape.solution.verdict import explained_below

AS_WELL = 2.0
"""Candidates that leave no more than this multiple of what the best leaves explain the pattern as well."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """A candidate of the list.

    Args:
        rank: from 1.
        candidate: the crystal.
        search: that it was found by.
        calculated: its pattern at the points of the measurement that the search used, scaled to it [n].
        r_wp_squared: sum of squared differences of both patterns, each with maximum 1, over that of the measured one:
            PXRDnet's figure, for the pattern as it was given.
    """

    rank: int
    candidate: Candidate
    search: Search
    calculated: np.ndarray
    r_wp_squared: float

    @property
    def structure(self) -> Structure:
        """The crystal in its primitive cell."""
        return self.candidate.structure

    @property
    def r_nano(self) -> float:
        """Unexplained share of the pattern at the best scale."""
        return self.candidate.residual

    @property
    def space_group(self) -> str:
        """Symbol of the space group, short."""
        return primitive_group(self.candidate.fit.template.orbits.number).symbol


@dataclass(frozen=True, eq=False)
class Solution:
    """The outcome of a search.

    Args:
        candidates: in order; none where nothing could be fitted.
        data: the pattern, with what was fitted of its peaks' shape.
        library: where the prototypes come from.
        fits: how many crystals were fitted.
        entries: of the library in use.
        cells: contents of the cell that were tried.
        asked: the formula as it was given.
        without: reduced formulas that were left out.
        pattern_name: what the pattern came from.
        seconds: that the search took.
    """

    candidates: tuple[Ranked, ...]
    data: Measurement
    fits: int
    entries: int
    cells: tuple[Composition, ...]
    asked: str = ""
    without: tuple[str, ...] = ()
    pattern_name: str = ""
    seconds: float = 0.0

    @classmethod
    def of(cls, found: Sequence[tuple[Candidate, Search]], data: Measurement, fits: int, entries: int,
           cells: Sequence[Composition]) -> "Solution":  # fmt: skip
        """Return the outcome of candidates in their order."""
        rows = []
        for number, (candidate, search) in enumerate(found):
            values, model = search.evidence.stages[-1].values, pattern_of(search, candidate.fit)
            scale = float(model @ values) / max(float(model @ model), 1e-300)
            off = values / values.max() - model / max(model.max(), 1e-300)
            share = float(off @ off) / float((values / values.max()) @ (values / values.max()))
            rows.append(Ranked(number + 1, candidate, search, scale * model, share))
        return cls(tuple(rows), data, fits, entries, tuple(cells))

    @property
    def solved(self) -> bool:
        """Whether the best candidate explains the pattern, with distances that are likely."""
        return (
            bool(self.candidates)
            and self.candidates[0].candidate.likely
            and (self.candidates[0].r_nano < explained_below(self.data))
        )

    @property
    def as_well(self) -> int:
        """How many candidates explain the pattern about as well as the best, without it."""
        if not self.candidates:
            return 0
        bound = max(AS_WELL * self.candidates[0].r_nano, explained_below(self.data) / 4)
        return sum(row.r_nano <= bound and row.candidate.likely for row in self.candidates[1:])
