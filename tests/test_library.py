"""The library of known structures: choices, terms, single entries, and libraries of one's own."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import tolerances
from click.testing import CliRunner, Result
from crystals import DATA
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Composition, Element, Lattice, Structure

from xrdscape import load_library
from xrdscape.cli import app
from xrdscape.crystal.reading import read_crystal
from xrdscape.errors import LibraryError
from xrdscape.solution.adding import grown, listed_crystals, write_library
from xrdscape.solution.catalogue import library_text, terms_of
from xrdscape.solution.library import CARRIED as CARRIED_FILE
from xrdscape.solution.library import Library
from xrdscape.solution.packing import CARRIED, MOST_SITES

LARGEST_FILE_BYTES = 12_000_000
FOUND_WITHIN_ANGSTROM = 0.005
OWN = ("Bi2Te3", "CaCO3_aragonite", "CuO", "NaCl", "SiO2_quartz", "ZnS", "triclinic_oblique")


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["library", *map(str, words)])


def compositions(library: Library) -> list[Composition]:
    """The contents of each chosen entry's primitive cell, by the table of its orbits."""
    table = library.contents
    counts: list[dict[Element, int]] = [{} for _ in range(table.entries)]
    for entry, number, count in zip(table.entry.tolist(), table.number.tolist(), table.count.tolist(), strict=True):
        counts[entry][Element.from_Z(number)] = count
    return [Composition(counts[place]) for place in library.chosen]


@pytest.fixture(scope="module")
def own() -> Library:
    return grown(load_library(), listed_crystals(DATA / f"{name}.cif" for name in OWN)).library


def test_the_file_is_small_and_all_of_its_sources_may_be_carried() -> None:
    assert CARRIED_FILE.stat().st_size < LARGEST_FILE_BYTES
    library = load_library()
    assert set(library.sources) <= set(CARRIED)
    assert {terms_of(name) for name in library.sources} == {
        "Materials Project, CC BY 4.0",
        "OQMD, CC BY 4.0",
        "JARVIS-DFT of NIST, public domain",
        "prototypes carried by pymatgen, MIT",
    }
    text = library_text(library)
    assert f"{len(library):,} known structures" in text
    assert all(f"{name} " in text for name in library.sources)


def test_no_entry_of_an_excluded_formula_remains() -> None:
    library = load_library()
    excluded = ("BaTiO3", "Na4 Cl4", "H2O")
    left = library.without(excluded)
    gone = {Composition(formula).reduced_formula for formula in excluded}
    everything = compositions(library)
    expected = [place for place, content in zip(library.chosen, everything, strict=True)
                if content.reduced_formula not in gone]  # fmt: skip
    np.testing.assert_array_equal(left.chosen, expected)
    assert 0 < len(library) - len(left) < 100
    assert not len(left.of_formula("Ba2 Ti2 O6"))


def test_choices_are_those_of_the_entries_themselves() -> None:
    library = load_library()
    for place in library.of_elements(["Na", "Cl"]).of_group(225).chosen:
        composition = library.composition(int(place))
        assert {Element("Na"), Element("Cl")} <= set(composition)
        assert library.orbits(int(place)).number == 225
    for place in library.of_type([12, 4, 4]).chosen[:50]:
        assert sorted(library.composition(int(place)).values()) == [4, 4, 12]
    assert {library.source(int(p)) for p in library.of_sources(["mp20_pilot"]).chosen[:20]} == {"mp20_pilot"}


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda library: library.without(["Ba2x"]), "'Ba2x' is not a chemical formula"),
        (lambda library: library.of_formula("Na0.5Cl"), "does not say how many atoms"),
        (lambda library: library.of_elements(["Xx"]), "'Xx' is no element"),
        (lambda library: library.of_sources(["icsd"]), "The library has no source icsd"),
    ],
)
def test_wrong_choices_are_refused(ask, message: str) -> None:
    with pytest.raises(LibraryError, match=message):
        ask(load_library())


def test_entries_are_the_structures_that_were_put_in(own: Library) -> None:
    first, matcher = len(load_library()), StructureMatcher(ltol=0.001, stol=0.005, angle_tol=0.05, scale=False)
    assert [own.id(place) for place in range(first, len(own))] == list(OWN)
    for place, name in enumerate(OWN, first):
        given = read_crystal(DATA / f"{name}.cif").structure
        kept = own.structure(place)
        assert matcher.fit(given, kept)
        off = matcher.get_rms_dist(given, kept)
        length = (kept.volume / len(kept)) ** (1 / 3)
        assert off[1] * length < tolerances.LIBRARY_ROUNDING_ANGSTROM
        assert own.formula(place) == given.composition.reduced_formula
        assert len(kept) == len(given.get_primitive_structure())


