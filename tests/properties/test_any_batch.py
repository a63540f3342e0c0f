"""A batch of any crystals is as many single ones: patterns, losses with their gradients, descents."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pymatgen.core import Structure
from strategies import FEWER, crystals, numbers
from tolerances import COMPILED, ONE_LINE, STRIDE, SUMMED
from torch import Tensor

from xrdscape.crystal.families import FAMILIES, Family
from xrdscape.crystal.structures import to_tensors
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator
from xrdscape.optimisation.descent import Descent, Schedule, Stage, State, constant, init, step
from xrdscape.optimisation.fixed_cell import fixed_cell_loss
from xrdscape.optimisation.fused_steps import fused_steps, steps_at_once
from xrdscape.optimisation.moving_cell import moving_cell_gradient
from xrdscape.optimisation.objectives import OBJECTIVES, Objective
from xrdscape.optimisation.parameters import CoordinateParameters, LatticeParameters

RANGE = Instrument(two_theta_min_deg=10.0, two_theta_max_deg=60.0, step_deg=0.1)
BATCH = 3


@dataclass(frozen=True)
class Case:
    """A crystal and distorted ones: relative changes of the cell [B, 6], displacements [B, sites, 3]."""

    structure: Structure
    strain: NDArray[np.float64]
    moves: NDArray[np.float64]

    @cached_property
    def simulator(self) -> Simulator:
        return Simulator(self.structure, RANGE)

    @cached_property
    def target(self) -> Tensor:
        return self.simulator(*to_tensors([self.structure]))[0]

    @cached_property
    def lattice(self) -> Tensor:
        return to_tensors([self.structure])[0] * (1 + torch.from_numpy(self.strain))

    @cached_property
    def sites(self) -> Tensor:
        return to_tensors([self.structure])[1] + torch.from_numpy(self.moves)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    structure = draw(crystals())
    strain = draw(arrays.arrays(np.float64, (BATCH, 6), elements=numbers(-0.03, 0.03)))
    moves = draw(arrays.arrays(np.float64, (BATCH, len(structure), 3), elements=numbers(-0.03, 0.03)))
    return Case(structure, strain, moves)


def assert_close(together: Tensor, alone: Sequence[Tensor], tolerance: float = SUMMED) -> None:
    """Relative to the largest; or, where all are small, to what losses and their slopes are of."""
    expected = torch.cat(list(alone))
    assert float((together - expected).abs().max()) <= tolerance * max(1.0, float(expected.abs().max()))


def one_by_one(*parts: Tensor) -> list[tuple[Tensor, ...]]:
    return [tuple(part[k : k + 1] for part in parts) for k in range(BATCH)]


@FEWER
@given(cases())
def test_patterns_and_their_gradients(case: Case) -> None:
    """With cells and atoms of each sample's own."""
    weight = torch.linspace(1, 2, RANGE.n_steps, dtype=torch.float64)

    def evaluated(lattice: Tensor, sites: Tensor) -> list[Tensor]:
        given_lattice, given_sites = lattice.clone().requires_grad_(), sites.clone().requires_grad_()
        pattern = case.simulator(given_lattice, given_sites)
        return [pattern.detach(), *torch.autograd.grad((pattern @ weight).sum(), (given_lattice, given_sites))]

    together = evaluated(case.lattice, case.sites)
    alone = [evaluated(*single) for single in one_by_one(case.lattice, case.sites)]
    for whole, *parts in zip(together, *alone, strict=True):
        assert_close(whole, parts)
    # While the atoms stay the pattern is compiled as a whole.
    assert_close(case.simulator(case.lattice, case.sites), [parts[0] for parts in alone])


