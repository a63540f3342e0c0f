"""The profile of a peak: its shape, a pseudo-Voigt function, and the law of its width."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from xrdscape.diffraction.widths import WidthLaw
from xrdscape.errors import InstrumentError

FOUR_LN2 = 4 * math.log(2)


@dataclass(frozen=True)
class PeakProfile:
    """Width and shape of all peaks.

    Args:
        width: how the full width at half maximum depends on the angle.
        eta: fraction of Gaussian in the pseudo-Voigt profile, 0 (Lorentzian) to 1 (Gaussian).

    Raises:
        InstrumentError: for a fraction out of range.
    """

    width: WidthLaw
    eta: float

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            raise InstrumentError(f"Impossible instrument: eta must lie between 0 and 1. Received {self}.")


def pseudo_voigt(
    offset: Float[Tensor, "*#shape"], fwhm: Float[Tensor, "*#shape"], eta: float
) -> Float[Tensor, "*#shape"]:
    """Return a peak of unit height: eta parts Gaussian and 1 - eta parts Lorentzian of the same width.

    Args:
        offset: distance from the peak's centre, in any unit.
        fwhm: full width at half maximum in the same unit; broadcast against `offset`.
        eta: fraction of Gaussian.

    Source: SI 1.2 and 1.2.1; eq:pseudo-voigt of the simulator chapter.
    """
    u2 = (offset / fwhm) ** 2
    return eta * torch.exp(-FOUR_LN2 * u2) + (1 - eta) / (1 + 4 * u2)
