"""The compiled sweep from lattice to loss against the loss of the patterns."""

from dataclasses import replace

import pytest
import torch
from crystals import COARSE
from tolerances import COMPILED, FLOAT32_GRADIENT, FLOAT32_LOSS
from torch import Tensor

from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.pattern import Simulator
from xrdscape.optimisation import moving_cell
from xrdscape.optimisation.moving_cell import moving_cell_gradient, moving_cell_loss
from xrdscape.optimisation.objectives import OBJECTIVES, Objective
from xrdscape.paths import REFERENCE_NAMES
from xrdscape.runtime.threads import use_threads
from xrdscape.study.starts import start

TWINS = [objective for objective in OBJECTIVES.values() if objective.kernel_id is not None]


def value_and_gradient(
    simulator: Simulator, objective: Objective, lattice: Tensor, sites: Tensor, target: Tensor
) -> tuple[Tensor, Tensor]:
    cells = lattice.clone().requires_grad_()
    lists = simulator.reflections(lattice, reach=1.02, allow_empty=True)
    loss = moving_cell_loss(simulator, cells, lists, simulator.geometrical(lists, sites), objective, target)
    weight = torch.linspace(1, 2, len(loss), dtype=loss.dtype)
    return loss.detach(), torch.autograd.grad((loss * weight).sum(), cells)[0]


def plain(objective: Objective) -> Objective:
    """The objective without its compiled twin."""
    return replace(objective, kernel_id=None)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("objective", TWINS, ids=lambda objective: objective.name)
@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_loss_and_gradient_are_those_of_the_patterns(name: str, objective: Objective, dtype: torch.dtype) -> None:
    reference = load_structure(name)
    exact = Simulator(reference, COARSE, hkl_max=objective.hkl_max)
    target = exact(*to_tensors([reference]))[0].to(dtype)
    lattice, sites = to_tensors([start(name, "lattice", 0.1, copy, structure=reference) for copy in range(3)], dtype)
    full = value_and_gradient(exact, plain(objective), lattice.double(), sites.double(), target.double())
    simulator = Simulator(reference, COARSE, dtype, hkl_max=objective.hkl_max)
    loss, gradient = value_and_gradient(simulator, objective, lattice, sites, target)
    bounds = (COMPILED, COMPILED) if dtype == torch.float64 else (FLOAT32_LOSS, FLOAT32_GRADIENT)
    assert float((loss - full[0]).abs().max()) < bounds[0]
    assert float((gradient - full[1]).abs().max() / full[1].abs().max()) < bounds[1]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("objective", [TWINS[0], plain(TWINS[0])], ids=["compiled", "traced"])
def test_the_direct_way_is_autograds(objective: Objective, dtype: torch.dtype) -> None:
    reference = load_structure("U2Ti")
    simulator = Simulator(reference, COARSE, dtype)
    target = simulator(*to_tensors([reference], dtype))[0]
    lattice, sites = to_tensors([start("U2Ti", "lattice", 0.1, copy, structure=reference) for copy in range(3)], dtype)
    lists = simulator.reflections(lattice)
    given = lists, simulator.geometrical(lists, sites), objective, target
    cells = lattice.clone().requires_grad_()
    expected = moving_cell_loss(simulator, cells, *given)
    loss, gradient = moving_cell_gradient(simulator, lattice, *given)
    assert loss.dtype == gradient.dtype == dtype
    assert torch.equal(loss, expected.detach().to(dtype))
    assert torch.equal(gradient, torch.autograd.grad(expected.sum(), cells)[0])


@pytest.mark.parametrize("objective", TWINS, ids=lambda objective: objective.name)
def test_samples_do_not_depend_on_each_other_or_on_the_threads(objective: Objective) -> None:
    reference = load_structure("Au2S")
    simulator = Simulator(reference, COARSE)
    target = simulator(*to_tensors([reference]))[0]
    given = to_tensors([start("Au2S", "lattice", 0.1, copy, structure=reference) for copy in range(5)])
    lists = simulator.reflections(given[0])
    geometrical = simulator.geometrical(lists, given[1])
    whole = moving_cell_loss(simulator, given[0], lists, geometrical, objective, target)
    assert torch.equal(moving_cell_gradient(simulator, given[0], lists, geometrical, objective, target)[0], whole)
    part = torch.tensor([3, 1])
    picked = moving_cell_loss(
        simulator, given[0][part], lists.select(part), (geometrical[0][part], geometrical[1][part]), objective, target
    )
    assert torch.equal(picked, whole[part])
    use_threads(2)
    try:
        assert torch.equal(moving_cell_loss(simulator, given[0], lists, geometrical, objective, target), whole)
    finally:
        use_threads(1)


@pytest.mark.parametrize("objective", TWINS, ids=lambda objective: objective.name)
def test_a_cell_without_reflections_has_a_loss_and_no_way_to_go(objective: Objective) -> None:
    reference = load_structure("U2Ti")
    simulator = Simulator(reference, COARSE)
    lattice, sites = to_tensors([reference, reference])
    target = simulator(lattice[:1], sites[:1])[0]
    lattice[1, :3] = 0.5
    results = [value_and_gradient(simulator, each, lattice, sites, target) for each in (objective, plain(objective))]
    for compiled, torchs in zip(*results, strict=True):
        torch.testing.assert_close(compiled, torchs, rtol=COMPILED, atol=COMPILED)
    assert not bool(results[0][1][1].any())


@pytest.mark.parametrize("objective", TWINS, ids=lambda objective: objective.name)
def test_a_cell_that_is_not_a_number_spoils_its_own_loss_only(objective: Objective) -> None:
    reference = load_structure("U2Ti")
    simulator = Simulator(reference, COARSE)
    lattice, sites = to_tensors([start("U2Ti", "lattice", 0.1, copy, structure=reference) for copy in range(2)])
    lists = simulator.reflections(lattice)
    given = lists, simulator.geometrical(lists, sites), objective, simulator(*to_tensors([reference]))[0]
    clean = moving_cell_loss(simulator, lattice, *given)
    lattice[0, 4] = torch.nan
    spoiled = moving_cell_loss(simulator, lattice, *given)
    assert bool(spoiled[0].isnan())
    assert float(spoiled[1]) == float(clean[1])


def test_objectives_of_ones_own_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even by the name of another: a twin is not chosen by name."""
    reference = load_structure("U2Ti")
    simulator = Simulator(reference, COARSE)
    lattice, sites = to_tensors([reference])
    lists = simulator.reflections(lattice)
    own = Objective("cosine", "Own", lambda pattern, target: pattern.sum(-1), lambda pattern, target: pattern.sum(-1))
    monkeypatch.delattr(moving_cell, "loss_kernel")
    found = moving_cell_loss(
        simulator, lattice, lists, simulator.geometrical(lists, sites), own, simulator.two_theta_deg
    )
    torch.testing.assert_close(found, simulator(lattice, sites).sum(-1))
