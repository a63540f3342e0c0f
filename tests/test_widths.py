"""The laws of peak widths against their formulas."""

import math

import numpy as np
import pytest
import torch
from tolerances import ROUNDING

from xrdscape.diffraction.axis import scattering_vector
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.profile import PeakProfile
from xrdscape.diffraction.widths import CagliotiWidth, SizeWidth, fwhm_deg
from xrdscape.errors import InstrumentError


def test_caglioti_against_the_formula() -> None:
    instrument = Instrument(U=0.3, V=-0.05, W=0.2)
    angle = np.linspace(0, 120, 50)
    t = np.tan(np.radians(angle) / 2)
    expected = np.sqrt(0.3 * t**2 - 0.05 * t + 0.2)
    np.testing.assert_allclose(instrument.fwhm_deg(torch.as_tensor(angle)), expected, rtol=ROUNDING)


def test_scherrer_against_the_formula() -> None:
    """H = 0.9 lambda / (size cos theta) in radians of 2 theta."""
    instrument = Instrument(0.71, profile=PeakProfile(SizeWidth(45.0), 0.0))
    angle = np.linspace(0, 90, 50)
    expected = np.degrees(0.9 * 0.71 / (45.0 * np.cos(np.radians(angle) / 2)))
    np.testing.assert_allclose(instrument.fwhm_deg(torch.as_tensor(angle)), expected, rtol=ROUNDING)


@pytest.mark.parametrize("wavelength", [0.5, 1.5406])
def test_a_size_gives_one_width_in_q_whatever_the_wavelength(wavelength: float) -> None:
    law = SizeWidth(200.0)
    instrument = Instrument(wavelength, two_theta_max_deg=120.0, profile=PeakProfile(law, 0.0))
    angle = torch.linspace(5, 115, 23, dtype=torch.float64)
    half = instrument.fwhm_deg(angle) / 2
    in_q = scattering_vector(angle + half, wavelength) - scattering_vector(angle - half, wavelength)
    # A peak's width is its slope times dQ/d(2 theta) but for the curvature over half a degree.
    torch.testing.assert_close(in_q, torch.full_like(in_q, law.fwhm_inv_angstrom), rtol=1e-4, atol=0)
    assert law.fwhm_inv_angstrom == pytest.approx(2 * math.pi * 0.9 / 200.0, rel=ROUNDING)


@pytest.mark.parametrize("law", [CagliotiWidth(0.3, -0.05, 0.2), SizeWidth(45.0)])
def test_widths_are_differentiable_from_zero_angle_on(law: CagliotiWidth | SizeWidth) -> None:
    tangent = torch.tensor([0.0, 0.1, 0.7, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: fwhm_deg(t, law.constants(1.5406)), tangent)


@pytest.mark.parametrize("size", [0.0, -3.0, math.inf, math.nan])
def test_a_size_that_is_none_is_refused(size: float) -> None:
    with pytest.raises(InstrumentError, match=r"size_angstrom must be a positive number\. Received SizeWidth\("):
        SizeWidth(size)
