"""The instrument's settings, widths, peak shape and the edge."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from tolerances import ROUNDING

from xrdscape.diffraction.instrument import Instrument, edge_weight
from xrdscape.diffraction.profile import pseudo_voigt
from xrdscape.errors import InstrumentError

IMPOSSIBLE = {
    "NaN": ({"U": float("nan")}, "finite number"),
    "infinite": ({"step_deg": float("inf")}, "finite number"),
    "no wavelength": ({"wavelength_angstrom": 0.0}, "wavelength_angstrom must be positive"),
    "negative wavelength": ({"wavelength_angstrom": -1.5}, "wavelength_angstrom must be positive"),
    "negative start": ({"two_theta_min_deg": -1.0}, "range must satisfy"),
    "empty range": ({"two_theta_min_deg": 90.0}, "range must satisfy"),
    "range past backscattering": ({"two_theta_max_deg": 180.0}, "range must satisfy"),
    "no step": ({"step_deg": 0.0}, "step_deg must be positive"),
    "negative step": ({"step_deg": -0.01}, "step_deg must be positive"),
    "step beyond the range": ({"step_deg": 91.0}, "no larger than the range"),
    "negative eta": ({"eta": -0.1}, "eta must lie between 0 and 1"),
    "eta above one": ({"eta": 1.1}, "eta must lie between 0 and 1"),
    "negative taper": ({"taper_deg": -1.0}, "taper_deg must be at least 0"),
    "taper past backscattering": ({"taper_deg": 90.0}, "must not reach past 180"),
    "no width at the start": ({"U": 0.1, "V": 0.0, "W": 0.0}, "peak without width"),
    "no width at the end": ({"U": 0.0, "V": -0.11, "W": 0.1}, "peak without width"),
    "no width at the end of the taper": ({"U": 0.0, "V": -0.09, "W": 0.1, "taper_deg": 20.0}, "peak without width"),
    "no width in the middle": ({"U": 1.0, "V": -0.7, "W": 0.1}, "peak without width"),
}


@pytest.mark.parametrize(("settings", "reason"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_instruments_are_refused_with_their_reason(settings: dict[str, float], reason: str) -> None:
    with pytest.raises(InstrumentError, match=rf"Impossible instrument: .*{reason}.*Received Instrument\("):
        Instrument(**settings)


@pytest.mark.parametrize(
    "settings",
    [{"eta": 0.0}, {"eta": 1.0}, {"U": 1.0, "V": -0.6, "W": 0.1}, {"U": 0.0, "V": -0.09, "W": 0.1}, {"step_deg": 90.0}],
)
def test_limiting_instruments_pass(settings: dict[str, float]) -> None:
    Instrument(**settings)


def test_defaults_are_the_papers() -> None:
    instrument = Instrument()
    grid = instrument.axis.grid()
    assert (instrument.n_steps, len(grid)) == (9000, 9000)
    assert (float(grid[0]), float(grid[-1])) == (0.0, pytest.approx(89.99, rel=ROUNDING))
    assert (instrument.U, instrument.V, instrument.W, instrument.eta) == (0.1, 0.01, 0.1, 0.1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        instrument.U = 0.2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("low", "high", "step"), [(0, 90, 0.02), (5, 6, 0.3), (5, 6, 0.4), (10, 80, 0.7), (0.1, 0.8, 0.1)]
)
def test_grid_holds_every_step_below_the_end(low: float, high: float, step: float) -> None:
    grid = Instrument(two_theta_min_deg=low, two_theta_max_deg=high, step_deg=step).axis.grid().numpy()
    np.testing.assert_allclose(np.diff(grid), step, rtol=ROUNDING)
    assert grid[0] == low
    assert high - step - 1e-9 <= grid[-1] < high - 1e-9


def test_sphere_and_edge_include_the_taper() -> None:
    instrument = Instrument(two_theta_max_deg=80.0, taper_deg=4.0)
    assert instrument.edge_deg == 84
    expected = 2 * math.sin(math.radians(42)) / 1.5406
    assert instrument.max_reciprocal_length == pytest.approx(expected, rel=ROUNDING)


def test_broadened_adds_in_quadrature_at_every_angle() -> None:
    angle = torch.linspace(5, 85, 9, dtype=torch.float64)
    narrow, wide = Instrument(), Instrument().broadened(3.0)
    expected = torch.hypot(narrow.fwhm_deg(angle), torch.full_like(angle, 3.0))
    torch.testing.assert_close(wide.fwhm_deg(angle), expected, rtol=ROUNDING, atol=0)


def test_caglioti_against_the_formula() -> None:
    instrument = Instrument(U=0.3, V=-0.05, W=0.2)
    angle = np.linspace(0, 120, 50)
    t = np.tan(np.radians(angle) / 2)
    expected = np.sqrt(0.3 * t**2 - 0.05 * t + 0.2)
    np.testing.assert_allclose(instrument.fwhm_deg(torch.as_tensor(angle)), expected, rtol=ROUNDING)


@pytest.mark.parametrize("eta", [0.0, 0.1, 0.5, 1.0])
def test_peak_has_unit_height_and_the_stated_width(eta: float) -> None:
    width = torch.tensor([0.05, 0.32, 5.0], dtype=torch.float64)
    assert pseudo_voigt(torch.zeros(3, dtype=torch.float64), width, eta).tolist() == [1, 1, 1]
    for side in (-0.5, 0.5):
        torch.testing.assert_close(pseudo_voigt(side * width, width, eta), torch.full_like(width, 0.5))


def test_peak_against_the_formula() -> None:
    x = np.linspace(-4, 4, 101)
    gauss, lorentz = np.exp(-4 * np.log(2) * x**2 / 0.7**2), 1 / (1 + 4 * x**2 / 0.7**2)
    result = pseudo_voigt(torch.as_tensor(x), torch.full((101,), 0.7, dtype=torch.float64), 0.3)
    np.testing.assert_allclose(result, 0.3 * gauss + 0.7 * lorentz, rtol=ROUNDING)


def test_sharp_edge_is_a_step() -> None:
    angle = torch.tensor([10.0, 89.999999, 90.0, 90.000001, 120.0], dtype=torch.float64)
    assert edge_weight(angle, Instrument()).tolist() == [1, 1, 1, 0, 0]


def test_taper_falls_smoothly_from_one_to_zero() -> None:
    instrument = Instrument(taper_deg=4.0)
    angle = torch.linspace(89, 95, 601, dtype=torch.float64, requires_grad=True)
    weight = edge_weight(angle, instrument)
    (slope,) = torch.autograd.grad(weight.sum(), angle)
    assert weight[angle <= 90].unique().tolist() == [1]
    assert weight[angle >= 94].unique().tolist() == [0]
    assert weight[300].item() == pytest.approx(0.5, rel=ROUNDING)
    assert bool((weight.diff() <= 0).all())
    # Neither value nor slope jumps: over 0.01 deg they change by no more than their largest slopes allow.
    assert float(weight.diff().abs().max()) < 1.01 * math.pi / 8 * 0.01
    assert float(slope.diff().abs().max()) < 1.01 * math.pi**2 / 32 * 0.01


def test_taper_is_differentiable_inside() -> None:
    angle = torch.tensor([90.5, 92.0, 93.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: edge_weight(x, Instrument(taper_deg=4.0)), angle)
