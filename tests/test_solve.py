"""From a pattern and a formula to the crystal behind it, or to the word that there is none."""

from pathlib import Path

import numpy as np
import pytest
from made_nano import SIZE_ANGSTROM, made_pattern, over_q
from pymatgen.analysis.structure_matcher import StructureMatcher

from xrdscape import load_structure, read_pattern, solve
from xrdscape.diffraction.nano_patterns import NANO_CONVENTIONS
from xrdscape.errors import LibraryError, PatternError
from xrdscape.patterns.pattern import Pattern
from xrdscape.solution.facts import facts_of
from xrdscape.solution.given import given_pattern
from xrdscape.solution.solve import Effort
from xrdscape.solution.wording import against, percent

NANO = {"size_angstrom": SIZE_ANGSTROM, "convention": "reference-code"}
SMALL = Effort(fits=12, descents=6)


@pytest.mark.parametrize("name", ["NaS", "Nd(Al2Cu)4", "LiMnIr2"])
def test_the_crystal_is_first_though_its_compound_is_excluded(name: str) -> None:
    reference = load_structure(name).get_primitive_structure()
    formula = reference.composition.reduced_formula
    steps = []
    found = solve(
        reference.composition.formula, made_pattern(reference), without=[formula], candidates=3,
        progress=lambda *step: steps.append(step), **NANO,
    )  # fmt: skip
    best = found.candidates[0]
    assert found.solved
    assert StructureMatcher().fit(reference, best.structure)
    assert best.r_nano < found.explained_below
    assert found.library.formula(best.candidate.fit.place) != formula
    assert [row.rank for row in found.candidates] == [1, 2, 3]
    assert {step[0] for step in steps} >= {"prototypes", "candidates"}
    assert "random starts" not in {step[0] for step in steps}
    assert found.verdict.startswith("Solved: candidate 1, ")
    # The model is what the measured pattern shows.
    assert len(best.q_inv_angstrom) == len(best.measured) == len(best.calculated)
    rest = best.measured - best.calculated
    assert rest @ rest / (best.measured @ best.measured) == pytest.approx(best.r_nano, rel=1e-3)


def test_neighbours_of_the_periodic_table_are_told_of() -> None:
    reference = load_structure("MnOF").get_primitive_structure()
    found = solve(reference.composition.formula, made_pattern(reference), without=["MnOF"], candidates=3, **NANO)
    facts = facts_of(found)
    assert found.solved
    assert facts[1].alternative_to == 1
    assert any("candidate 1 with elements exchanged" in text for text in against(facts[1], facts, found))
    assert any("neighbouring elements exchanged it is candidate 2" in text for text in against(facts[0], facts, found))


def test_numbers_are_short_and_without_powers_of_ten() -> None:
    assert [percent(share) for share in (0.0275, 5.31e-5, 1.0, 2e-9)] == ["2.8 %", "0.0053 %", "100 %", "0.0000002 %"]


def test_a_wrong_formula_is_not_solved() -> None:
    found = solve("Rb4 Cl4", made_pattern(load_structure("NaS").get_primitive_structure()), effort=SMALL, **NANO)
    assert not found.solved
    assert found.verdict.startswith("Not solved: the best candidate, RbCl in ")
    assert "only less than 0.06 % counts as explained" in found.verdict
    assert found.as_well < len(found.candidates)


def test_noise_is_not_solved() -> None:
    q = NANO_CONVENTIONS["reference-code"].q_inv_angstrom
    noise = over_q(q, np.random.default_rng(0).uniform(0, 1, len(q)))
    found = solve("Na1 Cl1", noise, effort=SMALL, **NANO)
    assert not found.solved
    assert found.verdict.startswith("Not solved: ")


def test_a_formula_type_that_nothing_known_has_is_not_solved() -> None:
    pattern = made_pattern(load_structure("NaS").get_primitive_structure())
    found = solve("Rn7 Fr11 Pm13", pattern, effort=SMALL, **NANO)
    assert not found.candidates
    assert not found.solved
    assert "no known structure lends its arrangement of sites to Fr11 Rn7 Pm13" in found.verdict.replace(
        found.cells[0].formula, "Fr11 Rn7 Pm13"
    )
    assert "Not solved" in found._repr_html_()


def nano_of_nas() -> Pattern:
    return made_pattern(load_structure("NaS").get_primitive_structure())


@pytest.mark.parametrize(
    ("formula", "options", "message"),
    [
        ("BaTi3Ox", {}, "'BaTi3Ox' is not a chemical formula"),
        ("Ba0.5TiO3", {}, "does not say how many atoms of which elements"),
        ("C60 H60", {}, "makes cells of 120 atoms, and a search takes at most 52"),
        ("NaS", {"formula_units": 40}, "makes cells of 80 atoms"),
        ("NaS", {"formula_units": 0}, "number of formula units is at least 1"),
        ("NaS", {"without": ["Nax"]}, "'Nax' is not a chemical formula"),
    ],
)
def test_what_cannot_be_searched_for_is_refused(formula: str, options: dict, message: str) -> None:
    with pytest.raises(LibraryError, match=message):
        solve(formula, nano_of_nas(), **NANO, **options)


def test_a_pattern_over_two_theta_needs_its_wavelength() -> None:
    nano = nano_of_nas()
    with pytest.raises(PatternError, match="has no wavelength, without which 2theta says nothing of a crystal"):
        solve("NaS", Pattern(nano.two_theta_deg, nano.intensity))


def test_a_file_over_q_needs_none(tmp_path: Path) -> None:
    q = np.linspace(0.5, 9.0, 400)
    rows = np.column_stack([q, 1 + np.exp(-(((q - 3) / 0.2) ** 2))])
    np.savetxt(tmp_path / "q.txt", rows)
    np.savetxt(tmp_path / "d.txt", np.column_stack([2 * np.pi / q, rows[:, 1]]))
    np.savetxt(tmp_path / "nm.txt", np.column_stack([10 * q, rows[:, 1]]))
    reach = 4 * np.pi / 1.54184
    for name, axis in (("q", "q-angstrom"), ("nm", "q-nm"), ("d", "d")):
        found = given_pattern(tmp_path / f"{name}.txt", axis)
        assert found.radiation is None
        np.testing.assert_allclose(found.q_inv_angstrom, q[q < 0.9999 * reach], rtol=1e-9)
        assert any("points beyond Q = 8.149" in remark for remark in found.remarks)
        with pytest.raises(PatternError, match="2theta needs the wavelength"):
            read_pattern(tmp_path / f"{name}.txt", axis=axis)
    known = given_pattern(tmp_path / "q.txt", "q-angstrom", [0.7])
    np.testing.assert_allclose(known.q_inv_angstrom, q, rtol=1e-9)
    assert known.radiation is not None
    both = given_pattern(known, wavelength_angstrom=(1.5444, 1.5406))
    assert both.radiation is not None
    assert [line.wavelength_angstrom for line in both.radiation.lines] == [1.5406, 1.5444]
