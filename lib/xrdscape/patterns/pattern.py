"""A powder pattern: simulated, read from a file, or made from arrays."""

import html
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xrdscape.diffraction.profile import PeakProfile
from xrdscape.diffraction.radiation import Radiation
from xrdscape.errors import PatternError
from xrdscape.patterns.order import Points, rising

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = NDArray[np.float64]

FEWEST_POINTS = 50
"""Fewer are a list of peaks, not a pattern."""

SHORTEST_ANGSTROM, LONGEST_ANGSTROM = 0.05, 5.0
"""X-ray wavelengths of powder diffraction lie well inside."""


@dataclass(frozen=True, eq=False, repr=False)
class Pattern:
    """A powder pattern: intensities at scattering angles, and what is known of how they came about.

    >>> import xrdscape
    >>> pattern = xrdscape.simulate("U2Ti")
    >>> len(pattern.two_theta_deg), pattern.radiation.wavelength_angstrom, pattern.has_background
    (9000, 1.5406, False)

    Args:
        two_theta_deg: scattering angles, in rising order [n].
        intensity: in any unit [n].
        sigma: standard uncertainty of each intensity [n], where it is known.
        radiation: emission lines of the source, where they are known.
        profile: width and shape of the peaks, where they are known.
        has_background: whether something may lie beneath the peaks; nothing does in a simulated pattern.
        origin: what the pattern came from, in a few words.
        remarks: what was assumed on reading it, a sentence each.
        q_inv_angstrom: lengths of the scattering vector [n], where the pattern was simulated or
            recorded on an axis of these, or of d.

    Raises:
        PatternError: for arrays of different lengths.
    """

    two_theta_deg: Values
    intensity: Values
    sigma: Values | None = None
    radiation: Radiation | None = None
    profile: PeakProfile | None = None
    has_background: bool = True
    origin: str = ""
    remarks: tuple[str, ...] = ()
    q_inv_angstrom: Values | None = None

    def __post_init__(self) -> None:
        for name in ("two_theta_deg", "intensity", "sigma", "q_inv_angstrom"):
            given: ArrayLike | None = getattr(self, name)
            if given is None:
                continue
            values = np.asarray(given, dtype=np.float64)
            if values.shape != (np.size(self.two_theta_deg),):
                raise PatternError(
                    f"{name} of a pattern has the shape {list(values.shape)}, and there are "
                    f"{np.size(self.two_theta_deg)} angles: give one value for each angle."
                )
            object.__setattr__(self, name, values)

    def __repr__(self) -> str:
        facts = self.facts()
        return f"<Pattern from {facts['from']}: {facts['2θ']}>"

    @property
    def name(self) -> str:
        """Name of the pattern in messages."""
        return self.origin or "the pattern"

    def between(self, low_deg: float, high_deg: float) -> "Pattern":
        """Return the part of the pattern between two angles.

        Raises:
            PatternError: nothing lies between them.
        """
        if not low_deg < high_deg:
            raise PatternError(
                f"a range goes from a smaller angle to a larger one. Received {low_deg:g} to {high_deg:g}."
            )
        inside = (self.two_theta_deg >= low_deg) & (self.two_theta_deg <= high_deg)
        if inside.sum() < 2 or self.intensity[inside].max() <= 0:
            raise PatternError(
                f"between {low_deg:g} and {high_deg:g} deg there is no pattern: {self.name} goes from "
                f"{self.two_theta_deg[0]:g} to {self.two_theta_deg[-1]:g} deg. Give another range."
            )
        return replace(
            self,
            two_theta_deg=self.two_theta_deg[inside],
            intensity=self.intensity[inside],
            sigma=None if self.sigma is None else self.sigma[inside],
            q_inv_angstrom=None if self.q_inv_angstrom is None else self.q_inv_angstrom[inside],
        )

    def plot(self, ax: "Axes | None" = None, label: str | None = None, **options: Any) -> "Axes":
        """Draw the pattern, and return matplotlib's axes.

        Args:
            ax: axes to draw on; new ones if left out.
            label: for a legend; what the pattern came from if left out.
            options: of `Axes.plot`, such as color.
        """
        from xrdscape.style import TWO_THETA, WIDTH_IN, styled

        with styled():
            if ax is None:
                from matplotlib import pyplot

                _, ax = pyplot.subplots(figsize=(WIDTH_IN, 2.8), layout="constrained")
                ax.set(xlabel=TWO_THETA, ylabel="Intensity", xlim=(self.two_theta_deg[0], self.two_theta_deg[-1]))
            ax.plot(self.two_theta_deg, self.intensity, **{"label": label or self.origin, "linewidth": 1.0, **options})
        return ax

    def to_xy(self, path: str | Path, force: bool = False) -> Path:
        """Write the pattern as columns of text that `read_pattern` reads, and return the path.

        Args:
            path: ends in .xy.
            force: replace a file that exists.

        Raises:
            XrdscapeError: for a path that may not be written to.
        """
        from xrdscape.patterns.own_text import xy_text
        from xrdscape.runtime.checkpoint import replace_file
        from xrdscape.runtime.outputs import writable

        target = writable(Path(path), (".xy",), force)
        replace_file(target, lambda temporary: temporary.write_text(xy_text(self), encoding="utf8"))
        return target

    def facts(self) -> dict[str, str]:
        """Return what is known of the pattern, in words."""
        angle = self.two_theta_deg
        lines = () if self.radiation is None else self.radiation.lines
        return {
            "from": self.origin or "arrays",
            "2θ": f"{angle[0]:g} to {angle[-1]:g}°, {len(angle)} points",
            "wavelength": " and ".join(f"{line.wavelength_angstrom:g} Å" for line in lines) or "unknown",
            "uncertainties": "unknown" if self.sigma is None else "given",
            "background": "perhaps" if self.has_background else "none",
        }

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{name}</th><td>{html.escape(text)}</td></tr>" for name, text in self.facts().items())
        return f"<div>{_picture(self)}<table>{rows}</table></div>"


