"""Axes of scattering angles and of scattering vectors."""

import math

import numpy as np
import pytest
import torch
from crystals import carried
from tolerances import ROUNDING

from xrdscape.crystal.structures import to_tensors
from xrdscape.diffraction.axis import Axis, scattering_angle_deg, scattering_vector
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator
from xrdscape.errors import InstrumentError


@pytest.mark.parametrize(("low", "high", "step"), [(0, 12, 0.02), (0.5, 1.5, 0.3), (0.5, 1.5, 0.4), (0.1, 0.8, 0.1)])
def test_the_grid_of_q_holds_every_step_below_the_end(low: float, high: float, step: float) -> None:
    axis = Axis("q", low, high, step)
    grid = axis.grid().numpy()
    assert len(grid) == axis.n_steps
    np.testing.assert_allclose(np.diff(grid), step, rtol=ROUNDING)
    assert grid[0] == low
    assert high - step - 1e-9 <= grid[-1] < high - 1e-9


def test_q_is_two_pi_over_d() -> None:
    """By Bragg's law, and back."""
    d, wavelength = np.linspace(0.9, 20.0, 50), 1.5406
    angle = torch.as_tensor(np.degrees(2 * np.arcsin(wavelength / (2 * d))))
    q = scattering_vector(angle, wavelength)
    np.testing.assert_allclose(q, 2 * math.pi / d, rtol=ROUNDING)
    torch.testing.assert_close(scattering_angle_deg(q, wavelength), angle, rtol=ROUNDING, atol=0)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (("q", -1.0, 2.0, 0.1), "0 <= minimum < maximum"),
        (("q", 2.0, 2.0, 0.1), "0 <= minimum < maximum"),
        (("q", 1.0, 2.0, 0.0), "step must be positive"),
        (("q", 1.0, 2.0, 1.1), "no larger than the range"),
        (("q", 1.0, math.inf, 0.1), "finite number"),
        (("two_theta", 1.0, 180.0, 0.1), "two_theta_max_deg < 180"),
    ],
)
def test_what_is_no_axis_is_refused(settings: tuple, reason: str) -> None:
    with pytest.raises(InstrumentError, match=rf"{reason}.*Received Axis\("):
        Axis(*settings)


def test_widths_over_q_are_those_over_angles_by_the_slope_of_q() -> None:
    structure = carried("TiO2_rutile")
    instrument = Instrument(axis=Axis("q", 1.0, 7.0, 0.01))
    simulator = Simulator(structure, instrument)
    lattice, _ = to_tensors([structure])
    factors = simulator.cell_factors(lattice, simulator.reflections(lattice))
    q = factors.centre[0]
    angle = scattering_angle_deg(q, instrument.wavelength_angstrom)
    half = instrument.fwhm_deg(angle) / 200
    # A hundredth of the width on either side.
    ends = (4 * math.pi / instrument.wavelength_angstrom * torch.sin(torch.deg2rad(angle + side * half) / 2)
            for side in (1, -1))  # fmt: skip
    torch.testing.assert_close(factors.fwhm[0], 100 * (next(ends) - next(ends)), rtol=1e-5, atol=0)