def test_carried_entries_have_their_group_and_no_atoms_on_top_of_each_other() -> None:
    library = load_library()
    for place in np.random.default_rng(0).permutation(library.chosen)[:40]:
        kept = library.structure(int(place))
        assert len(kept) <= MOST_SITES
        assert kept.is_valid(0.5)
        assert kept.composition == library.composition(int(place))
        assert kept.get_space_group_info(FOUND_WITHIN_ANGSTROM)[1] == library.orbits(int(place)).number


def test_arrangements_of_own_entries_are_the_librarys_or_new(own: Library) -> None:
    carried = load_library()
    before, numbers = carried.data["arrangement"], own.data["arrangement"]
    np.testing.assert_array_equal(numbers[: len(before)], before)
    salt = len(carried) + OWN.index("NaCl")
    same = np.flatnonzero(before == numbers[salt])
    assert any(carried.formula(int(place)) == "NaCl" for place in same)
    odd = Structure(Lattice.from_parameters(3.1, 5.2, 7.3, 81, 97, 103), ["Rn", "Fr", "Rn", "Pm"],
                    [[0, 0, 0], [0.5, 0.3, 0.1], [0.2, 0.6, 0.6], [0.7, 0.1, 0.45]])  # fmt: skip
    new = grown(own, [listed(odd, "odd"), listed(odd, "again")]).library.data["arrangement"]
    assert new[-1] == new[-2] == numbers.max() + 1


def listed(structure: Structure, name: str):
    from xrdscape.solution.adding import Listed

    return Listed(name, "mine", lambda: structure)


def test_a_library_of_ones_own_goes_through_its_file(own: Library, tmp_path: Path) -> None:
    write_library(own, tmp_path / "my.npz")
    again = load_library(tmp_path / "my.npz")
    assert again.ids == own.ids
    assert again.sources == own.sources
    assert again.data.keys() == {name for name in own.data if not name.startswith("_")} | {"_ids"}
    for name, part in again.data.items():
        np.testing.assert_array_equal(part, own.data[name])
    with pytest.raises(LibraryError, match="is not a library of structures"):
        load_library(tmp_path / "none.npz")


def test_add_takes_folders_and_tables_and_names_what_it_leaves_out(tmp_path: Path) -> None:
    folder, table, output = tmp_path / "cifs", tmp_path / "more.csv.gz", tmp_path / "my.npz"
    folder.mkdir()
    for name in ("CsCl", "triclinic_alloy"):
        (folder / f"{name}.cif").write_text((DATA / f"{name}.cif").read_text())
    (folder / "broken.cif").write_text("data_x\n_cell_length_a banana\n")
    text = (DATA / "W.cif").read_text().replace('"', '""')
    with gzip.open(table, "wt") as file:
        file.write(f'material_id,cif\nw-1,"{text}"\n')
    result = call("add", folder, table, "-o", output)
    assert result.exit_code == 0, result.output
    assert f"2 crystals added to {len(load_library()):,}; 2 left out: {output}" in result.stdout
    assert "left out: broken: " in result.stderr
    assert "left out: triclinic_alloy: sites of the crystal are shared" in result.stderr
    found = call("find", "--library", output, "--formula", "W", "--limit", "500").stdout
    assert any(line.startswith("w-1 ") and "Im-3m (229)" in line for line in found.splitlines())
    shown = call("show", "--library", output).stdout
    assert f"{len(load_library()) + 2:,} known structures" in shown
    assert any(line.split() == ["cifs", "yours", "1"] for line in shown.splitlines())
    again = call("add", folder, "-o", output)
    assert again.exit_code == 2
    assert "exists; choose another name" in again.stderr


def test_find_prints_a_table() -> None:
    lines = call("find", "--elements", "Na,Cl", "--group", "225", "--limit", "3").stdout.splitlines()
    assert lines[0].endswith("entries, the first 3 of them:")
    assert lines[1].split()[:4] == ["id", "source", "formula", "cell"]
    assert len(lines) == 5
    assert call("find", "--formula", "Na9Cl7").stdout == "no entry\n"
    assert call().stdout == call("show").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["find", "--formula", "Nax"], "error: 'Nax' is not a chemical formula"),
        (["add", "none", "-o", "my.npz"], "error: There is no file or folder called none"),
        (["add", "none", "-o", "my.txt"], "error: the output must end in .npz"),
        (["show", "--library", "none.npz"], "error: none.npz is not a library of structures"),
    ],
)
def test_mistakes_are_one_message(words: list[str], message: str) -> None:
    result = call(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
