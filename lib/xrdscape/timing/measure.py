"""Measurements of the engine's speed: cases, the ways to compute them, and timing them in turn."""

import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.kernels import lattice_kernel, peaks_kernel
from xrdscape.diffraction.kernels.arguments import PeakArrays
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.peaks import peak_arrays, peaks_to_pattern_reference
from xrdscape.diffraction.reflection_peaks import lists_of
from xrdscape.diffraction.reflections import Reflections
from xrdscape.diffraction.structure_factors import GeometricalFactors
from xrdscape.errors import DescentError
from xrdscape.optimisation.descent import Descent, Schedule, Stage, State, constant, evaluate, init
from xrdscape.optimisation.fused_steps import fused_steps
from xrdscape.optimisation.kernels import loss_kernel
from xrdscape.optimisation.kernels.arguments import Results
from xrdscape.optimisation.moving_cell import comparison_of, moving_cell_gradient
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.optimisation.parameters import CoordinateParameters, LatticeParameters
from xrdscape.runtime.threads import thread_count, use_threads
from xrdscape.study.starts import start

CRYSTALS = ("U2Ti", "Au2S", "Na3MnCoNiO6", "Nd(Al2Cu)4")
"""Crystals timed in every way: from the fewest to the most reflections of the ten."""
LATTICE_LEVEL, COORDINATE_LEVEL = 0.1, 0.05
LEARNING_RATE = 0.01
LONG_ENOUGH_S = 0.05
"""Time for which a measurement repeats a call, so that the clock and the first call's cold cache are nothing."""
STEPS_A_CALL = 50
"""Steps of a descent in one call."""

Key = TypeVar("Key", bound=Hashable)
Lattices = Float[Tensor, "batch 6"]


class Evaluation(NamedTuple):
    """Patterns [B, n], loss [B] and its gradient [B, 6] in the lattice parameters (angstrom, degrees)."""

    patterns: Tensor
    loss: Tensor
    gradient: Tensor


@dataclass(frozen=True)
class Contender:
    """A way to compute: its name in tables and figures, and what one call of it does."""

    label: str
    computes: str


LOSS_AND_GRADIENT = "cosine loss and its gradient in the six lattice parameters"
CONTENDERS = {
    "reference": Contender("Eager torch", f"{LOSS_AND_GRADIENT}; dense, pseudo-Voigt, float32"),
    "compiled": Contender("Compiled torch", f"{LOSS_AND_GRADIENT}; the same through torch.compile"),
    "engine": Contender("This engine", f"{LOSS_AND_GRADIENT}; float32"),
    "engine_float64": Contender("This engine, float64", f"{LOSS_AND_GRADIENT}; float64"),
    "step": Contender(
        "A whole descent step", "loss, gradient and everything else that a step of a descent does; float32"
    ),
    "coordinates_cosine": Contender("Coordinates, cosine", "loss and its gradient in all coordinates; cell fixed"),
    "coordinates_mse": Contender(
        "Coordinates, MSE", "loss and its gradient in all coordinates; cell fixed, |hkl| <= 6"
    ),
    "coordinates_entropy": Contender("Coordinates, entropy", "loss and its gradient in all coordinates; cell fixed"),
    "coordinates_cross_correlation": Contender(
        "Coordinates, cross-correlation", "loss and its gradient in all coordinates; cell fixed"
    ),
    "part_peaks": Contender("Lattice to peaks", "the peaks of cells, and the gradient back; the compiled loops alone"),
    "part_operator": Contender("Peaks to pattern", "the pattern from peaks, and the gradient back; the same"),
    "part_evaluation": Contender("Loss and gradient", "both and the loss between them; the compiled sweep alone"),
}
"""Contenders by their name in a record; the peers' own are in the record."""


@dataclass(frozen=True)
class Case:
    """A batch of distorted models of one crystal, ready to be compared with its pattern.

    Args:
        crystal: name of a reference structure, or a path.
        simulator: fixes the precision.
        target: pattern of the reference structure [n].
        lattice, frac_coords: of the models [B, 6], [B, sites, 3].
        reflections, geometrical: their lists, and the geometrical structure factors of these.
    """

    crystal: str
    simulator: Simulator
    target: Float[Tensor, "n"]
    lattice: Lattices
    frac_coords: Float[Tensor, "batch sites 3"]
    reflections: Reflections
    geometrical: GeometricalFactors


