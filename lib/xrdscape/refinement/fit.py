"""The last step of a refinement: least squares on the whole profile, cell and peak shape together.

A descent ends where the cosine does; counting errors, overall thermal motion, a zero shift and what is left of the
background have their say here. Scale and background are linear and solved for at each step (variable projection).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.polynomial.chebyshev import chebvander
from pymatgen.core import Structure
from scipy.optimize import least_squares

from xrdscape.crystal.families import TIED, Family, project
from xrdscape.crystal.structures import to_tensors
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.profile import PeakProfile
from xrdscape.diffraction.reflections import Reflections
from xrdscape.diffraction.structure_factors import GeometricalFactors
from xrdscape.diffraction.widths import CagliotiWidth
from xrdscape.patterns.pattern import Values
from xrdscape.refinement.prepared import LARGEST_DEG, Prepared

FARTHEST = 0.03
"""Largest change of the cell, as a strain and in radians: a descent has come closer, or has failed."""

REACH = 1.1
"""Stretch for which reflection lists are made: more than `FARTHEST` in every parameter."""

WIDEST = 3.0
"""By which factor the fitted width may differ from the estimated one."""

LARGEST_ZERO_DEG = 0.3
B_RANGE = (-1.0, 10.0)
"""Of the overall B_iso, angstrom^2; slightly negative where absorption feigns it."""

BACKGROUND_TERMS = 7
"""Chebyshev polynomials for what the estimate of the background has left."""

LEAST_SCALE = 1e-6
"""Of a pattern that the measured one would rather have negative: next to nothing, but its shape is kept."""

DIFFERENCE = 1e-5
"""Step of the numerical derivatives, in units of each parameter."""


@dataclass(frozen=True)
class Fit:
    """A crystal's pattern, scaled to the measured one.

    Args:
        lattice: a, b, c in angstrom, alpha, beta, gamma in degrees [6].
        instrument: with the peak profile and the zero shift of the fit.
        b_iso: overall B_iso, angstrom^2.
        peaks: intensities without background [n].
        background: all that is beneath them [n].
    """

    lattice: Values
    instrument: Instrument
    b_iso: float
    peaks: Values
    background: Values


@dataclass(frozen=True)
class _Model:
    """Patterns of one crystal near one cell."""

    prepared: Prepared
    simulator: Simulator
    reflections: Reflections
    geometrical: GeometricalFactors
    polynomials: Values

    @classmethod
    def of(cls, prepared: Prepared, crystal: Structure) -> "_Model":
        """Return the model of a pattern and the crystal that is to explain it."""
        simulator = Simulator(crystal, prepared.instrument)
        lattice, frac_coords = to_tensors([crystal])
        reflections = simulator.reflections(lattice, REACH)
        terms, n = BACKGROUND_TERMS if prepared.fits_background else 0, len(prepared.intensity)
        polynomials = np.asarray(chebvander(np.linspace(-1, 1, n), max(terms - 1, 0))[:, :terms], dtype=np.float64)
        return cls(prepared, simulator, reflections, simulator.geometrical(reflections, frac_coords), polynomials)

    def fitted(self, lattice: Values, instrument: Instrument, b_iso: float) -> Fit:
        """Return the fit of a cell with the scale and the background that fit best."""
        simulator, sigma = self.simulator.with_instrument(instrument, b_iso), self.prepared.sigma
        pattern = simulator.patterns(torch.from_numpy(lattice)[None], self.reflections, self.geometrical)[0].numpy()
        columns = np.column_stack([pattern, self.polynomials]) / sigma[:, None]
        factors = np.linalg.lstsq(columns, self.prepared.net / sigma, rcond=None)[0]
        least = LEAST_SCALE * self.prepared.net.max() / pattern.max()
        if factors[0] < least:
            rest = np.linalg.lstsq(columns[:, 1:], self.prepared.net / sigma - least * columns[:, 0], rcond=None)[0]
            factors = np.concatenate([[least], rest])
        under = self.prepared.background + self.polynomials @ factors[1:]
        return Fit(lattice, instrument, b_iso, factors[0] * pattern, under)

    def misfit(self, fit: Fit) -> Values:
        """Return the differences at each point in standard uncertainties [n]."""
        return (self.prepared.intensity - fit.background - fit.peaks) / self.prepared.sigma


def fit_scale(prepared: Prepared, crystal: Structure, instrument: Instrument, b_iso: float = 0.0) -> Fit:
    """Return the fit of a crystal as it is, with a given profile: only scale and background are fitted."""
    return _Model.of(prepared, crystal).fitted(_lattice(crystal), instrument, b_iso)


def fit_profile(
    prepared: Prepared,
    crystal: Structure,
    instrument: Instrument,
    b_iso: float = 0.0,
    family: Family | None = None,
    zero_shift: bool = False,
) -> Fit:
    """Return the fit of least squares on the profile: first of its shape, then with it of the cell.

    Args:
        prepared: the pattern.
        crystal: close to the end.
        instrument, b_iso: profile to begin with.
        family: crystal family of the cell; None leaves it free.
        zero_shift: fit one.
    """
    model, groups = _Model.of(prepared, crystal), TIED[family or "triclinic"]
    # A descent in float32 keeps equal lengths equal to seven digits only.
    base = project(to_tensors([crystal])[0][0], family or "triclinic").numpy()
    shape = _Shape.of(prepared, instrument, b_iso, zero_shift)
    count = len(shape.start)

    def fitted(x: Values) -> Fit:
        lattice = base.copy()
        for group, change in zip(groups, x[count:], strict=False):
            lattice[list(group)] += change * (base[group[0]] if group[0] < 3 else 180 / math.pi)
        return model.fitted(lattice, *shape.at(x[:count]))

    def misfit(x: Values) -> Values:
        return model.misfit(fitted(x))

    x = _least_squares(misfit, shape.start, shape.low, shape.high)
    x, reach = np.concatenate([x, np.zeros(len(groups))]), np.full(len(groups), FARTHEST)
    x = _least_squares(misfit, x, np.concatenate([shape.low, -reach]), np.concatenate([shape.high, reach]))
    return fitted(x)


@dataclass(frozen=True)
class _Shape:
    """What is fitted of the profile: B_iso, the zero shift, and W, U (both in units of the first W) and eta.

    Args:
        instrument, b_iso: where it begins.
        zero_shift, peaks: whether the zero shift, and the widths and eta, are fitted; B_iso always is.
        start, low, high: values and bounds of what is fitted [K].
    """

    instrument: Instrument
    b_iso: float
    zero_shift: bool
    peaks: bool
    start: Values
    low: Values
    high: Values

    @classmethod
    def of(cls, prepared: Prepared, instrument: Instrument, b_iso: float, zero_shift: bool) -> "_Shape":
        """Return what is fitted of the profile of a pattern."""
        first, last = prepared.instrument.axis.minimum, prepared.instrument.axis.maximum
        zero_low, zero_high = -min(LARGEST_ZERO_DEG, LARGEST_DEG - last), min(LARGEST_ZERO_DEG, first)
        zero_shift = zero_shift and zero_low < zero_high
        rows = [(b_iso, *B_RANGE)]
        if zero_shift:
            rows.append((instrument.zero_deg, zero_low, zero_high))
        if prepared.fits_profile:
            # Relative to the width estimated, which the profile may have left already.
            now, estimated = instrument.width_constants, prepared.instrument.width_constants.w
            widest = estimated / now.w * WIDEST**2
            rows += [(1.0, widest / WIDEST**4, widest), (now.u / now.w, 0.0, widest), (instrument.eta, 0.0, 1.0)]
        start, low, high = (np.array(column) for column in zip(*rows, strict=True))
        return cls(instrument, b_iso, zero_shift, prepared.fits_profile, start, low, high)

    def at(self, x: Values) -> tuple[Instrument, float]:
        """Return instrument and B_iso for these values [K]."""
        b_iso, *rest = x.tolist()
        instrument = self.instrument
        if self.zero_shift:
            instrument = replace(instrument, zero_deg=rest.pop(0))
        if self.peaks:
            W, U, eta = rest
            _, v, unit, _ = instrument.width_constants
            instrument = replace(instrument, profile=PeakProfile(CagliotiWidth(U * unit, v, W * unit), eta))
        return instrument, b_iso


def _least_squares(residuals: Callable[[Values], Values], x: Values, low: Values, high: Values) -> Values:
    def derivative(x: Values) -> Values:
        here = residuals(x)
        columns = []
        for place in range(len(x)):
            step = DIFFERENCE if x[place] + DIFFERENCE <= high[place] else -DIFFERENCE
            moved = x.copy()
            moved[place] += step
            columns.append((residuals(moved) - here) / step)
        return np.column_stack(columns)

    inside = np.clip(x, low, high)
    return least_squares(residuals, inside, derivative, (low, high), x_scale="jac", max_nfev=60, ftol=1e-6, xtol=1e-8).x


def _lattice(crystal: Structure) -> Values:
    return np.array(crystal.lattice.parameters, dtype=np.float64)
