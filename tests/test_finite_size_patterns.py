"""Patterns of finite crystallites as sums of peaks, with derivatives in cell and coordinates."""

import numpy as np
import pytest
import torch

from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.axis import Axis
from xrdscape.diffraction.finite_size import FiniteSizeProfile
from xrdscape.diffraction.finite_size_patterns import finite_size_patterns, summed_peaks
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator
from xrdscape.errors import InstrumentError

PROFILE = FiniteSizeProfile(20.0, 0.05)


def over_q(wavelength: float = 1.5406) -> Instrument:
    return Instrument(wavelength_angstrom=wavelength, axis=Axis("q", 0.5, 6.0, 0.05))


def test_the_sum_is_that_of_its_peaks() -> None:
    q = torch.linspace(0, 5, 301, dtype=torch.float64)
    centre = torch.tensor([[1.0, 2.5], [0.7, 4.0]], dtype=torch.float64)
    height = torch.tensor([[2.0, 1.0], [0.5, 3.0]], dtype=torch.float64)
    found = summed_peaks(centre, height, q, PROFILE)
    for row in range(2):
        expected = sum(float(h) * PROFILE(q.numpy() - float(c)) for c, h in zip(centre[row], height[row], strict=True))
        np.testing.assert_allclose(found[row].numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("wavelength", [1.5406, 0.7093])
def test_derivatives_in_cell_and_coordinates(wavelength: float) -> None:
    structure = load_structure("NdCoO3").get_primitive_structure()
    simulator = Simulator(structure, over_q(wavelength))
    lattice, frac_coords = to_tensors([structure])
    weights = torch.from_numpy(np.random.default_rng(0).normal(size=simulator.instrument.n_steps))

    def total(cell: torch.Tensor, coords: torch.Tensor) -> torch.Tensor:
        return (finite_size_patterns(simulator, cell, coords, PROFILE) @ weights).sum() / 1e4

    cell, coords = lattice.clone().requires_grad_(), frac_coords.clone().requires_grad_()
    total(cell, coords).backward()
    assert cell.grad is not None
    assert coords.grad is not None
    for variable, gradient in ((cell, cell.grad), (coords, coords.grad)):
        for place in list(np.ndindex(*variable.shape))[:6]:
            step = torch.zeros_like(variable)
            step[place] = 1e-5
            pair = [(cell + s * step, coords) if variable is cell else (cell, coords + s * step) for s in (1, -1)]
            with torch.no_grad():
                high, low = (float(total(*values)) for values in pair)
            assert float(gradient[place]) == pytest.approx((high - low) / 2e-5, rel=2e-4, abs=1e-4)


def test_an_axis_of_angles_is_refused() -> None:
    structure = load_structure("Au2S")
    with pytest.raises(InstrumentError, match="axis of Q"):
        finite_size_patterns(Simulator(structure, Instrument()), *to_tensors([structure]), PROFILE)
