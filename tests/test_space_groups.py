"""Symbols of space groups in the ways that files write them, each against gemmi's operations for that very setting."""

import gemmi
import numpy as np
import pytest
from made_up_cif import cif, named
from tolerances import CIF_COORDINATE

from xrdscape.crystal.reading import crystal_of_cif
from xrdscape.crystal.space_groups import extension, parsed_symbol, settings, settings_of_number
from xrdscape.errors import StructureError

PLACE = (0.113, 0.206, 0.317)
"""A general position."""

SETTINGS = list(gemmi.spacegroup_table())

WRITTEN = {
    "F d -3 m:2": ["Fd-3m:2", "F d -3 m :2", "F d 3 m :2", "Fd-3mZ", "F d -3 m Z", "F 4/d -3 2/m :2",
                   "Fd-3m (origin choice 2)", "FD-3M:2", r"Fd\bar{3}m :2", "Fd3\u0305m:2", "F D -3 M Z"],
    "F d -3 m:1": ["F d -3 m S", "Fd3m:1", "F d -3 m :1", "Fd-3mS"],
    "R -3 c:R": ["R -3 c R", "R-3c:R", "R -3 c :R", "R -3 c (rhombohedral axes)", "R -3 2/c :R", "R -3 c :r"],
    "R -3 c:H": ["R -3 c H", "R-3c:H", "R -3 c :H", "R-3cH", "R-3c (hexagonal)", "R -3 c (hex)", "R -3 2/c H"],
    "P 1 1 21/b": ["P 21/b (unique c)", "P 21/b (c-unique)", "P 21/b unique axis c"],
    "P 1 21/c 1": ["P 21/c", "P 21/c (unique axis b)",
                   "P21/c", "P 2(1)/c", "P2_1/c", "P 2~1~/c", "P2<sub>1</sub>/c", "P2\u2081/c", "P 1 21/c 1",
                   "P 21/c:b1", "P121/c1", "p 21/c"],
    "P 1 21/n 1": ["P 21/n", "P2(1)/n", "P 1 21/n 1", "P21/n"],
    "P 1 21/a 1": ["P 21/a", "P21/a"],
    "C 1 2/c 1": ["C 2/c", "C2/c", "C 1 2/c 1", "C12/c1"],
    "I 1 2/a 1": ["I 2/a", "I2/a"],
    "P n m a": ["Pnma", "P n m a", "P 21/n 21/m 21/a", "PNMA", "P2(1)/n2(1)/m2(1)/a"],
    "P b n m": ["Pbnm", "P b n m", "P 21/b 21/n 21/m"],
    "P 21 21 21": ["P212121", "P 2(1) 2(1) 2(1)", "P 2(1)2(1)2(1)", "P2_12_12_1", "P 21 21 21"],
    "C m c a": ["C m c e", "Cmca", "C 2/m 2/c 21/a", "Cmce"],
    "A b m 2": ["A e m 2", "Abm2"],
    "P 63/m m c": ["P63/mmc", "P6_3/mmc", "P 63/m 2/m 2/c", "P6(3)/mmc", "P 6~3~/m m c"],
    "I 41/a m d:1": ["I 41/a m d S", "I41/amd:1", "I 41/a 2/m 2/d :1"],
    "P 4/n m m:2": ["P 4/n m m Z", "P4/nmm:2", "P 4/n 21/m 2/m :2"],
    "P a -3": ["P a 3", "Pa-3", "P 21/a -3"],
    "I a -3 d": ["I a 3 d", "Ia-3d", "I 41/a -3 2/d"],
    "P m -3 m": ["P m 3 m", "Pm-3m", "P 4/m -3 2/m", "P m 3- m"],
    "P -4 3 m": ["P-43m", "P 4- 3 m"],
    "P -1": ["P-1", "P 1-", "p -1", "P \u22121"],
    "P -3 m 1": ["P-3m1", "P -3 2/m 1"],
    "C -1": ["C-1"],
    "F m -3 m": ["Fm3m", "Fm-3m (225)", "F m -3 m (No. 225)", "F m -3 m :1"],
}  # fmt: skip


def cell_of(group: gemmi.SpaceGroup) -> tuple[float, ...]:
    """A cell that shows the symmetry of a setting and no more."""
    system = group.crystal_system_str()
    if system == "monoclinic":
        beside = {"a": (101, 90, 90), "b": (90, 101, 90), "c": (90, 90, 101)}
        return (11.1, 12.2, 13.3, *beside[group.monoclinic_unique_axis()])
    if system == "trigonal" and extension(group) == "R":
        return (16.1, 16.1, 16.1, 75, 75, 75)
    return {
        "triclinic": (11.1, 12.2, 13.3, 81, 97, 101), "orthorhombic": (11.1, 12.2, 13.3, 90, 90, 90),
        "tetragonal": (16.1, 16.1, 17.3, 90, 90, 90), "trigonal": (16.1, 16.1, 17.3, 90, 90, 120),
        "hexagonal": (16.1, 16.1, 17.3, 90, 90, 120), "cubic": (18.1, 18.1, 18.1, 90, 90, 90),
    }[system]  # fmt: skip


def images(group: gemmi.SpaceGroup) -> np.ndarray:
    """Images of the general position by gemmi, sorted."""
    found = [op.apply_to_xyz(list(PLACE)) for op in group.operations()]
    return np.array(sorted(tuple(np.round(np.array(place) % 1, 6)) for place in found))


