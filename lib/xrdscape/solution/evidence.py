"""A pattern as it guides a search: the same intensities under several blurs, on a mesh of Q.

A descent from far away follows the widest blur first, for under it peaks overlap that later must coincide.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from xrdscape.diffraction.finite_size import smoothed_sinc_squared
from xrdscape.diffraction.form_factors import FormFactorSource, form_factor_table, form_factors
from xrdscape.diffraction.kernels.mesh_kernel import Beam
from xrdscape.errors import PatternError
from xrdscape.optimisation.kernels.mesh_fit_kernel import Target

Exact = NDArray[np.float64]

BLURS_INV_ANGSTROM = (0.30, 0.12, 0.05)
"""Standard deviations of what smooths the pattern further, the first for the scan; those that add little to the
pattern's own are left out, and at the end there is none."""
LEAST_GAIN = 1.3
"""Factor by which a blur must widen the pattern's smoothing to be of use."""
NODES_PER_SIGMA = 5.4
"""Nodes of the mesh in one standard deviation of the pattern's smoothing; the spline is then exact to 1e-5."""
POINTS_EVERY = 2
"""Nodes from one point of the pattern to the next."""
TAPER_SHARE = 0.175
"""Width of the end of the reflections, in standard deviations of the smoothing."""
BEYOND = 4.0
"""Reflections count up to this many standard deviations past the end of a pattern."""
FACTOR_STEPS = 2048


@dataclass(frozen=True, eq=False)
class Evidence:
    """A pattern made ready for the search.

    Args:
        q_inv_angstrom: points [n].
        intensity: at these [n], any scale.
        wavelength_angstrom: that recorded it.
        thickness_angstrom: t of the shape sinc^2(q t / 2) of a peak; infinite for a Gaussian.
        sigma_inv_angstrom: standard deviation of the Gaussian that smooths it.
        q_end_inv_angstrom: end of the reflections in it.
        taper_inv_angstrom: over what width they end.
        source: of the form factors.
        b_iso: of all atoms, angstrom^2.
        stages: targets under each blur.
    """

    q_inv_angstrom: Exact
    intensity: Exact
    wavelength_angstrom: float
    thickness_angstrom: float
    sigma_inv_angstrom: float
    q_end_inv_angstrom: float
    taper_inv_angstrom: float
    source: FormFactorSource
    b_iso: float
    stages: tuple[Target, ...]

    def points(self, stage: int = -1) -> Exact:
        """Return the Q of the points of a stage's target [n]."""
        step = float(self.q_inv_angstrom[1] - self.q_inv_angstrom[0])
        sigma = self.stages[stage].step * NODES_PER_SIGMA
        return self.q_inv_angstrom[:: points_every(sigma, step)]

    def beam(self, elements: tuple[str, ...]) -> Beam:
        """Return what scatters, for elements in their order; errors as `form_factor_table`."""
        step, factors = _factors(elements, self.q_end_inv_angstrom * 1.15, self.source, self.b_iso)
        return Beam(factors, step, self.wavelength_angstrom, self.q_end_inv_angstrom, self.taper_inv_angstrom)


@cache
def _factors(elements: tuple[str, ...], q_end: float, source: FormFactorSource, b_iso: float) -> tuple[float, Exact]:
    """Return a step of Q and form factors at its multiples from 0 [elements, n]."""
    import torch

    q = torch.linspace(0, q_end, FACTOR_STEPS, dtype=torch.float64)
    squared = (q / (4 * math.pi)) ** 2
    rows = [form_factors(squared, form_factor_table((e,), source=source))[0] for e in elements]
    return float(q[1]), np.ascontiguousarray((torch.stack(rows) * torch.exp(-b_iso * squared)).numpy())


