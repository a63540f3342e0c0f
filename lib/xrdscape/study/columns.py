"""The columns of records: their names and types, in one place for files and for everything that reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from xrdscape.crystal.distortion import Noise
from xrdscape.evaluation.matching import CRITERIA, Criterion

NOISES: tuple[Noise, ...] = get_args(Noise)
"""Kinds of noise, in the order of all tables."""

Which = Literal["start", "end"]
"""The model that a column is about: the starting or the refined one."""
WHICH: tuple[Which, ...] = get_args(Which)

Similarity = Literal["cosine", "mse", "entropy", "cross_correlation"]
"""The paper's objectives, as similarities: keys of `OBJECTIVES`; of the mean squared error, minus the error."""
SIMILARITIES: tuple[Similarity, ...] = get_args(Similarity)

Ending = Literal[
    "converged", "out of steps", "loss not finite", "impossible cell", "broke down", "enough", "out of tries"
]
"""Endings of descents, relaxations and searches; of the last, "enough" where the pattern is explained."""

Kind = Literal["text", "number", "whole number", "flag", "numbers"]
"""Content of a column in each row."""

START = ["structure", "noise", "level", "copy"]
"""Columns that name a starting model of one seed."""
SETTING = ["noise", "level", "method"]
"""Columns that name a setting."""
ROW = ["shard", "level", "copy"]
"""Columns that name a record: key of its job, noise level, number of the realisation."""


def similarity(objective: Similarity, which: Which) -> str:
    """Return the column with the similarity of a model's pattern to that of the reference structure."""
    return f"{objective}_{which}"


def emd(which: Which) -> str:
    """Return the column with the geometric distance of a model from the reference structure, angstrom."""
    return f"emd_{which}"


def match(criterion: Criterion, which: Which) -> str:
    """Return the column that tells whether a model matches the reference structure by a criterion."""
    return f"match_{criterion}_{which}"


def lattice(which: Which) -> str:
    """Return the column with the lattice parameters of a model, angstrom and degrees."""
    return f"{which}_lattice"


def coords(which: Which) -> str:
    """Return the column with the fractional coordinates of a model, site by site, flat."""
    return f"{which}_coords"


def loss(which: Which) -> str:
    """Return the column with the loss of a model as it was descended."""
    return f"{which}_loss"


def energy(which: Which) -> str:
    """Return the column with the energy of a model, eV/atom."""
    return f"energy_{which}"


def _evaluation(which: Which) -> dict[str, Kind]:
    return {
        **{similarity(name, which): "number" for name in SIMILARITIES},
        emd(which): "number",
        **{match(name, which): "flag" for name in CRITERIA},
    }


REQUIRED: MappingProxyType[str, Kind] = MappingProxyType(
    {
        "structure": "text",
        "noise": "text",
        "level": "number",
        "copy": "whole number",
        "method": "text",
        "seed": "whole number",
        "shard": "text",
        "learning_rate": "number",
        "steps": "whole number",
        "stop_reason": "text",
        "seconds": "number",
        **{name(which): "numbers" for which in WHICH for name in (lattice, coords)},
        **_evaluation("start"),
        **_evaluation("end"),
    }
)
"""Columns of every record."""

OPTIONAL: MappingProxyType[str, Kind] = MappingProxyType(
    {
        # Descents and searches.
        **{loss(which): "number" for which in WHICH},
        # Searches: descents that were made.
        "tries": "whole number",
        # Relaxations.
        **{energy(which): "number" for which in WHICH},
        "converged": "flag",
        # Descents towards a target with an artefact; `truth_loss` is that of the reference structure.
        "flaw": "text",
        "flaw_size": "number",
        "projected": "flag",
        "family": "text",
        "truth_loss": "number",
    }
)
"""Columns of some kinds of job alone."""

SOLUTION: MappingProxyType[str, Kind] = MappingProxyType(
    {
        "structure": "text",
        "noise": "text",
        "level": "number",
        "copy": "whole number",
        "method": "text",
        "seed": "whole number",
        "shard": "text",
        "seconds": "number",
        # The crystal asked for.
        "crystal": "text",
        "formula": "text",
        "space_group": "whole number",
        "sites": "whole number",
        "free_coords": "whole number",
        # The search.
        "fits": "whole number",
        "solved": "flag",
        # Its candidates, in their order: what each leaves of the pattern, and how near each is to the crystal.
        "r_nano": "numbers",
        "r_wp_squared": "numbers",
        "loose": "numbers",
        "strict": "numbers",
        "rms": "numbers",
        "contact": "numbers",
        "parameters": "numbers",
        "origins": "text",
        "prototypes": "text",
        # The first of them.
        "first_group": "whole number",
        "first_lattice": "numbers",
        "first_coords": "numbers",
        "first_numbers": "numbers",
    }
)
"""Columns of the records of structure solution: `structure` is the convention of the pattern, `noise` the protocol,
`level` the size of the crystallites, `copy` the place of the crystal in the list of those that are asked for."""


@dataclass(frozen=True)
class Schema:
    """The columns of one kind of records, and the order of rows in merged files.

    Args:
        required: of every record.
        optional: of some.
        order: columns by which merged files are sorted.
    """

    required: Mapping[str, Kind]
    optional: Mapping[str, Kind]
    order: tuple[str, ...]


DESCENTS = Schema(REQUIRED, OPTIONAL, ("noise", "method", "level", "learning_rate", "shard", "copy"))
SOLUTIONS = Schema(SOLUTION, MappingProxyType({}), ("noise", "method", "level", "copy"))


def schema_of(names: Sequence[str]) -> Schema:
    """Return the schema of records with columns of these names."""
    return SOLUTIONS if "r_nano" in names else DESCENTS
