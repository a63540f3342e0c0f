"""Crystals from files: sources of symmetry beside one another, atom tables, special positions, contents, formats."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from made_up_cif import CUBIC, HEXAGONAL, MONOCLINIC, cif, listed, named
from pymatgen.core import Lattice, Structure
from tolerances import CIF_COORDINATE

from xrdscape.crystal.reading import Crystal, crystal_of_cif, read_crystal
from xrdscape.crystal.structures import load_structure
from xrdscape.errors import CellError, CrystalWarning, StructureError
from xrdscape.paths import REFERENCE_NAMES

P21C = listed("x,y,z", "-x,y+1/2,-z+1/2", "-x,-y,-z", "x,-y+1/2,z+1/2")
P21N = listed("x,y,z", "-x+1/2,y+1/2,-z+1/2", "-x,-y,-z", "x+1/2,-y+1/2,z+1/2")
ZR = "Zr1 Zr 0.12 0.23 0.34 1"
POSCAR = "comment\n1.0\n4 0 0\n0 4 0\n0 0 4\nNa Cl\n1 1\nDirect\n0 0 0\n.5 .5 .5\n"
WURTZITE = listed(
    *("x,y,z", "x-y,x,z+1/2", "-y,x-y,z", "-x,-y,z+1/2", "-x+y,-x,z", "y,-x+y,z+1/2"),
    *("y,x,z+1/2", "x,x-y,z", "x-y,-y,z+1/2", "-y,-x,z", "-x,-x+y,z+1/2", "-x+y,y,z"),
)


def formula(crystal: Crystal) -> str:
    return str(crystal.structure.composition.formula)


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_nothing_is_assumed_of_a_reference(name: str) -> None:
    crystal = read_crystal(name)
    assert crystal.remarks == ()
    assert crystal.summary.startswith(crystal.formula)


# Symmetry


def test_no_symmetry_is_not_p1() -> None:
    with pytest.raises(StructureError, match=r"says nothing of its symmetry\. Add the operations"):
        crystal_of_cif(cif(symmetry=""))
    assert crystal_of_cif(cif(symmetry=named("P 1"))).space_group == "P 1"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (named("P n m a"), "list of 4 operations is of space group 14, the symbol 'P n m a' of 62"),
        ("_space_group_IT_number 15", "the space-group number 15 of 15"),
        ("_space_group_name_Hall '-C 2yc'", "the Hall symbol '-C 2yc' of 15"),
        (named("P 21/n"), "read in two ways, by the list of 4 operations and by the symbol 'P 21/n'"),
        ("_space_group_name_Hall '-P 2yn'", "read in two ways, by the list of 4 operations and by the Hall symbol"),
        ("_space_group_IT_number 300", "'300' as the number of its space group: they go from 1 to 230"),
    ],
)
def test_sources_that_contradict_the_list(more: str, message: str) -> None:
    with pytest.raises(StructureError, match=message):
        crystal_of_cif(cif(ZR, P21C, MONOCLINIC, more))


@pytest.mark.parametrize(
    ("symmetry", "message"),
    [
        (
            f"{named('P 21/n')}\n_space_group_IT_number 15",
            "the symbol 'P 21/n' and the space-group number 15 name diff",
        ),
        (f"{named('P 21/n')}\n_symmetry_space_group_name_H-M 'P 21/c'", "'P 21/n' and the symbol 'P 21/c' name diff"),
        (f"_space_group_name_Hall '-P 2yn'\n{named('P 21/c')}", "read in two ways, by the Hall symbol '-P 2yn'"),
        ("_space_group_IT_number 14\n_symmetry_Int_Tables_number 15", "two space-group numbers, 14 and 15"),
        (f"{P21C}\n{P21N.replace('_space_group_symop_operation_xyz', '_symmetry_equiv_pos_as_xyz')}", "twice, diff"),
    ],
)
def test_sources_that_contradict_one_another(symmetry: str, message: str) -> None:
    with pytest.raises(StructureError, match=message):
        crystal_of_cif(cif(ZR, symmetry, MONOCLINIC))


def test_sources_that_agree() -> None:
    more = f"{named('P 21/c')}\n_space_group_name_Hall '-P 2ybc'\n_space_group_IT_number 14"
    crystal = crystal_of_cif(cif(ZR, P21C, MONOCLINIC, more))
    assert (crystal.space_group, crystal.number, crystal.remarks) == ("P 1 21/c 1", 14, ())


def test_a_symbol_leaves_the_origin_of_the_list_open() -> None:
    shifted = listed("x,y,z", "-x+1/4,y+1/2,-z+1/2", "-x+1/4,-y,-z", "x,-y+1/2,z+1/2")
    assert crystal_of_cif(cif(ZR, shifted, MONOCLINIC, named("P 21/c"))).number == 14


def test_a_list_of_all_atoms_beside_the_symbol_of_their_symmetry() -> None:
    crystal = crystal_of_cif(cif(more=named("P m -3 m")))
    assert crystal.space_group == "P 1"
    assert "'P m -3 m' names the symmetry of the atoms, which are all listed" in crystal.remarks[0]
    with pytest.raises(StructureError, match="contradicts itself"):
        crystal_of_cif(cif(more=named("F m -3 m")))


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        (("x,y,z", "-x,y+1/2,-z+1/2", "-x,-y,-z"), "3 symmetry operations that are not a group"),
        (("x,y,z", "-x,-y"), "'-x,-y' among its symmetry operations, which cannot be read"),
        (("x,y,z", "x,x,z"), "'x,x,z' among its symmetry operations, which is none of a crystal"),
        (("x,y,z", "x+1/0,y,z"), "cannot be read"),
        (("x,y,z", "x,y,z+t"), "cannot be read"),
    ],
)
def test_lists_that_are_no_group(operations: tuple[str, ...], message: str) -> None:
    with pytest.raises(StructureError, match=message):
        crystal_of_cif(cif(ZR, listed(*operations), MONOCLINIC))


@pytest.mark.parametrize(
    "operations",
    [
        ("X, Y, Z", "-X, 1/2+Y, 1/2-Z", "-X, -Y, -Z", "X, 1/2-Y, 1/2+Z"),
        ("+x,+y,+z", "-x,+y+0.5,-z+.5", "-x,-y,-z", "+x,-y+.5,+z+0.5"),
        ("x,y,z", "-x,y+3/6,-z-1/2", "-x,-y,-z", "x,-y-1/2,z+3/2"),
        ("x,y,z", "x,y,z", "-x,y+1/2,-z+1/2", "-x,-y,-z", "x,-y+1/2,z+1/2"),
    ],
)
def test_operations_in_the_ways_that_they_are_written(operations: tuple[str, ...]) -> None:
    assert crystal_of_cif(cif(ZR, listed(*operations), MONOCLINIC)).space_group == "P 1 21/c 1"


def test_decimal_thirds_are_thirds() -> None:
    rows = ("x,y,z", "-y,x-y,z+0.333", "-x+y,-x,z+0.6667")
    assert crystal_of_cif(cif("Si1 Si 0.2 0.3 0.4 1", listed(*rows), HEXAGONAL)).space_group == "P 31"


def test_the_cell_has_the_symmetry_of_the_operations() -> None:
    with pytest.raises(StructureError, match=r"has a cell \(4, 4, 4\.1, 90, 90, 90\) without the symmetry of"):
        crystal_of_cif(cif(symmetry=named("P m -3 m"), cell=(4, 4, 4.1, 90, 90, 90)))
    assert crystal_of_cif(cif(symmetry=named("P m -3 m"), cell=("4.000(2)", 4.001, 4, 90, 90, 90))).number == 221


def test_magnetic_operations_without_time() -> None:
    symmetry = (
        "loop_\n_space_group_symop_magn_operation.xyz\nx,y,z,+1\n-x,-y,-z,+1\n"
        "loop_\n_space_group_symop_magn_centering.xyz\nx,y,z,+1\nx,y,z+1/2,-1"
    )
    assert len(crystal_of_cif(cif("Mn1 Mn 0.1 0.2 0.1 1", symmetry)).structure) == 4


# Text


@pytest.mark.parametrize(
    "changed",
    [
        lambda text: (
            text.upper().replace("DATA_MADE_UP", "data_x").replace("NA1 NA", "Na1 Na").replace("CL1 CL", "Cl1 Cl")
        ),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("_atom_site_", "_atom_site.").replace("_cell_", "_cell."),
        lambda text: text.replace("_space_group_symop_operation_xyz", "_space_group_symop.operation_xyz"),
        lambda text: (
            "#\\#CIF_2.0\n" + text.replace("loop_", '_a """x\ndata_y\n_b"""\n_c [1 [2 3]]\n_d {"e":1}\nloop_', 1)
        ),
        lambda text: text.replace("loop_", "_note\n;\ndata_other\nloop_\n_atom_site_fract_x\n;\nloop_", 1),
        lambda text: "data_empty\n_x 1\n" + text + "data_pattern\nloop_\n_pd_meas_counts_total\n1 2 3\n",
        lambda text: text + "\n# \xe9\n",
        lambda text: text.replace("0.5 0.5 0.5", "0.5(3) .5 5e-1"),
        lambda text: text.replace("0.5 0.5 0.5", "1/2 +0.5 -0.5"),
    ],
)
def test_a_text_in_the_ways_that_it_is_written(changed, tmp_path: Path) -> None:
    path = tmp_path / "x.cif"
    path.write_text(changed(cif()), encoding="utf8", newline="")
    assert formula(read_crystal(path)) == "Na1 Cl1"


def test_utf_16(tmp_path: Path) -> None:
    path = tmp_path / "x.cif"
    path.write_text(cif(), encoding="utf-16")
    assert formula(read_crystal(path)) == "Na1 Cl1"


def test_values_without_quotes_are_mended_and_said() -> None:
    crystal = crystal_of_cif(cif(more="_chemical_name_common common salt\n_cell_special_details\n_journal_year 2000"))
    assert formula(crystal) == "Na1 Cl1"
    assert "was mended on lines" in crystal.remarks[0]


def test_the_first_of_several_crystals_is_said() -> None:
    crystal = crystal_of_cif(cif() + cif(sites="Fe1 Fe 0 0 0 1").replace("made_up", "second"))
    assert formula(crystal) == "Na1 Cl1"
    assert "holds 2 crystals: the first, made_up, was taken. For another (second)" in crystal.remarks[0]


def test_an_item_given_twice() -> None:
    with pytest.raises(StructureError, match="gives _cell_length_a twice with different values"):
        crystal_of_cif(cif(more="_cell.length_a 5"))
    assert crystal_of_cif(cif(more="_chemical_formula_sum ''\n_chemical_formula_sum 'Na Cl'")).remarks == ()


# Atoms


@pytest.mark.parametrize(
    ("kind", "element"),
    [
        *(("Fe3+", "Fe"), ("Fe+3", "Fe"), ("FE", "Fe"), ("fe", "Fe"), ("Fe(3+)", "Fe"), ("Fe0", "Fe"), ("Fe1", "Fe")),
        *(("O2-", "O"), ("O-2", "O"), ("Cl1-", "Cl"), ("CL1-", "Cl"), ("Ho", "Ho"), ("HO", "Ho"), ("Cval", "C")),
        *(("D", "H"), ("T", "H"), ("2H", "H"), ("D1+", "H"), ("OH", "O"), ("OH-", "O"), ("H2O", "O"), ("Wat", "O")),
        *(("NH4+", "N"), ("Hw", "H"), ("Ow2", "O"), ("HOH", "O"), ("7Li", "Li"), ("(57)Fe", "Fe")),
    ],
)
def test_kinds_of_atoms(kind: str, element: str) -> None:
    crystal = crystal_of_cif(cif([f"A1 {kind} 0 0 0 1", "Al2 Al 0.5 0.5 0.5 1"]))
    assert crystal.structure.composition.get_el_amt_dict() == {element: 1, "Al": 1}
    assert bool(crystal.remarks) == (kind.capitalize() != element and kind not in ("Fe0", "Cval"))


@pytest.mark.parametrize(
    "kind", ["X", "M", "Q1", "NO3", "NO3-", "CO3", "PO4", "CN", "CN-", "SiO", "T1", "1Fe", "Fe3+/Fe2+", "H3O+"]
)
def test_kinds_that_are_no_element(kind: str) -> None:
    with pytest.raises(
        StructureError, match=f"has site A1 of kind '{kind.replace('+', chr(92) + '+')}', which is no chem"
    ):
        crystal_of_cif(cif([f"A1 {kind} 0 0 0 1", "Al2 Al 0.5 0.5 0.5 1"]))


@pytest.mark.parametrize(
    ("label", "sum_", "element"),
    [
        *(
            ("Fe1", "", "Fe"),
            ("OA1", "", "O"),
            ("CaM4", "", "Ca"),
            ("C11", "", "C"),
            ("Wat1", "", "O"),
            ("D1", "", "H"),
        ),
        *(
            ("Ho1", "Al H", "H"),
            ("Co1", "Al C O", "C"),
            ("FE1", "Al Fe", "Fe"),
            ("CA1", "Al C", "C"),
            ("Ho1", "", "Ho"),
        ),
    ],
)
def test_labels_name_elements(label: str, sum_: str, element: str) -> None:
    more = f"_chemical_formula_sum '{sum_}'" if sum_ else ""
    text = cif([f"{label} 0 0 0", "Al2 0.5 0.5 0.5"], columns="label fract_x fract_y fract_z", more=more)
    if sum_ == "Al C O":
        text += "O1 0.5 0 0\n"
    assert element in crystal_of_cif(text).structure.composition


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("1Fe", "whose element is not given"),
        ("FE1", "may be Fe or F"),
        ("CA1", "may be Ca or C"),
        ("Q1", "names no el"),
        ("T1", "a tetrahedron perhaps"),
        ("TSi", "a tetrahedron perhaps"),
        ("La/Sr", "may be La or Sr. Give each a row"),
        ("FeMn1", "may be Fe or Mn. Give each a row"),
    ],
)
def test_labels_that_leave_the_element_open(label: str, message: str) -> None:
    with pytest.raises(StructureError, match=message):
        crystal_of_cif(cif([f"{label} 0 0 0", "Al2 0.5 0.5 0.5"], columns="label fract_x fract_y fract_z"))


@pytest.mark.parametrize("value", ["nan", "inf", "-0.1", "1.2", "half", "1e9"])
def test_occupancies_that_are_none(value: str) -> None:
    with pytest.raises(StructureError, match=f"gives {value} as the occupancy of site Na1"):
        crystal_of_cif(cif(f"Na1 Na 0 0 0 {value}"))


@pytest.mark.parametrize("value", ["?", ".", "nan", "x", "0,5", "1e9", "1" * 5000])
def test_coordinates_that_are_none(value: str) -> None:
    with pytest.raises(StructureError, match="as coordinate y of site Na1"):
        crystal_of_cif(cif(f"Na1 Na 0 {value} 0 1"))


def test_rows_left_out_are_named() -> None:
    rows = ["Na1 Na 0 0 0 1 Uani", "V1 Va 0.5 0 0 1 Uani", "Q1 C 0.5 0.5 0 1 dum", "Cl1 Cl 0 0.5 0 0 Uani"]
    crystal = crystal_of_cif(cif(rows, columns="label type_symbol fract_x fract_y fract_z occupancy calc_flag"))
    assert formula(crystal) == "Na1"
    assert [text.split(":")[0] for text in crystal.remarks[:3]] == ["Site V1", "Site Q1", "Site Cl1"]


def test_alternatives_that_are_all_full_are_said() -> None:
    sites = ["Na1 Na 0 0 0 .", "Cl1 Cl 0.5 0.5 0.2 1", "Cl2 Cl 0.5 0.5 0.8 2"]
    crystal = crystal_of_cif(cif(sites, columns="label type_symbol fract_x fract_y fract_z disorder_group"))
    assert "The disorder groups 1, 2 are alternatives, but all their sites are given as full." in crystal.remarks


def test_a_mixture_of_the_pauling_file() -> None:
    row = "Nb,Zr '0.8Nb + 0.2Zr' 0 0 0 1"
    assert formula(crystal_of_cif(cif(row))) == "Zr0.2 Nb0.8"


# Special positions and occupancies


@pytest.mark.parametrize("occupancy", [1, 0.5])
@pytest.mark.parametrize("third", ["0.33", "0.333", "0.3333", "0.333333", "0.3333(4)", "0.34"])
def test_images_on_a_special_position_are_one(third: str, occupancy: float) -> None:
    rest = str(1 - float(third.split("(")[0]))[:4]
    rows = [f"Zn1 Zn {third} {rest} 0 {occupancy}", f"O1 O {third} {rest} 0.382 {occupancy}"]
    crystal = crystal_of_cif(cif(rows, WURTZITE, (3.25, 3.25, 5.207, 90, 90, 120)))
    assert len(crystal.structure) == 4
    np.testing.assert_array_equal(crystal.structure.frac_coords[0, :2], [1 / 3, 2 / 3])


def test_split_positions_off_a_special_one_stay_apart() -> None:
    rows = listed("x,y,z", "-x,-y,-z")
    assert len(crystal_of_cif(cif("Na1 Na 0.03 0 0 0.5", rows)).structure) == 2
    with pytest.raises(StructureError, match=r"on top of each other: Na \(site 1\) and Na \(site 2\) are 0\.24"):
        crystal_of_cif(cif("Na1 Na 0.03 0 0 1", rows))
    moved = crystal_of_cif(cif("Na1 Na 0.017 0 0 1", rows))
    assert len(moved.structure) == 1
    assert "Moved onto the special position nearby, in angstrom: Na1 by 0.07" in moved.remarks[0]


def test_rows_share_a_site() -> None:
    rows = ["Fe1 Fe 0.25 0.1 0.1 0.5", "Ni1 Ni -0.25 -0.1 -0.1 0.25"]
    structure = crystal_of_cif(cif(rows, listed("x,y,z", "-x,-y,-z"))).structure
    assert len(structure) == 2
    assert {str(element): amount for element, amount in structure[0].species.items()} == {"Fe": 0.5, "Ni": 0.25}


def test_occupancies_slightly_above_one_are_scaled_and_said() -> None:
    crystal = crystal_of_cif(cif(["Fe1 Fe 0 0 0 0.51", "Ni1 Ni 0 0 0 0.50"]))
    assert crystal.structure[0].species.num_atoms == pytest.approx(1)
    assert crystal.remarks[0] == "Occupancies of Fe1 + Ni1 add up to 1.01 at most and were scaled to 1."
    with pytest.raises(StructureError, match=r"add up to 1\.05 on the site of Fe1 \+ Ni1"):
        crystal_of_cif(cif(["Fe1 Fe 0 0 0 0.55", "Ni1 Ni 0 0 0 0.50"]))


# Contents


@pytest.mark.parametrize(
    ("more", "remark"),
    [
        ("_chemical_formula_sum 'Na Cl'", ""),
        ("_chemical_formula_sum 'Cl1 Na1'\n_cell_formula_units_Z 1", ""),
        ("_chemical_formula_sum 'Na Cl H2'", "2 fewer hydrogen atoms"),
        (
            "_chemical_formula_sum 'Na Cl'\n_cell_formula_units_Z 2",
            "but the file says Cl Na and Z = 2: 1 formula units",
        ),
        ("_chemical_formula_sum 'Na0.95 Cl'", "but the file says Cl Na0.95"),
        ("_chemical_formula_sum 'Na Cl'\n_exptl_crystal_density_diffrn 1.7", "says a density of 1.7 g/cm3"),
        ("_cell_volume 70", "says a volume of 70 angstrom^3; its cell has 64"),
    ],
)
def test_contents_that_do_not_quite_agree_are_said(more: str, remark: str) -> None:
    remarks = crystal_of_cif(cif(more=more)).remarks
    assert remark in " ".join(remarks)
    assert bool(remarks) == bool(remark)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("_chemical_formula_sum 'Na Cl O3'", "holds Cl Na in its cell, but says Cl Na O3"),
        ("_chemical_formula_sum 'K Cl'", "holds Cl Na in its cell, but says Cl K"),
        ("_exptl_crystal_density_diffrn 3.0", "holds atoms of 1.516 g/cm3, but says 3"),
        (
            "_chemical_formula_sum 'Na Cl'\n_cell_formula_units_Z 2\n_exptl_crystal_density_diffrn 3.03",
            "1.516 g/cm3, but",
        ),
    ],
)
def test_contents_that_contradict_the_file(more: str, message: str) -> None:
    with pytest.raises(StructureError, match=message):
        crystal_of_cif(cif(more=more))


def test_an_atom_row_that_lacks_is_seen() -> None:
    more = "_chemical_formula_sum 'Si O2'\n_cell_formula_units_Z 3"
    with pytest.raises(StructureError, match="An atom, an operation or an occupancy is wrong or missing"):
        crystal_of_cif(cif("Si1 Si 0.47 0 0 1", named("P 32 2 1"), (4.91, 4.91, 5.4, 90, 90, 120), more))


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ((-4, 4, 4, 90, 90, 90), "cell without volume: a, b, c = -4"),
        (("?", 4, 4, 90, 90, 90), "gives nothing as _cell_length_a"),
        ((4, 4, 4, 20, 90, 150), "cell without volume"),
        ((4, 4, 4, 90, 90, 180), "cell without volume"),
        ((4, 4, 4, 90, 90, "nan"), "gives nan as _cell_angle_gamma"),
        ((4, 4, 0.1, 90, 90, 90), r"has a cell 0\.1 angstrom thin"),
    ],
)
def test_cells_that_are_none(cell: tuple[object, ...], message: str) -> None:
    with pytest.raises(CellError, match=message):
        crystal_of_cif(cif(cell=cell))


def test_densities_and_distances_that_crystals_have_not() -> None:
    with pytest.raises(StructureError, match=r"has a density of 9\.7e-05 g/cm3, which no crystal has"):
        crystal_of_cif(cif(cell=(100, 100, 100, 90, 90, 90)))
    near = crystal_of_cif(cif(["Fe1 Fe 0 0 0 1", "Fe2 Fe 0 0 0.25 1"])).remarks
    assert "Fe and Fe are 1.00 angstrom apart, nearer than any bond." in near
    assert "is low for a crystal" in crystal_of_cif(cif("H1 H 0 0 0 1")).remarks[0]


# Other formats


def test_poscar_needs_its_elements(tmp_path: Path) -> None:
    for name in ("POSCAR", "x.vasp", "CONTCAR.relaxed", "x.poscar", "noname"):
        path = tmp_path / name
        path.write_text(POSCAR)
        assert formula(read_crystal(path)) == "Na1 Cl1"
        path.write_text(POSCAR.replace("Na Cl\n", ""))
        with pytest.raises(StructureError, match="does not name its elements"):
            read_crystal(path)
    path.write_text("hello")
    with pytest.raises(StructureError, match="is not a POSCAR"):
        read_crystal(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1 1\n", "1\n", "names 2 elements"),
        ("Na Cl\n", "Na Cl K\n", "names 3 elements"),
        ("1 1\n", "1 0\n", "lists more coordinates than the 1 atoms"),
        (".5 .5 .5\n", ".5 .5 .5\n.2 .2 .2\n", "lists more coordinates than the 2 atoms"),
        (".5 .5 .5\n", ".5 .5 .5 Na\n", "names an atom Na where its numbers of atoms say Cl"),
        ("\n1.0\n", "\n0.0\n", "has a cell without volume"),
        ("1 1\n", "1 999999999\n", "has 999999999 sites in its cell"),
        ("1 1\n", "1 1#x\n", "gives '1 1#x' as the numbers of its atoms"),
    ],
)
def test_poscars_that_contradict_themselves(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "POSCAR"
    path.write_text(POSCAR.replace(old, new))
    with pytest.raises((StructureError, CellError), match=message):
        read_crystal(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Na Cl\n1 1\n", "Na_pv Cl_h\n1 1\n"),
        ("Na Cl\n1 1\n", "Na/12345678 Cl/8b234567\n1 1\n"),
        ("Na Cl\n1 1\n", "Na Cl ! elements\n1 1 # atoms\n"),
        (".5 .5 .5\n", ".5 .5 .5 Cl\n\n0 0 0\n0 0 0\n"),
        ("Direct\n0 0 0\n.5 .5 .5", "Selective dynamics\nDirect\n0 0 0 T T F\n.5 .5 .5 F F F"),
        ("1.0\n", "-64\n"),
        (POSCAR, cif()),
    ],
)
def test_poscars_in_the_ways_that_they_are_written(old: str, new: str, tmp_path: Path) -> None:
    path = tmp_path / "POSCAR"
    path.write_text(POSCAR.replace(old, new))
    assert formula(read_crystal(path)) == "Na1 Cl1"


def test_other_formats_go_through_the_same_gate(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(Structure(Lattice.cubic(4), ["Na+", "D"], [[0, 0, 0], [0.5, 0.5, 0.5]]).as_dict()))
    crystal = read_crystal(path)
    assert (formula(crystal), len(crystal.remarks)) == ("Na1 H1", 1)
    path.write_text(json.dumps(Structure(Lattice.cubic(4), ["Na", "Cl"], [[0, 0, 0], [0, 0, 0.05]]).as_dict()))
    with pytest.raises(StructureError, match="on top of each other"):
        read_crystal(path)
    path.write_text('{"a": 1}')
    with pytest.raises(StructureError, match="not a crystal structure that pymatgen can read"):
        read_crystal(path)
    shelx = tmp_path / "x.res"
    shelx.write_text("TITL x")
    with pytest.raises(StructureError, match="is a SHELX file"):
        read_crystal(shelx)
    (tmp_path / "x.xyz").write_text("1\n\nFe 0 0 0\n")
    with pytest.raises(StructureError, match="pymatgen can read"):
        read_crystal(tmp_path / "x.xyz")


def test_what_was_assumed_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "x.cif"
    path.write_text(cif("Na1 Na+ 0 0 0 1"))
    with pytest.warns(CrystalWarning, match=r"x\.cif: Site Na1: taken as a neutral atom"):
        load_structure(path)
    path.write_text(cif())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        structure = load_structure(path)
    np.testing.assert_allclose(structure.lattice.parameters, CUBIC, atol=CIF_COORDINATE)
