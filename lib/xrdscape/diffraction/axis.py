"""The axis that a pattern is recorded on: scattering angles or lengths of the scattering vector, evenly spaced."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from xrdscape.errors import InstrumentError

AxisKind = Literal["two_theta", "q"]
UNITS: dict[AxisKind, str] = {"two_theta": "deg", "q": "1/angstrom"}


@dataclass(frozen=True)
class Axis:
    """The evenly spaced values minimum + i * step, i = 0, 1, ..., below maximum.

    Args:
        kind: "two_theta", the scattering angle in degrees, or "q", the length 2 pi / d of the scattering vector in
            1/angstrom.
        minimum, maximum: ends of the range. Reflections are taken up to the upper one.
        step: distance of two values.

    Raises:
        InstrumentError: for values that make no axis.
    """

    kind: AxisKind
    minimum: float
    maximum: float
    step: float

    def __post_init__(self) -> None:
        if self.kind not in UNITS:
            self._refuse(f"the kind of an axis is one of {', '.join(UNITS)}")
        if not all(math.isfinite(value) for value in (self.minimum, self.maximum, self.step)):
            self._refuse("every setting must be a finite number")
        if not 0 <= self.minimum < self.maximum:
            self._refuse("the range must satisfy 0 <= minimum < maximum")
        if self.kind == "two_theta" and self.maximum >= 180:
            self._refuse("the range must satisfy two_theta_max_deg < 180")
        if not 0 < self.step <= self.maximum - self.minimum:
            self._refuse(f"step{'_deg' if self.kind == 'two_theta' else ''} must be positive and no larger than the range")

    def _refuse(self, what: str) -> None:
        raise InstrumentError(f"Impossible instrument: {what}. Received {self}.")

    @property
    def n_steps(self) -> int:
        """Number of values: all minimum + i * step below maximum."""
        # The slack keeps a range that is a whole number of steps but for rounding from gaining a value at maximum.
        return math.ceil((self.maximum - self.minimum) / self.step - 1e-6)

    def grid(
        self, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
    ) -> Float[Tensor, "n"]:
        """Return the values [n] in the axis's unit."""
        steps = torch.arange(self.n_steps, dtype=torch.float64, device=device)
        return (self.minimum + steps * self.step).to(dtype)


def scattering_vector(two_theta_deg: Float[Tensor, "*shape"], wavelength_angstrom: float) -> Float[Tensor, "*shape"]:
    """Return Q = 4 pi sin(theta) / lambda in 1/angstrom."""
    return (4 * math.pi / wavelength_angstrom) * torch.sin(torch.deg2rad(two_theta_deg) / 2)


def scattering_angle_deg(q_inv_angstrom: Float[Tensor, "*shape"], wavelength_angstrom: float) -> Float[Tensor, "*shape"]:
    """Return 2 theta in degrees of a Q in 1/angstrom; NaN beyond the largest Q that the wavelength reaches."""
    return 2 * torch.rad2deg(torch.arcsin(q_inv_angstrom * (wavelength_angstrom / (4 * math.pi))))
