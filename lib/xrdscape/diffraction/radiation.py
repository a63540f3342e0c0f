"""The X-rays of a source: its emission lines with their weights, and the polarisation that a monochromator gives."""

import math
from dataclasses import dataclass

from xrdscape.errors import InstrumentError


@dataclass(frozen=True)
class EmissionLine:
    """One wavelength of a source.

    Args:
        wavelength_angstrom: above 0.
        weight: intensity relative to the other lines of the source, above 0.

    Raises:
        InstrumentError: for a number that is not finite or not positive.
    """

    wavelength_angstrom: float
    weight: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not math.isfinite(value):
                raise InstrumentError(f"Impossible instrument: {name} must be a finite number. Received {self}.")
            if value <= 0:
                raise InstrumentError(f"Impossible instrument: {name} must be positive. Received {self}.")


@dataclass(frozen=True)
class Radiation:
    """The emission lines of a source, the strongest first, with weights that sum to 1.

    Args:
        lines: in any order and with weights of any scale; they are sorted and normalised.
        monochromator_two_theta_deg: scattering angle of a crystal monochromator in the beam path, 0 to below 90; None
            for a beam that is not polarised, as in the paper. Graphite (002) for Cu K-alpha stands at 26.6 deg.

    Raises:
        InstrumentError: without lines, or for an angle out of range.
    """

    lines: tuple[EmissionLine, ...]
    monochromator_two_theta_deg: float | None = None

    def __post_init__(self) -> None:
        if not self.lines:
            raise InstrumentError("Impossible instrument: a radiation needs at least one emission line. Received none.")
        angle = self.monochromator_two_theta_deg
        if angle is not None and not 0 <= angle < 90:
            raise InstrumentError(
                f"Impossible instrument: monochromator_two_theta_deg must be at least 0 and below 90. Received {angle}."
            )
        total = sum(line.weight for line in self.lines)
        ordered = sorted(self.lines, key=lambda line: -line.weight)
        normalised = tuple(EmissionLine(line.wavelength_angstrom, line.weight / total) for line in ordered)
        object.__setattr__(self, "lines", normalised)

    @classmethod
    def of(cls, *wavelengths_angstrom: float) -> "Radiation":
        """Return lines of these wavelengths, all alike; of two the first twice as strong, as in K-alpha 1 and 2."""
        weights = (2.0, 1.0) if len(wavelengths_angstrom) == 2 else (1.0,) * len(wavelengths_angstrom)
        return cls(tuple(EmissionLine(*line) for line in zip(wavelengths_angstrom, weights, strict=True)))

    @property
    def wavelength_angstrom(self) -> float:
        """Wavelength of the strongest line, which d-spacings and scattering vectors refer to."""
        return self.lines[0].wavelength_angstrom

    @property
    def mean_wavelength_angstrom(self) -> float:
        """Weighted mean of the wavelengths."""
        return sum(line.wavelength_angstrom * line.weight for line in self.lines)

    @property
    def shortest_line(self) -> int:
        """Return the place of the line that reaches the smallest d-spacings."""
        return min(range(len(self.lines)), key=lambda place: self.lines[place].wavelength_angstrom)

    @property
    def shortest_wavelength_angstrom(self) -> float:
        """Wavelength of that line."""
        return self.lines[self.shortest_line].wavelength_angstrom

    @property
    def polarisation(self) -> float:
        """K = cos^2(2 theta_M) of the monochromator: intensity across the plane of scattering counts fully, that within
        it K times as much; 1 without a monochromator."""
        return math.cos(math.radians(self.monochromator_two_theta_deg or 0.0)) ** 2


CU_K_ALPHA_1 = Radiation.of(1.5405929)
CU_K_ALPHA = Radiation.of(1.5405929, 1.5444274)
CR_K_ALPHA = Radiation.of(2.289726, 2.293651)
FE_K_ALPHA = Radiation.of(1.936041, 1.939973)
CO_K_ALPHA = Radiation.of(1.788996, 1.792835)
MO_K_ALPHA = Radiation.of(0.70931715, 0.713607)
AG_K_ALPHA = Radiation.of(0.55942178, 0.5638131)
"""K-alpha doublets of common tubes with the statistical weights 2 : 1 of their lines, and copper's first line alone.

Source: International Tables for Crystallography C (2004), table 4.2.2.4; Cr, Fe, Co and Cu there are those of Hoelzer
et al., Phys. Rev. A 56, 4554 (1997).
"""