def assert_is(text: str, group: gemmi.SpaceGroup) -> None:
    crystal = crystal_of_cif(text)
    assert crystal.number == group.number
    coords = np.array(sorted(tuple(row) for row in np.round(crystal.structure.frac_coords % 1, 6)))
    np.testing.assert_allclose(coords, images(group), atol=CIF_COORDINATE)


def row(occupancy: float = 0.4) -> str:
    """An atom in the general position; less than half of it, so that images may lie near one another."""
    return f"Al1 Al {PLACE[0]} {PLACE[1]} {PLACE[2]} {occupancy}"


@pytest.mark.parametrize("group", SETTINGS, ids=lambda group: group.xhm())
def test_every_setting_by_symbol_and_by_hall(group: gemmi.SpaceGroup) -> None:
    assert_is(cif(row(), named(group.xhm()), cell_of(group)), group)
    assert_is(cif(row(), f"_space_group_name_Hall\n;\n{group.hall}\n;", cell_of(group)), group)


@pytest.mark.parametrize(("setting", "text"), [(name, text) for name, texts in WRITTEN.items() for text in texts])
def test_a_symbol_in_the_ways_that_it_is_written(setting: str, text: str) -> None:
    group = next(group for group in SETTINGS if group.xhm() == setting)
    assert_is(cif(row(), named(text), cell_of(group)), group)


@pytest.mark.parametrize("number", range(1, 231))
def test_a_number_is_the_standard_setting(number: int) -> None:
    group = gemmi.find_spacegroup_by_number(number)
    standard = settings_of_number(number)
    if len({extension(one) for one in standard}) > 1 and extension(standard[0]) in "12":
        with pytest.raises(
            StructureError, match=r"can be read in two ways, by the setting .*:1 and by the setting .*:2"
        ):
            crystal_of_cif(cif(row(), f"_space_group_IT_number {number}", cell_of(group)))
        return
    text = cif(row(), f"_space_group_IT_number {number}", cell_of(group))
    assert_is(text, group)
    assert "gives only the space-group number" in crystal_of_cif(text).remarks[0]


def test_two_origins_are_decided_by_the_contents_or_refused() -> None:
    silicon, cell = "Si1 Si 0.125 0.125 0.125 1", (5.431, 5.431, 5.431, 90, 90, 90)
    with pytest.raises(
        StructureError, match="read in two ways, by the setting F d -3 m:1 and by the setting F d -3 m:2"
    ):
        crystal_of_cif(cif(silicon, named("F d -3 m"), cell))
    crystal = crystal_of_cif(cif(silicon, named("F d -3 m"), cell, "_chemical_formula_sum Si\n_cell_formula_units_Z 8"))
    assert (crystal.space_group, len(crystal.structure)) == ("F d -3 m:2", 8)
    assert "Read by the setting F d -3 m:2; the setting F d -3 m:1 would contradict the contents" in crystal.remarks[-1]


def test_axes_are_told_by_the_cell() -> None:
    rhombohedral, hexagonal = (6.36, 6.36, 6.36, 46.1, 46.1, 46.1), (4.99, 4.99, 17.06, 90, 90, 120)
    sites = ["Ca1 Ca 0 0 0 1", "C1 C 0.25 0.25 0.25 1"], ["Ca1 Ca 0 0 0 1", "C1 C 0 0 0.25 1"]
    for cell, rows, group, count in ((rhombohedral, sites[0], "R -3 c:R", 4), (hexagonal, sites[1], "R -3 c:H", 12)):
        crystal = crystal_of_cif(cif(rows, named("R -3 c"), cell))
        assert (crystal.space_group, len(crystal.structure)) == (group, count)
    with pytest.raises(StructureError, match="without the symmetry of the symbol 'R -3 c'"):
        crystal_of_cif(cif(sites[0], named("R -3 c"), (5, 6, 7, 90, 90, 90)))
    with pytest.raises(StructureError, match="without the symmetry of the symbol 'R -3 c:H'"):
        crystal_of_cif(cif(sites[0], named("R -3 c:H"), rhombohedral))


@pytest.mark.parametrize(("text", "number"), [("D2h.16", 62), ("D_2h^16", 62), ("C2h^5", 14), ("O_h^5", 225)])
def test_a_schoenflies_symbol_is_a_number(text: str, number: int) -> None:
    group = gemmi.find_spacegroup_by_number(number)
    assert_is(cif(row(), f"_space_group_name_Schoenflies '{text}'", cell_of(group)), group)


@pytest.mark.parametrize("angles", [(101, 90, 90), (90, 101, 90), (90, 90, 101)])
def test_the_unique_axis_is_told_by_the_cell(angles: tuple[float, ...]) -> None:
    axis = "abc"[angles.index(101)]
    group = next(g for g in SETTINGS if g.number == 4 and g.monoclinic_unique_axis() == axis)
    assert_is(cif(row(), named("P 21"), (11.1, 12.2, 13.3, *angles)), group)


def test_a_right_angle_leaves_the_axis_of_the_short_symbol_and_says_so() -> None:
    crystal = crystal_of_cif(cif(row(), named("P 21/c"), (11.1, 12.2, 13.3, 90, 90, 90)))
    assert crystal.space_group == "P 1 21/c 1"
    assert "the setting P 1 21/c 1 was taken" in crystal.remarks[0]


@pytest.mark.parametrize("text", ["xyz", "P 7", "F d -4 m", "P 21/c:b2", "unknown", "R -3 m:3"])
def test_what_is_no_symbol_is_none(text: str) -> None:
    assert settings(parsed_symbol(text)) == ()
    with pytest.raises(StructureError, match=r"which is not known\. Add the operations"):
        crystal_of_cif(cif(row(), named(text)))