def evidence(
    q_inv_angstrom: Exact,
    intensity: Exact,
    wavelength_angstrom: float,
    sigma_inv_angstrom: float,
    thickness_angstrom: float = math.inf,
    q_end_inv_angstrom: float | None = None,
    taper_inv_angstrom: float | None = None,
    pooled: int = 1,
    blurs: Sequence[float] | None = None,
    source: FormFactorSource = "electron",
    b_iso: float = 0.0,
) -> Evidence:
    """Return what a pattern on an even grid of Q offers.

    Args:
        q_inv_angstrom, intensity: of the pattern [n], evenly spaced.
        wavelength_angstrom: of the Lorentz-polarisation factor in it.
        sigma_inv_angstrom, thickness_angstrom: of the peaks' shape.
        q_end_inv_angstrom: where reflections end; left out, a little beyond the grid.
        taper_inv_angstrom: over what width.
        pooled: how many finer points each intensity is the largest of.
        blurs: further smoothing of each stage, standard deviations in 1/angstrom; left out, `BLURS_INV_ANGSTROM`.
        source: of the form factors.
        b_iso: of all atoms, angstrom^2.

    Raises:
        PatternError: for a grid that is not even, or too coarse for the peaks.
    """
    q, step = np.asarray(q_inv_angstrom, float), float(q_inv_angstrom[1] - q_inv_angstrom[0])
    if np.abs(np.diff(q) / step - 1).max() > 1e-3:
        raise PatternError("A search takes a pattern on an even grid of Q. Interpolate it to one.")
    if step > sigma_inv_angstrom / 2:
        raise PatternError(f"Points {step:g} 1/angstrom apart do not resolve peaks smoothed by {sigma_inv_angstrom:g}.")
    values = unpooled(np.asarray(intensity, float), pooled)
    values = values / values.max()
    end = q[-1] + BEYOND * sigma_inv_angstrom if q_end_inv_angstrom is None else q_end_inv_angstrom
    taper = TAPER_SHARE * sigma_inv_angstrom if taper_inv_angstrom is None else taper_inv_angstrom
    if blurs is None:
        useful = (
            blur
            for blur in BLURS_INV_ANGSTROM
            if math.hypot(blur, sigma_inv_angstrom) > LEAST_GAIN * sigma_inv_angstrom
        )
        blurs = (*useful, 0.0)
    stages = tuple(_stage(q, values, thickness_angstrom, sigma_inv_angstrom, blur, end + 4 * taper) for blur in blurs)
    return Evidence(
        q, values, wavelength_angstrom, thickness_angstrom, sigma_inv_angstrom, float(end), taper, source, b_iso, stages
    )


def _stage(q: Exact, values: Exact, thickness: float, sigma: float, blur: float, last: float) -> Target:
    """Return the target under one blur, on a mesh as fine as the blur asks for."""
    grid_step, whole = float(q[1] - q[0]), math.hypot(sigma, blur)
    smooth = gaussian_filter1d(values, blur / grid_step, mode="constant") if blur else values
    every = points_every(whole, grid_step)
    step = whole / NODES_PER_SIGMA
    kernel = mesh_kernel(float(q[0]), grid_step * every, len(smooth[::every]), thickness, whole, step, last)
    return Target(np.ascontiguousarray(smooth[::every]), kernel, -2 * step, step)


def points_every(sigma_inv_angstrom: float, step_inv_angstrom: float) -> int:
    """Return how many steps of a pattern's grid lie from one point that a search uses to the next."""
    return max(1, round(POINTS_EVERY * sigma_inv_angstrom / NODES_PER_SIGMA / step_inv_angstrom))


@lru_cache(maxsize=64)
def mesh_kernel(
    start: float, apart: float, count: int, thickness: float, sigma: float, step: float, last: float
) -> Exact:
    """Return the matrix from the nodes of a mesh to points start, start + apart, ... [points, nodes]."""
    q = start + apart * np.arange(count)
    nodes = step * (np.arange(math.ceil(last / step) + 6) - 2)
    # Spreading by the spline widens by a variance of step^2 / 3, which the Gaussian gives back.
    values = smoothed_sinc_squared(q[:, None] - nodes, thickness, math.sqrt(sigma**2 - step**2 / 3))
    return np.ascontiguousarray(values)


def unpooled(intensity: Exact, pooled: int) -> Exact:
    """Return the intensities at the centres of bins whose largest of `pooled` values are given, none below 0.

    On a slope the largest value is that at one end of the bin, (pooled - 1) / 2 finer points from its centre.
    """
    if pooled == 1:
        return np.maximum(intensity, 0)
    return np.maximum(intensity - np.abs(np.gradient(intensity)) * (pooled - 1) / 2 / pooled, 0)
