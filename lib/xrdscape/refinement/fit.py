"""The last step of a refinement: least squares on the whole profile, cell and peak shape together.

A descent ends where the cosine does; counting errors, overall thermal motion, a zero shift and what is left of the
background have their say here. Scale and background are linear and solved for at each step (variable projection).
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.polynomial.chebyshev import chebvander
from pymatgen.core import Structure

from xrdscape.crystal.families import TIED, Family, project
from xrdscape.crystal.structures import to_tensors
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.peaks import peaks_to_pattern
from xrdscape.diffraction.profile import PeakProfile
from xrdscape.diffraction.reflections import Reflections
from xrdscape.diffraction.structure_factors import GeometricalFactors
from xrdscape.diffraction.tangents import ProfileParameter, cell_tangents, pattern_tangents, profile_tangents
from xrdscape.diffraction.widths import CagliotiWidth
from xrdscape.optimisation.least_squares import Bounds, least_squares
from xrdscape.patterns.pattern import Values
from xrdscape.refinement.prepared import LARGEST_DEG, Prepared

FARTHEST = 0.03
"""Largest change of the cell, as a strain and in radians: a descent has come closer, or has failed."""

REACH = 1.1
"""Stretch for which reflection lists are made: more than `FARTHEST` in every parameter."""

WIDEST = 3.0
"""Factor by which the fitted width may differ from the estimated one."""

LARGEST_ZERO_DEG = 0.3
B_RANGE = (-1.0, 10.0)
"""Bounds of the overall B_iso, angstrom^2; slightly negative where absorption feigns it."""

BACKGROUND_TERMS = 7
"""Chebyshev polynomials for what the estimate of the background has left."""

LEAST_SCALE = 1e-6
"""Scale of a pattern that the measured one would rather have negative: next to nothing, but its shape is kept."""

MAX_STEPS, TOLERANCE, GAIN = 60, 1e-9, 1e-9
"""Steps of the least squares at most; the move, and the share of the sum of squares, below which they are at an end."""


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
        simulator = self.simulator.with_instrument(instrument, b_iso)
        pattern = simulator.patterns(torch.from_numpy(lattice)[None], self.reflections, self.geometrical)[0].numpy()
        factors, _ = self.factors(pattern)
        under = self.prepared.background + self.polynomials @ factors[1:]
        return Fit(lattice, instrument, b_iso, factors[0] * pattern, under)

    def factors(self, pattern: Values) -> tuple[Values, Values]:
        """Return the factors of an unscaled pattern [n] and of the polynomials that fit best, and an orthonormal basis
        of the misfits that they can take away [n, C]."""
        net = self.prepared.net / self.prepared.sigma
        columns = np.column_stack([pattern, self.polynomials]) / self.prepared.sigma[:, None]
        basis, triangle = np.linalg.qr(columns)
        factors = np.linalg.solve(triangle, basis.T @ net)
        least = LEAST_SCALE * self.prepared.net.max() / pattern.max()
        if factors[0] >= least:
            return factors, basis
        basis, triangle = np.linalg.qr(columns[:, 1:])
        rest = np.linalg.solve(triangle, basis.T @ (net - least * columns[:, 0]))
        return np.concatenate([[least], rest]), basis

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
    model = _Model.of(prepared, crystal)
    # A descent in float32 keeps equal lengths equal to seven digits only.
    base = project(to_tensors([crystal])[0][0], family or "triclinic").numpy()
    shape = _Shape.of(prepared, instrument, b_iso, zero_shift)
    low, high = torch.from_numpy(shape.low), torch.from_numpy(shape.high)
    x = _minimised(_Misfit(model, shape, base, ()), torch.from_numpy(shape.start), Bounds(low, high))
    groups = TIED[family or "triclinic"]
    reach, whole = torch.full((len(groups),), FARTHEST, dtype=torch.float64), _Misfit(model, shape, base, groups)
    x = _minimised(whole, torch.cat([x, 0 * reach]), Bounds(torch.cat([low, -reach]), torch.cat([high, reach])))
    return whole.fitted(x)


def _minimised(misfit: "_Misfit", x: torch.Tensor, bounds: Bounds) -> torch.Tensor:
    return least_squares(misfit, x[None], MAX_STEPS, TOLERANCE, GAIN, bounds).parameters[0]


@dataclass(frozen=True)
class _Misfit:
    """Residuals of a fit in standard uncertainties, as a function of its shape and then of changes of its cell.

    Args:
        model: patterns near one cell.
        shape: what is fitted of the profile.
        base: the cell whose changes are parameters, lengths relative and angles in radians [6].
        groups: lattice parameters that each change moves.
    """

    model: _Model
    shape: "_Shape"
    base: Values
    groups: tuple[tuple[int, ...], ...]

    def fitted(self, x: torch.Tensor) -> Fit:
        """Return the fit for parameters [K]."""
        return self.model.fitted(*self._at(x))

    def _at(self, x: torch.Tensor) -> tuple[Values, Instrument, float]:
        count = len(self.shape.start)
        return self.base + x[count:].numpy() @ self._directions(), *self.shape.at(x[:count].numpy())

    def _directions(self) -> Values:
        """Return how each change moves the lattice parameters [groups, 6]."""
        directions = np.zeros((len(self.groups), 6))
        for row, group in zip(directions, self.groups, strict=True):
            row[list(group)] = self.base[group[0]] if group[0] < 3 else 180 / math.pi
        return directions

    def project(self, parameters: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        return parameters

    def residuals(self, parameters: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.stack([self.model.misfit(self.fitted(x)) for x in parameters]))

    def slopes(self, parameters: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.stack([self._slopes(x) for x in parameters]))

    def _slopes(self, x: torch.Tensor) -> Values:
        """Return the derivatives of the misfit [K, n], less what scale and background take away of them.

        Source: Kaufman, BIT 15, 49 (1975): what this leaves out of the derivatives is orthogonal to the misfit, so that
        the gradient is exact.
        """
        model, (lattice, instrument, b_iso) = self.model, self._at(x)
        simulator = model.simulator.with_instrument(instrument, b_iso)
        cells, directions = torch.from_numpy(lattice)[None], torch.from_numpy(self._directions())[None]
        peaks, of_cell = cell_tangents(simulator, cells, model.reflections, model.geometrical, directions)
        of_profile = profile_tangents(peaks, instrument, self.shape.names).scaled(torch.from_numpy(self.shape.units))
        changes = pattern_tangents(peaks, of_profile.joined(of_cell), instrument)[0].numpy()
        pattern = peaks_to_pattern(peaks.centre, peaks.height, peaks.fwhm, instrument)[0].numpy()
        factors, basis = model.factors(pattern)
        slopes = -factors[0] * changes / model.prepared.sigma
        return slopes - (slopes @ basis) @ basis.T


@dataclass(frozen=True)
class _Shape:
    """The parts of the profile that are fitted: B_iso, the zero shift, and W, U (both in units of the first W) and eta.

    Args:
        instrument, b_iso: where it begins.
        zero_shift, peaks: whether the zero shift, and the widths and eta, are fitted; B_iso always is.
        names, units: what is fitted, and of which size 1 is [K].
        start, low, high: values and bounds in these units [K].
    """

    instrument: Instrument
    b_iso: float
    zero_shift: bool
    peaks: bool
    names: tuple[ProfileParameter, ...]
    units: Values
    start: Values
    low: Values
    high: Values

    @classmethod
    def of(cls, prepared: Prepared, instrument: Instrument, b_iso: float, zero_shift: bool) -> "_Shape":
        """Return what is fitted of the profile of a pattern."""
        first, last = prepared.instrument.axis.minimum, prepared.instrument.axis.maximum
        zero_low, zero_high = -min(LARGEST_ZERO_DEG, LARGEST_DEG - last), min(LARGEST_ZERO_DEG, first)
        zero_shift = zero_shift and zero_low < zero_high
        rows: list[tuple[ProfileParameter, float, float, float, float]] = [("b_iso", 1.0, b_iso, *B_RANGE)]
        if zero_shift:
            rows.append(("zero_deg", 1.0, instrument.zero_deg, zero_low, zero_high))
        if prepared.fits_profile:
            # Relative to the width estimated, which the profile may have left already.
            now, estimated = instrument.width_constants, prepared.instrument.width_constants.w
            widest = estimated / now.w * WIDEST**2
            rows += [
                ("W", now.w, 1.0, widest / WIDEST**4, widest),
                ("U", now.w, now.u / now.w, 0.0, widest),
                ("eta", 1.0, instrument.eta, 0.0, 1.0),
            ]
        names, *columns = zip(*rows, strict=True)
        units, start, low, high = (np.array(column, dtype=np.float64) for column in columns)
        return cls(instrument, b_iso, zero_shift, prepared.fits_profile, names, units, start, low, high)

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


def _lattice(crystal: Structure) -> Values:
    return np.array(crystal.lattice.parameters, dtype=np.float64)
