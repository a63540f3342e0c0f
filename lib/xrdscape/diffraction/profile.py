"""The instrument: wavelength, angular grid, and the width and shape of a peak."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from xrdscape.errors import InstrumentError

FOUR_LN2 = 4 * math.log(2)


@dataclass(frozen=True)
class Instrument:
    """Everything about the measurement that is not the crystal; the defaults are the paper's (SI 1.2).

    Args:
        wavelength_angstrom: X-ray wavelength; 1.5406 is Cu K-alpha 1 (the paper leaves it open).
        two_theta_min_deg, two_theta_max_deg: range of the pattern. Reflections are taken up to the upper end.
        step_deg: width of a bin; values stand at min + i * step, i = 0, 1, ..., below max.
        U, V, W: Caglioti parameters of the full width at half maximum, deg^2.
        eta: fraction of Gaussian in the pseudo-Voigt profile, 0 (Lorentzian) to 1 (Gaussian).
        taper_deg: 0 cuts the reflections sharply at the upper end, as the paper does; above 0, reflections up
            to this far past the end contribute with a weight that falls smoothly from 1 to 0, so that a
            reflection that leaves causes no jump.

    Raises:
        InstrumentError: for settings that describe no pattern.
    """

    wavelength_angstrom: float = 1.5406
    two_theta_min_deg: float = 0.0
    two_theta_max_deg: float = 90.0
    step_deg: float = 0.01
    U: float = 0.1
    V: float = 0.01
    W: float = 0.1
    eta: float = 0.1
    taper_deg: float = 0.0

    def __post_init__(self) -> None:
        def refuse(what: str) -> None:
            raise InstrumentError(f"Impossible instrument: {what}. Received {self}.")

        if not all(math.isfinite(v) for v in vars(self).values()):
            refuse("every setting must be a finite number")
        if self.wavelength_angstrom <= 0:
            refuse("wavelength_angstrom must be positive")
        if not 0 <= self.two_theta_min_deg < self.two_theta_max_deg < 180:
            refuse("the range must satisfy 0 <= two_theta_min_deg < two_theta_max_deg < 180")
        if not 0 < self.step_deg <= self.two_theta_max_deg - self.two_theta_min_deg:
            refuse("step_deg must be positive and no larger than the range")
        if not 0 <= self.eta <= 1:
            refuse("eta must lie between 0 and 1")
        if not 0 <= self.taper_deg < 180 - self.two_theta_max_deg:
            refuse("taper_deg must be at least 0 and must not reach past 180 deg")
        if self._least_square() <= 0:
            refuse("U, V, W give a peak without width inside the range")

    @property
    def least_fwhm_deg(self) -> float:
        """Width of the narrowest peak inside the range."""
        return math.sqrt(self._least_square())

    def _least_square(self) -> float:
        """Smallest H^2 over the range: with t = tan(theta), at an end or at the parabola's vertex."""
        t_max = math.tan(math.radians(self.edge_deg / 2))
        tangents = [0.0, t_max]
        if self.U > 0 and 0 < -self.V / (2 * self.U) < t_max:
            tangents.append(-self.V / (2 * self.U))
        return min(self.U * t * t + self.V * t + self.W for t in tangents)

    @property
    def n_steps(self) -> int:
        """Number of values in the pattern: all min + i * step below max."""
        # The slack keeps a range that is a whole number of steps but for rounding from gaining a value at max.
        return math.ceil((self.two_theta_max_deg - self.two_theta_min_deg) / self.step_deg - 1e-6)

    @property
    def edge_deg(self) -> float:
        """Scattering angle past which no reflection contributes."""
        return self.two_theta_max_deg + self.taper_deg

    @property
    def max_reciprocal_length(self) -> float:
        """Radius 1/d of the sphere of reflections, 1/angstrom."""
        return 2 * math.sin(math.radians(self.edge_deg) / 2) / self.wavelength_angstrom

    def broadened(self, fwhm_deg: float) -> "Instrument":
        """The same instrument with its width widened in quadrature by a constant `fwhm_deg`."""
        return replace(self, W=self.W + fwhm_deg**2)


def two_theta_grid(
    instrument: Instrument, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
) -> Float[Tensor, "n"]:
    """Scattering angles of the pattern's values, degrees."""
    steps = torch.arange(instrument.n_steps, dtype=torch.float64, device=device)
    return (instrument.two_theta_min_deg + steps * instrument.step_deg).to(dtype)


def caglioti_fwhm_deg(two_theta_deg: Float[Tensor, "*shape"], instrument: Instrument) -> Float[Tensor, "*shape"]:
    """Full width at half maximum of a peak, degrees: H^2 = U tan^2 theta + V tan theta + W.

    Source: SI 1.2.2 (Caglioti, Paoletti & Ricci 1958); eq:caglioti of the simulator chapter.
    """
    return fwhm_from_tangent_deg(torch.tan(torch.deg2rad(two_theta_deg) / 2), instrument)


def fwhm_from_tangent_deg(tan_theta: Float[Tensor, "*shape"], instrument: Instrument) -> Float[Tensor, "*shape"]:
    """`caglioti_fwhm_deg` for who knows tan(theta) already."""
    return torch.sqrt((instrument.U * tan_theta + instrument.V) * tan_theta + instrument.W)


def pseudo_voigt(
    offset_deg: Float[Tensor, "*#shape"], fwhm_deg: Float[Tensor, "*#shape"], eta: float
) -> Float[Tensor, "*#shape"]:
    """Peak of unit height: eta parts Gaussian and 1 - eta parts Lorentzian of the same width.

    Args:
        offset_deg: distance from the peak's centre, degrees.
        fwhm_deg: full width at half maximum, degrees; broadcast against `offset_deg`.
        eta: fraction of Gaussian.

    Source: SI 1.2 and 1.2.1; eq:pseudo-voigt of the simulator chapter.
    """
    u2 = (offset_deg / fwhm_deg) ** 2
    return eta * torch.exp(-FOUR_LN2 * u2) + (1 - eta) / (1 + 4 * u2)


def edge_weight(two_theta_deg: Float[Tensor, "*shape"], instrument: Instrument) -> Float[Tensor, "*shape"]:
    """Weight of a reflection by its scattering angle: 1 inside the range, 0 past the edge.

    A sharp cut for `taper_deg` = 0 (zero gradient everywhere); otherwise half a cosine across the taper, with
    continuous first derivative.
    """
    if instrument.taper_deg == 0:
        return (two_theta_deg <= instrument.two_theta_max_deg).to(two_theta_deg.dtype)
    past = ((two_theta_deg - instrument.two_theta_max_deg) / instrument.taper_deg).clamp(0, 1)
    return (1 + torch.cos(math.pi * past)) / 2
