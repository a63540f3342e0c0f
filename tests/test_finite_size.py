"""The shape of a peak of small crystallites: against a convolution by numbers, its slope, its area and its limits."""

import math

import numpy as np
import pytest
from tolerances import FINITE_SIZE, FINITE_SIZE_SLOPE

from xrdscape.diffraction.finite_size import LENGTHS, FiniteSizeProfile, smoothed_sinc_squared
from xrdscape.errors import InstrumentError

Q = np.linspace(-3.0, 3.0, 241)


def convolved(q: np.ndarray, thickness: float, sigma: float) -> np.ndarray:
    """The definition: a sum over even steps, which is exact for a smooth integrand that vanishes at its ends."""
    steps = np.linspace(-12.0, 12.0, 2401) * sigma
    gauss = np.exp(-((steps / sigma) ** 2) / 2) / (sigma * math.sqrt(2 * math.pi))
    sinc = np.sinc((q[:, None] - steps) * thickness / (2 * math.pi)) ** 2 * thickness / (2 * math.pi)
    return np.asarray((sinc * gauss).sum(1) * (steps[1] - steps[0]))


@pytest.mark.parametrize("thickness", [5.0, 10.0, 40.0, 200.0])
@pytest.mark.parametrize("sigma", [0.02, 0.0857, 0.3])
def test_the_closed_form_is_the_convolution(thickness: float, sigma: float) -> None:
    found = smoothed_sinc_squared(Q, thickness, sigma)
    np.testing.assert_allclose(found, convolved(Q, thickness, sigma), rtol=0, atol=FINITE_SIZE * found.max())


@pytest.mark.parametrize("size", [10.0, 100.0, math.inf])
def test_the_slope_is_that_of_the_profile(size: float) -> None:
    profile, step = FiniteSizeProfile(size, 0.0857), 1e-5
    by_differences = (profile(Q + step) - profile(Q - step)) / (2 * step)
    slope = profile.slope(Q)
    np.testing.assert_allclose(slope, by_differences, rtol=0, atol=FINITE_SIZE_SLOPE * np.abs(slope).max())


def test_a_very_thick_plate_leaves_the_gaussian() -> None:
    thick, infinite = FiniteSizeProfile(1e6, 0.05)(Q), FiniteSizeProfile(math.inf, 0.05)(Q)
    np.testing.assert_allclose(thick, infinite, rtol=0, atol=1e-4 * infinite.max())


def test_its_area_is_one() -> None:
    q = np.linspace(-400.0, 400.0, 400_001)
    # Beyond the ends sinc^2 leaves 2 / (pi t q) on the mean.
    assert np.trapezoid(FiniteSizeProfile(10.0, 0.0857)(q), q) == pytest.approx(1 - 2 / (math.pi * 10 * 400), abs=1e-6)


def test_the_codes_size_is_half_the_papers() -> None:
    assert LENGTHS == {"paper": 1.0, "reference-code": 2.0}
    paper, code = FiniteSizeProfile(20.0, 0.0857), FiniteSizeProfile(10.0, 0.0857, "reference-code")
    assert paper.thickness_angstrom == code.thickness_angstrom == 20.0
    np.testing.assert_array_equal(paper(Q), code(Q))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((0.0, 0.1), "size_angstrom must be above 0. Received 0.0"),
        ((10.0, 0.0), "sigma_inv_angstrom must be a positive number"),
        ((10.0, math.inf), "sigma_inv_angstrom must be a positive number"),
    ],
)
def test_impossible_settings_are_refused(settings: tuple, message: str) -> None:
    with pytest.raises(InstrumentError, match=message):
        FiniteSizeProfile(*settings)
