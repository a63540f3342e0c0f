"""Patterns of real particles beside those of PXRDnet's approximation: lines convolved with sinc^2 and a Gaussian."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import minimize_scalar

from xrdscape.crystal.structures import structure_of
from xrdscape.demonstrations.debye_sums import SHAPES, Lines, Shape, cut_particle, debye_pattern, lines_of
from xrdscape.diffraction.finite_size import LENGTHS, FiniteSizeProfile, smoothed_sinc_squared

EXAMPLES = {
    "NaCl": Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.640), ["Na", "Cl"], [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]),
    "SrTiO3": Structure.from_spacegroup(
        "Pm-3m", Lattice.cubic(3.905), ["Sr", "Ti", "O"], [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.0]]
    ),
    "Si": Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.431), ["Si"], [[0.0, 0.0, 0.0]]),
}
"""Rock salt, the cubic perovskite and silicon at room temperature, in their conventional cells."""

STEP_INV_ANGSTROM = 0.01
"""Step of the axis of Q: an eighth of the standard deviation of the narrowest Gaussian that is used."""
MARGIN_SIGMAS = 4.5
"""Standard deviations by which the exact pattern is computed beyond both ends before it is smoothed."""
LINES_BEYOND_INV_ANGSTROM = 3.0
"""Lines are taken so far beyond the end: the tails of sinc^2 fall slowly."""
TRIED = (0.3, 3.0)
"""Least and largest thickness that is tried, over the size."""


@dataclass(frozen=True)
class SizeComparison:
    """One particle's pattern and the approximations to it.

    Args:
        crystal, shape, size_angstrom, atoms: the particle; the size is its edge or diameter.
        q_inv_angstrom: of the patterns, [n].
        exact: the sum over pairs of atoms, smoothed; maximum 1.
        approximate: by name, "paper", "reference-code" and "best": patterns on the scale that fits the exact one best.
        thickness_angstrom: of the plates that each stands for.
        residual: of each, sum (exact - approximate)^2 / sum exact^2.
    """

    crystal: str
    shape: Shape
    size_angstrom: float
    atoms: int
    q_inv_angstrom: NDArray[np.float64]
    exact: NDArray[np.float64]
    approximate: dict[str, NDArray[np.float64]]
    thickness_angstrom: dict[str, float]
    residual: dict[str, float]


def size_comparisons(
    structures: dict[str, Structure],
    sizes_angstrom: Sequence[float],
    sigma_inv_angstrom: float,
    q_range_inv_angstrom: tuple[float, float] = (1.0, 8.0),
    shapes: Sequence[Shape] = SHAPES,
) -> list[SizeComparison]:
    """Compare the patterns of particles with the approximation, by both meanings of the size and at its best.

    Args:
        structures: crystals by name, one element on each site.
        sizes_angstrom: edges of cubes and diameters of spheres.
        sigma_inv_angstrom: standard deviation of the Gaussian that smooths all patterns.
        q_range_inv_angstrom: what is compared; below its lower end a particle as a whole scatters, which no line shows.
        shapes: of the particles.
    """
    low, high = q_range_inv_angstrom
    q = np.arange(low, high, STEP_INV_ANGSTROM)
    result = []
    for name, structure in structures.items():
        lines = lines_of(structure, high + LINES_BEYOND_INV_ANGSTROM)
        result += [
            _compared(name, structure, lines, shape, size, sigma_inv_angstrom, q)
            for size in sizes_angstrom
            for shape in shapes
        ]
    return result


def _compared(
    name: str,
    structure: Structure,
    lines: Lines,
    shape: Shape,
    size: float,
    sigma: float,
    q: NDArray[np.float64],
) -> SizeComparison:
    particle = cut_particle(structure, shape, size)
    exact = _smoothed(q, sigma, lambda places: debye_pattern(particle, places))
    exact = exact / exact.max()

    def misfit(log_ratio: float) -> float:
        return _residual(exact, _scaled(exact, approximate_pattern(lines, q, size * np.exp(log_ratio), sigma)))

    best = minimize_scalar(misfit, bounds=tuple(np.log(TRIED)), method="bounded", options={"xatol": 1e-3})
    thickness: dict[str, float] = {name: ratio * size for name, ratio in LENGTHS.items()}
    thickness["best"] = size * float(np.exp(best.x))
    patterns = {key: _scaled(exact, approximate_pattern(lines, q, t, sigma)) for key, t in thickness.items()}
    residual = {key: _residual(exact, pattern) for key, pattern in patterns.items()}
    return SizeComparison(name, shape, size, len(particle.positions), q, exact, patterns, thickness, residual)


def approximate_pattern(
    lines: Lines, q_inv_angstrom: NDArray[np.float64], thickness_angstrom: float, sigma_inv_angstrom: float
) -> NDArray[np.float64]:
    """Return lines convolved with sinc^2(q t / 2) and a Gaussian: eq:finite-size, summed over lines.

    Args:
        lines: of a crystal.
        q_inv_angstrom: where, [n].
        thickness_angstrom: t.
        sigma_inv_angstrom: standard deviation of the Gaussian.
    """
    # The profile is smooth: it is computed on a fine axis once, and read off between.
    reach = float(np.abs(q_inv_angstrom[[0, -1], None] - lines.q_inv_angstrom[[0, -1]]).max())
    fine = np.arange(0.0, reach + STEP_INV_ANGSTROM, STEP_INV_ANGSTROM / 10)
    profile = smoothed_sinc_squared(fine, thickness_angstrom, sigma_inv_angstrom)
    apart = np.abs(q_inv_angstrom[:, None] - lines.q_inv_angstrom)
    return np.asarray(np.interp(apart, fine, profile) @ lines.area)


def _smoothed(
    q: NDArray[np.float64], sigma: float, pattern: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return a pattern at evenly spaced places, convolved with a Gaussian."""
    step = q[1] - q[0]
    extra = int(np.ceil(MARGIN_SIGMAS * sigma / step))
    wide = q[0] + step * np.arange(-extra, len(q) + extra)
    return np.asarray(gaussian_filter1d(pattern(wide), sigma / step, truncate=MARGIN_SIGMAS)[extra : extra + len(q)])


