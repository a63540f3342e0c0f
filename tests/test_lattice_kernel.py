"""The compiled way from lattice to pattern against the plain torch one."""

from dataclasses import replace

import pytest
import torch
from crystals import CARRIED, COARSE, carried
from pymatgen.core import Structure
from tolerances import COMPILED, CUDA, FLOAT32_GRADIENT, KERNEL_FLOAT32
from torch import Tensor

from xrdscape.crystal.distortion import distort_lattice, generator
from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.peaks import peaks_to_pattern_reference
from xrdscape.paths import REFERENCE_NAMES

CRYSTALS = [*((name, load_structure(name)) for name in REFERENCE_NAMES), *((name, carried(name)) for name in CARRIED)]
INSTRUMENTS = {
    "usual": COARSE,
    "taper": replace(COARSE, taper_deg=4.0),
    "other": Instrument(0.71, two_theta_min_deg=5, two_theta_max_deg=70, step_deg=0.1, U=0.3, V=-0.2, W=0.2, eta=0.6),
}


def strained(name: str, structure: Structure) -> list[Structure]:
    return [distort_lattice(structure, 0.1, generator(name, "lattice", 0.1, copy)) for copy in range(2)]


def plain(simulator: Simulator, lattice: Tensor, sites: Tensor) -> Tensor:
    """The same pattern from `Simulator.peaks` by autograd all the way."""
    lists = simulator.reflections(lattice, reach=1.02)
    peaks = simulator.peaks(lattice, lists, simulator.geometrical(lists, sites))
    return peaks_to_pattern_reference(*peaks, simulator.instrument.axis.grid(), simulator.instrument.eta)


def compiled(simulator: Simulator, lattice: Tensor, sites: Tensor) -> Tensor:
    lists = simulator.reflections(lattice, reach=1.02)
    return simulator.patterns(lattice, lists, simulator.geometrical(lists, sites))


def value_and_gradient(simulate, simulator: Simulator, lattice: Tensor, sites: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[no-untyped-def]
    cells = lattice.clone().requires_grad_()
    pattern = simulate(simulator, cells, sites)
    weight = torch.linspace(-1, 2, pattern.shape[1], dtype=pattern.dtype) ** 2
    return pattern.detach(), torch.autograd.grad((pattern * weight).sum(), cells)[0]


def relative(result: Tensor, expected: Tensor) -> float:
    return float((result.double() - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("setting", INSTRUMENTS)
@pytest.mark.parametrize(("name", "structure"), CRYSTALS, ids=[name for name, _ in CRYSTALS])
def test_pattern_and_gradient_are_those_of_plain_torch(name: str, structure: Structure, setting: str) -> None:
    simulator = Simulator(structure, INSTRUMENTS[setting])
    given = to_tensors(strained(name, structure))
    result = value_and_gradient(compiled, simulator, *given)
    for ours, theirs in zip(result, value_and_gradient(plain, simulator, *given), strict=True):
        assert relative(ours, theirs) < COMPILED


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_float32(name: str) -> None:
    structure = load_structure(name)
    # Rounded first, so that both see the same cells.
    lattice, sites = (value.float() for value in to_tensors(strained(name, structure)))
    pattern, gradient = value_and_gradient(compiled, Simulator(structure, dtype=torch.float32), lattice, sites)
    assert (pattern.dtype, gradient.dtype) == (torch.float32, torch.float32)
    exact = value_and_gradient(plain, Simulator(structure), lattice.double(), sites.double())
    assert relative(pattern, exact[0]) < KERNEL_FLOAT32
    assert relative(gradient, exact[1]) < FLOAT32_GRADIENT


def test_clipped_indices_stay_clipped() -> None:
    structure = load_structure("NaS")
    simulator = Simulator(structure, COARSE, hkl_max=2)
    given = to_tensors(strained("NaS", structure))
    assert relative(compiled(simulator, *given), plain(simulator, *given)) < COMPILED


def test_a_cell_that_is_not_a_number_spoils_its_own_pattern_only() -> None:
    structure = load_structure("U2Ti")
    simulator = Simulator(structure, COARSE)
    lattice, sites = to_tensors(strained("U2Ti", structure))
    lists = simulator.reflections(lattice)
    geometrical = simulator.geometrical(lists, sites)
    clean = simulator.patterns(lattice, lists, geometrical)
    lattice[0, 4] = torch.nan
    spoiled = simulator.patterns(lattice, lists, geometrical)
    assert bool(spoiled[0].isnan().all())
    assert torch.equal(spoiled[1], clean[1])


def test_coordinates_that_move_take_the_plain_way() -> None:
    structure = load_structure("U2Ti")
    simulator = Simulator(structure, COARSE)
    lattice, sites = to_tensors(strained("U2Ti", structure))
    moving = sites.requires_grad_()
    (gradient,) = torch.autograd.grad(simulator(lattice, moving).square().sum(), moving)
    assert float(gradient.abs().max()) > 0


def test_functional_transforms_are_refused_with_advice() -> None:
    structure = load_structure("U2Ti")
    simulator = Simulator(structure, COARSE)
    lattice, sites = to_tensors([structure])
    lists = simulator.reflections(lattice)
    geometrical = simulator.geometrical(lists, sites)
    with pytest.raises(NotImplementedError, match="build the pattern from Simulator"):
        torch.func.jacrev(lambda cell: simulator.patterns(cell, lists, geometrical))(lattice)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["U2Ti", "Nd(Al2Cu)4"])
def test_cuda_is_the_cpu(name: str, dtype: torch.dtype) -> None:
    structure = load_structure(name)
    lattice, sites = to_tensors(strained(name, structure), dtype=dtype)
    here = value_and_gradient(compiled, Simulator(structure, dtype=dtype), lattice, sites)
    simulator = Simulator(structure, dtype=dtype, device="cuda")
    there = value_and_gradient(compiled, simulator, lattice.cuda(), sites.cuda())
    for ours, theirs in zip(there, here, strict=True):
        assert relative(ours.cpu(), theirs.double()) < CUDA
