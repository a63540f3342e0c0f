"""Patterns of nanocrystals as PXRDnet is given them, and the sharp patterns by which it is judged.

Source: G. Guo et al., "Ab initio structure solutions from nanocrystalline powder diffraction data via diffusion
models", Nature Materials (2025), and its published code. The two differ; `NANO_CONVENTIONS` has both.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from pymatgen.core import Structure
from scipy.ndimage import gaussian_filter1d
from scipy.signal import fftconvolve

from xrdscape.crystal.standard_cells import OrderedCell
from xrdscape.diffraction.finite_size import LENGTHS, SizeConvention
from xrdscape.diffraction.sticks import CU_K_ALPHA_ANGSTROM, Sticks, sticks_by_pymatgen, sticks_of_cell
from xrdscape.errors import InstrumentError


@dataclass(frozen=True)
class NanoConvention:
    """The settings of PXRDnet's patterns, as its paper or its code has them.

    Args:
        name: "paper" or "reference-code"; also what the size of a crystallite means (`finite_size.LENGTHS`).
        q_max_inv_angstrom: end of the axis of Q, which begins at 0.
        two_theta_max_deg: largest scattering angle of a line; the bins beyond it are empty.
        filter_points: values of sinc^2 that the lines are convolved with, centred on 0.
        filter_step_inv_angstrom: step between them.
        sharp_sigma_inv_angstrom: standard deviation of the Gaussian of sharp patterns.
        wavelength_angstrom: of the lines.
        bins: of the axis before pooling.
        pool: bins that become one value, their maximum.
        sigma_bins: lower and upper end of the standard deviation of the Gaussian of nanocrystals' patterns, in bins.
        noise: standard deviation of the noise, where the maximum of the pattern is 1.
        sharp_bins: of sharp patterns.
    """

    name: SizeConvention
    q_max_inv_angstrom: float
    two_theta_max_deg: float
    filter_points: int
    filter_step_inv_angstrom: float
    sharp_sigma_inv_angstrom: float
    wavelength_angstrom: float = CU_K_ALPHA_ANGSTROM
    bins: int = 4096
    pool: int = 8
    sigma_bins: tuple[float, float] = (40.96, 45.056)
    noise: float = 1e-3
    sharp_bins: int = 8192

    @property
    def points(self) -> int:
        """Number of values in a pattern."""
        return self.bins // self.pool

    @property
    def q_inv_angstrom(self) -> Float[np.ndarray, "points"]:
        """Centres of the values of a pattern."""
        return (np.arange(self.points) + 0.5) * (self.q_max_inv_angstrom / self.points)

    @property
    def sharp_q_inv_angstrom(self) -> Float[np.ndarray, "sharp"]:
        """Centres of the bins of a sharp pattern."""
        return (np.arange(self.sharp_bins) + 0.5) * (self.q_max_inv_angstrom / self.sharp_bins)

    @property
    def sigma_inv_angstrom(self) -> tuple[float, float]:
        """Lower and upper end of the standard deviation of the Gaussian of nanocrystals' patterns."""
        step = self.q_max_inv_angstrom / self.bins
        return self.sigma_bins[0] * step, self.sigma_bins[1] * step


_PAPER_END = 4 * math.pi / 1.5406
_CODE_END = 4 * math.pi / CU_K_ALPHA_ANGSTROM

NANO_CONVENTIONS: dict[SizeConvention, NanoConvention] = {
    # 8.1568 1/angstrom; the filter covers all distances between two bins. A line at 180 deg would be infinitely high.
    "paper": NanoConvention("paper", _PAPER_END, 178.0, 8191, _PAPER_END / 4096, 0.040784),
    # 8.15024 1/angstrom, lines up to 5.763. Its filter has an even number of values over half of the distances: between
    # the two in the middle lies 0, so that patterns are shifted by half a bin.
    "reference-code": NanoConvention(
        "reference-code", _CODE_END, 90.0, 4096, _CODE_END / 4095, 40 * _CODE_END / 8192
    ),
}  # fmt: skip
"""Conventions by name. Both take lines at Cu K-alpha, 1.54184 angstrom, though the paper's axis ends where
1.5406 would end it."""


def nano_convention(name: str) -> NanoConvention:
    """Return a convention by its name.

    Raises:
        InstrumentError: there is none of that name.
    """
    for known, convention in NANO_CONVENTIONS.items():
        if known == name:
            return convention
    raise InstrumentError(f"A convention of PXRDnet's patterns is one of {', '.join(NANO_CONVENTIONS)}. Got {name!r}.")