def _scaled(exact: NDArray[np.float64], pattern: NDArray[np.float64]) -> NDArray[np.float64]:
    return pattern * ((exact @ pattern) / (pattern @ pattern))


def _residual(exact: NDArray[np.float64], pattern: NDArray[np.float64]) -> float:
    return float(((exact - pattern) ** 2).sum() / (exact @ exact))


def comparison_frame(comparisons: Sequence[SizeComparison]) -> pd.DataFrame:
    """Return comparisons as rows: crystal, shape, size_angstrom, atoms, paper, code and best, the residuals of the
    approximation, thickness_angstrom at its best and ratio, that over the size."""
    rows = [
        {
            "crystal": one.crystal,
            "shape": one.shape,
            "size_angstrom": one.size_angstrom,
            "atoms": one.atoms,
            "paper": one.residual["paper"],
            "code": one.residual["reference-code"],
            "best": one.residual["best"],
            "thickness_angstrom": one.thickness_angstrom["best"],
            "ratio": one.thickness_angstrom["best"] / one.size_angstrom,
        }
        for one in comparisons
    ]
    return pd.DataFrame(rows)


def example_crystals(names: Sequence[str]) -> dict[str, Structure]:
    """Return crystals by name: those of `EXAMPLES`, or whatever `structure_of` takes."""
    return {name: EXAMPLES[name].copy() if name in EXAMPLES else structure_of(name) for name in names}


def profile_curves(sizes_angstrom: Sequence[float], sigma_inv_angstrom: float) -> dict[float, pd.DataFrame]:
    """Return the shape of a peak over the distance from its centre, for each size, with its maximum at 1.

    Returns:
        By size: a row a distance in 1/angstrom; the columns are the conventions, and gaussian, that of infinite size.
    """
    q = np.linspace(-0.8, 0.8, 401)
    gaussian = FiniteSizeProfile(np.inf, sigma_inv_angstrom)(q)
    curves = {}
    for size in sizes_angstrom:
        frame = pd.DataFrame({"gaussian": gaussian}, index=pd.Index(q, name="q_inv_angstrom"))
        for name in LENGTHS:
            frame[name] = FiniteSizeProfile(size, sigma_inv_angstrom, name)(q)
        curves[size] = frame / frame.max()
    return curves


def half_widths(curves: dict[float, pd.DataFrame]) -> pd.DataFrame:
    """Return the full width at half maximum of curves of `profile_curves`, 1/angstrom: a row a size."""
    widths = {}
    for size, frame in curves.items():
        right = frame[frame.index >= 0]
        # The first crossing: where sinc^2 has ripples, they lie below half.
        widths[size] = {name: 2 * float(np.interp(-0.5, -right[name], right.index)) for name in frame}
    return pd.DataFrame(widths).T.rename_axis("size_angstrom")
