"""Arguments of the compiled loops, by name: constants of a simulator, lists of a batch, and the arrays of its peaks."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Values in the precision of the patterns."""
Exact = NDArray[np.float64]


class PeakArrays(NamedTuple):
    """Peaks [B, P], or slopes in them: centre (float64), height and full width at half maximum, in the axis's unit."""

    centre: Exact
    height: Array
    fwhm: Array


class PeakTangents(NamedTuple):
    """Changes of peaks in each of K directions: centre (float64), height and width [B, K, P], and the fraction of
    Gaussian [K]."""

    centre: Exact
    height: Array
    fwhm: Array
    eta: Exact


class Lists(NamedTuple):
    """Reflections of a batch: hkl [B, M, 3], multiplicity [B, M] (0 for padding), and the real and imaginary parts of
    the geometrical structure factors [B, elements, M]."""

    hkl: Array
    multiplicity: Array
    real: Array
    imaginary: Array


class FormFactors(NamedTuple):
    """Atomic form factors: what the sums are added to z [elements, 1], decays [terms, 1], coefficients [elements,
    terms], whether the sums are added as they are (`gaussian`) or times (sin(theta) / lambda)^2, and f'' of
    anomalous dispersion `f_double_prime` [elements], or of length 0 without it."""

    z: Array
    decay: Array
    coefficient: Array
    gaussian: bool
    f_double_prime: Array


class SiteReflections(NamedTuple):
    """Reflections of a cell that stays: hkl [3, M], form factor times occupancy of each site `weight` [sites, M], all
    else of the intensity but |F|^2 `strength` [M], and the group of coinciding ones that each belongs to [M]."""

    hkl: Exact
    weight: Array
    strength: Array
    group: NDArray[np.int64]


class WidthConstants(NamedTuple):
    """Constants of H = sqrt(u t^2 + v t + w) + size / cos(theta), t = tan(theta): deg^2, and deg for `size`."""

    u: float
    v: float
    w: float
    size: float


class Optics(NamedTuple):
    """Constants of radiation and axis, which act through the angles.

    Args:
        wavelength: of the strongest emission line, angstrom.
        ratio: wavelength of each emission line over that of the strongest [lines].
        share: of each emission line in the intensity [lines].
        polarisation: K of the Lorentz-polarisation factor.
        b_iso: of the Debye-Waller factor, angstrom^2.
        zero: recorded less true scattering angle, deg.
        limit: true scattering angle of the end of the range, deg.
        taper: angle past it over which reflections fade out, deg.
        edge: sin^2(theta) past which no reflection counts.
        q_per_sine: Q / sin(theta) on an axis of Q, 1/angstrom; 0 on one of 2 theta.
    """

    wavelength: float
    ratio: Exact
    share: Exact
    polarisation: float
    b_iso: float
    zero: float
    limit: float
    taper: float
    edge: float
    q_per_sine: float


class Sampling(NamedTuple):
    """The grid and the shape of the peaks on it: first value and step in the axis's unit, fraction of Gaussian, and how
    many FWHM a Gaussian reaches."""

    origin: float
    step: float
    eta: float
    reach: float


class Layout(NamedTuple):
    """Constants of a grid, in the pattern's precision: a float64 number in a loop would lift all to float64.

    `ramp` [n] counts the points. `nodes` holds those of segments (or blocks) 0, 1, ... in their width. `to_points`
    [p, points] turns the values at a segment's nodes into those at its points, `to_segments` [p, segments * p] those
    at a block's nodes into those at the nodes of its segments.
    """

    ramp: Array
    nodes: Array
    to_points: Array
    to_segments: Array


class SimulatorConstants(NamedTuple):
    """All that a simulator keeps constant while cells and coordinates move."""

    form_factors: FormFactors
    optics: Optics
    width: WidthConstants
    sampling: Sampling
    layout: Layout
