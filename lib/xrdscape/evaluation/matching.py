"""Criteria of whether a result is the reference structure, and how far it is from it."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from scipy.optimize import linear_sum_assignment

from xrdscape.crystal.reading import MIN_SITE_DISTANCE_ANGSTROM
from xrdscape.crystal.structures import CrystalLike, structure_of
from xrdscape.runtime.extras import needs

Criterion = Literal["conventional", "pymatgen", "tight"]
"""Criterion of a match: StructureMatcher in conventional cells or with its default options, or a tight match."""
CRITERIA: tuple[Criterion, ...] = get_args(Criterion)

TIGHT_LENGTH = 0.005
"""Relative tolerance of each length in a tight match."""

TIGHT_ANGLE_DEG = 0.5
"""Tolerance of each angle in a tight match."""

TIGHT_DISTANCE_ANGSTROM = 0.05
"""Largest distance of an atom from its reference site in a tight match."""

Groups = list[tuple[NDArray[np.int64], NDArray[np.int64]]]
"""Indices of like atoms in the reference and in the result, one pair a kind."""


@dataclass(frozen=True)
class MatchOptions:
    """The options of pymatgen's StructureMatcher, named because the match rate depends on them.

    Attributes:
        ltol: relative tolerance of lengths; the paper's 0.1.
        stol: tolerance of sites, in units of (volume / atoms)^(1/3); the paper's 0.2.
        angle_tol: tolerance of angles in degrees; the paper's 5.
        primitive_cell: reduce both to primitive cells first. A distorted centred cell does not reduce while that of
            the reference structure does, and the two are then never compared: leave it off for conventional cells.
        scale: bring both to one volume first, so that a cell stretched evenly by any factor still matches.
        attempt_supercell: also compare supercells of the smaller structure.
    """

    ltol: float = 0.1
    stol: float = 0.2
    angle_tol: float = 5
    primitive_cell: bool = False
    scale: bool = False
    attempt_supercell: bool = False


CONVENTIONAL = MatchOptions()
"""The paper's tolerances on conventional cells."""
PYMATGEN_DEFAULTS = MatchOptions(primitive_cell=True, scale=True)
"""The paper's tolerances with pymatgen's default options."""


def meets(criterion: Criterion, reference: Structure, result: Structure) -> bool:
    """Return whether a result is the reference structure by one criterion."""
    if criterion == "tight":
        return tight_match(reference, result)
    return matches(reference, result, CONVENTIONAL if criterion == "conventional" else PYMATGEN_DEFAULTS)


def matches(reference: CrystalLike, result: CrystalLike, options: MatchOptions = CONVENTIONAL) -> bool:
    """Return whether pymatgen's StructureMatcher calls two structures one.

    By default its tolerances are wide, as in the paper: lengths may differ by 10 %. `tight_match` asks for more.

    >>> from xrdscape import matches
    >>> matches("NaS", "NaS"), matches("NaS", "U2Ti")
    (True, False)

    Args:
        reference, result: structures, paths of CIF or POSCAR files, or names of reference structures.
        options: StructureMatcher's options.

    Returns:
        True on a match. A result that is not finite, or that repeats within half an angstrom, matches nothing.

    Source: P 4.5; the options besides ltol, stol and angle_tol are not given there.
    """
    reference, result = structure_of(reference), structure_of(result)
    if not _is_crystal(result):
        return False
    matcher = StructureMatcher(
        ltol=options.ltol,
        stol=options.stol,
        angle_tol=options.angle_tol,
        primitive_cell=options.primitive_cell,
        scale=options.scale,
        attempt_supercell=options.attempt_supercell,
    )
    try:
        return bool(matcher.fit(reference, result))
    except (ValueError, np.linalg.LinAlgError):  # Niggli reduction gives up on nearly flat cells
        return False


def tight_match(reference: CrystalLike, result: CrystalLike) -> bool:
    """Return whether a result has the reference's geometry as closely as a refinement would call it solved.

    Lengths within 0.5 % and angles within 0.5 degrees of the reference, and every atom within 0.05 angstrom
    of a reference site of its own (its own: the sites are assigned one to one among like atoms), once the
    common translation has been removed that makes the mean displacement vanish. Distances are minimum-image,
    in the reference cell.

    The cell of the result may be given in any setting: every basis of its lattice that has the reference's
    lengths and angles within the tolerances is tried, mirror images included, which powder diffraction cannot
    tell apart. So a Niggli-reduced or axis-permuted cell matches, with no reduction that a small strain could
    tip over. Both cells must hold the same number of atoms: a supercell or a primitive cell does not match a
    conventional one.

    Args:
        reference, result: structures, paths of CIF or POSCAR files, or names of reference structures.

    Returns:
        True on a tight match.
    """
    reference, result = structure_of(reference), structure_of(result)
    if not _is_crystal(result) or reference.composition != result.composition or len(reference) != len(result):
        return False
    if abs(result.volume / reference.volume - 1) > 0.1:  # beyond what the tolerances allow; spares the search
        return False
    groups = _like_atoms(reference, result)
    if groups is None:
        return False
    mappings = result.lattice.find_all_mappings(
        reference.lattice, ltol=2 * TIGHT_LENGTH, atol=2 * TIGHT_ANGLE_DEG, skip_rotation_matrix=True
    )
    for _, _, basis in mappings:
        cell = Lattice(basis @ result.lattice.matrix)
        if _same_cell(reference.lattice, cell):
            coords = result.frac_coords @ np.linalg.inv(basis)
            if _sites_coincide(reference, coords, groups):
                return True
    return False


