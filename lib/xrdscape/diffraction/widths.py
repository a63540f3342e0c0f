"""Laws of the width of a peak: what the instrument adds by angle, or what the size of the crystallites adds.

Both give their constants for one formula, H = sqrt(U t^2 + V t + W) + X / cos(theta) with t = tan(theta), in degrees of
2 theta. It stands here in torch (`fwhm_deg`) and in `kernels.lattice_kernel`, and nowhere else.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from xrdscape.diffraction.kernels.arguments import WidthConstants
from xrdscape.errors import InstrumentError

SCHERRER = 0.9
"""K of Scherrer's equation: of spheres whose diameter is the size, 0.89 to 0.94 by how the width is measured."""


@dataclass(frozen=True)
class CagliotiWidth:
    """The width that the instrument gives, H^2 = U tan^2 theta + V tan theta + W.

    Args:
        U, V, W: deg^2.

    Source: SI 1.2.2 (Caglioti, Paoletti & Ricci 1958); eq:caglioti of the simulator chapter.
    """

    U: float
    V: float
    W: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in vars(self).values()):
            raise InstrumentError(f"Impossible instrument: every setting must be a finite number. Received {self}.")

    def constants(self, wavelength_angstrom: float) -> WidthConstants:
        """Return the constants of the formula."""
        return WidthConstants(float(self.U), float(self.V), float(self.W), 0.0)


@dataclass(frozen=True)
class SizeWidth:
    """The width that the size of crystallites gives: the same at all lengths Q of the scattering vector.

    By Scherrer's equation H = K lambda / (size cos theta) in radians of 2 theta with K = 0.9, which is 2 pi K / size in
    Q, whatever the wavelength.

    Args:
        size_angstrom: above 0.

    Raises:
        InstrumentError: for a size that is not a positive number.

    Source: Scherrer, Nachr. Ges. Wiss. Goettingen 26, 98 (1918); Langford & Wilson, J. Appl. Cryst. 11, 102 (1978).
    """

    size_angstrom: float

    def __post_init__(self) -> None:
        if not 0 < self.size_angstrom < math.inf:
            raise InstrumentError(f"Impossible instrument: size_angstrom must be a positive number. Received {self}.")

    def constants(self, wavelength_angstrom: float) -> WidthConstants:
        """Return the constants of the formula for one wavelength."""
        return WidthConstants(0.0, 0.0, 0.0, math.degrees(SCHERRER * wavelength_angstrom / self.size_angstrom))

    @property
    def fwhm_inv_angstrom(self) -> float:
        """Full width at half maximum in Q."""
        return 2 * math.pi * SCHERRER / self.size_angstrom


WidthLaw = CagliotiWidth | SizeWidth


def fwhm_deg(tan_theta: Float[Tensor, "*shape"], width: WidthConstants) -> Float[Tensor, "*shape"]:
    """Return the full width at half maximum of a peak in degrees of 2 theta, from tan(theta)."""
    instrument = torch.sqrt((width.u * tan_theta + width.v) * tan_theta + width.w)
    if width.size == 0:
        return instrument
    # The root of nothing has no derivative.
    size = width.size * torch.sqrt(1 + tan_theta**2)
    return size if width.u == width.v == width.w == 0 else instrument + size


def least_square_deg2(width: WidthConstants, largest_tangent: float) -> float:
    """Return the least U t^2 + V t + W for t from 0 to some tangent: at an end or at the parabola's vertex."""
    tangents = [0.0, largest_tangent]
    if width.u > 0 and 0 < -width.v / (2 * width.u) < largest_tangent:
        tangents.append(-width.v / (2 * width.u))
    return min(width.u * t * t + width.v * t + width.w for t in tangents)
