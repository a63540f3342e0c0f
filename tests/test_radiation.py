"""Emission lines, their weights, and the polarisation of a monochromator."""

import math

import pytest
from tolerances import ROUNDING

from xrdscape.diffraction.radiation import (
    AG_K_ALPHA,
    CO_K_ALPHA,
    CR_K_ALPHA,
    CU_K_ALPHA,
    CU_K_ALPHA_1,
    FE_K_ALPHA,
    MO_K_ALPHA,
    EmissionLine,
    Radiation,
)
from xrdscape.errors import InstrumentError

DOUBLETS = {"Cr": CR_K_ALPHA, "Fe": FE_K_ALPHA, "Co": CO_K_ALPHA, "Cu": CU_K_ALPHA, "Mo": MO_K_ALPHA, "Ag": AG_K_ALPHA}
ATOMIC_NUMBER = {"Cr": 24, "Fe": 26, "Co": 27, "Cu": 29, "Mo": 42, "Ag": 47}


def test_lines_are_sorted_by_weight_and_normalised() -> None:
    radiation = Radiation((EmissionLine(1.39, 0.1), EmissionLine(1.544, 1.0), EmissionLine(1.5406, 2.0)))
    assert [line.wavelength_angstrom for line in radiation.lines] == [1.5406, 1.544, 1.39]
    assert sum(line.weight for line in radiation.lines) == pytest.approx(1.0, rel=ROUNDING)
    assert radiation.lines[0].weight == pytest.approx(2 * radiation.lines[1].weight, rel=ROUNDING)
    assert radiation.wavelength_angstrom == 1.5406
    assert (radiation.shortest_line, radiation.shortest_wavelength_angstrom) == (2, 1.39)


def test_of_two_wavelengths_the_first_is_twice_as_strong() -> None:
    assert [line.weight for line in Radiation.of(1.0, 1.1).lines] == [2 / 3, 1 / 3]
    assert [line.weight for line in Radiation.of(1.0).lines] == [1]
    assert [line.weight for line in Radiation.of(1.0, 1.1, 1.2).lines] == [1 / 3] * 3
    assert Radiation.of(1.0, 1.3).mean_wavelength_angstrom == pytest.approx(1.1, rel=ROUNDING)


@pytest.mark.parametrize("name", DOUBLETS)
def test_doublets_follow_moseley(name: str) -> None:
    """E = 3/4 Ry (Z - 1)^2 within 3 % (relativity counts in the heavier ones); the second line is the longer one."""
    first, second = (line.wavelength_angstrom for line in DOUBLETS[name].lines)
    assert first == pytest.approx(4 / 3 * 911.267 / (ATOMIC_NUMBER[name] - 1) ** 2, rel=0.03)
    assert 1.001 < second / first < 1.009
    assert CU_K_ALPHA_1.wavelength_angstrom == CU_K_ALPHA.wavelength_angstrom


def test_polarisation_of_a_monochromator() -> None:
    assert CU_K_ALPHA.polarisation == 1
    graphite = Radiation(CU_K_ALPHA.lines, monochromator_two_theta_deg=26.6)
    assert graphite.polarisation == pytest.approx(math.cos(math.radians(26.6)) ** 2, rel=ROUNDING)


@pytest.mark.parametrize(("wavelength", "weight"), [(0.0, 1.0), (-1.0, 1.0), (1.5, 0.0), (1.5, -2.0)])
def test_a_line_without_wavelength_or_weight_is_refused(wavelength: float, weight: float) -> None:
    with pytest.raises(InstrumentError, match=r"must be positive\. Received EmissionLine\("):
        EmissionLine(wavelength, weight)


def test_other_impossible_radiations_are_refused() -> None:
    with pytest.raises(InstrumentError, match="must be a finite number"):
        EmissionLine(float("nan"))
    with pytest.raises(InstrumentError, match="at least one emission line"):
        Radiation(())
    for angle in (-1.0, 90.0, float("nan")):
        with pytest.raises(InstrumentError, match="at least 0 and below 90"):
            Radiation(CU_K_ALPHA.lines, angle)
