"""The ten reference structures, users' files and their refusals, tensors and back."""

import numpy as np
import pytest
import spglib
import torch
from pymatgen.core import Lattice, Structure
from tolerances import CIF_COORDINATE, CIF_FRACTION, TENSOR_ROUND_TRIP

from xrdscape.crystal.contents import Contents
from xrdscape.crystal.reference_facts import reference_facts
from xrdscape.crystal.structures import (
    from_tensors,
    load_structure,
    to_tensors,
)
from xrdscape.errors import CellError, StructureError
from xrdscape.paths import REFERENCE_NAMES, reference_path

# The space groups that the paper lists in its picture of the ten structures, and how many sites each cell holds.
SPACE_GROUPS = {
    "U2Ti": ("P6/mmm", 191, 3),
    "Au2S": ("Pn-3m", 224, 6),
    "BPO4": ("I-4", 82, 12),
    "Na3MnCoNiO6": ("Cm", 8, 24),
    "Nd(Al2Cu)4": ("I4/mmm", 139, 26),
    "LiMnIr2": ("Fm-3m", 225, 16),
    "Na2BiO3": ("C2/m", 12, 24),
    "NaS": ("P6_3/mmc", 194, 8),
    "NdCoO3": ("Pm-3m", 221, 5),
    "MnOF": ("Pm", 6, 18),
}

CIF = """data_x
_cell_length_a {a}
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha {alpha}
_cell_angle_beta {alpha}
_cell_angle_gamma {gamma}
_space_group_name_H-M_alt 'P 1'
loop_
_space_group_symop_id
_space_group_symop_operation_xyz
1 'x, y, z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
{sites}
"""


def write_cif(tmp_path, sites, a=4, alpha=90, gamma=90):
    path = tmp_path / "user.cif"
    path.write_text(CIF.format(sites=sites, a=a, alpha=alpha, gamma=gamma))
    return path


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_reference_structure_has_its_space_group_and_sites(name):
    structure = load_structure(name)
    symbol, number, n_sites = SPACE_GROUPS[name]
    cell = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
    found = spglib.get_symmetry_dataset(cell, symprec=0.01)
    assert (found.international, found.number) == (symbol, number)
    assert len(structure) == n_sites
    # standard setting: the change to spglib's standard cell is the identity
    np.testing.assert_allclose(found.transformation_matrix, np.eye(3), atol=CIF_COORDINATE)


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_wyckoff_multiplicities_add_up_to_the_cell(name):
    rows = reference_path(name).read_text().split("_atom_site_occupancy\n")[1].split("\n")
    fields = [row.split() for row in rows if row]
    assert sum(int(multiplicity) for _, _, multiplicity, *_ in fields) == len(load_structure(name))
    cell = load_structure(name)
    numbers = spglib.get_symmetry_dataset((cell.lattice.matrix, cell.frac_coords, cell.atomic_numbers))
    assert {letter for *_, letter, _, _, _, _ in fields} == set(numbers.wyckoffs)


def test_thirds_are_exact():
    assert abs(load_structure("U2Ti").frac_coords[0, 0] - 2 / 3) < CIF_FRACTION
    coords = load_structure("NaS").frac_coords
    assert np.abs(coords * 3 - np.round(coords * 3))[:, :2].max() < CIF_FRACTION


def test_reference_facts_match_the_paper():
    facts = reference_facts().set_index("name")
    assert tuple(facts.index) == REFERENCE_NAMES
    for name, (symbol, number, n_sites) in SPACE_GROUPS.items():
        row = facts.loc[name]
        assert (row.space_group, row.space_group_number, row.n_sites) == (symbol, number, n_sites)
        assert row.formula == load_structure(name).composition.reduced_formula
        assert row.source
    assert facts.named_in_paper.sum() == 5


def test_loading_gives_a_fresh_copy():
    load_structure("U2Ti").translate_sites([0], [0.1, 0, 0])
    assert abs(load_structure("U2Ti").frac_coords[0, 0] - 2 / 3) < CIF_FRACTION


def test_user_cif_keeps_its_cell(tmp_path):
    reference = load_structure("Na2BiO3")
    path = tmp_path / "x.cif"
    reference.to(str(path))
    again = load_structure(path)
    assert len(again) == len(reference)
    np.testing.assert_allclose(again.lattice.parameters, reference.lattice.parameters, atol=CIF_COORDINATE)


def test_poscar_keeps_orientation(tmp_path):
    matrix = np.array([[0.0, 4, 0], [-5, 0, 0], [0, 0, 6]])
    Structure(Lattice(matrix), ["Fe"], [[0.1, 0.2, 0.3]]).to(str(tmp_path / "POSCAR"))
    np.testing.assert_allclose(load_structure(tmp_path / "POSCAR").lattice.matrix, matrix)


