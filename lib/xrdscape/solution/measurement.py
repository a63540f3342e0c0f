"""A pattern as a search takes it: over an even grid of Q, without background, with what is known of its peaks."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from xrdscape.diffraction.axis import scattering_vector
from xrdscape.diffraction.finite_size import LENGTHS, SizeConvention
from xrdscape.diffraction.form_factors import FormFactorSource
from xrdscape.diffraction.nano_patterns import nano_convention
from xrdscape.diffraction.sticks import CU_K_ALPHA_ANGSTROM
from xrdscape.errors import PatternError
from xrdscape.patterns.background import background
from xrdscape.patterns.pattern import Pattern
from xrdscape.solution.evidence import BEYOND, TAPER_SHARE, Evidence, evidence

Exact = NDArray[np.float64]
Unknown = Literal["thickness", "sigma", "b_iso"]

SHARPEST_INV_ANGSTROM = 0.02
"""Sharper patterns are smoothed to this standard deviation: a search needs no more, and its cost grows with it."""
EVEN = 0.05
"""Share of a step that positions may be off an even grid, as rounding in a file leaves them."""
B_ISO = 0.6
"""B of all atoms in a measured pattern, angstrom^2, before it is fitted."""
EDGE_TAPER = 0.015
"""Width of the end of PXRDnet's reflections, which end sharply, 1/angstrom."""
LARGEST_Q = 6.5
"""Measured patterns are used up to this Q, 1/angstrom: a search gains nothing from beyond it."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """A pattern over an even grid of Q, and what is known of how it came about.

    Args:
        q_inv_angstrom, intensity: [n].
        wavelength_angstrom: of its Lorentz-polarisation factor.
        sigma_inv_angstrom: standard deviation of the Gaussian that smooths its peaks.
        thickness_angstrom: t of their shape sinc^2(q t / 2); infinite for a Gaussian.
        b_iso: of all atoms, angstrom^2.
        q_end_inv_angstrom, taper_inv_angstrom: end of the reflections in it.
        pooled: how many finer points each intensity is the largest of.
        source: of form factors.
        convention: that the pattern was made by, if by one of PXRDnet's.
        unknown: what is to be fitted of the peaks' shape.
        remarks: what was assumed, a sentence each.
    """

    q_inv_angstrom: Exact
    intensity: Exact
    wavelength_angstrom: float
    sigma_inv_angstrom: float
    thickness_angstrom: float = math.inf
    b_iso: float = 0.0
    q_end_inv_angstrom: float = math.inf
    taper_inv_angstrom: float = EDGE_TAPER
    pooled: int = 1
    source: FormFactorSource = "electron"
    convention: SizeConvention | None = None
    unknown: tuple[Unknown, ...] = ()
    remarks: tuple[str, ...] = ()

    def evidence(self, blurs: tuple[float, ...] | None = None, tabulated: bool = False) -> Evidence:
        """Return the pattern under the blurs of a search, or under these; with profiles from tables if asked."""
        return evidence(
            self.q_inv_angstrom, self.intensity, self.wavelength_angstrom, self.sigma_inv_angstrom,
            self.thickness_angstrom, self.q_end_inv_angstrom, self.taper_inv_angstrom, self.pooled,
            blurs=blurs, source=self.source, b_iso=self.b_iso, tabulated=tabulated,
        )  # fmt: skip


def nano_measurement(
    q_inv_angstrom: Exact, intensity: Exact, convention: SizeConvention, size_angstrom: float | None = None,
    sigma_inv_angstrom: float | None = None,
) -> Measurement:  # fmt: skip
    """Return a pattern made as PXRDnet makes them.

    Args:
        q_inv_angstrom, intensity: of the pattern, evenly spaced [n].
        convention: of `NANO_CONVENTIONS`.
        size_angstrom: in its meaning; fitted if left out.
        sigma_inv_angstrom: of the Gaussian; if left out, the middle of what the convention draws from.

    Raises:
        InstrumentError: there is no such convention.
        PatternError: for positions that are not evenly spaced.
    """
    rules = nano_convention(convention)
    q, values = _even(q_inv_angstrom, intensity)
    end = 4 * math.pi / rules.wavelength_angstrom * math.sin(math.radians(rules.two_theta_max_deg / 2))
    sigma = sigma_inv_angstrom or float(np.mean(rules.sigma_inv_angstrom))
    used = q <= end + BEYOND * sigma
    thickness = LENGTHS[convention] * (size_angstrom if size_angstrom is not None else 50.0)
    return Measurement(
        q[used], values[used], rules.wavelength_angstrom, sigma, thickness,
        q_end_inv_angstrom=end, pooled=rules.pool, convention=convention,
        unknown=() if size_angstrom is not None else ("thickness",),
    )  # fmt: skip


def measurement(
    pattern: Pattern, size_angstrom: float | None = None, sigma_inv_angstrom: float | None = None,
    convention: SizeConvention | None = None, sharpest_inv_angstrom: float = SHARPEST_INV_ANGSTROM,
) -> Measurement:  # fmt: skip
    """Return a pattern of any kind as a search takes it.

    Over Q, intensities are taken as they stand. Over 2theta, the peaks' areas there are kept. A background is estimated
    and taken off where the pattern may have one; sharp patterns are smoothed.

    Args:
        pattern: over 2theta with its wavelength, or over Q.
        size_angstrom: of the crystallites; fitted if left out.
        sigma_inv_angstrom: of what else smooths the peaks; fitted if left out.
        convention: for a pattern made as PXRDnet makes them, which then needs no background or fit.
        sharpest_inv_angstrom: standard deviation that sharper peaks are smoothed to.

    Raises:
        PatternError: the wavelength is unknown, or the pattern cannot be used.
        InstrumentError: there is no such convention.
    """
    if convention is not None:
        q = _q_of(pattern, CU_K_ALPHA_ANGSTROM)
        found = nano_measurement(q, pattern.intensity, convention, size_angstrom, sigma_inv_angstrom)
        return replace(found, remarks=pattern.remarks)
    remarks = list(pattern.remarks)
    if pattern.radiation is not None:
        wavelength = pattern.radiation.mean_wavelength_angstrom
    elif pattern.q_inv_angstrom is not None:
        wavelength = CU_K_ALPHA_ANGSTROM
        remarks.append(
            "No wavelength was given; Lorentz and polarisation factors are those of Cu K-alpha, 1.54184 Å. "
            "Intensities of another source are then wrong by angle: give its wavelength."
        )
    else:
        raise PatternError(
            f"{pattern.name} has no wavelength, without which 2theta says nothing of a crystal: give it with "
            "--wavelength-angstrom (in Python in the pattern's radiation)."
        )
    intensity = np.asarray(pattern.intensity, float)
    if pattern.has_background:
        angle = np.linspace(pattern.two_theta_deg[0], pattern.two_theta_deg[-1], len(intensity))
        even = np.interp(angle, pattern.two_theta_deg, intensity)
        intensity = intensity - np.interp(pattern.two_theta_deg, angle, background(angle, even))
        remarks.append("A background was estimated and taken off.")
    q = _q_of(pattern, wavelength)
    if pattern.q_inv_angstrom is not None:
        remarks.append(
            "Intensities over Q were taken as they stand. Counts per step of 2theta that were moved to Q are too "
            "low by cos(theta): give such a pattern over 2theta."
        )
    else:
        # The same counts in dQ as in d(2 theta), which grow apart as 1 / cos(theta).
        intensity = intensity / np.cos(np.radians(pattern.two_theta_deg / 2))
    unknown: list[Unknown] = ["thickness"] if size_angstrom is None else []
    thickness = math.inf if size_angstrom is None else LENGTHS["paper"] * size_angstrom
    grid, values, own = _smoothed(q, intensity, sharpest_inv_angstrom)
    sigma = own if sigma_inv_angstrom is None else max(sigma_inv_angstrom, sharpest_inv_angstrom)
    if sigma_inv_angstrom is None:
        unknown.append("sigma")
    if pattern.has_background:
        unknown.append("b_iso")
    used = grid <= LARGEST_Q
    grid, values = grid[used], np.maximum(values[used], 0)
    end = float(grid[-1]) + BEYOND * sigma
    return Measurement(
        grid, values, wavelength, sigma, thickness, B_ISO if pattern.has_background else 0.0, end,
        TAPER_SHARE * sigma, 1, "international-tables", None, tuple(unknown), tuple(remarks),
    )  # fmt: skip


def _q_of(pattern: Pattern, wavelength: float) -> Exact:
    import torch

    if pattern.q_inv_angstrom is not None:
        return np.asarray(pattern.q_inv_angstrom, float)
    return np.asarray(scattering_vector(torch.as_tensor(pattern.two_theta_deg), wavelength).numpy(), float)


def _even(q: Exact, intensity: Exact) -> tuple[Exact, Exact]:
    """Return positions made exactly even, and intensities there.

    Raises:
        PatternError: they are far from even.
    """
    grid = np.linspace(q[0], q[-1], len(q))
    step = grid[1] - grid[0]
    if np.abs(q - grid).max() > EVEN * step:
        return grid, np.interp(grid, q, intensity)
    return grid, np.asarray(intensity, float)


def _smoothed(q: Exact, intensity: Exact, sharpest: float) -> tuple[Exact, Exact, float]:
    """Return a pattern on an even grid, smoothed where it is sharper than a search needs, and the standard deviation of
    its peaks."""
    step = min(float(np.median(np.diff(q))), sharpest / 8)
    step = max(step, sharpest / 16)
    grid = np.arange(q[0], q[-1] + step / 2, step)
    # Areas are kept: the running integral is interpolated, not the points.
    area = np.concatenate([[0], np.cumsum((intensity[1:] + intensity[:-1]) / 2 * np.diff(q))])
    edges = np.concatenate([grid - step / 2, [grid[-1] + step / 2]])
    values = np.diff(np.interp(edges, q, area)) / step
    own = peak_sigma(grid, values)
    if own < sharpest:
        extra = math.sqrt(sharpest**2 - own**2)
        return grid, gaussian_filter1d(values, extra / step, mode="nearest"), sharpest
    return grid, values, own


def peak_sigma(q: Exact, intensity: Exact) -> float:
    """Return the standard deviation of the sharpest of the strong peaks, from the curvature at their tops, 1/angstrom.

    Raises:
        PatternError: there is no peak.
    """
    step = q[1] - q[0]
    smooth = gaussian_filter1d(intensity, 2)
    tops, _ = find_peaks(smooth, prominence=0.1 * smooth.max())
    tops = tops[(tops > 2) & (tops < len(q) - 3)]
    if not len(tops):
        raise PatternError("The pattern shows no peak that a search could start from.")
    curvature = (smooth[tops + 2] + smooth[tops - 2] - 2 * smooth[tops]) / (2 * step) ** 2
    squared = smooth[tops] / np.maximum(-curvature, 1e-300) - (2 * step) ** 2
    return float(np.sqrt(max(np.quantile(squared, 0.2), step**2)))
