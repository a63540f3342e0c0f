"""The instrument's parts and settings, its refusals, and the edge of its range."""

import math
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch
from tolerances import ROUNDING

from xrdscape.diffraction.axis import Axis
from xrdscape.diffraction.instrument import Instrument, edge_weight
from xrdscape.diffraction.profile import PeakProfile
from xrdscape.diffraction.radiation import CU_K_ALPHA, MO_K_ALPHA, EmissionLine, Radiation
from xrdscape.diffraction.widths import CagliotiWidth, SizeWidth
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
    "no taper": ({"taper_deg": float("nan")}, "every setting must be a finite number"),
    "endless shift": ({"zero_deg": float("inf")}, "every setting must be a finite number"),
    "negative taper": ({"taper_deg": -1.0}, "taper_deg must be at least 0"),
    "taper past backscattering": ({"taper_deg": 90.0}, "must not reach past 180"),
    "no width at the start": ({"U": 0.1, "V": 0.0, "W": 0.0}, "peak without width"),
    "no width at the end": ({"U": 0.0, "V": -0.11, "W": 0.1}, "peak without width"),
    "no width at the end of the taper": ({"U": 0.0, "V": -0.09, "W": 0.1, "taper_deg": 20.0}, "peak without width"),
    "no width in the middle": ({"U": 1.0, "V": -0.7, "W": 0.1}, "peak without width"),
}


