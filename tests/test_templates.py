"""Templates: they move without losing their symmetry, along directions of unit length across each other."""

import numpy as np
import pytest
import spglib
import tolerances

from xrdscape.crystal.primitive_groups import SYSTEM_ENDS, system_of
from xrdscape.solution.library import carried_library
from xrdscape.solution.prototypes import kinds_of
from xrdscape.solution.templates import Template, template

STRAIN, MOVE_ANGSTROM, SYMPREC_ANGSTROM = 0.02, 0.1, 1e-4


def some_templates(system: str, count: int = 6, most_sites: int = 20) -> list[Template]:
    library = carried_library()
    groups = library.data["group"]
    generator = np.random.default_rng(3)
    places = generator.permutation([p for p in library.chosen if system_of(int(groups[p])) == system])
    found = []
    for place in places:
        known = template(kinds_of(library.orbits(int(place))))
        if len(known) <= most_sites and known.parameters > 1:
            found.append(known)
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize("system", SYSTEM_ENDS)
def test_random_moves_keep_the_space_group(system: str) -> None:
    generator = np.random.default_rng(1)
    for known in some_templates(system):
        strain = np.tensordot(generator.normal(0, STRAIN, len(known.moves.strains)), known.moves.strains, 1)
        shift = np.tensordot(generator.normal(0, MOVE_ANGSTROM, known.free_coords), known.moves.displacements, 1)
        cell = known.cell.lattice @ (np.eye(3) + strain), known.cell.frac + shift, known.cell.species + 1
        found = spglib.get_symmetry_dataset(cell, symprec=SYMPREC_ANGSTROM)
        assert found.number == known.orbits.number
        assert len(spglib.find_primitive(cell, symprec=SYMPREC_ANGSTROM)[1]) == len(known)


@pytest.mark.parametrize("system", SYSTEM_ENDS)
def test_moves_are_orthonormal_and_none_shifts_the_whole(system: str) -> None:
    for known in some_templates(system):
        flat = (known.moves.displacements @ known.cell.lattice).reshape(known.free_coords, 3 * len(known))
        np.testing.assert_allclose(flat @ flat.T, np.eye(known.free_coords), atol=tolerances.ORTHONORMAL)
        strains = known.moves.strains.reshape(-1, 9)
        np.testing.assert_allclose(strains @ strains.T, np.eye(len(strains)), atol=tolerances.ORTHONORMAL)
        for axis in known.cell.lattice:
            shift = np.tile(axis, len(known))
            left = shift - flat.T @ (flat @ shift)
            assert np.linalg.norm(left) > 0.1 * np.linalg.norm(axis) / len(known)
        # A move is of one orbit alone.
        for move in known.moves.displacements:
            assert len(set(known.orbits.expanded.orbit[np.abs(move).max(1) > 0])) == 1
