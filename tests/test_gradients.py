"""Autograd through the whole simulator against differences, in lattice and coordinates."""

from dataclasses import replace

import pytest
import torch
from crystals import carried, clear_of_edge
from pymatgen.core import Structure
from tolerances import FLOAT32_GRADIENT, GRADCHECK
from torch import Tensor

from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator
from xrdscape.optimisation.objectives import cosine_similarity

GRID = Instrument(two_theta_min_deg=15.0, two_theta_max_deg=60.0, step_deg=1.5, U=0.5, W=0.8)
"""Few values, and peaks wide enough for each to be seen by several of them."""

CRYSTALS = ("triclinic_oblique", "triclinic_alloy", "CuO", "TiO2_rutile", "ZnS", "CsCl", "U2Ti", "MnOF")


def crystal(name: str) -> Structure:
    return load_structure(name) if name in ("U2Ti", "MnOF") else carried(name)


def scaled(simulator: Simulator, lattice: Tensor, sites: Tensor) -> float:
    return float(simulator(lattice, sites).max())


@pytest.mark.parametrize("name", CRYSTALS)
def test_gradcheck_in_the_lattice(name: str) -> None:
    structure = crystal(name)
    simulator = Simulator(structure, clear_of_edge(structure, GRID))
    lattice, sites = to_tensors([structure])
    top = scaled(simulator, lattice, sites)
    assert torch.autograd.gradcheck(lambda x: simulator(x, sites) / top, lattice.requires_grad_(), **GRADCHECK)