def make_case(
    crystal: str, batch: int, dtype: torch.dtype = torch.float32, level: float = LATTICE_LEVEL, seed: int = 0
) -> Case:
    """Return the first `batch` realisations of lattice noise of a crystal; the lists hold what lies inside the range.

    Raises:
        StructureError: unknown crystal, or a level out of range.
        DescentError: for a batch below 1.
    """
    if batch < 1:
        raise DescentError(f"A case needs a batch of at least 1. Received {batch}.")
    reference = load_structure(crystal)
    simulator = Simulator(reference, dtype=dtype)
    copies = [start(crystal, "lattice", level, copy, seed, reference) for copy in range(batch)]
    lattice, frac_coords = to_tensors(copies, dtype=dtype)
    reflections = simulator.reflections(lattice)
    target = Simulator(reference)(*to_tensors([reference]))[0].to(dtype)
    return Case(
        crystal, simulator, target, lattice, frac_coords, reflections, simulator.geometrical(reflections, frac_coords)
    )


def dense_patterns(case: Case, lattice: Lattices, at_a_time: int | None = None) -> Float[Tensor, "batch n"]:
    """Return the case's patterns by `peaks_to_pattern_reference`, in the simulator's precision throughout.

    Args:
        case: the batch.
        lattice: cells in place of the case's own.
        at_a_time: values of the pattern computed at a time; all of them if left out.
    """
    simulator = case.simulator
    peaks = simulator.peaks(lattice, case.reflections, case.geometrical)
    centre, height, fwhm = (value.to(simulator.dtype) for value in peaks)
    grid, eta = simulator.two_theta_deg, simulator.instrument.eta
    pieces = grid.split(at_a_time or len(grid))
    return torch.cat([peaks_to_pattern_reference(centre, height, fwhm, piece, eta) for piece in pieces], -1)


def engine_patterns(case: Case, lattice: Lattices) -> Float[Tensor, "batch n"]:
    """Return the case's patterns as a descent computes them."""
    return case.simulator.patterns(lattice, case.reflections, case.geometrical)


def loss_through(case: Case, simulate: Callable[[Case, Lattices], Tensor]) -> Evaluation:
    """Return the cosine loss of a case and its gradient by autograd, with the patterns on the way."""
    lattice = case.lattice.detach().requires_grad_()
    patterns = simulate(case, lattice)
    loss = OBJECTIVES["cosine"].loss(patterns, case.target)
    (gradient,) = torch.autograd.grad(loss.sum(), lattice)
    return Evaluation(patterns.detach(), loss.detach(), gradient)


def loss_and_gradient(case: Case) -> tuple[Tensor, Tensor]:
    """Return the cosine loss of a case [B] and its gradient [B, 6] as a descent computes them."""
    given = case.reflections, case.geometrical, OBJECTIVES["cosine"], case.target
    return moving_cell_gradient(case.simulator, case.lattice, *given)


def descent_of(case: Case) -> tuple[Descent, State]:
    """Return a descent of the case's cells (cosine), before its first step; its lists reach a little further."""
    schedule = Schedule(LEARNING_RATE)
    descent = Descent(constant(Stage(case.simulator, case.target)), OBJECTIVES["cosine"], schedule)
    return descent, init(descent, LatticeParameters(case.frac_coords), case.lattice, case.frac_coords)


def coordinate_descent(
    crystal: str, batch: int, objective: str, dtype: torch.dtype = torch.float32, seed: int = 0
) -> tuple[Descent, State]:
    """Return a descent of displaced atoms in the reference's cell, before its first step, as the study runs it."""
    reference = load_structure(crystal)
    chosen = OBJECTIVES[objective]
    simulator = Simulator(reference, dtype=dtype, hkl_max=chosen.hkl_max)
    target = Simulator(reference, hkl_max=chosen.hkl_max)(*to_tensors([reference]))[0].to(dtype)
    copies = [start(crystal, "coordinates", COORDINATE_LEVEL, copy, seed, reference) for copy in range(batch)]
    lattice, frac_coords = to_tensors(copies, dtype=dtype)
    descent = Descent(constant(Stage(simulator, target)), chosen, Schedule(1e-4))
    return descent, init(descent, CoordinateParameters(lattice), lattice, frac_coords)


def lattice_contenders(crystal: str, batch: int) -> dict[str, Callable[[], Any]]:
    """Return the contenders that move the cell: eager torch, this engine in two precisions, steps of a descent."""
    case, exact = make_case(crystal, batch), make_case(crystal, batch, torch.float64)
    descent, state = descent_of(case)
    return {
        "reference": lambda: loss_through(case, dense_patterns),
        "engine": lambda: loss_and_gradient(case),
        "engine_float64": lambda: loss_and_gradient(exact),
        "step": lambda: fused_steps(descent, state, STEPS_A_CALL),
    }


def coordinate_contenders(crystal: str, batch: int) -> dict[str, Callable[[], Any]]:
    """Return the contenders that move the atoms alone: one an objective."""

    def contender(objective: str) -> Callable[[], Any]:
        descent, state = coordinate_descent(crystal, batch, objective)
        return lambda: evaluate(descent, state)

    return {f"coordinates_{objective}": contender(objective) for objective in OBJECTIVES}