@pytest.mark.parametrize(("settings", "reason"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_instruments_are_refused_with_their_reason(settings: dict[str, float], reason: str) -> None:
    with pytest.raises(InstrumentError, match=rf"Impossible instrument: .*{reason}.*Received \w+\("):
        Instrument(**settings)


Q_AXIS = Axis("q", 1.0, 6.0, 0.01)
UNFIT = {
    "wavelength too long": ({"axis": Axis("q", 1.0, 8.2, 0.01)}, "wavelength is too long"),
    "taper past the longest Q": ({"axis": Axis("q", 1.0, 8.1, 0.01), "taper_deg": 20.0}, "must not reach past 180"),
    "zero shift of Q": ({"axis": Q_AXIS, "zero_deg": 0.1}, "zero_deg is for an axis of two theta"),
    "angles on Q": ({"axis": Q_AXIS, "step_deg": 0.1}, "angles on an axis of Q"),
    "zero shift past the end": ({"zero_deg": 95.0}, "must not reach past 180 deg, and zero_deg not either"),
    "W of a size": ({"profile": PeakProfile(SizeWidth(30.0), 0.0), "W": 0.1}, "are not of the law"),
}


@pytest.mark.parametrize(("parts", "reason"), UNFIT.values(), ids=UNFIT)
def test_parts_that_do_not_fit_are_refused(parts: dict[str, object], reason: str) -> None:
    with pytest.raises(InstrumentError, match=rf"Impossible instrument: .*{reason}"):
        Instrument(**parts)  # type: ignore[arg-type]


def test_what_one_axis_or_law_alone_has_is_refused_for_the_others() -> None:
    with pytest.raises(InstrumentError, match=r"evenly spaced\. Received Axis\(kind='q'"):
        _ = Instrument(axis=Q_AXIS).step_deg
    with pytest.raises(InstrumentError, match=r"widths by U, V and W\. Received SizeWidth"):
        _ = Instrument(profile=PeakProfile(SizeWidth(30.0), 0.0)).caglioti


def test_a_number_changes_the_part_it_belongs_to() -> None:
    beam = replace(CU_K_ALPHA, monochromator_two_theta_deg=26.6)
    changed = Instrument(0.71, step_deg=0.1, W=0.3, radiation=beam, axis=Axis("two_theta", 5.0, 60.0, 0.02))
    assert changed.radiation == Radiation((EmissionLine(0.71),), 26.6)
    assert changed.axis == Axis("two_theta", 5.0, 60.0, 0.1)
    assert changed.profile == PeakProfile(CagliotiWidth(0.1, 0.01, 0.3), 0.1)
    # So does `replace`.
    assert replace(changed, W=0.2, eta=0.5).profile == PeakProfile(CagliotiWidth(0.1, 0.01, 0.2), 0.5)
    assert replace(changed, radiation=MO_K_ALPHA).axis == changed.axis


def test_settings_are_the_numbers_to_make_it_again_from() -> None:
    instrument = Instrument(0.71, 5.0, 60.0, 0.1, U=0.2, V=0.0, W=0.3, eta=0.4, taper_deg=1.0, zero_deg=0.02)
    assert Instrument(**instrument.settings) == instrument
    names = "wavelength_angstrom two_theta_min_deg two_theta_max_deg step_deg U V W eta taper_deg"
    assert list(Instrument().settings) == names.split()
    doublet = Instrument(radiation=replace(CU_K_ALPHA, monochromator_two_theta_deg=26.6), axis=Q_AXIS).settings
    told = {"q_min_inv_angstrom": 1.0, "wavelength_2_angstrom": 1.5444274, "monochromator_two_theta_deg": 26.6}
    assert told.items() <= doublet.items()
    assert doublet["weight_2"] == pytest.approx(0.5)


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
    assert instrument.profile == PeakProfile(CagliotiWidth(0.1, 0.01, 0.1), 0.1)
    assert (instrument.wavelength_angstrom, instrument.radiation.polarisation) == (1.5406, 1.0)
    with pytest.raises(FrozenInstanceError):
        instrument.taper_deg = 0.2  # type: ignore[misc]


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


def test_the_line_of_shortest_wavelength_reaches_farthest() -> None:
    line, weak = EmissionLine(1.5, 10.0), EmissionLine(1.39, 1.0)
    expected = 2 * math.sin(math.radians(45)) / 1.39
    assert Instrument(radiation=Radiation((line, weak))).max_reciprocal_length == pytest.approx(expected, rel=ROUNDING)
    assert Instrument(radiation=Radiation((line, weak))).wavelength_angstrom == 1.5


def test_a_range_of_q_is_one_of_angles() -> None:
    instrument = Instrument(radiation=MO_K_ALPHA, axis=Axis("q", 1.0, 12.0, 0.01))
    ends = np.degrees(2 * np.arcsin(np.array([1.0, 12.0]) * 0.70931715 / (4 * np.pi)))
    assert (instrument.two_theta_min_deg, instrument.two_theta_max_deg) == pytest.approx(tuple(ends), rel=ROUNDING)
    d_least = 0.713607 / 0.70931715 * 2 * np.pi / 12.0
    assert instrument.max_reciprocal_length == pytest.approx(0.713607 / 0.70931715 / d_least, rel=ROUNDING)


@pytest.mark.parametrize("width", [CagliotiWidth(0.3, -0.2, 0.2), CagliotiWidth(0.1, 0.01, 0.1), SizeWidth(40.0)])
@pytest.mark.parametrize("kind", ["two_theta", "q"])
def test_no_peak_is_narrower_than_the_least_width(width: CagliotiWidth | SizeWidth, kind: str) -> None:
    axis = Axis("two_theta", 0.0, 110.0, 0.02) if kind == "two_theta" else Axis("q", 0.0, 6.0, 0.001)
    instrument = Instrument(axis=axis, profile=PeakProfile(width, 0.5))
    angle = torch.linspace(0.01, instrument.two_theta_max_deg, 5000, dtype=torch.float64)
    width_deg = instrument.fwhm_deg(angle)
    per_degree = 1.0 if kind == "two_theta" else math.radians(1) * 2 * math.pi / 1.5406 * torch.cos(angle.deg2rad() / 2)
    narrowest = float((width_deg * per_degree).min()) / axis.step
    assert 0.6 * narrowest < instrument.least_fwhm_steps <= narrowest * (1 + 1e-6)


def test_the_mean_wavelength_alone() -> None:
    alone = Instrument(radiation=CU_K_ALPHA, eta=0.3).at_mean_wavelength()
    assert alone == Instrument((2 * 1.5405929 + 1.5444274) / 3, eta=0.3)


def test_a_zero_shift_moves_the_end_of_the_true_angles() -> None:
    instrument = Instrument(zero_deg=0.5)
    assert instrument.edge_deg == 89.5
    assert edge_weight(torch.tensor([89.4, 89.6]), instrument).tolist() == [1, 0]


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
