"""Many compiled steps at once against as many single ones."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from tolerances import STRIDE

from xrdscape.crystal.families import detect_family
from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.instrument import Instrument
from xrdscape.optimisation.descent import Descent, Schedule, State, constant, init, step
from xrdscape.optimisation.fused_steps import fused_steps, steps_at_once
from xrdscape.optimisation.loop import run_descent
from xrdscape.optimisation.objectives import OBJECTIVES, Objective
from xrdscape.optimisation.parameters import CoordinateParameters, LatticeParameters
from xrdscape.optimisation.stopping import IMPOSSIBLE
from xrdscape.runtime.threads import use_threads
from xrdscape.study.records import PUBLISHED_METHODS
from xrdscape.study.starts import start

FAST = Instrument(two_theta_min_deg=10.0, step_deg=0.1)


def make_case(
    name: str,
    method: str,
    rate: float = 1e-2,
    level: float = 0.1,
    clamp: bool = True,
    dtype: torch.dtype = torch.float64,
) -> tuple[Descent, State]:
    reference, objective = load_structure(name), OBJECTIVES[PUBLISHED_METHODS[method].objective]
    simulator = Simulator(reference, FAST, dtype, hkl_max=objective.hkl_max)
    target = simulator(*to_tensors([reference], dtype))[0]
    lattice, sites = to_tensors([start(name, "lattice", level, copy, structure=reference) for copy in range(4)], dtype)
    family = detect_family(reference) if PUBLISHED_METHODS[method].constrained else None
    descent = Descent(constant(simulator, target), objective, Schedule(rate, 60, check_every=10, tolerance=1e-3))
    return descent, init(descent, LatticeParameters(sites, family, clamp), lattice, sites)


def make_sites_case(
    name: str, objective: str, rate: float = 1e-3, clamp: bool = True, dtype: torch.dtype = torch.float64
) -> tuple[Descent, State]:
    reference, chosen = load_structure(name), OBJECTIVES[objective]
    simulator = Simulator(reference, FAST, dtype, hkl_max=chosen.hkl_max)
    target = simulator(*to_tensors([reference], dtype))[0]
    copies = [start(name, "coordinates", 0.05, copy, structure=reference) for copy in range(4)]
    lattice, sites = to_tensors(copies, dtype)
    descent = Descent(constant(simulator, target), chosen, Schedule(rate, 60, check_every=10, tolerance=1e-3))
    return descent, init(descent, CoordinateParameters(lattice, clamp), lattice, sites)


def assert_alike(one: State, other: State) -> None:
    assert one.step == other.step
    for name in ("status", "steps", "index"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    for name in ("parameters", "loss", "best_loss", "best_parameters", "mark"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=STRIDE, atol=STRIDE, equal_nan=True)


def assert_fused_steps_are_steps(descent: Descent, singly: State) -> None:
    together = singly
    for steps in (1, 13, 7, 25):
        for _ in range(steps):
            singly = step(descent, singly)
        together = fused_steps(descent, together, steps)
        assert_alike(together, singly)


@pytest.mark.parametrize("method", PUBLISHED_METHODS)
@pytest.mark.parametrize(("name", "rate"), [("U2Ti", 1e-2), ("NdCoO3", 1e-3), ("MnOF", 1e-2), ("U2Ti", 3.0)])
def test_fused_steps_are_steps(name: str, rate: float, method: str) -> None:
    """At a rate of 3 moves are limited, cells leave their lists' reach, and some become impossible."""
    assert_fused_steps_are_steps(*make_case(name, method, rate))


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(("name", "rate"), [("U2Ti", 1e-3), ("NdCoO3", 1e-4), ("MnOF", 1e-3), ("MnOF", 3.0)])
def test_fused_steps_of_atoms_are_steps(name: str, rate: float, objective: str) -> None:
    """At a rate of 3 moves are limited."""
    assert_fused_steps_are_steps(*make_sites_case(name, objective, rate))


def test_atoms_without_a_limit_may_be_lost() -> None:
    descent, singly = make_sites_case("MnOF", "cosine", 3e38, clamp=False, dtype=torch.float32)
    together = fused_steps(descent, singly, 5)
    for _ in range(5):
        singly = step(descent, singly)
    assert_alike(together, singly)
    assert (together.status == IMPOSSIBLE).any()


