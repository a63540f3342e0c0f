"""The instrument: everything about a measurement that is not the crystal, for simulation and refinement alike.

An `Instrument` is made of a `Radiation` (`radiation.py`), an `Axis` (`axis.py`) and a `PeakProfile` (`profile.py`, with
the laws of `widths.py`). A refinement varies one instrument: `replace(instrument, profile=...)` for widths and shape,
`replace(instrument, zero_deg=...)` for the zero shift. A doublet is a radiation of two lines, which the `Simulator`
adds up itself, and the overall B_iso is an argument of the simulator, since it belongs to the crystal; so each step of
a refinement asks `simulator.with_instrument(instrument, b_iso)` for its patterns, from lists made once.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from xrdscape.diffraction.axis import Axis, scattering_angle_deg
from xrdscape.diffraction.form_factor_tables import published_up_to
from xrdscape.diffraction.form_factors import FormFactorSource, Tabulation
from xrdscape.diffraction.kernels.arguments import Optics, WidthConstants
from xrdscape.diffraction.profile import PeakProfile
from xrdscape.diffraction.radiation import EmissionLine, Radiation
from xrdscape.diffraction.widths import CagliotiWidth, fwhm_deg, least_square_deg2
from xrdscape.errors import InstrumentError

PAPER_RADIATION = Radiation.of(1.5406)
"""Cu K-alpha 1 as usually rounded; the paper leaves the wavelength open."""
PAPER_AXIS = Axis("two_theta", 0.0, 90.0, 0.01)
PAPER_PROFILE = PeakProfile(CagliotiWidth(0.1, 0.01, 0.1), 0.1)


@dataclass(frozen=True, init=False)
class Instrument:
    """Everything about the measurement that is not the crystal; the defaults are the paper's (SI 1.2), but for its form
    factors (`PAPER_INSTRUMENT` has those, too).

    The usual powder diffractometer is described by numbers, each of which changes the part that it belongs to:

    >>> Instrument(wavelength_angstrom=0.7093, step_deg=0.02, W=0.01).profile.width
    CagliotiWidth(U=0.1, V=0.01, W=0.01)

    Others are put together from parts:

    >>> from xrdscape.diffraction.radiation import MO_K_ALPHA
    >>> from xrdscape.diffraction.widths import SizeWidth
    >>> nanocrystals = PeakProfile(SizeWidth(size_angstrom=50.0), eta=0.0)
    >>> Instrument(radiation=MO_K_ALPHA, axis=Axis("q", 1.0, 12.0, 0.01), profile=nanocrystals).n_steps
    1100

    Args:
        wavelength_angstrom: X-ray wavelength of a single emission line; 1.5406 is Cu K-alpha 1.
        two_theta_min_deg, two_theta_max_deg, step_deg: of an axis of scattering angles; values stand at min + i * step,
            i = 0, 1, ..., below max. Reflections are taken up to the upper end.
        U, V, W: Caglioti parameters of the full width at half maximum, deg^2.
        eta: fraction of Gaussian in the pseudo-Voigt profile, 0 (Lorentzian) to 1 (Gaussian).
        taper_deg: 0 cuts the reflections sharply at the upper end, as the paper does; above 0, reflections up
            to this far past the end contribute with a weight that falls smoothly from 1 to 0, so that a
            reflection that leaves causes no jump. In degrees of 2 theta on an axis of Q, too.
        zero_deg: recorded less true scattering angle, for an axis of angles.
        radiation, axis, profile: the parts.
        tabulation: of the form factors; by default the published one that holds to the end of the range.
        anomalous: add the anomalous dispersion f' and f'' of each element at the strongest emission line.

    Raises:
        InstrumentError: for settings that describe no pattern.
    """

    radiation: Radiation
    axis: Axis
    profile: PeakProfile
    taper_deg: float
    zero_deg: float
    tabulation: Tabulation
    anomalous: bool

    def __init__(
        self,
        wavelength_angstrom: float | None = None,
        two_theta_min_deg: float | None = None,
        two_theta_max_deg: float | None = None,
        step_deg: float | None = None,
        U: float | None = None,
        V: float | None = None,
        W: float | None = None,
        eta: float | None = None,
        taper_deg: float = 0.0,
        zero_deg: float = 0.0,
        *,
        radiation: Radiation = PAPER_RADIATION,
        axis: Axis = PAPER_AXIS,
        profile: PeakProfile = PAPER_PROFILE,
        tabulation: Tabulation = "published",
        anomalous: bool = False,
    ) -> None:
        if wavelength_angstrom is not None:
            radiation = replace(radiation, lines=(EmissionLine(wavelength_angstrom),))
        ends = _given(minimum=two_theta_min_deg, maximum=two_theta_max_deg, step=step_deg)
        if ends and axis.kind != "two_theta":
            raise InstrumentError(f"Impossible instrument: angles on an axis of Q. Received {ends} and {axis}.")
        caglioti = _given(U=U, V=V, W=W)
        if caglioti:
            if not isinstance(profile.width, CagliotiWidth):
                raise InstrumentError(f"Impossible instrument: {caglioti} are not of the law. Received {profile}.")
            profile = replace(profile, width=replace(profile.width, **caglioti))
        parts = {
            "radiation": radiation,
            "axis": replace(axis, **ends) if ends else axis,
            "profile": replace(profile, **_given(eta=eta)),
            "taper_deg": taper_deg,
            "zero_deg": zero_deg,
            "tabulation": tabulation,
            "anomalous": anomalous,
        }
        for name, part in parts.items():
            object.__setattr__(self, name, part)
        self._check()

    def _check(self) -> None:
        if not (math.isfinite(self.taper_deg) and math.isfinite(self.zero_deg)):
            self._refuse("every setting must be a finite number")
        reach = self.radiation.wavelength_angstrom * self.axis.maximum / (4 * math.pi)
        if self.axis.kind == "q" and reach >= 1:
            self._refuse("the wavelength is too long for the upper end of the axis of Q, which must be below 4 pi / it")
        if self.axis.kind == "q" and self.zero_deg != 0:
            self._refuse("zero_deg is for an axis of two theta")
        if not (self.taper_deg >= 0 and 0 < self.edge_deg < 180):
            self._refuse("taper_deg must be at least 0 and must not reach past 180 deg, and zero_deg not either")
        if self.least_fwhm_deg <= 0:
            self._refuse("U, V, W give a peak without width inside the range")

    def _refuse(self, what: str) -> None:
        raise InstrumentError(f"Impossible instrument: {what}. Received {self}.")

    @property
    def wavelength_angstrom(self) -> float:
        """Wavelength of the strongest emission line."""
        return self.radiation.wavelength_angstrom

    @property
    def two_theta_min_deg(self) -> float:
        """Lower end of the range as a scattering angle."""
        return self._angle_deg(self.axis.minimum)

    @property
    def two_theta_max_deg(self) -> float:
        """Upper end of the range as a scattering angle."""
        return self._angle_deg(self.axis.maximum)

    def _angle_deg(self, value: float) -> float:
        if self.axis.kind == "two_theta":
            return value
        return float(scattering_angle_deg(torch.tensor(value, dtype=torch.float64), self.wavelength_angstrom))

    @property
    def step_deg(self) -> float:
        """Step of the axis.

        Raises:
            InstrumentError: for an axis of Q, whose steps are not even in angle.
        """
        if self.axis.kind != "two_theta":
            raise InstrumentError(f"This needs a pattern over two theta, evenly spaced. Received {self.axis}.")
        return self.axis.step

    @property
    def caglioti(self) -> CagliotiWidth:
        """Law of the widths with its U, V and W.

        Raises:
            InstrumentError: for widths by another law.
        """
        if not isinstance(self.profile.width, CagliotiWidth):
            raise InstrumentError(f"This needs widths by U, V and W. Received {self.profile.width}.")
        return self.profile.width

    @property
    def settings(self) -> dict[str, float]:
        """Numbers that describe the instrument, by their names in the header of a pattern's file."""
        further = self.radiation.lines[1:]
        angle = self.radiation.monochromator_two_theta_deg
        ends = (
            ("two_theta_{}_deg", "step_deg")
            if self.axis.kind == "two_theta"
            else ("q_{}_inv_angstrom", "step_inv_angstrom")
        )
        return {
            "wavelength_angstrom": self.wavelength_angstrom,
            ends[0].format("min"): self.axis.minimum,
            ends[0].format("max"): self.axis.maximum,
            ends[1]: self.axis.step,
            **vars(self.profile.width),
            "eta": self.eta,
            "taper_deg": self.taper_deg,
            **({"zero_deg": self.zero_deg} if self.zero_deg else {}),
            **{f"wavelength_{place}_angstrom": line.wavelength_angstrom for place, line in enumerate(further, 2)},
            **{
                f"weight_{place}": line.weight / self.radiation.lines[0].weight for place, line in enumerate(further, 2)
            },
            **({} if angle is None else {"monochromator_two_theta_deg": angle}),
        }

    @property
    def eta(self) -> float:
        """Fraction of Gaussian in the profile."""
        return self.profile.eta

    @property
    def n_steps(self) -> int:
        """Number of values in the pattern."""
        return self.axis.n_steps

    @property
    def edge_deg(self) -> float:
        """True scattering angle past which no reflection contributes."""
        return self.two_theta_max_deg + self.taper_deg - self.zero_deg

    @property
    def max_reciprocal_length(self) -> float:
        """Radius 1/d of the sphere of reflections, 1/angstrom."""
        return 2 * math.sin(math.radians(self.edge_deg) / 2) / self.radiation.shortest_wavelength_angstrom

    @property
    def form_factor_source(self) -> FormFactorSource:
        """Table that the form factors come from: of the published ones the first that holds to the end of the range."""
        if self.tabulation != "published":
            return self.tabulation
        return published_up_to(self.max_reciprocal_length / 2)

    @property
    def resonance_wavelength_angstrom(self) -> float | None:
        """Wavelength of the anomalous dispersion, angstrom; None if it is left out."""
        return self.wavelength_angstrom if self.anomalous else None

    @property
    def width_constants(self) -> WidthConstants:
        """Constants of the width's formula for the strongest emission line."""
        return self.profile.width.constants(self.wavelength_angstrom)

    def fwhm_deg(self, two_theta_deg: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return the full width at half maximum of peaks at these true scattering angles, in degrees.

        Source: eq:caglioti of the simulator chapter.
        """
        return fwhm_deg(torch.tan(torch.deg2rad(two_theta_deg) / 2), self.width_constants)

    @property
    def least_fwhm_deg(self) -> float:
        """Width that no peak inside the range falls below, deg; 0 where U, V, W give a peak none."""
        least = least_square_deg2(self.width_constants, math.tan(math.radians(self.edge_deg / 2)))
        return math.sqrt(max(0.0, least)) + self.width_constants.size

    @property
    def least_fwhm_steps(self) -> float:
        """Width that no peak inside the range falls below, in steps of the axis."""
        if self.axis.kind == "two_theta":
            return self.least_fwhm_deg / self.axis.step
        # In Q a width in angle is weighted by cos(theta), and that of a size is constant.
        size, edge = self.width_constants.size, math.cos(math.radians(self.edge_deg / 2))
        least = (self.least_fwhm_deg - size) * edge + size
        return math.radians(least) * 2 * math.pi / self.wavelength_angstrom / self.axis.step

    def optics(self, b_iso: float = 0.0) -> Optics:
        """Return the constants of radiation and axis as the compiled loops take them.

        Args:
            b_iso: of the Debye-Waller factor, angstrom^2.
        """
        radiation = self.radiation
        return Optics(
            wavelength=float(radiation.wavelength_angstrom),
            ratio=np.array([line.wavelength_angstrom / radiation.wavelength_angstrom for line in radiation.lines]),
            share=np.array([line.weight for line in radiation.lines]),
            polarisation=radiation.polarisation,
            b_iso=float(b_iso),
            zero=float(self.zero_deg),
            limit=float(self.two_theta_max_deg - self.zero_deg),
            taper=float(self.taper_deg),
            edge=math.sin(math.radians(self.edge_deg / 2)) ** 2,
            q_per_sine=0.0 if self.axis.kind == "two_theta" else 4 * math.pi / radiation.wavelength_angstrom,
        )

    def at_mean_wavelength(self) -> "Instrument":
        """Return the instrument with the weighted mean of its emission lines as the only one."""
        mean = EmissionLine(self.radiation.mean_wavelength_angstrom)
        return replace(self, radiation=replace(self.radiation, lines=(mean,)))


def _given(**settings: Any) -> dict[str, Any]:
    """Return the settings that are not None."""
    return {name: value for name, value in settings.items() if value is not None}


def edge_weight(two_theta_deg: Float[Tensor, "*shape"], instrument: Instrument) -> Float[Tensor, "*shape"]:
    """Return the weight of a reflection by its true scattering angle: 1 inside the range, 0 past the edge.

    A sharp cut for `taper_deg` = 0 (zero gradient everywhere); otherwise half a cosine across the taper, with
    continuous first derivative.
    """
    end = instrument.two_theta_max_deg - instrument.zero_deg
    if instrument.taper_deg == 0:
        return (two_theta_deg <= end).to(two_theta_deg.dtype)
    past = ((two_theta_deg - end) / instrument.taper_deg).clamp(0, 1)
    return (1 + torch.cos(math.pi * past)) / 2


PAPER_INSTRUMENT = Instrument(tabulation="electron")
"""The instrument of the paper with its form factors, which the study reproduces."""