def _picture(pattern: Pattern) -> str:
    """Return a small drawing of a pattern as HTML."""
    from xrdscape.style import inline_html, new_figure, styled

    with styled():
        figure = new_figure(1.8, width_in=5.0)
        pattern.plot(figure.subplots()).set(yticks=[], xlim=(pattern.two_theta_deg[0], pattern.two_theta_deg[-1]))
        return inline_html(figure, pattern.name)


def checked(pattern: Pattern) -> Pattern:
    """Return a pattern in rising order of its angles, or refuse what is no powder pattern.

    Raises:
        PatternError: for too few points, angles out of order, intensities that are not numbers, no peak, or a
            wavelength that is not one of X-ray diffraction.
    """
    for line in () if pattern.radiation is None else pattern.radiation.lines:
        if not SHORTEST_ANGSTROM < line.wavelength_angstrom < LONGEST_ANGSTROM:
            raise PatternError(
                f"the wavelength of {pattern.name}, {line.wavelength_angstrom:g} angstrom, is not one of X-ray "
                f"diffraction ({SHORTEST_ANGSTROM:g} to {LONGEST_ANGSTROM:g}). Give it in angstrom."
            )
    _refuse_few(pattern, len(pattern.two_theta_deg))
    points = rising(Points(pattern.two_theta_deg, pattern.intensity, pattern.sigma), pattern.name)
    angle, intensity, sigma = points.angle, points.intensity, points.sigma
    _refuse_few(pattern, len(angle))
    strange = angle[~np.isfinite(intensity)]
    if len(strange):
        raise PatternError(
            f"{pattern.name} has {len(strange)} intensities that are not finite numbers, the first at {strange[0]:g} "
            "deg: remove those lines."
        )
    if intensity.max() <= max(intensity.min(), 0):
        raise PatternError(
            f"{pattern.name} shows no peak: every intensity is {intensity.max():g}, or none is above zero."
        )
    remarks = (*pattern.remarks, *points.remarks)
    if sigma is not None and not (np.isfinite(sigma).all() and (sigma > 0).any()):
        sigma = None
        remarks += ("The uncertainties in the file are not all numbers; weights are those of counts instead.",)
    q = pattern.q_inv_angstrom if np.array_equal(angle, pattern.two_theta_deg) else None
    return replace(pattern, two_theta_deg=angle, intensity=intensity, sigma=sigma, q_inv_angstrom=q, remarks=remarks)


def _refuse_few(pattern: Pattern, count: int) -> None:
    if count < FEWEST_POINTS:
        raise PatternError(
            f"{pattern.name} has {count} points, too few for a pattern (at least {FEWEST_POINTS}): give the whole "
            "profile, angle by angle, not a list of peaks, or a wider range."
        )