@FEWER
@given(cases(), st.sampled_from(list(OBJECTIVES.values())))
def test_losses_of_cells(case: Case, objective: Objective) -> None:
    """Compiled from cell to loss, and through the patterns by autograd."""

    def evaluated(lattice: Tensor, sites: Tensor) -> tuple[Tensor, Tensor]:
        lists = case.simulator.reflections(lattice)
        factors = case.simulator.geometrical(lists, sites)
        return moving_cell_gradient(case.simulator, lattice, lists, factors, objective, case.target)

    together = evaluated(case.lattice, case.sites)
    alone = [evaluated(*single) for single in one_by_one(case.lattice, case.sites)]
    for whole, *parts in zip(together, *alone, strict=True):
        assert_close(whole, parts)
    cell = case.lattice.clone().requires_grad_()
    loss = objective.loss(case.simulator(cell, case.sites), case.target)
    assert_close(together[0], [loss.detach()], COMPILED)
    assert_close(together[1], torch.autograd.grad(loss.sum(), cell), 10 * COMPILED)


@FEWER
@given(cases(), st.sampled_from(list(OBJECTIVES.values())))
def test_losses_of_atoms(case: Case, objective: Objective) -> None:
    """Compiled for one cell, and through the patterns by autograd."""
    cell = case.lattice[:1]
    measure = fixed_cell_loss(case.simulator, cell, objective, case.target)

    def evaluated(sites: Tensor) -> tuple[Tensor, Tensor]:
        places = sites.clone().requires_grad_()
        loss = measure(places)
        return loss.detach(), torch.autograd.grad(loss.sum(), places)[0]

    together = evaluated(case.sites)
    alone = [evaluated(*single) for single in one_by_one(case.sites)]
    for whole, *parts in zip(together, *alone, strict=True):
        assert_close(whole, parts)
    places = case.sites.clone().requires_grad_()
    loss = objective.loss(case.simulator(cell.expand(BATCH, 6), places), case.target)
    assert_close(together[0], [loss.detach()], ONE_LINE)
    assert_close(together[1], torch.autograd.grad(loss.sum(), places), 10 * ONE_LINE)


def assert_same_way(descent: Descent, state: State, singles: list[State], steps: int) -> None:
    """Fused steps of a batch, fused steps of each sample, and single steps lead to one place."""
    assert steps_at_once(descent, state, steps) == steps
    fused, singly = fused_steps(descent, state, steps), state
    for _ in range(steps):
        singly = step(descent, singly)
    alone = [fused_steps(descent, single, steps) for single in singles]
    for name in ("parameters", "loss", "best_loss", "best_parameters"):
        whole = getattr(fused, name)
        torch.testing.assert_close(whole, getattr(singly, name), rtol=STRIDE, atol=STRIDE, msg=name)
        torch.testing.assert_close(whole, torch.cat([getattr(s, name) for s in alone]), rtol=0, atol=0, msg=name)
    assert torch.equal(fused.status, singly.status)
    assert torch.equal(fused.steps, singly.steps)


OBJECTIVE_AND_RATE = st.tuples(st.sampled_from(list(OBJECTIVES.values())), st.sampled_from([1e-4, 1e-3, 1e-2]))


@FEWER
@given(cases(), OBJECTIVE_AND_RATE, st.sampled_from([None, *FAMILIES]), st.booleans())
def test_descents_of_cells(case: Case, chosen: tuple[Objective, float], family: Family | None, clamp: bool) -> None:
    objective, rate = chosen
    descent = Descent(constant(Stage(case.simulator, case.target)), objective, Schedule(rate, 60, 5, 1e-5))

    def begun(lattice: Tensor, sites: Tensor) -> State:
        return init(descent, LatticeParameters(sites, family, clamp), lattice, sites)

    singles = [begun(*single) for single in one_by_one(case.lattice, case.sites)]
    assert_same_way(descent, begun(case.lattice, case.sites), singles, 12)


@FEWER
@given(cases(), OBJECTIVE_AND_RATE, st.booleans())
def test_descents_of_atoms(case: Case, chosen: tuple[Objective, float], clamp: bool) -> None:
    objective, rate = chosen
    descent = Descent(constant(Stage(case.simulator, case.target)), objective, Schedule(rate, 60, 5, 1e-5))

    def begun(sites: Tensor) -> State:
        lattice = case.lattice[:1].repeat(len(sites), 1)
        return init(descent, CoordinateParameters(lattice, clamp), lattice, sites)

    assert_same_way(descent, begun(case.sites), [begun(*single) for single in one_by_one(case.sites)], 12)
