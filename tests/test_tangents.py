"""Derivatives of patterns in a few directions: against their definition in torch, and against differences."""

from dataclasses import replace

import pytest
import torch
from tolerances import SINGLE_TANGENTS, TANGENTS, TANGENTS_BY_DIFFERENCES

from xrdscape.crystal.cell import metric, metric_tangents
from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.axis import Axis
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.profile import PeakProfile
from xrdscape.diffraction.radiation import CU_K_ALPHA
from xrdscape.diffraction.tangents import (
    PeakTangents,
    cell_tangents,
    pattern_tangents,
    pattern_tangents_reference,
    profile_tangents,
)
from xrdscape.diffraction.widths import CagliotiWidth, SizeWidth
from xrdscape.runtime.threads import use_threads

DOUBLET = Instrument(two_theta_min_deg=10, step_deg=0.02, W=0.02, U=0.03, V=-0.01, eta=0.4, radiation=CU_K_ALPHA,
                     zero_deg=0.03)  # fmt: skip
OF_Q = Instrument(axis=Axis("q", 1.0, 5.5, 0.002), profile=PeakProfile(SizeWidth(300.0), 0.2))
STEP = 1e-6


def prepared(name: str, instrument: Instrument, dtype: torch.dtype = torch.float64, b_iso: float = 0.0):  # type: ignore[no-untyped-def]
    """Two cells of a crystal, with their lists."""
    crystal = load_structure(name)
    simulator = Simulator(crystal, instrument, dtype, b_iso=b_iso)
    lattice, coords = (part.repeat(2, *[1] * (part.dim() - 1)).to(dtype) for part in to_tensors([crystal]))
    lattice[1, :3] *= 1.01
    lists = simulator.reflections(lattice, 1.01)
    return simulator, lattice, lists, simulator.geometrical(lists, coords)


def any_tangents(peaks, count: int) -> PeakTangents:  # type: ignore[no-untyped-def]
    random = torch.Generator().manual_seed(0)
    batch, number = peaks.height.shape

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=random, dtype=torch.float64)

    return PeakTangents(
        normal(batch, count, number),
        (normal(batch, count, number) * peaks.height[:, None]).to(peaks.height.dtype),
        (0.1 * normal(batch, count, number)).to(peaks.height.dtype),
        normal(count),
    )


@pytest.mark.parametrize("count", [0, 1, 5])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, TANGENTS), (torch.float32, SINGLE_TANGENTS)])
def test_the_loops_compute_the_definition(count: int, dtype: torch.dtype, tolerance: float) -> None:
    simulator, lattice, lists, geometrical = prepared("BPO4", DOUBLET, dtype)
    peaks = simulator.peaks(lattice, lists, geometrical)
    tangents = any_tangents(peaks, count)
    found = pattern_tangents(peaks, tangents, DOUBLET)
    expected = pattern_tangents_reference(peaks, tangents, DOUBLET)
    assert found.shape == (2, count, DOUBLET.n_steps)
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * float(expected.abs().amax()) if count else 0)


def test_threads_change_nothing() -> None:
    simulator, lattice, lists, geometrical = prepared("BPO4", DOUBLET)
    peaks = simulator.peaks(lattice, lists, geometrical)
    tangents = any_tangents(peaks, 3)
    alone = pattern_tangents(peaks, tangents, DOUBLET)
    use_threads(2)
    try:
        assert torch.equal(pattern_tangents(peaks, tangents, DOUBLET), alone)
    finally:
        use_threads(1)


@pytest.mark.parametrize("instrument", [DOUBLET, OF_Q], ids=["doublet", "q"])
@pytest.mark.parametrize("name", ["MnOF", "U2Ti"])
def test_slopes_in_the_cell_are_those_of_differences(name: str, instrument: Instrument) -> None:
    simulator, lattice, lists, geometrical = prepared(name, instrument, b_iso=0.7)
    directions = torch.eye(6, dtype=torch.float64).repeat(2, 1, 1)
    peaks, tangents = cell_tangents(simulator, lattice, lists, geometrical, directions)
    found = pattern_tangents(peaks, tangents, instrument)
    for place in range(6):
        change = STEP * directions[:, place]
        above, below = (simulator.patterns(cell, lists, geometrical) for cell in (lattice + change, lattice - change))
        expected = (above - below) / (2 * STEP)
        # Of an angle that symmetry holds at 90 deg the slope is 0: there the pattern itself is the scale.
        scale = float(torch.stack([expected, above]).abs().amax())
        torch.testing.assert_close(found[:, place], expected, rtol=0, atol=TANGENTS_BY_DIFFERENCES * scale)


def test_slopes_in_the_profile_are_those_of_differences() -> None:
    simulator, lattice, lists, geometrical = prepared("BPO4", DOUBLET, b_iso=0.7)
    names = ("b_iso", "zero_deg", "U", "V", "W", "eta")
    peaks = simulator.peaks(lattice, lists, geometrical)
    found = pattern_tangents(peaks, profile_tangents(peaks, DOUBLET, names), DOUBLET)
    width = DOUBLET.profile.width
    assert isinstance(width, CagliotiWidth)

    def moved(name: str, step: float) -> torch.Tensor:
        b_iso, instrument = 0.7, DOUBLET
        if name == "b_iso":
            b_iso += step
        elif name == "zero_deg":
            instrument = replace(instrument, zero_deg=instrument.zero_deg + step)
        elif name == "eta":
            instrument = replace(instrument, profile=PeakProfile(width, instrument.eta + step))
        else:
            wider = replace(width, **{name: getattr(width, name) + step})
            instrument = replace(instrument, profile=PeakProfile(wider, instrument.eta))
        return simulator.with_instrument(instrument, b_iso).patterns(lattice, lists, geometrical)

    for place, name in enumerate(names):
        expected = (moved(name, STEP) - moved(name, -STEP)) / (2 * STEP)
        torch.testing.assert_close(
            found[:, place], expected, rtol=0, atol=TANGENTS_BY_DIFFERENCES * float(expected.abs().amax())
        )


def test_units_and_more_directions() -> None:
    simulator, lattice, lists, geometrical = prepared("U2Ti", DOUBLET)
    peaks = simulator.peaks(lattice, lists, geometrical)
    some, others = any_tangents(peaks, 2), any_tangents(peaks, 3)
    units = torch.tensor([2.0, -0.5], dtype=torch.float64)
    both = pattern_tangents(peaks, some.scaled(units).joined(others), DOUBLET)
    apart = [pattern_tangents(peaks, part, DOUBLET) for part in (some, others)]
    expected = torch.cat([apart[0] * units[:, None], apart[1]], 1)
    torch.testing.assert_close(both, expected, rtol=0, atol=TANGENTS * float(expected.abs().amax()))


def test_the_metric_changes_as_forward_mode_says() -> None:
    lattice = torch.tensor([[4.0, 5.0, 6.0, 80.0, 95.0, 110.0], [3.0, 3.0, 7.0, 90.0, 90.0, 120.0]]).double()
    directions = torch.eye(6, dtype=torch.float64).repeat(2, 1, 1)
    found = metric_tangents(lattice, directions)
    for place in range(6):
        _, expected = torch.func.jvp(metric, (lattice,), (directions[:, place],))
        torch.testing.assert_close(found[:, place], expected)
