"""The Lorentz-polarisation factor against angles, with and without a monochromator."""

import math

import numpy as np
import pytest
import torch
from tolerances import ROUNDING

from xrdscape.diffraction.lorentz_polarisation import lorentz_polarisation
from xrdscape.diffraction.radiation import EmissionLine, Radiation


def test_lorentz_polarisation_against_angles() -> None:
    theta = np.radians(np.linspace(1, 89, 200))
    expected = (1 + np.cos(2 * theta) ** 2) / (np.sin(theta) ** 2 * np.cos(theta))
    np.testing.assert_allclose(lorentz_polarisation(torch.as_tensor(np.sin(theta) ** 2)), expected, rtol=ROUNDING)


def test_lorentz_polarisation_at_a_right_angle() -> None:
    half = torch.tensor([math.sin(math.pi / 4)], dtype=torch.float64)
    assert float(lorentz_polarisation(half**2)) == pytest.approx(2 * math.sqrt(2), rel=ROUNDING)


def test_a_monochromator_weakens_what_is_scattered_within_its_plane() -> None:
    """Across the plane of scattering 1, within it cos^2(2 theta_M) cos^2(2 theta); scaled to the beam as it is."""
    beam = Radiation((EmissionLine(1.5406),), monochromator_two_theta_deg=26.6)
    theta = np.radians(np.linspace(1, 89, 200))
    within = math.cos(math.radians(26.6)) ** 2
    expected = (1 + within * np.cos(2 * theta) ** 2) / ((1 + within) / 2) / (np.sin(theta) ** 2 * np.cos(theta))
    result = lorentz_polarisation(torch.as_tensor(np.sin(theta) ** 2), beam.polarisation)
    np.testing.assert_allclose(result, expected, rtol=ROUNDING)


def test_a_monochromator_in_line_with_the_beam_changes_nothing() -> None:
    squares = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    beam = Radiation((EmissionLine(1.5406),), monochromator_two_theta_deg=0.0)
    assert torch.equal(lorentz_polarisation(squares, beam.polarisation), lorentz_polarisation(squares))
