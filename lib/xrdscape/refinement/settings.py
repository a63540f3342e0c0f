"""The choices of a refinement, and their defaults for the command line and for Python alike."""

from dataclasses import dataclass
from typing import Final, Literal

from xrdscape.crystal.families import FAMILIES, Family
from xrdscape.errors import DescentError
from xrdscape.optimisation.graduated import Narrowing

AUTOMATIC: Final = "auto"
FREE: Final = "free"

FamilyChoice = Family | Literal["auto", "free"]

WIDEST_BLUR_DEG = 180.0
"""Any wider than all angles is a slip."""


@dataclass(frozen=True)
class Settings:
    """Settings of a refinement.

    Args:
        family: crystal family that the cell is kept in; "auto" is that of the starting model, "free" none.
        atoms: descend the coordinates, too, at the cell found.
        zero_shift: refine an offset of the angles.
        blur_deg: full width of the first blur of both patterns.
        restarts: further descents at most, from strained copies, if that from the starting model explains too little.
        seed: of the strains.
        anomalous: add the anomalous dispersion of each element at the strongest emission line.

    Raises:
        DescentError: for choices that make no refinement.
    """

    family: FamilyChoice = AUTOMATIC
    atoms: bool = False
    zero_shift: bool = False
    # As recommended for simulated patterns. On ten measured ones the width matters little: of 273 starting models
    # strained by 2 to 20 % the first descent brought 186, 184 and 183 within 0.5 % of the published cell from 10, 20
    # and 30 deg (by an estimate of the background that followed less of a broad one).
    blur_deg: float = Narrowing.widest_deg
    restarts: int = 7
    seed: int = 0
    anomalous: bool = False

    def __post_init__(self) -> None:
        if self.family not in (AUTOMATIC, FREE, *FAMILIES):
            raise DescentError(
                f"unknown crystal family {self.family!r}: choose {', '.join((AUTOMATIC, FREE, *FAMILIES))}."
            )
        if self.restarts < 0 or not 0 < self.blur_deg <= WIDEST_BLUR_DEG:
            raise DescentError(
                f"restarts must be at least 0, and the blur wider than 0 and at most {WIDEST_BLUR_DEG:g} deg. Received "
                f"{self.restarts} restarts and {self.blur_deg:g} deg."
            )

    @property
    def narrowing(self) -> Narrowing:
        """Narrowing of the blur, from the first one on."""
        return Narrowing(self.blur_deg, min(Narrowing.narrowest_deg, self.blur_deg))
