"""Whole methods by name: what is moved and how, from where, and how often. Their parts are choices of a descent."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from xrdscape.crystal.distortion import Noise
from xrdscape.diffraction.instrument import PAPER_INSTRUMENT
from xrdscape.errors import DescentError
from xrdscape.optimisation.graduated import Narrowing
from xrdscape.optimisation.objectives import OBJECTIVES, Objective
from xrdscape.optimisation.rules import Adam, Rule
from xrdscape.optimisation.transport import SQUARED_TRANSPORT, TRANSPORT, triangular

GRADUATED, ADAM = Narrowing(), Adam()
ATOMS = Narrowing(stages=0, last_steps=600, rate=3e-3)
"""Steps for coordinates: where the cell stays, so do the peaks, and no blur would help. The rate is in fractions."""
ATOMS_BY_ENTROPY = Narrowing(stages=0, last_steps=600, rate=1e-2)
"""Steps for coordinates by the entropy: the best of rates 0.001 to 0.01, on other starts than the study's."""
DESCENDED: Mapping[str, Objective] = MappingProxyType(
    {
        **OBJECTIVES,
        "transport": TRANSPORT,
        "squared_transport": SQUARED_TRANSPORT,
        "triangular": triangular(3.0, PAPER_INSTRUMENT.step_deg),
    }
)
"""Objectives that a method may descend: the paper's objectives, and some made for peaks that stand apart."""

CellParameters = Literal["free", "angstrom", "family", "symmetric"]
SiteParameters = Literal["free", "symmetric"]


@dataclass(frozen=True)
class Method:
    """A way from a starting model to the crystal behind a pattern.

    Args:
        label: for figures and tables.
        moves: the "lattice" or the "coordinates"; the other is taken as known.
        narrowing: of the blur, with the learning rate and the number of steps.
        objective: a key of `DESCENDED`.
        cell: how the cell is parameterised: "free", six parameters of one scale; "angstrom", six in angstrom and
            degrees; "family", six of one scale, projected onto the problem's crystal family; "symmetric", only those
            that the family leaves free.
        rule: what turns gradients into moves.
        newton: above 0, so many Levenberg-Marquardt steps under each blur instead of the rule's.
        polish: Levenberg-Marquardt steps without a blur at the end.
        relaxed: start where CHGNet's relaxation of the starting model ends; of a cell, with the model's coordinates.
        restarts: how many further descents at most. Only the pattern decides whether another is needed, and which was
            best.
        spread: how far the starting model is distorted for a restart, as a noise level. With `relaxed`, a restart
            begins where a short relaxation of the last refined model ends instead.
        hops: a restart begins at the best refined model so far, distorted by `spread` and, with `relaxed`, relaxed
            shortly: basin hopping that never steps up.
        enough: similarity at which no restart is made.
        pattern_ev: above 0, relaxations feel the pattern beside CHGNet, with this weight in eV/atom (`pattern_energy`).
        sites: how the coordinates are parameterised: "free", three a site; "symmetric", moved only as the problem's
            space group allows.

    Raises:
        DescentError: for choices that exclude each other; the message says which.
    """

    label: str
    moves: Noise = "lattice"
    narrowing: Narrowing = GRADUATED
    objective: str = "cosine"
    cell: CellParameters = "free"
    rule: Rule = ADAM
    newton: int = 0
    polish: int = 0
    relaxed: bool = False
    restarts: int = 0
    spread: float = 0.1
    enough: float = 0.9995
    pattern_ev: float = 0.0
    hops: bool = False
    sites: SiteParameters = "free"

    def __post_init__(self) -> None:
        if self.objective not in DESCENDED:
            raise DescentError(f"unknown objective {self.objective!r}: choose one of {', '.join(DESCENDED)}.")
        if self.restarts < 0:
            raise DescentError(f"a method makes 0 or more restarts. Received {self.restarts}.")
        if self.newton and not (self.narrowing.stages and self.polish):
            raise DescentError(
                "Levenberg-Marquardt steps under blurs end with some that have none: give a narrowing with stages, and "
                f"a polish of 1 or more. Received {self.narrowing.stages} stages and a polish of {self.polish}."
            )
        if self.pattern_ev and not (self.relaxed and self.moves == "coordinates"):
            raise DescentError("only relaxations of coordinates feel the pattern: give relaxed=True with pattern_ev.")
        if self.moves == "coordinates" and (self.cell != "free" or self.narrowing.stages or self.polish):
            raise DescentError(
                "where the cell stays there is no family to project it onto and nothing to blur, and the polish moves "
                "the cell: leave cell 'free' and polish 0, and give a narrowing of no stages."
            )
        if self.moves == "lattice" and self.sites != "free":
            raise DescentError("where the coordinates stay their symmetry is kept: leave sites 'free'.")

    @property
    def steps_a_descent(self) -> int:
        """Steps of one descent at most."""
        walk = self.narrowing.stages * self.newton if self.newton else self.narrowing.all_steps
        return walk + self.polish

    @property
    def relaxes_alone(self) -> bool:
        """True if it starts from relaxations as the paper has them, by CHGNet alone."""
        return self.relaxed and not self.pattern_ev


_GRADUATED = Method("Graduated")
_ATOMS = Method("Adam", "coordinates", ATOMS, enough=1 - 1e-5, spread=0.05)
_BY_ENTROPY = replace(_ATOMS, label="Adam on entropy", narrowing=ATOMS_BY_ENTROPY, objective="entropy", enough=1 - 1e-4)
_RESTARTS = 11
METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "graduated": _GRADUATED,
        "graduated_family": replace(_GRADUATED, label="Graduated + family", cell="family"),
        "restarts": replace(_GRADUATED, label="Graduated, 11 restarts", restarts=_RESTARTS),
        "restarts_family": replace(
            _GRADUATED, label="Graduated + family, 11 restarts", cell="family", restarts=_RESTARTS
        ),
        "energy_graduated": replace(_GRADUATED, label="CHGNet, then graduated", relaxed=True),
        "adam": _ATOMS,
        "adam_restarts": replace(_ATOMS, label="Adam, 11 restarts", restarts=_RESTARTS),
        "adam_entropy": _BY_ENTROPY,
        "entropy_restarts": replace(_BY_ENTROPY, label="Adam on entropy, 11 restarts", restarts=_RESTARTS),
        "entropy_symmetric": replace(
            _BY_ENTROPY, label="Adam on entropy + space group, 11 restarts", sites="symmetric", restarts=_RESTARTS
        ),
        "energy_adam": replace(_ATOMS, label="CHGNet, then Adam", relaxed=True),
        "energy_entropy": replace(_BY_ENTROPY, label="CHGNet, then Adam on entropy", relaxed=True),
        "alternation": replace(_ATOMS, label="CHGNet and Adam in turn", relaxed=True, restarts=3),
        "entropy_alternation": replace(_BY_ENTROPY, label="CHGNet and entropy in turn", relaxed=True, restarts=3),
    }
)
"""Methods beyond the paper, by the name that records give them."""
