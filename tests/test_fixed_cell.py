"""The short way for a cell that stays gives the patterns and gradients of the simulator."""

from dataclasses import replace

import pytest
import torch
from tolerances import FLOAT32_GRADIENT, FLOAT32_LOSS, FLOAT32_PATTERN, REDUCED_GRADIENT, REDUCED_LOSS, SUMMED

from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator
from xrdscape.optimisation.descent import Descent, Schedule, Stage, constant, fixed_of, init
from xrdscape.optimisation.fixed_cell import fixed_cell, fixed_cell_loss
from xrdscape.optimisation.objectives import OBJECTIVES, Objective
from xrdscape.optimisation.parameters import CoordinateParameters, LatticeParameters
from xrdscape.paths import REFERENCE_NAMES
from xrdscape.study.starts import start


@pytest.mark.parametrize("name", REFERENCE_NAMES)
@pytest.mark.parametrize("instrument", [Instrument(step_deg=0.05), Instrument(step_deg=0.05, taper_deg=3.0)])
def test_patterns_and_gradients_are_the_simulators(name: str, instrument: Instrument) -> None:
    reference = load_structure(name)
    simulator = Simulator(reference, instrument)
    lattice, sites = to_tensors([start(name, "coordinates", 0.05, copy, structure=reference) for copy in range(2)])
    weight = torch.cos(simulator.two_theta_deg)
    results = []
    for simulate in (fixed_cell(simulator, lattice[:1]).patterns, lambda moved: simulator(lattice, moved)):
        moved = sites.clone().requires_grad_()
        pattern = simulate(moved)
        (gradient,) = torch.autograd.grad((pattern * weight).sum(), moved)
        results.append((pattern.detach(), gradient))
    for short, full in zip(*results, strict=True):
        assert float((short - full).abs().max() / full.abs().max()) < SUMMED


def test_float32_profiles_are_exact() -> None:
    reference = load_structure("NaS")
    lattice, sites = to_tensors([reference])
    expected = Simulator(reference)(lattice, sites)
    single = fixed_cell(Simulator(reference, dtype=torch.float32), lattice.float()).patterns(sites.float())
    assert single.dtype == torch.float32
    assert float((single.double() - expected).abs().max() / expected.max()) < FLOAT32_PATTERN


def test_clipped_indices_stay_clipped() -> None:
    reference = load_structure("NaS")
    lattice, sites = to_tensors([reference])
    simulator = Simulator(reference, Instrument(step_deg=0.05), hkl_max=2)
    assert torch.allclose(fixed_cell(simulator, lattice).patterns(sites), simulator(lattice, sites))


def test_descents_take_it_only_where_all_share_one_cell() -> None:
    reference = load_structure("U2Ti")
    simulator = Simulator(reference, Instrument(step_deg=0.1))
    lattice, sites = to_tensors([reference, reference])
    stage = Stage(simulator, simulator(lattice, sites)[0])
    descent = Descent(constant(stage), OBJECTIVES["cosine"], Schedule(1e-4))
    assert fixed_of(descent, stage, CoordinateParameters(lattice), lattice) is not None
    assert fixed_of(descent, stage, LatticeParameters(sites), lattice) is None
    other = lattice * torch.tensor([[1.0], [1.001]], dtype=torch.float64)
    assert init(descent, CoordinateParameters(other), other, sites).fixed is None


@pytest.mark.parametrize("name", REFERENCE_NAMES)
@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES.keys())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_losses_and_gradients_are_those_of_the_patterns(name: str, objective: Objective, dtype: torch.dtype) -> None:
    """The reduced form for cosine and squared error, the matrix form for the others."""
    reference = load_structure(name)
    exact = Simulator(reference, hkl_max=objective.hkl_max)
    simulator = Simulator(reference, dtype=dtype, hkl_max=objective.hkl_max)
    lattice, sites = to_tensors([start(name, "coordinates", 0.02, copy, structure=reference) for copy in range(2)])
    target = exact(*to_tensors([reference]))[0]
    rounded = lattice.to(dtype), sites.to(dtype)
    reduced = fixed_cell_loss(simulator, rounded[0][:1], objective, target.to(dtype))
    results = []
    for loss in (reduced, lambda moved: objective.loss(exact(rounded[0].double(), moved), target)):
        moved = rounded[1].to(dtype if loss is reduced else torch.float64).requires_grad_()
        value = loss(moved)
        (gradient,) = torch.autograd.grad(value.sum(), moved)
        results.append((value.detach().double(), gradient.double()))
    (value, gradient), (full, slope) = results
    assert float((value - full).abs().max()) < (REDUCED_LOSS if dtype == torch.float64 else FLOAT32_LOSS)
    bound = REDUCED_GRADIENT if dtype == torch.float64 else FLOAT32_GRADIENT
    assert float((gradient - slope).abs().max() / slope.abs().max()) < bound


@pytest.mark.parametrize("objective", [*OBJECTIVES.values(), replace(OBJECTIVES["cosine"], kernel_id=None)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gradient_is_autograds_to_the_last_bit(objective: Objective, dtype: torch.dtype) -> None:
    reference = load_structure("NaS")
    simulator = Simulator(reference, Instrument(step_deg=0.05), dtype, hkl_max=objective.hkl_max)
    lattice, sites = to_tensors([start("NaS", "coordinates", 0.02, copy, structure=reference) for copy in range(2)])
    target = simulator(*to_tensors([reference], dtype))[0]
    loss, moved = fixed_cell_loss(simulator, lattice[:1].to(dtype), objective, target), sites.to(dtype)
    value, gradient = loss.gradient(moved)
    losses = loss(moved.requires_grad_())
    (expected,) = torch.autograd.grad(losses.sum(), moved)
    assert torch.equal(value, losses.detach().to(dtype))
    assert torch.equal(gradient, expected)
    assert gradient.dtype == value.dtype == dtype
