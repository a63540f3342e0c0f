"""Crystal families: what each asks of a cell, the projection onto it, and which one a crystal belongs to."""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from torch import Tensor

from xrdscape.errors import CellError, StructureError

Family = Literal["cubic", "hexagonal", "tetragonal", "orthorhombic", "monoclinic", "triclinic"]
FAMILIES: tuple[Family, ...] = get_args(Family)

TIED: dict[Family, tuple[tuple[int, ...], ...]] = {
    "cubic": ((0, 1, 2),),
    "hexagonal": ((0, 1), (2,)),
    "tetragonal": ((0, 1), (2,)),
    "orthorhombic": ((0,), (1,), (2,)),
    "monoclinic": ((0,), (1,), (2,), (4,)),
    "triclinic": ((0,), (1,), (2,), (3,), (4,), (5,)),
}
"""Groups of a, b, c, alpha, beta, gamma that are one free number in a family; angles left out are fixed by it."""


def project(lattice: Float[Tensor, "*batch 6"], family: Family) -> Float[Tensor, "*batch 6"]:
    """Return the closest-by-averaging lattice parameters of a crystal family, for conventional cells.

    Args:
        lattice: lattice parameters, angstrom and degrees.
        family: one of `FAMILIES`; monoclinic means unique axis b.

    Returns:
        Projected parameters; projecting twice changes nothing more.

    Raises:
        CellError: for an unknown family.

    Source: SI 1.3; eq:projectors of the simulator chapter.
    """
    a, b, c, _, beta, _ = lattice.unbind(-1)
    right = torch.full_like(a, 90.0)
    ab = (a + b) / 2
    abc = (a + b + c) / 3
    match family:
        case "cubic":
            parameters = [abc, abc, abc, right, right, right]
        case "hexagonal":
            parameters = [ab, ab, c, right, right, torch.full_like(a, 120.0)]
        case "tetragonal":
            parameters = [ab, ab, c, right, right, right]
        case "orthorhombic":
            parameters = [a, b, c, right, right, right]
        case "monoclinic":
            parameters = [a, b, c, right, beta, right]
        case "triclinic":
            return lattice.clone()
        case _:
            raise CellError(f"Unknown crystal family {family!r}. Use one of: {', '.join(FAMILIES)}.")
    return torch.stack(parameters, -1)


def detect_family(structure: Structure, symprec: float = 0.01) -> Family:
    """Return the crystal family of a structure, provided its cell is set as that family's projector expects.

    Args:
        structure: any structure.
        symprec: distance tolerance of the symmetry search by spglib, angstrom.

    Returns:
        The family; "triclinic" (no constraint) when no symmetry is found.

    Raises:
        StructureError: when the symmetry is higher than the given cell shows (a primitive cell, say), so that
            projecting the cell would change it; the message says to use the conventional cell.
    """
    try:
        # By itself pymatgen lets angles be off by 5 deg; -1 makes spglib judge them by the distance, too.
        system = SpacegroupAnalyzer(structure, symprec=symprec, angle_tolerance=-1).get_crystal_system()
    except Exception as problem:
        raise StructureError(
            f"spglib finds no symmetry in {structure.composition.reduced_formula} at symprec {symprec:g} angstrom "
            f"({problem}). Look for atoms on top of each other, or pass the crystal family yourself."
        ) from problem
    family: Family = "hexagonal" if system == "trigonal" else system
    lattice = torch.tensor(structure.lattice.parameters, dtype=torch.float64)
    if not torch.allclose(project(lattice, family), lattice, rtol=symprec, atol=1e-8):
        raise StructureError(
            f"{structure.composition.reduced_formula} is {family} but its cell "
            f"{tuple(round(p, 4) for p in structure.lattice.parameters)} is not the conventional one that the "
            f"{family} projection assumes. Give the conventional cell "
            "(pymatgen: SpacegroupAnalyzer(structure).get_conventional_standard_structure())."
        )
    return family