def compiled_contender(crystal: str, batch: int) -> Callable[[], Evaluation]:
    """Return the eager definition through torch.compile, compiled already; this takes long and needs a C++ compiler.

    Raises:
        Exception: whatever torch's compiler raises where it does not work.
    """
    case = make_case(crystal, batch)
    patterns = torch.compile(lambda lattice: dense_patterns(case, lattice), dynamic=False)

    def call() -> Evaluation:
        return loss_through(case, lambda _, lattice: patterns(lattice))

    call()
    return call


def parts(crystal: str, batch: int) -> dict[str, Callable[[], Any]]:
    """Return the parts of a descent's step as calls to be timed.

    They are the two compiled loops, each with its way back, and the sweep from lattice to loss and back, of which they
    are the main part.
    """
    descent, state = descent_of(make_case(crystal, batch))
    simulator, reflections, geometrical = state.stage.simulator, state.reflections, state.geometrical
    assert geometrical is not None, "a descent of the cell keeps its geometrical structure factors"
    constants, lists, cells = simulator.constants, lists_of(reflections, geometrical), state.parameters.double().numpy()
    peaks = simulator.peaks(state.parameters, reflections, geometrical)
    arrays = peak_arrays(peaks.centre, peaks.height, peaks.fwhm)
    d_arrays = PeakArrays(np.empty_like(arrays.centre), np.empty_like(arrays.height), np.empty_like(arrays.fwhm))
    slopes, d_lattice = np.empty((batch, 3, arrays.centre.shape[1])), np.empty((batch, 6))
    pattern = np.empty((batch, simulator.instrument.n_steps), arrays.height.dtype)

    def to_peaks_and_back() -> None:
        lattice_kernel.forward(0, batch, cells, lists, constants, arrays, slopes)
        lattice_kernel.backward(0, batch, cells, lists.hkl, constants.optics, slopes, d_arrays, d_lattice)

    def to_pattern_and_back() -> None:
        peaks_kernel.forward(0, batch, arrays, constants.sampling, constants.layout, pattern)
        peaks_kernel.backward(0, batch, arrays, constants.sampling, constants.layout, pattern, d_arrays)

    compared = comparison_of(descent.objective, simulator.instrument, state.stage.target)
    results = Results(np.empty(batch), d_lattice)

    def to_loss_and_back() -> None:
        loss_kernel.losses(0, batch, compared, cells, lists, constants, results)

    return {
        "part_operator": to_pattern_and_back,
        "part_peaks": to_peaks_and_back,
        "part_evaluation": to_loss_and_back,
    }


@dataclass(frozen=True)
class Task:
    """A call to be timed, the number of threads it may use, and how often it does what the time is wanted of."""

    call: Callable[[], Any]
    threads: int = 1
    repeats: int = 1


def tasks_of(calls: Mapping[str, Callable[[], Any]]) -> dict[str, Task]:
    """Return the tasks of one thread, one a contender."""
    return {name: Task(call, repeats=STEPS_A_CALL if name == "step" else 1) for name, call in calls.items()}


def interleaved(
    tasks: Mapping[Key, Task], rounds: int, seed: int = 0, long_enough_s: float = LONG_ENOUGH_S
) -> Iterator[tuple[Key, float]]:
    """Measure tasks in turn: in each round every task once, in shuffled order, so that drift of the machine hits all.

    Each task is called twice before its first sample, and a quick one once before each, which is not counted: a
    descent finds its data in the cache and its threads awake. A quick one is called so often that a measurement lasts
    `long_enough_s`; its samples are means over these calls.

    Args:
        tasks: what to time, by a key of the caller's.
        rounds: samples a task.
        seed: of the order.

    Yields:
        Key and seconds a call (or repeat), as soon as a sample is taken: who is interrupted keeps what there is.
    """
    threads, order = thread_count(), np.random.default_rng(seed)
    try:
        keys, calls = list(tasks), dict[Key, int]()
        for _ in range(rounds):
            for place in order.permutation(len(keys)):
                key = keys[place]
                if key not in calls:
                    calls[key] = _calls(tasks[key], long_enough_s)
                if calls[key] > 1:
                    _seconds(tasks[key], 1)
                yield key, _seconds(tasks[key], calls[key]) / (calls[key] * tasks[key].repeats)
    finally:
        use_threads(threads)


def _calls(task: Task, long_enough_s: float) -> int:
    _seconds(task, 1)
    once = _seconds(task, 1)
    return max(1, min(10_000, int(np.ceil(long_enough_s / max(once, 1e-7)))))


def _seconds(task: Task, calls: int) -> float:
    if thread_count() != task.threads:
        use_threads(task.threads)
    started = time.perf_counter()
    for _ in range(calls):
        task.call()
    return time.perf_counter() - started
