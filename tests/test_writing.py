"""Written CIFs read back as the same crystal."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from crystals import CARRIED, DATA
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up_cif import cif, named
from pymatgen.core import Element, Lattice, Structure
from tolerances import TENSOR_ROUND_TRIP

from xrdscape.crystal.reading import Crystal, crystal_of_cif, read_crystal
from xrdscape.crystal.writing import SYMPREC_ANGSTROM, cif_text
from xrdscape.paths import REFERENCE_NAMES, ROOT

KNOWN = ROOT.parent / "shared" / "data" / "known_structures.parquet"
SAMPLE = 400
"""Crystals of the library that are written and read, out of some 80,000."""

MOVED_ANGSTROM = 10 * SYMPREC_ANGSTROM
"""Distance that sites may move to have the symmetry found: spglib tolerates as much by direction and operation."""


def assert_same(first: Structure, again: Structure, within: float = MOVED_ANGSTROM) -> None:
    """The same cell with the same species on the same sites, whatever their order and the origin."""
    np.testing.assert_allclose(again.lattice.parameters, first.lattice.parameters, rtol=TENSOR_ROUND_TRIP)
    assert len(again) == len(first)
    species = [site.species_string for site in first], [site.species_string for site in again]
    assert sorted(species[0]) == sorted(species[1])
    rare = min(set(species[0]), key=species[0].count)
    here = first.frac_coords[species[0].index(rare)]
    for there in again.frac_coords[[name == rare for name in species[1]]]:
        apart = first.lattice.get_all_distances(first.frac_coords - here + there, again.frac_coords)
        apart[np.array(species[0])[:, None] != np.array(species[1])] = np.inf
        if apart.min(1).max() < within and len(set(apart.argmin(1).tolist())) == len(again):
            return
    pytest.fail("the sites are others")


def written_and_read(structure: Structure) -> Crystal:
    crystal = crystal_of_cif(cif_text(structure))
    assert_same(structure, crystal.structure)
    return crystal


@pytest.mark.parametrize("name", [*REFERENCE_NAMES, *CARRIED])
def test_a_crystal_comes_back_with_its_space_group(name: str) -> None:
    crystal = read_crystal(name if name in REFERENCE_NAMES else DATA / f"{name}.cif")
    again = written_and_read(crystal.structure)
    assert (again.number, again.space_group, again.z) == (crystal.number, crystal.space_group, crystal.z)
    assert again.remarks == ()


def test_a_written_file_of_the_inputs_is_read() -> None:
    chloride = read_crystal(DATA / "inputs" / "40_CrCl3_snap_output_unreadable.cif")
    again = written_and_read(chloride.structure)
    assert (again.number, len(again.structure)) == (chloride.number, 24)


HARD = {
    "shared sites": cif(["Fe1 Fe 0 0 0 0.3", "Ni1 Ni 0 0 0 0.7", "O1 O 0.5 0.5 0.5 1"]),
    "three that add up": cif(["Fe1 Fe 0 0 0 0.1", "Ni1 Ni 0 0 0 0.2", "Co1 Co 0 0 0 0.7", "O1 O 0.5 0.5 0.5 1"]),
    "thirds": cif("Zn1 Zn 1/3 2/3 0.1 1", named("P 63 m c"), (3.25, 3.25, 5.207, 90, 90, 120)),
    "split sites": cif(["Na1 Na 0.016 0 0 0.5", "Na2 Na -0.016 0 0 0.5", "Cl1 Cl 0.5 0.5 0.5 1"]),
    "no symmetry": cif(["Na1 Na 0.1 0.2 0.3 1", "Cl1 Cl 0.55 0.61 0.72 1"], cell=(4, 5, 6, 81, 97, 101)),
    "a rhombohedral cell": cif("Ca1 Ca 0 0 0 1", named("R -3 c:R"), (6.36, 6.36, 6.36, 46.1, 46.1, 46.1)),
    "origin 1": cif("Si1 Si 0 0 0 1", named("F d -3 m:1"), (5.431, 5.431, 5.431, 90, 90, 90)),
    "another origin": cif(["Na1 Na 0.123 0.123 0.123 1", "Cl1 Cl 0.623 0.623 0.623 1"]),
    "a short decimal that is no third": cif("Zn1 Zn 0.333 0.1 0.1 1", cell=(9, 5, 6, 81, 97, 101)),
}


@pytest.mark.parametrize("kind", HARD)
def test_hard_crystals_come_back(kind: str) -> None:
    crystal = crystal_of_cif(HARD[kind])
    again = written_and_read(crystal.structure)
    assert [site.species for site in again.structure] == [site.species for site in crystal.structure]
    assert not any("scaled" in remark for remark in again.remarks)


def test_a_primitive_cell_keeps_its_space_group() -> None:
    vectors = Lattice([[0, 2.7155, 2.7155], [2.7155, 0, 2.7155], [2.7155, 2.7155, 0]])
    assert written_and_read(Structure(vectors, ["Si", "Si"], [[0, 0, 0], [0.25, 0.25, 0.25]])).number == 227


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(*[st.floats(0, 1, exclude_max=True)] * 3), min_size=1, max_size=4, unique=True),
    st.tuples(*[st.floats(6, 9)] * 3, *[st.floats(75, 105)] * 3),
)
def test_any_coordinates_come_back_in_all_their_digits(
    places: list[tuple[float, ...]], cell: tuple[float, ...]
) -> None:
    structure = Structure(Lattice.from_parameters(*cell), ["Fe"] * len(places), places)
    apart = structure.distance_matrix + 9 * np.eye(len(places))
    if apart.min() < 1.5:
        return
    assert_same(structure, crystal_of_cif(cif_text(structure)).structure)


@pytest.mark.skipif(not KNOWN.is_file(), reason="the library of known structures is not here")
def test_crystals_of_the_library_come_back() -> None:
    rows = pd.read_parquet(KNOWN)
    for row in rows.sample(SAMPLE, random_state=0).itertuples():
        coords = np.array(row.frac_coords).reshape(-1, 3)
        species = [Element.from_Z(int(z)) for z in row.atomic_numbers]
        structure = Structure(Lattice.from_parameters(*row.lattice), species, coords)
        assert_same(structure, crystal_of_cif(cif_text(structure)).structure)


def test_notes_stand_at_the_head(tmp_path: Path) -> None:
    text = cif_text(read_crystal("U2Ti").structure, notes=["from\na note"])
    assert text.startswith("# from a note\ndata_")