def emd(reference: Structure, result: Structure, k: int = 100) -> float:
    """Return the earth mover's distance between the pointwise distance distributions; the paper calls it AMD.

    It is blind to which element sits where, and continuous in the geometry. The first call ever on a machine
    compiles for about a minute; the compiled code is cached.

    Args:
        reference: the reference structure.
        result: the structure to evaluate.
        k: neighbours counted for each atom. The paper does not give its number.

    Returns:
        Distance in angstrom, >= 0; nan for a result that is not finite.

    Source: Widdowson et al., MATCH 87, 529 (2022); package average-minimum-distance.
    """
    with needs("study"):
        import amd  # imports and compiles numba code: only those who ask for a distance wait for it

    if not _is_finite(result):
        return float("nan")
    reduced = [_reduced(structure) for structure in (reference, result)]
    reference_pdd, result_pdd = (amd.PDD(amd.periodicset_from_pymatgen_structure(s), k) for s in reduced)
    return float(amd.EMD(reference_pdd, result_pdd))


def _reduced(structure: Structure) -> Structure:
    """Return the crystal in a basis of short vectors: in a skewed one the package overlooks neighbours."""
    return structure.get_reduced_structure("LLL") if _is_crystal(structure) else structure


def _is_finite(structure: Structure) -> bool:
    return bool(
        np.isfinite(structure.lattice.matrix).all()
        and np.isfinite(structure.frac_coords).all()
        and structure.volume > 0
    )


def _is_crystal(structure: Structure) -> bool:
    """Return whether a structure is finite and no atom of it meets its own image.

    Matching searches all lattice points within some angstrom, which takes for ever in a cell that has gone flat.
    """
    if not _is_finite(structure):
        return False
    try:
        shortest = min(structure.lattice.get_lll_reduced_lattice().abc)
    except np.linalg.LinAlgError:  # flat to the last digit
        return False
    return shortest > MIN_SITE_DISTANCE_ANGSTROM


def _same_cell(reference: Lattice, cell: Lattice) -> bool:
    lengths = np.abs(np.divide(cell.abc, reference.abc) - 1)
    angles = np.abs(np.subtract(cell.angles, reference.angles))
    return bool((lengths <= TIGHT_LENGTH).all() and (angles <= TIGHT_ANGLE_DEG).all())


def _like_atoms(reference: Structure, result: Structure) -> Groups | None:
    """Return the indices of like atoms in both, rarest kind first; None when the kinds do not pair up."""
    kinds = [np.array([str(site.species) for site in s]) for s in (reference, result)]
    groups = [(np.flatnonzero(kinds[0] == k), np.flatnonzero(kinds[1] == k)) for k in np.unique(kinds[0])]
    if any(len(a) != len(b) for a, b in groups):
        return None
    return sorted(groups, key=lambda group: len(group[0]))


def _sites_coincide(reference: Structure, coords: ArrayLike, groups: Groups) -> bool:
    """Return whether a common translation brings every atom onto a reference site of its own.

    Args:
        reference: the reference structure.
        coords: fractional coordinates [sites, 3] of the result in the reference's basis.
        groups: indices of like atoms, rarest kind first.

    A first guess lays one reference atom of the rarest kind on each like atom of the result in turn. A true
    match is then off by at most twice the tolerance, far less than half the distance of two atoms, so the
    assignment is right and the mean of its displacements is the translation sought.
    """
    found = np.asarray(coords)
    anchor = reference.frac_coords[groups[0][0][0]]
    metric = reference.lattice.metric_tensor
    for like in groups[0][1]:
        shift = found[like] - anchor
        for _ in range(2):
            displacement = _assigned_displacements(reference.frac_coords, found - shift, groups, reference.lattice)
            shift = shift + displacement.mean(axis=0)
        displacement = displacement - displacement.mean(axis=0)
        square = np.einsum("ni,ij,nj->n", displacement, metric, displacement)
        if np.sqrt(square.max()) <= TIGHT_DISTANCE_ANGSTROM:
            return True
    return False


def _assigned_displacements(
    reference: NDArray[np.float64],
    found: NDArray[np.float64],
    groups: Groups,
    lattice: Lattice,
) -> NDArray[np.float64]:
    """Return the minimum-image displacements [sites, 3], fractional, of each found atom from its reference site."""
    displacement = np.empty_like(reference)
    for sites, atoms in groups:
        # Rounding finds the shortest image wherever it is short against the spacing of lattice planes; a
        # longer one is no match anyway, whichever image stands for it.
        vectors = found[atoms] - reference[sites][:, None]
        vectors = vectors - np.round(vectors)
        square = np.einsum("mni,ij,mnj->mn", vectors, lattice.metric_tensor, vectors)
        rows, columns = linear_sum_assignment(square)
        displacement[sites[rows]] = vectors[rows, columns]
    return displacement