class NanoPattern(NamedTuple):
    """A pattern of nanocrystals: values in [0, 1] at centres of Q, and the Gaussian that was drawn for it."""

    q_inv_angstrom: Float[np.ndarray, "points"]
    intensity: Float[np.ndarray, "points"]
    sigma_inv_angstrom: float


def nano_pattern(
    structure: Structure | Sticks,
    size_angstrom: float,
    convention: NanoConvention,
    generator: np.random.Generator,
    noise: bool = True,
) -> NanoPattern:
    """Return the pattern of crystallites of a size as PXRDnet is given it.

    Lines fall into bins, the highest of a bin counting; they are convolved with sinc^2 and a Gaussian whose width is
    drawn, scaled to maximum 1, and pooled by their maximum. Noise is added, and what leaves [0, 1] is clipped.

    Args:
        structure: a crystal, or its lines up to the convention's largest angle.
        size_angstrom: above 0, in the meaning of the convention; infinite for no effect of size.
        convention: of `NANO_CONVENTIONS`.
        generator: gives the width of the Gaussian, then the noise.
        noise: whether to add it.

    Raises:
        InstrumentError: for a size that is not above 0.
        StructureError: as `sticks_by_pymatgen`.
    """
    if not size_angstrom > 0:
        raise InstrumentError(f"size_angstrom must be above 0. Received {size_angstrom}.")
    fine = binned(_sticks(structure, convention), convention.bins, convention.q_max_inv_angstrom)
    if math.isfinite(size_angstrom):
        fine = fftconvolve(fine, size_filter(size_angstrom, convention), mode="same")
    sigma = generator.uniform(*convention.sigma_bins)
    smooth = gaussian_filter1d(fine, sigma, mode="constant")
    pooled = np.clip(smooth / smooth.max(), 0, None).reshape(-1, convention.pool).max(1)
    if noise:
        pooled = pooled + generator.normal(0, convention.noise, len(pooled))
    step = convention.q_max_inv_angstrom / convention.bins
    return NanoPattern(convention.q_inv_angstrom, np.clip(pooled, 0, 1), float(sigma * step))


def sharp_pattern(structure: Structure | Sticks, convention: NanoConvention) -> Float[np.ndarray, "sharp"]:
    """Return the pattern of a large crystal, maximum 1, by which PXRDnet's results are judged.

    Lines fall into bins, the highest of a bin counting, and are smoothed by a Gaussian of fixed width.

    Args:
        structure: a crystal, or its lines up to the convention's largest angle.
        convention: of `NANO_CONVENTIONS`.

    Raises:
        StructureError: as `sticks_by_pymatgen`.
    """
    end, bins = convention.q_max_inv_angstrom, convention.sharp_bins
    fine = binned(_sticks(structure, convention), bins, end)
    smooth = gaussian_filter1d(fine, convention.sharp_sigma_inv_angstrom * bins / end, mode="constant")
    return np.asarray(smooth / smooth.max())


def sharp_pattern_of_cell(cell: OrderedCell, convention: NanoConvention) -> Float[np.ndarray, "sharp"]:
    """Return `sharp_pattern` of a cell without pymatgen, in a few milliseconds; errors as `sticks_of_cell`."""
    sticks = sticks_of_cell(cell, convention.two_theta_max_deg, convention.wavelength_angstrom)
    return sharp_pattern(sticks, convention)


def binned(sticks: Sticks, bins: int, end_inv_angstrom: float) -> Float[np.ndarray, "bins"]:
    """Return lines in even bins from 0 to an end; of those that share a bin the highest counts."""
    values = np.zeros(bins)
    place = (sticks.q_inv_angstrom * (bins / end_inv_angstrom)).astype(int)
    inside = place < bins
    np.maximum.at(values, place[inside], sticks.height[inside])
    return values


@lru_cache(maxsize=32)
def size_filter(size_angstrom: float, convention: NanoConvention) -> Float[np.ndarray, "filter"]:
    """Return the values of sinc^2 that lines are convolved with, read-only: 1 at its centre.

    They are sinc^2(Q tau / 2) of the paper, sinc^2(Q tau) of the code, with sinc(x) = sin(x) / x.
    """
    places = np.arange(convention.filter_points) - (convention.filter_points - 1) / 2
    thickness = LENGTHS[convention.name] * size_angstrom
    # numpy's own sinc(x) is sin(pi x) / (pi x).
    values = np.sinc(places * convention.filter_step_inv_angstrom * thickness / (2 * math.pi)) ** 2
    values.flags.writeable = False
    return values


def _sticks(structure: Structure | Sticks, convention: NanoConvention) -> Sticks:
    if isinstance(structure, Sticks):
        return structure
    return sticks_by_pymatgen(structure, convention.two_theta_max_deg, convention.wavelength_angstrom)
