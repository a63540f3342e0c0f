"""The outcome of a refinement, and what a user does with it."""

from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from xrdscape.crystal.families import Family
from xrdscape.diffraction.pattern import reflection_table
from xrdscape.optimisation.graduated import Narrowing
from xrdscape.patterns.pattern import Values
from xrdscape.refinement.fit import Fit
from xrdscape.refinement.prepared import Prepared
from xrdscape.refinement.residual import Residual, amorphous_halo, unindexed_peaks, verdict, warnings_of
from xrdscape.refinement.settings import Settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHORT = ("cosine", "Rwp", "Rp")


@dataclass(frozen=True)
class DescentPath:
    """The loss of a descent, -cosine of the blurred patterns, at some of its steps [R]; and how the blur narrowed."""

    steps: NDArray[np.int64]
    loss: Values
    narrowing: Narrowing

    @property
    def blur_deg(self) -> Values:
        """Full width of the blur at these steps; 0 without blur [R]."""
        widths = np.array([*self.narrowing.widths_deg, 0.0])
        return widths[np.minimum(self.steps // self.narrowing.steps, len(widths) - 1)]


@dataclass(frozen=True, eq=False, repr=False)
class Refinement:
    """The outcome of a refinement, as `refine` returns it.

    Args:
        start, refined: the starting and the refined model.
        start_fit, refined_fit: their patterns, both with the profile found at the end, scaled to the measured one.
        before, after: residuals of the two.
        family: crystal family that the cell was kept in; None if it was free.
        path: the descent that was taken.
        descents: how many were made.
        seconds: for all of it.
        remarks: what was assumed, a sentence each.
        pattern: what was refined against.
        settings: the choices.
        start_name: file or formula of the starting model.
    """

    start: Structure
    refined: Structure
    start_fit: Fit
    refined_fit: Fit
    before: Residual
    after: Residual
    family: Family | None
    path: DescentPath
    descents: int
    seconds: float
    remarks: tuple[str, ...]
    pattern: Prepared
    settings: Settings
    start_name: str

    def __repr__(self) -> str:
        agreement = f"cosine {self.after.cosine:.4f}, Rwp {self.after.Rwp:.1%}"
        return f"<Refinement of {self.refined.composition.reduced_formula}: {agreement}>"

    @cached_property
    def reflections_deg(self) -> Values:
        """Measured angles of the reflections of the refined model inside the range [M]."""
        instrument = self.refined_fit.instrument
        angles = reflection_table(self.refined, instrument)["two_theta_deg"].to_numpy() + instrument.zero_deg
        return angles[angles >= self.pattern.two_theta_deg[0]]

    @cached_property
    def warnings(self) -> list[str]:
        """Reasons to look twice, a sentence each."""
        return warnings_of(
            self.start,
            self.refined,
            len(self.reflections_deg),
            unindexed_peaks(self.pattern, self.refined_fit),
            amorphous_halo(self.pattern, self.refined_fit),
        )

    @property
    def verdict(self) -> str:
        """One sentence on the outcome, and what to do about a poor one."""
        return verdict(self.after)

    @property
    def comparison(self) -> list[tuple[str, str, str]]:
        """Rows of what changed, each with its name and its values before and after."""
        before, after = (
            " ".join(f"{value:.4f}" for value in model.lattice.parameters) for model in (self.start, self.refined)
        )
        rows = [(name, f"{getattr(self.before, name):.4f}", f"{getattr(self.after, name):.4f}") for name in SHORT]
        return [("cell", before, after), *rows]

    def write(self, name: str | Path, force: bool = False) -> tuple[Path, ...]:
        """Write the refined model as NAME.cif, a report as NAME.html and its numbers as NAME.json; return the paths.

        Args:
            name: with or without an ending.
            force: replace files that exist.

        Raises:
            XrdscapeError: for files that may not be written.
        """
        from xrdscape.refinement.report import ENDINGS, write_report
        from xrdscape.runtime.outputs import writable_set

        paths = writable_set(Path(name), ENDINGS, force, (self.start_name, self.pattern.origin))
        write_report(self, *paths)
        return paths

    def plot(self) -> "Axes":
        """Draw the measured pattern with that of the refined model, and return matplotlib's axes."""
        from matplotlib import pyplot

        from xrdscape.refinement.figures import draw_fit
        from xrdscape.style import TWO_THETA, WIDTH_IN, styled

        with styled():
            figure, ax = pyplot.subplots(figsize=(WIDTH_IN, 4.0), layout="constrained")
            draw_fit(ax, self)
            ax.set(xlabel=TWO_THETA, xlim=(self.pattern.two_theta_deg[0], self.pattern.two_theta_deg[-1]))
            figure.legend(loc="outside lower center", ncols=5)
        return ax

    def _repr_html_(self) -> str:
        from xrdscape.refinement.figures import fit_picture

        head = "<tr><th></th><th>start</th><th>refined</th></tr>"
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self.comparison
        )
        notes = "".join(f"<p>Look twice: {escape(text)}</p>" for text in self.warnings)
        return f"<div><p>{escape(self.verdict)}</p>{notes}{fit_picture(self)}<table>{head}{rows}</table></div>"
