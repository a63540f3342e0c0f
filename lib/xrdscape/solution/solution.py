"""The outcome of a search: candidates in order, how far they explain the pattern, and what that is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Composition, Structure

from xrdscape.crystal.primitive_groups import primitive_group
from xrdscape.solution.candidates import Candidate
from xrdscape.solution.exact import exact_pattern, lines_of
from xrdscape.solution.library import Library
from xrdscape.solution.measurement import Measurement
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
        q_inv_angstrom, measured: the points of the pattern that the search used, and the intensities there [n].
        calculated: the crystal's pattern there, scaled to these [n].
        r_wp_squared: sum of squared differences of both patterns, each with maximum 1, over that of the measured one:
            PXRDnet's figure, for the pattern as it was given.
    """

    rank: int
    candidate: Candidate
    q_inv_angstrom: np.ndarray
    measured: np.ndarray
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
        """Symbol of the space group that the fit kept, short."""
        return primitive_group(self.candidate.fit.template.orbits.number).symbol


@dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """The outcome of a search, as `solve` returns it.

    Args:
        candidates: in order; none where nothing could be fitted.
        data: the pattern, with what was fitted of its peaks' shape.
        library: where the prototypes come from.
        fits: how many crystals were fitted.
        cells: contents of the cell that were tried.
        asked: the formula as it was given.
        without: reduced formulas that were left out of the library.
        pattern_name: what the pattern came from.
        settings: choices of the search by name.
        seconds: that the search took.
    """

    candidates: tuple[Ranked, ...]
    data: Measurement
    library: Library
    fits: int
    cells: tuple[Composition, ...]
    asked: str = ""
    without: tuple[str, ...] = ()
    pattern_name: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def of(
        cls, found: Sequence[Candidate], data: Measurement, fits: int, library: Library, cells: Sequence[Composition]
    ) -> "Solution":
        """Return the outcome of candidates in their order."""
        rows = []
        for number, candidate in enumerate(found):
            q, measured, calculated = _patterns(candidate, data)
            off = measured / measured.max() - calculated / max(calculated.max(), 1e-300)
            share = float(off @ off) * float(measured.max()) ** 2 / float(measured @ measured)
            rows.append(Ranked(number + 1, candidate, q, measured, calculated, share))
        return cls(tuple(rows), data, library, fits, tuple(cells))

    def __repr__(self) -> str:
        state = "solved" if self.solved else "not solved"
        return f"<Solution of {self.asked or self.cells[0].formula}: {state}, {len(self.candidates)} candidates>"

    @property
    def explained_below(self) -> float:
        """Unexplained share of the pattern below which a candidate explains it."""
        return explained_below(self.data)

    @property
    def solved(self) -> bool:
        """Judgement that the best candidate explains the pattern, with distances that are likely."""
        return (
            bool(self.candidates)
            and self.candidates[0].candidate.likely
            and (self.candidates[0].r_nano < self.explained_below)
        )

    @property
    def as_well(self) -> int:
        """Number of candidates that explain the pattern about as well as the best, without it."""
        return len(self.equals_of(self.candidates[0])) if self.candidates else 0

    def equals_of(self, row: Ranked) -> list[Ranked]:
        """Return the other candidates that explain the pattern about as well as one of them, with likely distances."""
        bound = max(AS_WELL * row.r_nano, self.explained_below / 4)
        return [other for other in self.candidates
                if other is not row and other.r_nano <= bound and other.candidate.likely]  # fmt: skip

    @property
    def verdict(self) -> str:
        """A few sentences on the outcome, and what to do about a poor one."""
        from xrdscape.solution.wording import verdict_text

        return verdict_text(self)

    def write(self, folder: str | Path, force: bool = False) -> tuple[Path, ...]:
        """Write candidates.csv, a CIF of each candidate, report.html and solution.json; return the paths.

        Args:
            folder: that is made; all of it is written, or none.
            force: replace a folder that holds another solution.

        Raises:
            XrdscapeError: for a folder that may not be written.
        """
        from xrdscape.solution.report import write_solution

        return write_solution(self, Path(folder), force)

    def _repr_html_(self) -> str:
        from xrdscape.solution.facts import facts_of

        head = "".join(f"<th>{name}</th>" for name in ("", "formula", "space group", "unexplained", "prototype"))
        rows = "".join(
            f"<tr><td>{fact.rank}</td><td>{escape(fact.formula)}</td><td>{escape(fact.space_group)}</td>"
            f"<td>{fact.r_nano:.3%}</td><td>{escape(fact.prototype)}</td></tr>"
            for fact in facts_of(self)
        )
        return f"<div><p>{escape(self.verdict)}</p><table><tr>{head}</tr>{rows}</table></div>"


def _patterns(candidate: Candidate, data: Measurement) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points, the measured pattern there, and that of a candidate, which its residual is about [n]."""
    exact, search = exact_pattern(data), candidate.search
    if exact is not None:
        off = exact.compared(lines_of(search, candidate.fit.cell, exact).bins).off
        return data.q_inv_angstrom, data.intensity, data.intensity + off
    values, model = search.evidence.stages[-1].values, pattern_of(search, candidate.fit)
    scale = float(model @ values) / max(float(model @ model), 1e-300)
    return search.evidence.points(), values, scale * model
