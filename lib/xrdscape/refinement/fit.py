"""The last step of a refinement: least squares on the whole profile, cell and peak shape together.

A descent ends where the cosine does; counting errors, overall thermal motion, a zero shift and what is left of the
background have their say here. Scale and background are linear and solved for at each step (variable projection).
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.polynomial.chebyshev import chebvander
from numpy.typing import NDArray
from pymatgen.core import Structure
from scipy.optimize import least_squares

from xrdscape.crystal.families import TIED, Family, project
from xrdscape.crystal.structures import to_tensors
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.reflections import Reflections
from xrdscape.patterns.measured import Profile, Values
from xrdscape.patterns.prepare import Prepared

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

LEAST_SCALE = 1e-6
"""Of a pattern that the measured one would rather have negative: next to nothing, but its shape is kept."""

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
    geometrical: tuple[torch.Tensor, torch.Tensor]
    polynomials: Values

    def peaks(self, lattice: Values, shape: Shape) -> Values:
        """Unscaled, each line of the radiation with its weight."""
        instrument = shifted(self.prepared.instrument, shape)
        cells = torch.from_numpy(lattice)[None]
        total = np.zeros(len(self.prepared.intensity))
        for wavelength, weight in self.prepared.lines:
            simulator = self.simulator.with_instrument(replace(instrument, wavelength_angstrom=wavelength))
            pattern = simulator.patterns(cells, self.reflections, self.geometrical)[0].numpy()
            total += weight * pattern * debye_waller(simulator.two_theta_deg.numpy(), shape.b_iso, wavelength)
        return total

    def fitted(self, lattice: Values, shape: Shape) -> Fit:
        """With the scale and the background that fit best."""
        pattern, sigma = self.peaks(lattice, shape), self.prepared.sigma
        columns = np.column_stack([pattern, self.polynomials]) / sigma[:, None]
        factors = np.linalg.lstsq(columns, self.prepared.net / sigma, rcond=None)[0]
        least = LEAST_SCALE * self.prepared.net.max() / pattern.max()
        if factors[0] < least:
            rest = np.linalg.lstsq(columns[:, 1:], self.prepared.net / sigma - least * columns[:, 0], rcond=None)[0]
            factors = np.concatenate([[least], rest])
        under = self.prepared.background + self.polynomials @ factors[1:]
        return Fit(lattice, shape, factors[0] * pattern, under)

    def misfit(self, fit: Fit) -> Values:
        return (self.prepared.intensity - fit.background - fit.peaks) / self.prepared.sigma


def shifted(instrument: Instrument, shape: Shape) -> Instrument:
    """The instrument with this profile, on the true angles of what it measures."""
    low, high = instrument.two_theta_min_deg - shape.zero_deg, instrument.two_theta_max_deg - shape.zero_deg
    return replace(instrument, two_theta_min_deg=low, two_theta_max_deg=high, **vars(shape.profile))


def debye_waller(two_theta_deg: Values, b_iso: float, wavelength_angstrom: float) -> Values:
    """By thermal motion, the same for all atoms."""
    return np.exp(-2 * b_iso * (np.sin(np.radians(two_theta_deg) / 2) / wavelength_angstrom) ** 2)


def fit_scale(prepared: Prepared, crystal: Structure, shape: Shape) -> Fit:
    """A crystal as it is with a given shape of its profile: only scale and background are fitted."""
    model = _model(prepared, crystal)
    return model.fitted(_lattice(crystal), shape)


def fit_profile(
    prepared: Prepared, crystal: Structure, shape: Shape, family: Family | None = None, zero_shift: bool = False
) -> Fit:
    """Least squares on the profile: first its shape, then with it the cell.

    Args:
        prepared: the pattern.
        crystal: close to the end.
        shape: where to begin.
        family: of crystals that the cell belongs to; None leaves it free.
        zero_shift: fit one.
    """
    model, groups = _model(prepared, crystal), TIED[family or "triclinic"]
    # A descent in float32 keeps equal lengths equal to seven digits only.
    base = project(to_tensors([crystal])[0][0], family or "triclinic").numpy()
    full, low, high, free = _shape_vector(prepared, shape, zero_shift)
    unit = shape.profile.W

    def unpacked(x: Values) -> tuple[Values, Shape]:
        lattice, values = base.copy(), full.copy()
        values[free] = x[: free.sum()]
        for group, change in zip(groups, x[free.sum() :], strict=False):
            lattice[list(group)] += change * (base[group[0]] if group[0] < 3 else 180 / math.pi)
        b_iso, zero_deg, W, U, V, eta = values.tolist()
        return lattice, Shape(Profile(U * unit, V * unit, W * unit, eta), b_iso, zero_deg)

    def residuals(x: Values) -> Values:
        return model.misfit(model.fitted(*unpacked(x)))

    x = _least_squares(residuals, full[free], low[free], high[free])
    x, reach = np.concatenate([x, np.zeros(len(groups))]), np.full(len(groups), FARTHEST)
    x = _least_squares(residuals, x, np.concatenate([low[free], -reach]), np.concatenate([high[free], reach]))
    return model.fitted(*unpacked(x))


def _shape_vector(
    prepared: Prepared, shape: Shape, zero_shift: bool
) -> tuple[Values, Values, Values, NDArray[np.bool_]]:
    """B, zero shift, W, U, V (in units of W) and eta: values, lower and upper bounds, and which are fitted."""
    instrument, profile = prepared.instrument, shape.profile
    # Relative to the width estimated, which `shape` may have left already.
    estimated = instrument.W / profile.W
    zero_low = -min(LARGEST_ZERO_DEG, 179.9 - instrument.two_theta_max_deg)
    zero_high = min(LARGEST_ZERO_DEG, instrument.two_theta_min_deg)
    fits = prepared.fits_profile
    table = [
        (shape.b_iso, *B_RANGE, True),
        (shape.zero_deg, zero_low, zero_high, zero_shift and zero_low < zero_high),
        (1.0, estimated / WIDEST**2, estimated * WIDEST**2, fits),
        (profile.U / profile.W, 0.0, estimated * WIDEST**2, fits),
        (profile.V / profile.W, -np.inf, np.inf, False),
        (profile.eta, 0.0, 1.0, fits),
    ]
    values, low, high, free = (np.array(column) for column in zip(*table, strict=True))
    return values, low, high, free


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
    geometrical = simulator.geometrical(reflections, frac_coords)
    terms = BACKGROUND_TERMS if prepared.fits_background else 0
    n = len(prepared.intensity)
    polynomials = np.asarray(chebvander(np.linspace(-1, 1, n), max(terms - 1, 0))[:, :terms], dtype=np.float64)
    return _Model(prepared, simulator, reflections, geometrical, polynomials)
