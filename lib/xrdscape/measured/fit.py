"""The last step of a refinement: least squares on the whole profile, cell and peak shape together.

A descent ends where the cosine does; counting errors, overall thermal motion, a zero shift and what is left of the
background have their say here. Scale and background are linear and solved for at each step (variable projection).
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from pymatgen.core import Structure
from scipy.optimize import least_squares

from xrdscape.engine.pattern import Simulator
from xrdscape.engine.profile import Instrument
from xrdscape.engine.reflections import Reflections
from xrdscape.engine.structures import to_tensors
from xrdscape.measured.pattern import Profile, Values
from xrdscape.measured.prepare import Prepared

EQUAL_LENGTHS = {
    "cubic": ((0, 1, 2),),
    "hexagonal": ((0, 1), (2,)),
    "tetragonal": ((0, 1), (2,)),
    "orthorhombic": ((0,), (1,), (2,)),
    "monoclinic": ((0,), (1,), (2,), (4,)),
    "triclinic": ((0,), (1,), (2,), (3,), (4,), (5,)),
}
"""Which of a, b, c, alpha, beta, gamma are one number, by crystal family; those left out are fixed."""

FARTHEST = 0.03
"""Largest change of the cell, as a strain and in radians: a descent has come closer, or has failed."""

REACH = 1.1
"""Stretch for which reflection lists are made: more than `FARTHEST` in every parameter."""

WIDEST = 3.0
"""By which factor the fitted width may differ from the estimated one."""

LARGEST_ZERO_DEG = 0.3
B_RANGE = (-1.0, 10.0)
"""Of the overall thermal parameter, angstrom^2; slightly negative where absorption feigns it."""

BACKGROUND_TERMS = 7
"""Chebyshev polynomials for what the estimate of the background has left."""

DIFFERENCE = 1e-5
"""Step of the numerical derivatives, in units of each parameter."""


@dataclass(frozen=True)
class Shape:
    """What the profile needs besides the crystal.

    Args:
        profile: widths and shape of the peaks.
        b_iso: overall thermal parameter, angstrom^2; it weakens the pattern by exp(-2 B sin^2(theta) / lambda^2).
        zero_deg: measured angle less true angle.
    """

    profile: Profile
    b_iso: float = 0.0
    zero_deg: float = 0.0


@dataclass(frozen=True)
class Fit:
    """A crystal's pattern, scaled to the measured one.

    Args:
        lattice: a, b, c in angstrom, alpha, beta, gamma in degrees [6].
        shape: of its profile.
        peaks: intensities without background [n].
        background: all that is beneath them [n].
    """

    lattice: Values
    shape: Shape
    peaks: Values
    background: Values


@dataclass(frozen=True)
class _Model:
    """Patterns of one crystal near one cell."""

    prepared: Prepared
    simulator: Simulator
    reflections: Reflections
    sums: tuple[torch.Tensor, torch.Tensor]
    polynomials: Values

    def instrument(self, shape: Shape) -> Instrument:
        before, zero = self.prepared.instrument, shape.zero_deg
        low, high = before.two_theta_min_deg - zero, before.two_theta_max_deg - zero
        return replace(before, two_theta_min_deg=low, two_theta_max_deg=high, **vars(shape.profile))

    def peaks(self, lattice: Values, shape: Shape) -> Values:
        """Unscaled."""
        instrument = self.instrument(shape)
        simulator = self.simulator.with_instrument(instrument)
        cells = torch.from_numpy(lattice)[None]
        pattern = simulator.patterns(cells, self.reflections, self.sums)[0].numpy()
        return pattern * weakening(simulator.two_theta_deg.numpy(), shape.b_iso, instrument.wavelength_angstrom)

    def fitted(self, lattice: Values, shape: Shape) -> Fit:
        """With the scale, never negative, and the background that fit best."""
        pattern, sigma = self.peaks(lattice, shape), self.prepared.sigma
        columns = np.column_stack([pattern, self.polynomials]) / sigma[:, None]
        factors = np.linalg.lstsq(columns, self.prepared.net / sigma, rcond=None)[0]
        if factors[0] < 0:
            rest = np.linalg.lstsq(columns[:, 1:], self.prepared.net / sigma, rcond=None)[0]
            factors = np.concatenate([[0.0], rest])
        under = self.prepared.background + self.polynomials @ factors[1:]
        return Fit(lattice, shape, factors[0] * pattern, under)

    def misfit(self, fit: Fit) -> Values:
        return (self.prepared.intensity - fit.background - fit.peaks) / self.prepared.sigma


def weakening(two_theta_deg: Values, b_iso: float, wavelength_angstrom: float) -> Values:
    """By thermal motion, the same for all atoms."""
    return np.exp(-2 * b_iso * (np.sin(np.radians(two_theta_deg) / 2) / wavelength_angstrom) ** 2)


def fit_scale(prepared: Prepared, crystal: Structure, shape: Shape) -> Fit:
    """A crystal as it is with a given shape of its profile: only scale and background are fitted."""
    model = _model(prepared, crystal)
    return model.fitted(_lattice(crystal), shape)


def fit_profile(
    prepared: Prepared, crystal: Structure, shape: Shape, family: str | None = None, zero_shift: bool = False
) -> Fit:
    """Least squares on the profile: first its shape, then with it the cell.

    Args:
        prepared: the pattern.
        crystal: close to the end.
        shape: where to begin.
        family: of crystals that the cell belongs to; None leaves it free.
        zero_shift: fit one.
    """
    model, groups = _model(prepared, crystal), EQUAL_LENGTHS[family or "triclinic"]
    base = _lattice(crystal)
    low, high, first = _bounds(prepared, shape, zero_shift)
    least = min(prepared.instrument.W, shape.profile.W)

    def unpacked(x: Values) -> tuple[Values, Shape]:
        lattice = base.copy()
        for group, change in zip(groups, x[len(first) :], strict=False):
            lattice[list(group)] += change * (base[group[0]] if group[0] < 3 else 180 / math.pi)
        profile = shape.profile
        if prepared.fits_profile:
            profile = Profile(x[3] * least, 0.0, x[2] * least, x[4])
        return lattice, Shape(profile, x[0], x[1])

    def residuals(x: Values) -> Values:
        return model.misfit(model.fitted(*unpacked(x)))

    x = _least_squares(residuals, first, low, high)
    reach = np.full(len(groups), FARTHEST)
    x = np.concatenate([x, np.zeros(len(groups))])
    x = _least_squares(residuals, x, np.concatenate([low, -reach]), np.concatenate([high, reach]))
    return model.fitted(*unpacked(x))


def _bounds(prepared: Prepared, shape: Shape, zero_shift: bool) -> tuple[Values, Values, Values]:
    """Lower and upper bounds of B, zero shift and, if fitted, W, U (in units of the first W) and eta; and a start."""
    instrument, tiny = prepared.instrument, 1e-9
    zero = LARGEST_ZERO_DEG if zero_shift else tiny
    low = [B_RANGE[0], -min(zero, 179.9 - instrument.two_theta_max_deg) - tiny]
    high = [B_RANGE[1], min(zero, instrument.two_theta_min_deg) + tiny]
    first = [shape.b_iso, shape.zero_deg]
    if prepared.fits_profile:
        least = min(instrument.W, shape.profile.W)
        low += [WIDEST**-2, 0.0, 0.0]
        high += [WIDEST**2, WIDEST**2, 1.0]
        first += [shape.profile.W / least, shape.profile.U / least, shape.profile.eta]
    bounds = np.array(low), np.array(high)
    return *bounds, np.clip(first, *bounds)


def _least_squares(residuals, x: Values, low: Values, high: Values) -> Values:  # type: ignore[no-untyped-def]
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


def _model(prepared: Prepared, crystal: Structure) -> _Model:
    simulator = Simulator(crystal, prepared.instrument)
    lattice, frac_coords = to_tensors([crystal])
    reflections = simulator.reflections(lattice, REACH)
    sums = simulator.sums(reflections, frac_coords)
    terms = BACKGROUND_TERMS if prepared.fits_background else 0
    n = len(prepared.intensity)
    polynomials = np.polynomial.chebyshev.chebvander(np.linspace(-1, 1, n), max(terms - 1, 0))[:, :terms]
    return _Model(prepared, simulator, reflections, sums, polynomials)
