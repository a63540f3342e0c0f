"""Files of kinds that users have reported, each on its right value or its message."""

from pathlib import Path

import pytest

from xrdscape.crystal.reading import Crystal, read_crystal
from xrdscape.errors import CellError, StructureError

INPUTS = Path(__file__).parent / "data" / "inputs"

READ = {
    "01_no_ops_FdN3m_colon2.cif": ("Si8", "F d -3 m:2"),
    "02_no_ops_P21c.cif": ("Zr4 O4", "P 1 21/c 1"),
    "03_no_ops_P21n_number14.cif": ("Zr4 O4", "P 1 21/n 1"),
    "05_no_ops_RN3c_R.cif": ("Ca2 C2 O6", "R -3 c:R"),
    "06_no_ops_Hall_only.cif": ("Si8", "F d -3 m:2"),
    "10_type_OH_dropped.cif": ("Al1 O1", "P 1"),
    "11_type_dot_dropped.cif": ("Na1 Al1", "P 1"),
    "13_H_shares_site_dropped.cif": ("Al1 H0.8 O0.2", "P 1"),
    "16_vacancy_Va_vanadium.cif": ("Al1", "P 1"),
    "19_type_H2O_is_H.cif": ("Al1 O1", "P 1"),
    "20_type_2H_dropped.cif": ("Al1 H1", "P 1"),
    "21_partial_site_0.333_trebled.cif": ("Zn1 O1", "P 63 m c"),
    "23_full_site_0.333_refused.cif": ("Zn2 O2", "P 63 m c"),
    "25_uppercase_symop_tag_P1.cif": ("Na2 Al1", "P -1"),
    "27_uppercase_tags_refused.cif": ("Na1 Cl1", "P 1"),
    "28_bom_refused.cif": ("Na1 Cl1", "P 1"),
    "29_DATA_refused.cif": ("Na1 Cl1", "P 1"),
    "31_textfield_with_data_refused.cif": ("Na1 Cl1", "P 1"),
    "32_text_names_tag_refused.cif": ("Na1 Cl1", "P 1"),
    "37_si_short_wavelength.cif": ("Si8", "F d -3 m:1"),
    "38_tin_form_factor.cif": ("Sn4", "I 41/a m d:1"),
    "39_LiH_form_factor.cif": ("Li4 H4", "F m -3 m"),
    "40_CrCl3_snap_output_unreadable.cif": ("Cr6 Cl18", "P 32 1 2"),
}
"""Contents of the cell and space group, by an independent reader (gemmi) or the file itself."""

REMARKED = {
    "10_type_OH_dropped.cif": "Na1: its kind OH was read as O alone",
    "16_vacancy_Va_vanadium.cif": "Na1: left out: Va is a vacancy",
    "19_type_H2O_is_H.cif": "Na1: its kind H2O was read as O alone",
    "20_type_2H_dropped.cif": "Na1: deuterium or tritium, which scatters X-rays as hydrogen",
    "40_CrCl3_snap_output_unreadable.cif": "taken as a neutral atom",
}

REFUSED = {
    "14_label_1Fe_dropped.cif": "site '1Fe' whose element is not given",
    "18_nan_occupancy_dropped.cif": "gives nan as the occupancy of site Na1",
    "33_POSCAR_vasp4": "does not name its elements. Add a line with their symbols",
    "34_negative_length.cif": "cell without volume: a, b, c = -4, 4, 4",
    "35_cell_1e6_traceback.cif": "has a density of 9.7e-17 g/cm3, which no crystal has",
    "42_coordinate_dot_is_zero.cif": r"gives \. or \? as coordinate x of site Na1",
}


def contents(crystal: Crystal) -> str:
    return str(crystal.structure.composition.formula)


def test_every_file_is_tried() -> None:
    assert {path.name for path in INPUTS.iterdir()} == {*READ, *REFUSED}


@pytest.mark.parametrize("name", READ)
def test_a_file_is_read_right(name: str) -> None:
    crystal = read_crystal(INPUTS / name)
    assert (contents(crystal), crystal.space_group) == READ[name]
    said = " ".join(crystal.remarks)
    assert REMARKED.get(name, "") in said
    assert bool(said) == (name in REMARKED)


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_is_refused_with_its_reason(name: str) -> None:
    with pytest.raises((StructureError, CellError), match=REFUSED[name]) as refusal:
        read_crystal(INPUTS / name)
    assert name in str(refusal.value)
