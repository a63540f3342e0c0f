"""The axis of ln d: where peaks go, that a strain is a shift, areas, slopes, and descents along it."""

import math

import numpy as np
import pytest
import torch
from crystals import COARSE
from tolerances import GRADCHECK, LOG_AXIS_AREA, LOG_AXIS_LOPSIDED, LOG_AXIS_PLACE

from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.instrument import Instrument
from xrdscape.errors import DescentError
from xrdscape.optimisation.blur import half_width, softened, through_blur
from xrdscape.optimisation.descent import Descent, Schedule, init
from xrdscape.optimisation.graduated import Narrowing, graduated, narrowing_stages
from xrdscape.optimisation.log_axis import log_axis, on_log_axis
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.optimisation.parameters import CoordinateParameters

INSTRUMENT = Instrument()
AXIS = log_axis(INSTRUMENT)
D_ANGSTROM = (8.0, 4.0, 2.0, 1.3)


def lines(stretch: float = 1.0, width_deg: float = 0.1) -> torch.Tensor:
    """A Gaussian for each spacing of a crystal stretched by this factor, in rows."""
    spacing = torch.tensor(D_ANGSTROM, dtype=torch.float64)[:, None] * stretch
    centre = torch.rad2deg(2 * torch.arcsin(INSTRUMENT.wavelength_angstrom / (2 * spacing)))
    return torch.exp(-(((INSTRUMENT.axis.grid() - centre) / width_deg) ** 2))


def places(rows: torch.Tensor) -> np.ndarray:
    """Centre of mass of each row, in bins."""
    return ((rows * torch.arange(rows.shape[-1])).sum(-1) / rows.sum(-1)).numpy()


def test_ends_and_length() -> None:
    last = AXIS.first + AXIS.step * (AXIS.n - 1)
    assert AXIS.n == INSTRUMENT.n_steps
    assert math.degrees(2 * math.asin(math.exp(AXIS.first))) == pytest.approx(2.0)
    assert math.degrees(2 * math.asin(math.exp(last))) == pytest.approx(89.99)
    assert math.degrees(2 * math.asin(math.exp(log_axis(COARSE).first))) == pytest.approx(10.0)


def test_a_strain_moves_all_peaks_alike() -> None:
    still, stretched = (places(on_log_axis(lines(stretch), AXIS)) for stretch in (1.0, 1.01))
    expected = -math.log(1.01) / AXIS.step
    np.testing.assert_allclose(stretched - still, expected, atol=LOG_AXIS_PLACE)
    where = (np.log(INSTRUMENT.wavelength_angstrom / (2 * np.array(D_ANGSTROM))) - AXIS.first) / AXIS.step
    np.testing.assert_allclose(still, where, atol=LOG_AXIS_LOPSIDED)


def test_a_peak_keeps_its_area() -> None:
    areas = on_log_axis(lines(width_deg=0.3), AXIS).sum(-1) / lines(width_deg=0.3).sum(-1)
    np.testing.assert_allclose(areas, areas.mean(), rtol=LOG_AXIS_AREA)


def test_a_width_is_that_in_the_middle_of_the_range() -> None:
    high, low = (math.log(math.sin(math.radians((45 + side) / 2))) for side in (0.5, -0.5))
    assert AXIS.in_log_d(1.0) == pytest.approx(high - low, rel=LOG_AXIS_AREA)


def test_slopes_and_single_patterns() -> None:
    coarse = Instrument(step_deg=3.0, U=1.0, W=1.0)
    axis = log_axis(coarse)
    generator = torch.Generator().manual_seed(0)
    pattern = torch.rand(2, axis.n, dtype=torch.float64, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: softened(x, 2, axis), (pattern,), **GRADCHECK)
    assert torch.equal(on_log_axis(pattern[1], axis), on_log_axis(pattern, axis)[1])
    soft = through_blur(OBJECTIVES["cosine"], 2, axis)
    assert soft.kernel_id is None
    target = softened(pattern[0].detach(), 2, axis)
    torch.testing.assert_close(
        soft.loss(pattern, target), OBJECTIVES["cosine"].loss(softened(pattern, 2, axis), target)
    )


def test_stages_along_it() -> None:
    reference = load_structure("U2Ti")
    simulator = Simulator(reference, dtype=torch.float32)
    target = Simulator(reference)(*to_tensors([reference]))[0].float()
    narrowing = Narrowing(widest_deg=4.0, stages=2, steps=3, last_steps=3, axis="log_d")
    stage = narrowing_stages(simulator, target, narrowing)
    half = half_width(AXIS.in_log_d(4.0), AXIS.step)
    assert (stage(0).blur, stage(0).axis, stage(6).blur, stage(6).axis) == (half, AXIS, 0, None)
    assert torch.equal(stage(0).target, softened(target, half, AXIS))
    assert torch.equal(stage(6).target, target)

    lattice, sites = to_tensors([reference], dtype=torch.float32)
    ends = graduated(simulator, target, lattice * 1.002, sites, narrowing=narrowing)
    assert torch.isfinite(ends.loss).all()
    problem = Descent(stage, OBJECTIVES["cosine"], Schedule(1e-4, 5))
    with pytest.raises(DescentError, match="A blur is for cells that move"):
        init(problem, CoordinateParameters(lattice), lattice, sites)


def test_another_axis_is_refused() -> None:
    with pytest.raises(DescentError, match="along 'two_theta' or 'log_d'"):
        Narrowing(axis="q")
