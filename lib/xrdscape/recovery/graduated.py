"""Graduated descent: patterns are blurred widely at first and ever less, so that the landscape grows rough late.

Nothing of the truth is needed but its pattern, which may be a measured one: the blur acts on both patterns alike.
"""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from xrdscape.engine.blur import blurred, half_width
from xrdscape.engine.pattern import Simulator
from xrdscape.engine.similarity import OBJECTIVES, Objective
from xrdscape.errors import DescentError
from xrdscape.recovery.descent import Problem, Schedule, Stage
from xrdscape.recovery.parameterisation import ScaledLattice
from xrdscape.recovery.rules import Adam
from xrdscape.recovery.snap import SnapResult, snap


@dataclass(frozen=True)
class Narrowing:
    """How a blur narrows: from the widest to the narrowest by equal factors, then none.

    Args:
        widest_deg, narrowest_deg: full widths at half maximum of the first and the last blur.
        stages: how many blurs.
        steps: of the descent at each of them.
        last_steps: without blur, at most.
        rate: learning rate, as a strain and in radians.
    """

    widest_deg: float = 10.0
    narrowest_deg: float = 0.2
    stages: int = 15
    steps: int = 30
    last_steps: int = 200
    rate: float = 5e-3

    def __post_init__(self) -> None:
        if not 0 < self.narrowest_deg <= self.widest_deg or self.stages < 1 or self.steps < 1 or self.last_steps < 1:
            raise DescentError(
                "A blur narrows from widest_deg to narrowest_deg, both above 0, in stages of steps, with last_steps "
                f"after them, each at least 1. Received {self}."
            )

    @property
    def all_steps(self) -> int:
        """Steps at most."""
        return self.stages * self.steps + self.last_steps

    @property
    def widths_deg(self) -> list[float]:
        """Of the blurs, in their order."""
        if self.stages == 1:
            return [self.widest_deg]
        factor = (self.narrowest_deg / self.widest_deg) ** (1 / (self.stages - 1))
        return [self.widest_deg * factor**stage for stage in range(self.stages)]


def narrowing_stages(simulator: Simulator, target: Float[Tensor, "n"], narrowing: Narrowing) -> Callable[[int], Stage]:
    """The stage of each step: simulator and target blurred alike.

    Args:
        simulator: of the unblurred patterns.
        target: as measured or simulated, unblurred.
    """
    halves = [half_width(width, simulator.instrument.step_deg) for width in narrowing.widths_deg]
    stages = [Stage(simulator, blurred(target, half), half) for half in [*halves, 0]]
    return lambda step: stages[min(step // narrowing.steps, len(halves))]


def graduated(
    simulator: Simulator,
    target: Float[Tensor, "n"],
    lattice: Float[Tensor, "batch 6"],
    frac_coords: Float[Tensor, "batch sites 3"],
    objective: Objective = OBJECTIVES["cosine"],
    family: str | None = None,
    narrowing: Narrowing | None = None,
    progress: bool = False,
    record_every: int = 0,
) -> SnapResult:
    """Descend cells by Adam in parameters of one scale while the blur of both patterns narrows.

    Args:
        simulator: of the crystal's composition and the instrument.
        target: the pattern to be explained, on the simulator's grid.
        lattice, frac_coords: the starts.
        objective: what is descended.
        family: of crystals, to project onto at the start and after each step; None leaves the cell free.
        narrowing: of the blur.
        progress: show a bar with the remaining time.
        record_every: stride of the trajectory; 0 records none.
    """
    narrowing = narrowing or Narrowing()
    # No test for convergence: while there is a blur, standing still is no sign of an end.
    schedule = Schedule(narrowing.rate, narrowing.all_steps, check_every=narrowing.all_steps, rule=Adam())
    problem = Problem(narrowing_stages(simulator, target, narrowing), objective, schedule)
    cells, sites = lattice.to(simulator.dtype), frac_coords.to(simulator.dtype)
    return snap(problem, ScaledLattice.of(cells, sites, family), cells, sites, record_every, progress)
