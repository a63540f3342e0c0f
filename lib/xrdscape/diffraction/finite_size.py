"""The shape that the finite size of a crystallite gives every peak over Q, smoothed by a Gaussian: in closed form."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import wofz

from xrdscape.errors import InstrumentError

SizeConvention = Literal["paper", "reference-code"]
"""Meaning of what PXRDnet calls the size tau of a crystallite. In its paper a peak has the shape sinc^2(Q tau / 2); in
its code sinc^2(Q tau), half as wide: the code's 10 angstrom are the paper's 20. Here sinc(x) is sin(x) / x."""

LENGTHS: dict[SizeConvention, float] = {"paper": 1.0, "reference-code": 2.0}
"""Thickness of the crystallite whose peaks have that shape over the size: a plate of thickness t has sinc^2(Q t / 2).
Sources: eq. (4) of Guo et al.; the function that widens the peaks in its code, as published in August 2024."""


@dataclass(frozen=True)
class FiniteSizeProfile:
    """The shape of a peak over Q: sinc^2(q t / 2) of a plate of thickness t, convolved with a Gaussian; unit area.

    Args:
        size_angstrom: of the crystallites, above 0; infinite for a Gaussian alone.
        sigma_inv_angstrom: standard deviation of the Gaussian, above 0.
        convention: what the size means.

    Raises:
        InstrumentError: for numbers out of range, or another convention.
    """

    size_angstrom: float
    sigma_inv_angstrom: float
    convention: SizeConvention = "paper"

    def __post_init__(self) -> None:
        if self.convention not in LENGTHS:
            raise InstrumentError(f"A convention of size is one of {', '.join(LENGTHS)}. Received {self.convention!r}.")
        if not self.size_angstrom > 0:
            raise InstrumentError(f"size_angstrom must be above 0. Received {self.size_angstrom}.")
        if not 0 < self.sigma_inv_angstrom < math.inf:
            raise InstrumentError(f"sigma_inv_angstrom must be a positive number. Received {self.sigma_inv_angstrom}.")

    @property
    def thickness_angstrom(self) -> float:
        """Thickness t of the plate."""
        return LENGTHS[self.convention] * self.size_angstrom

    def __call__(self, q_inv_angstrom: ArrayLike) -> NDArray[np.float64]:
        """Return the profile at distances from the centre of a peak, in angstrom."""
        return smoothed_sinc_squared(q_inv_angstrom, self.thickness_angstrom, self.sigma_inv_angstrom)

    def slope(self, q_inv_angstrom: ArrayLike) -> NDArray[np.float64]:
        """Return the derivative of the profile in that distance, in angstrom^2."""
        return smoothed_sinc_squared_slope(q_inv_angstrom, self.thickness_angstrom, self.sigma_inv_angstrom)


def smoothed_sinc_squared(
    q_inv_angstrom: ArrayLike, thickness_angstrom: float, sigma_inv_angstrom: float
) -> NDArray[np.float64]:
    """Return t / (2 pi) sinc^2(q t / 2) convolved with a Gaussian of unit area.

    It is the Fourier integral of a triangle times a Gaussian, (1 / pi) int_0^t (1 - r / t) exp(-a^2 r^2) cos(q r) dr
    with a = sigma / sqrt(2), which the Faddeeva function w gives: eq:finite-size of the page on finite size.

    Args:
        q_inv_angstrom: distances from the centre, any shape.
        thickness_angstrom: t; may be infinite, which leaves the Gaussian.
        sigma_inv_angstrom: standard deviation of the Gaussian.
    """
    q, a = np.asarray(q_inv_angstrom, dtype=np.float64), sigma_inv_angstrom / math.sqrt(2)
    if math.isinf(thickness_angstrom):
        return np.asarray(np.exp(-((q / (2 * a)) ** 2)) / (2 * a * math.sqrt(math.pi)))
    zeroth, edge = _integral(q, thickness_angstrom, a)
    first = (1 - edge + 1j * q * zeroth) / (2 * a * a)
    return np.asarray((zeroth - first / thickness_angstrom).real / math.pi)


def smoothed_sinc_squared_slope(
    q_inv_angstrom: ArrayLike, thickness_angstrom: float, sigma_inv_angstrom: float
) -> NDArray[np.float64]:
    """Return the derivative of `smoothed_sinc_squared` in q, with the same arguments."""
    q, a = np.asarray(q_inv_angstrom, dtype=np.float64), sigma_inv_angstrom / math.sqrt(2)
    if math.isinf(thickness_angstrom):
        return -q / (2 * a * a) * smoothed_sinc_squared(q, thickness_angstrom, sigma_inv_angstrom)
    zeroth, edge = _integral(q, thickness_angstrom, a)
    first = (1 - edge + 1j * q * zeroth) / (2 * a * a)
    second = (zeroth - thickness_angstrom * edge + 1j * q * first) / (2 * a * a)
    return np.asarray((1j * (first - second / thickness_angstrom)).real / math.pi)


def _integral(q: NDArray[np.float64], t: float, a: float) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Return int_0^t exp(-a^2 r^2 + i q r) dr and the integrand at t."""
    z, edge = q / (2 * a), np.exp(-((a * t) ** 2) + 1j * q * t)
    return math.sqrt(math.pi) / (2 * a) * (wofz(z) - edge * wofz(z + 1j * a * t)), edge