def test_without_the_limit_on_large_moves_too() -> None:
    descent, singly = make_case("U2Ti", "cosine", 20.0, clamp=False)
    together = fused_steps(descent, singly, 5)
    for _ in range(5):
        singly = step(descent, singly)
    assert_alike(together, singly)


def test_every_way_to_stop_is_met() -> None:
    reasons = set()
    for rate, level in ((1e-5, 0.05), (3.0, 0.1), (300.0, 0.2)):
        descent, state = make_case("U2Ti", "cosine", rate, level, clamp=rate < 100)
        state = fused_steps(descent, state, 40)
        reasons |= set(state.status.tolist())
    assert len(reasons) >= 3, "running, converged, impossible"


def test_a_loss_that_is_not_a_number_ends_its_sample_alone() -> None:
    descent, state = make_case("U2Ti", "cosine")
    spoiled = state.geometrical[0].clone()
    spoiled[2, 0, 0] = torch.nan
    state = replace(state, geometrical=(spoiled, state.geometrical[1]))
    singly = step(descent, state)
    assert_alike(fused_steps(descent, state, 1), singly)
    assert [int(s) for s in singly.status].count(3) == 1


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_atoms_go_the_same_way_alone_to_the_last_bit(objective: str, threads: int) -> None:
    descent, state = make_sites_case("BPO4", objective, dtype=torch.float32)
    assert isinstance(state.parameterisation, CoordinateParameters)
    lattice, sites = state.parameterisation.lattice, state.parameters
    use_threads(threads)
    try:
        whole = run_descent(descent, CoordinateParameters(lattice), lattice, sites)
    finally:
        use_threads(1)
    alone = run_descent(descent, CoordinateParameters(lattice[2:3]), lattice[2:3], sites[2:3])
    assert torch.equal(whole.frac_coords[2:3], alone.frac_coords)
    assert torch.equal(whole.loss[2:3], alone.loss)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_sample_is_the_same_alone_to_the_last_bit(threads: int) -> None:
    """Even where cells leave the reach of their lists, which get new ones then."""
    reference = load_structure("Au2S")
    descent, state = make_case("Au2S", "cosine", 0.3, dtype=torch.float32)
    lattice, sites = state.parameters, to_tensors([reference], torch.float32)[1].repeat(4, 1, 1)
    use_threads(threads)
    try:
        whole = run_descent(descent, LatticeParameters(sites), lattice, sites)
    finally:
        use_threads(1)
    alone = run_descent(descent, LatticeParameters(sites[2:3]), lattice[2:3], sites[2:3])
    assert torch.equal(whole.lattice[2:3], alone.lattice)
    assert torch.equal(whole.loss[2:3], alone.loss)


@pytest.mark.parametrize("make", [make_case, make_sites_case])
def test_what_cannot_be_compiled_goes_step_by_step(make: Callable[..., tuple[Descent, State]]) -> None:
    descent, state = make("U2Ti", "cosine")
    assert steps_at_once(descent, state, 30) == 30
    own = replace(
        descent, objective=Objective("own", "Own", OBJECTIVES["cosine"].loss, OBJECTIVES["cosine"].similarity)
    )
    lattice, sites = state.parameterisation.crystal(state.parameters)
    assert steps_at_once(own, init(own, state.parameterisation, lattice, sites), 30) == 0


def test_atoms_of_several_cells_go_step_by_step() -> None:
    descent, state = make_case("U2Ti", "cosine")
    lattice, sites = state.parameterisation.crystal(state.parameters)
    assert steps_at_once(descent, init(descent, CoordinateParameters(lattice), lattice, sites), 30) == 0


def test_fused_steps_end_where_the_stage_changes() -> None:
    descent, state = make_case("U2Ti", "cosine")
    other = replace(state.stage)
    annealed = replace(descent, stage=lambda k: state.stage if k < 5 else other)
    assert steps_at_once(annealed, state, 30) == 5
    assert steps_at_once(annealed, replace(state, step=5), 30) == 0