@pytest.mark.parametrize("name", CRYSTALS)
def test_gradcheck_in_the_coordinates(name: str) -> None:
    structure = crystal(name)
    simulator = Simulator(structure, clear_of_edge(structure, GRID))
    lattice, sites = to_tensors([structure])
    # Away from special positions, where symmetry makes most derivatives zero.
    sites = sites + 0.03 * torch.randn(sites.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    top = scaled(simulator, lattice, sites)
    assert torch.autograd.gradcheck(lambda x: simulator(lattice, x) / top, sites.requires_grad_(), **GRADCHECK)


@pytest.mark.parametrize("name", ["triclinic_oblique", "CuO"])
def test_gradcheck_in_both_for_a_batch(name: str) -> None:
    structure = crystal(name)
    simulator = Simulator(structure, clear_of_edge(structure, GRID))
    lattice, sites = to_tensors([structure] * 2)
    sites[1] += 0.02
    top = scaled(simulator, lattice, sites)
    inputs = (lattice.requires_grad_(), sites.requires_grad_())
    assert torch.autograd.gradcheck(lambda x, y: simulator(x, y) / top, inputs, **GRADCHECK)


@pytest.mark.parametrize("name", ["triclinic_oblique", "triclinic_alloy", "CuO"])
def test_gradcheck_with_reflections_inside_the_taper(name: str) -> None:
    """The taper's own gradient counts: reflections stand on its slope."""
    structure = crystal(name)
    instrument = clear_of_edge(structure, replace(GRID, taper_deg=6.0))
    simulator = Simulator(structure, instrument)
    lattice, sites = to_tensors([structure])
    lists = simulator.reflections(lattice, reach=1.05)
    centre = simulator.peaks(lattice, lists, simulator.geometrical(lists, sites)).centre
    on_slope = (centre > instrument.two_theta_max_deg + 1) & (centre < instrument.edge_deg - 1)
    assert int(on_slope.sum()) >= 1
    top = scaled(simulator, lattice, sites)
    assert torch.autograd.gradcheck(lambda x: simulator(x, sites, lists) / top, lattice.requires_grad_(), **GRADCHECK)


UNREACHABLE = {
    "no angle, sin theta > 1": Instrument(two_theta_max_deg=140.0, step_deg=0.5),
    "no width, H^2 < 0": Instrument(two_theta_max_deg=90.0, step_deg=0.5, U=0.0, V=-0.09, W=0.1),
}


@pytest.mark.parametrize("instrument", UNREACHABLE.values(), ids=UNREACHABLE)
def test_masked_reflections_leave_the_gradient_finite_and_equal(instrument: Instrument) -> None:
    """A wide superset holds reflections for which formulas have no value; they must not spoil those that count."""
    structure = crystal("CuO")
    simulator = Simulator(structure, instrument)
    lattice, sites = to_tensors([structure])
    superset = simulator.reflections(lattice, reach=1.4)
    peaks = simulator.peaks(lattice, superset, simulator.geometrical(superset, sites))
    assert superset.hkl.shape[1] > 2 * simulator.reflections(lattice).hkl.shape[1]
    assert bool(torch.isfinite(torch.stack(peaks)).all())
    weight = torch.linspace(-1, 1, instrument.n_steps, dtype=torch.float64)
    gradients = []
    for lists in (superset, simulator.reflections(lattice)):
        x, y = lattice.clone().requires_grad_(), sites.clone().requires_grad_()
        gradients.append(torch.autograd.grad((simulator(x, y, lists) * weight).sum(), (x, y)))
    for wide, exact in zip(*gradients, strict=True):
        assert bool(torch.isfinite(wide).all())
        torch.testing.assert_close(wide, exact, rtol=1e-8, atol=1e-8 * float(exact.abs().max()))


@pytest.mark.parametrize("name", ["triclinic_oblique", "CuO", "U2Ti"])
def test_objective_slope_along_random_directions_at_the_papers_instrument(name: str) -> None:
    """The whole path to the loss at full resolution, by one difference quotient a direction."""
    structure = crystal(name)
    instrument = clear_of_edge(structure, Instrument())
    simulator = Simulator(structure, instrument)
    lattice, sites = to_tensors([structure])
    target = simulator(lattice, sites)[0].detach()
    generator = torch.Generator().manual_seed(9)
    lattice = lattice * (1 + 0.002 * torch.randn(lattice.shape, dtype=torch.float64, generator=generator))
    instrument = clear_of_edge(structure, instrument)
    x, y = lattice.requires_grad_(), sites.requires_grad_()
    lists = simulator.reflections(x, reach=1.01)
    gradients = torch.autograd.grad(cosine_similarity(simulator(x, y, lists), target).sum(), (x, y))
    for which, gradient in enumerate(gradients):
        direction = torch.randn(gradient.shape, dtype=torch.float64, generator=generator)
        values = []
        for sign in (1, -1):
            moved = [x.detach(), y.detach()]
            moved[which] = moved[which] + sign * 1e-6 * direction
            values.append(float(cosine_similarity(simulator(*moved, lists), target)))
        slope = float((gradient * direction).sum())
        assert (values[0] - values[1]) / 2e-6 == pytest.approx(slope, rel=1e-4, abs=1e-8)


def test_the_reference_is_a_stationary_maximum_of_the_cosine() -> None:
    structure = crystal("triclinic_alloy")
    simulator = Simulator(structure, clear_of_edge(structure, Instrument(step_deg=0.05)))
    lattice, sites = to_tensors([structure])
    target = simulator(lattice, sites)[0].detach()
    x = lattice.clone().requires_grad_()
    similarity = cosine_similarity(simulator(x, sites), target)
    (at_reference,) = torch.autograd.grad(similarity.sum(), x)
    nearby = (lattice * 1.003).requires_grad_()
    (away,) = torch.autograd.grad(cosine_similarity(simulator(nearby, sites), target).sum(), nearby)
    assert similarity.item() == pytest.approx(1, abs=1e-12)
    assert float(at_reference.abs().max()) < 1e-9 * float(away.abs().max())


@pytest.mark.parametrize("name", ["CuO", "U2Ti", "triclinic_alloy"])
def test_float32_gradients_follow_float64(name: str) -> None:
    structure = crystal(name)
    instrument = clear_of_edge(structure, Instrument(step_deg=0.02))
    gradients = {}
    for dtype in (torch.float32, torch.float64):
        simulator = Simulator(structure, instrument, dtype=dtype)
        lattice, sites = to_tensors([structure], dtype)
        target = simulator(lattice, sites)[0].detach()
        # A strain that float32 holds exactly, so that both see one cell.
        x = (lattice.float() * 1.00390625).to(dtype).requires_grad_()
        y = (sites.float() + 0.0078125 * torch.eye(*sites.shape[1:])).to(dtype).requires_grad_()
        loss = cosine_similarity(simulator(x, y), target)
        gradients[dtype] = torch.autograd.grad(loss.sum(), (x, y))
    for single, double in zip(gradients[torch.float32], gradients[torch.float64], strict=True):
        assert float((single - double).abs().max()) < FLOAT32_GRADIENT * float(double.abs().max())
