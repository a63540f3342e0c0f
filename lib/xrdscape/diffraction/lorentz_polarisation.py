"""The Lorentz and polarisation factors: the geometry of the measurement weakens or strengthens a reflection."""

import torch
from jaxtyping import Float
from torch import Tensor


def lorentz_polarisation(sine_squared: Float[Tensor, "*shape"], polarisation: float = 1.0) -> Float[Tensor, "*shape"]:
    """Return the Lorentz-polarisation factor 2 (1 + K cos^2 2theta) / (1 + K) / (sin^2 theta cos theta).

    For a beam that is not polarised, K = 1, it is (1 + cos^2 2theta) / (sin^2 theta cos theta), as in the paper.

    Args:
        sine_squared: sin^2 theta.
        polarisation: K = cos^2(2 theta_M) of a monochromator, 0 to 1 (`Radiation.polarisation`).

    Source: SI 1.2; eq:lorentz-polarisation of the simulator chapter. With a monochromator: Azaroff, Acta Cryst. 8, 701
    (1955).
    """
    cosine_squared = 1 - sine_squared
    # 1 + K cos^2 2theta = 1 + K - 4 K sin^2 cos^2.
    mixing = 8 * polarisation / (1 + polarisation)
    return (2 - mixing * sine_squared * cosine_squared) / (sine_squared * torch.sqrt(cosine_squared))