def test_partial_occupancy_oxidation_and_deuterium(tmp_path):
    sites = "Fe1 Fe3+ 0 0 0 0.5\nNi1 Ni2+ 0 0 0 0.25\nD1 D 0.5 0.5 0.5 1\nH1 H1+ 0.5 0 0.5 1"
    structure = load_structure(write_cif(tmp_path, sites))
    contents = Contents.of(structure)
    assert contents.elements == ("Fe", "H", "Ni")
    np.testing.assert_allclose(sorted(contents.occupancy.tolist()), [[0, 1, 0], [0, 1, 0], [0.5, 0, 0.25]])


def test_a_powder_cif_gives_its_crystal(tmp_path):
    alone = write_cif(tmp_path, "Fe1 Fe 0 0 0 0.5\nNi1 Ni 0.5 0.5 0.5 1", a=5)
    profile = "data_profile\nloop_\n_pd_proc_2theta_corrected\n_pd_proc_intensity_net\n10.0 5\n10.1 7\n\n"
    whole = tmp_path / "powder.cif"
    whole.write_text(f"{profile}{alone.read_text()}\ndata_simulated\n_publcif_pd_cifplot 'a title'\n")
    assert load_structure(whole) == load_structure(alone)


def test_a_modulated_structure_is_refused(tmp_path):
    path = write_cif(tmp_path, "Fe1 Fe 0 0 0 1")
    path.write_text(path.read_text() + "\n_cell_modulation_dimension 1\n")
    with pytest.raises(StructureError, match="is a modulated structure: give its average structure"):
        load_structure(path)


def test_split_positions_are_allowed(tmp_path):
    sites = "Fe1 Fe 0 0 0 0.5\nFe2 Fe 0 0 0.05 0.5"
    assert len(load_structure(write_cif(tmp_path, sites))) == 2


def test_missing_file_lists_the_names():
    with pytest.raises(StructureError, match=r"no structure named or file called 'no\.cif'.*U2Ti, Au2S.*MnOF"):
        load_structure("no.cif")


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "has no atom sites"), ("data_x\n_cell_length_a 4\n", "Give a complete CIF"), ("hello", "not a valid CIF")],
)
def test_broken_cif_is_refused(tmp_path, text, message):
    path = tmp_path / "broken.cif"
    path.write_text(text)
    with pytest.raises(StructureError, match=message):
        load_structure(path)


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        ("", "at least one atom site"),
        ("Fe1 Fe 0 0 0 1\nNi1 Ni 0 0 0.02 1", r"sites on top of each other: Fe \(site 1\) and Ni \(site 2\)"),
        ("Fe1 Fe 0 0 0 1\nNi1 Ni 0 0 0 1", r"occupancies that add up to 2 on the site of Fe1 \+ Ni1"),
        ("X1 X 0 0 0 1", "site X1 of kind 'X', which is no chemical element"),
    ],
)
def test_impossible_sites_are_refused(tmp_path, sites, message):
    with pytest.raises(StructureError, match=message):
        load_structure(write_cif(tmp_path, sites))


@pytest.mark.parametrize("cell", [{"a": 0}, {"alpha": 20, "gamma": 150}])
def test_cell_without_volume_is_refused(tmp_path, cell):
    with pytest.raises(CellError, match=r"cell without volume.*angles close a cell"):
        load_structure(write_cif(tmp_path, "Fe1 Fe 0 0 0 1", **cell))


def test_flat_poscar_is_refused(tmp_path):
    (tmp_path / "POSCAR").write_text("x\n1\n4 0 0\n0 4 0\n4 4 0\nFe\n1\ndirect\n0 0 0\n")
    with pytest.raises(CellError, match="a, b, c = 4, 4"):
        load_structure(tmp_path / "POSCAR")


def test_tensors_round_trip():
    reference = load_structure("Na3MnCoNiO6")
    lattice, coords = to_tensors([reference, reference])
    assert lattice.shape == (2, 6)
    assert coords.shape == (2, 24, 3)
    again = from_tensors(reference, lattice[1], coords[1])
    np.testing.assert_allclose(again.lattice.parameters, reference.lattice.parameters, atol=TENSOR_ROUND_TRIP)
    np.testing.assert_allclose(again.frac_coords, reference.frac_coords, atol=TENSOR_ROUND_TRIP)
    assert [site.species for site in again] == [site.species for site in reference]


def test_tensors_take_dtype():
    lattice, coords = to_tensors([load_structure("U2Ti")], dtype=torch.float32)
    assert lattice.dtype == coords.dtype == torch.float32


def test_bad_batches_are_refused():
    with pytest.raises(StructureError, match=r"one number of sites, but got \[3, 6\]"):
        to_tensors([load_structure("U2Ti"), load_structure("Au2S")])
    with pytest.raises(StructureError, match="no structures"):
        to_tensors([])
    lattice, coords = to_tensors([load_structure("U2Ti")])
    with pytest.raises(StructureError, match="has 6 sites, but coordinates came for 3"):
        from_tensors(load_structure("Au2S"), lattice[0], coords[0])
    with pytest.raises(StructureError, match="finite numbers"):
        from_tensors(load_structure("U2Ti"), lattice[0] * torch.nan, coords[0])
