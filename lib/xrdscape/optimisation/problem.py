"""Problems: a pattern to be explained, and what is known of the crystal behind it."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from xrdscape.crystal.contents import Contents
from xrdscape.crystal.families import Family
from xrdscape.crystal.symmetry import Symmetry
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.instrument import Instrument
from xrdscape.errors import DescentError
from xrdscape.optimisation.objectives import refuse_empty


@dataclass(frozen=True)
class Problem:
    """A powder pattern to be explained, with all that is known of the crystal behind it, which is never the crystal.

    Descents, searches and relaxations on pattern and energy take this and starting models, and nothing else.

    Args:
        target: intensities on the instrument's grid, any unit, in float64 [n].
        instrument: that recorded it.
        contents: which elements sit on how many sites, in the order of the sites of the starting models.
        weights: of the squared differences at each point, 0 for points to leave out [n]; None where all count alike.
        family: crystal family, where it is known.
        symmetry: what the space group asks of the sites, where it is known.
        hkl_max: largest |h|, |k|, |l| of the reflections in the target; None for all.

    Raises:
        DescentError: for a target or weights that do not fit the grid, or weights that are negative or all 0.
        InstrumentError: for a target that is zero everywhere or not a number.
    """

    target: Float[Tensor, "n"]
    instrument: Instrument
    contents: Contents
    weights: Float[Tensor, "n"] | None = None
    family: Family | None = None
    symmetry: Symmetry | None = None
    hkl_max: int | None = None

    def __post_init__(self) -> None:
        n = self.instrument.n_steps
        for name, values in (("target", self.target), ("weights", self.weights)):
            if values is not None and values.shape != (n,):
                raise DescentError(
                    f"The {name} has shape {list(values.shape)}, the instrument's grid {n} points. "
                    "Simulate or interpolate it on that grid."
                )
        refuse_empty(self.target)
        if self.weights is not None and not (bool((self.weights >= 0).all()) and bool((self.weights > 0).any())):
            raise DescentError(
                "Weights must be at least 0, and above 0 somewhere: give 0 only for points to leave out."
            )

    def simulator(self, dtype: torch.dtype = torch.float32) -> Simulator:
        """Return the simulator of the contents under the instrument."""
        return Simulator(self.contents, self.instrument, dtype, hkl_max=self.hkl_max)
