"""Tables, figures and findings of structure solution carry what records hold, and say where there are none."""

from collections.abc import Iterator

import matplotlib
import numpy as np
import pandas as pd
import pytest
from made_solutions import made_solutions
from pymatgen.core import Structure

from xrdscape.demonstrations.nano_residuals import CHANGES, nano_steps, residuals_of_changes
from xrdscape.demonstrations.solving import descent_to_first, followed_crystal, judged_candidates, narrowing
from xrdscape.figures import (
    candidates_figure,
    classes_figure,
    descent_figure,
    examples_figure,
    library_figure,
    nano_steps_figure,
    residual_distribution_figure,
    systems_figure,
    use_style,
)
from xrdscape.findings.solution import solution_findings
from xrdscape.solution.library import carried_library
from xrdscape.solution.prototypes import Effort
from xrdscape.solution.solve import solve
from xrdscape.study.columns import SOLUTION
from xrdscape.study.solution_examples import (
    at_setting,
    failed_examples,
    fooled_examples,
    mistakes,
    reasons,
    spread_examples,
    with_prototype,
)
from xrdscape.study.solution_outcomes import (
    ATOMS,
    FREE,
    calibration,
    candidate_curve,
    classed,
    headline,
    ingredients,
    library_curve,
    searched,
    summary,
    told_wrongly,
    whole_method,
    with_all_ways,
)
from xrdscape.study.solving import asked_crystal
from xrdscape.tables.measured import measured_outcomes_table, measured_summary_table, outcomes
from xrdscape.tables.solution import (
    NOT_YET,
    WAYS,
    computed_text,
    differences_table,
    library_text,
    matches_table,
    means_text,
    peers_table,
    protocols_table,
    published_residuals_table,
    published_systems_table,
    rates_text,
    residuals_table,
    systems_table,
    ways_table,
)
from xrdscape.tables.solution_failures import (
    TOLD,
    calibration_table,
    missed_text,
    mistakes_table,
    reasons_table,
    told_wrongly_table,
)
from xrdscape.tables.solving import below_text, candidates_table, changes_table, library_table, narrowing_table

ASKED = 400
NONE = pd.DataFrame(columns=list(SOLUTION))
BY_SYSTEM = ["convention", "size", "system"]
BY_CLASS = ["convention", "size", "class"]


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    with matplotlib.rc_context():
        use_style()
        yield


@pytest.fixture(scope="module")
def records() -> pd.DataFrame:
    every = [made_solutions(structure=convention) for convention in ("paper", "reference-code")]
    every += [made_solutions(way, structure="reference-code") for way in WAYS if way != "solve"]
    return pd.concat([*every, made_solutions(noise="known")], ignore_index=True)


def test_table_of_residuals_has_ours_and_the_published() -> None:
    table = residuals_table(summary(headline(searched(made_solutions())), ["convention", "size"]))
    assert list(table["Method"][:3]) == ["here", "here", "PXRDnet"]
    assert table.loc[0, "Best of ten"].replace("\u00a0", " ") == "0.312 ± 0.404"
    assert "0.325\u00a0±\u00a00.283" in list(table["Best of ten"])
    matches = matches_table(summary(headline(searched(made_solutions())), ["convention", "size"]))
    assert matches.loc[0, "Loose, first (%)"].startswith("25.0 [")
    assert matches.loc[0, "Strict, among ten (%)"].startswith("50.0 [")


def test_systems_stand_beside_the_published() -> None:
    table = systems_table(summary(headline(searched(made_solutions())), BY_SYSTEM)).set_index("System")
    assert table.loc["Cubic", "10 Å, paper"].replace("\u00a0", " ") == "0.000 ± 0.000 (1)"
    assert table.loc["Trigonal", "10 Å, paper"] == "–"
    assert table.loc["Trigonal", "PXRDnet, 10 Å"].startswith("0.388")


def test_protocols_and_ways_without_records_say_so(records: pd.DataFrame) -> None:
    found = searched(records)
    protocols = protocols_table(summary(whole_method(found)))
    assert list(protocols.loc[protocols["Library"] == "Split", "Patterns"]) == [NOT_YET]
    assert NOT_YET not in list(ways_table(summary(with_all_ways(found)))["Patterns"])
    assert list(ways_table(summary(searched(NONE)))["Patterns"]) == [NOT_YET] * len(WAYS)


def test_differences_name_what_they_are_against(records: pd.DataFrame) -> None:
    table = differences_table(ingredients(with_all_ways(searched(records)))).set_index("Way")
    assert set(table.loc[WAYS["random entry"], "Against"]) == {WAYS["prototypes alone"]}
    assert set(table.loc[WAYS["without symmetry"], "Against"]) == {WAYS["prototypes alone, 20 fits"]}
    assert table["Loose among ten (points)"].str.startswith("+0.0").all()


def test_verdicts_and_texts_are_counted() -> None:
    found = headline(searched(made_solutions(sizes=(10.0,))))
    table = calibration_table(calibration(found))
    assert [cell.replace("\u00a0", " ") for cell in table.loc[0][2:].astype(str)] == [
        "2",
        "1 (50 %)",
        "1 (50 %)",
        "1 (50 %)",
    ]
    overall = summary(found, ["convention", "size"])
    assert computed_text(found).replace("\u00a0", " ") == "4 at 10 Å (paper)"
    assert rates_text(overall, "loose_10").startswith("50.0 % [")
    assert means_text(overall).startswith("0.312 at 10")
    assert peers_table(overall).loc[0, "Matches"].startswith("loose 25.0 % first, 50.0 % among ten")


def test_published_tables_are_whole() -> None:
    assert len(published_residuals_table()) == 8
    assert len(published_systems_table()) == 7


def test_figures_draw_every_setting(records: pd.DataFrame) -> None:
    found = searched(records)
    head = headline(found)
    figure = residual_distribution_figure(head)
    assert len(figure.axes) == 4
    assert len(figure.axes[0].patches) == 2  # a histogram of each convention
    curve = library_curve(found, 1000, resamples=50)
    atoms, free = (
        summary(classed(head, name, ends), BY_CLASS) for name, ends in (("sites", ATOMS), ("free_coords", FREE))
    )
    for drawn in (
        systems_figure(summary(head, BY_SYSTEM)),
        classes_figure(atoms, free),
        candidates_figure(headline(candidate_curve(records))),
        library_figure(curve),
    ):
        assert not any(text.get_text() == NOT_YET for ax in drawn.axes for text in ax.texts)
        drawn.draw_without_rendering()
    assert "points a doubling" in library_text(curve)


def test_without_records_everything_says_so() -> None:
    found = searched(NONE)
    empty, by_class = summary(found, BY_SYSTEM), summary(classed(found, "sites", ATOMS), BY_CLASS)
    for figure in (
        residual_distribution_figure(found),
        systems_figure(empty),
        classes_figure(by_class, by_class),
        candidates_figure(candidate_curve(NONE)),
        library_figure(library_curve(found, 10)),
        examples_figure([]),
    ):
        assert any(text.get_text() == NOT_YET for ax in figure.axes for text in ax.texts)
        figure.draw_without_rendering()
    nothing = at_setting(NONE, "paper", 10.0)
    assert spread_examples(nothing, ASKED) == fooled_examples(nothing, ASKED) == failed_examples(nothing, ASKED) == []
    assert not len(mistakes_table(mistakes(nothing, ASKED)))
    assert computed_text(found) == library_text(library_curve(found, 10)) == NOT_YET
    overall = summary(found, ["convention", "size"])
    assert rates_text(overall, "loose_1") == means_text(overall) == NOT_YET
    for table in (
        residuals_table(overall),
        systems_table(empty),
        peers_table(overall),
        calibration_table(calibration(found)),
        differences_table(ingredients(found)),
        reasons_table(reasons(with_prototype(found, ASKED))),
    ):
        assert len(table.columns)
    assert {finding.verdict for finding in solution_findings(found)} == {"not tested by this sample"}
    assert told_wrongly_table(told_wrongly(NONE, ASKED)).shape == (1, 7)


def test_searches_that_were_told_wrongly_are_counted() -> None:
    records = pd.concat([made_solutions(), *(made_solutions(way) for way in ("noise", "wrong element"))])
    told = told_wrongly(records, ASKED)
    assert told["searches"].tolist() == [4] * 4
    assert told["solved"].tolist() == [2] * 4
    noise, element = told[told["way"] == "noise"], told[told["way"] == "wrong element"]
    assert noise["solved_near"].tolist() == [0, 0]
    # The first crystal that is asked for is told with Ba for Ce, 2 apart in atomic number; the second with Tl for Sb.
    assert element["solved_near"].tolist() == [1, 1]
    assert told["left"].tolist() == [0.001] * 4
    assert told_wrongly_table(told)["Told"].tolist() == [TOLD["wrong element"]] * 2 + [TOLD["noise"]] * 2


def test_findings_follow_the_cases(records: pd.DataFrame) -> None:
    findings = {finding.key: finding for finding in solution_findings(searched(records))}
    assert findings["nano-four-of-five"].verdict == "not reproduced"  # 2 of 4
    assert findings["nano-sizes-alike"].verdict == "reproduced"
    assert findings["nano-residual-means-success"].verdict == "not reproduced"  # 1 of 2 low ones is right
    assert findings["nano-all-systems"].cases["cubic, 10\u00a0Å (paper)"]
    assert not findings["nano-all-systems"].cases["tetragonal, 10\u00a0Å (paper)"]
    assert findings["nano-seven-per-cent"].verdict == "not reproduced"  # (0 + 0.2) / 2
    assert findings["nano-cubic-easiest"].verdict == "not tested by this sample"  # three systems are missing
    assert not any(findings["nano-pattern-guides"].cases.values())
    blind = made_solutions("random entry")
    blind["r_wp_squared"] = [np.ones(len(values)) for values in blind["r_wp_squared"]]
    many = pd.concat([made_solutions(), blind])
    more = pd.concat([many.assign(copy=many["copy"] + 4 * place) for place in range(10)])
    guided = {finding.key: finding for finding in solution_findings(searched(more))}["nano-pattern-guides"]
    assert guided.verdict == "reproduced"
    assert "−50, in loose matches +0" in guided.result


def with_other_sites(truth: Structure, moved: float) -> dict[str, np.ndarray]:
    """The columns of a first candidate: the crystal, with its first atom moved along a by part of the edge."""
    coords = truth.frac_coords.copy()
    coords[0, 0] += moved
    numbers = [float(site.specie.Z) for site in truth]
    return {"first_lattice": np.array(truth.lattice.parameters), "first_coords": coords.ravel(),
            "first_numbers": np.array(numbers)}  # fmt: skip


def test_examples_are_those_of_the_rule() -> None:
    rows = at_setting(made_solutions(), "paper", 10.0)
    truths = [asked_crystal(copy, ASKED).structure for copy in rows["copy"]]
    for name in ("first_lattice", "first_coords", "first_numbers"):
        rows[name] = [with_other_sites(truth, 0.5 * (n > 0))[name] for n, truth in enumerate(truths)]
    assert list(rows["formula"]) == ["NaCl", "TiO2", "CaCO3"]  # the last has no candidate
    shown = spread_examples(rows, ASKED, (0.0, 1.0))
    assert len(shown) == 2
    assert shown[0].match == "strict"
    assert shown[0].residual < 1e-6 < shown[1].residual
    assert [one.formula for one in shown] == [truths[n].composition.reduced_formula for n in (0, 2)]
    (low,) = fooled_examples(rows, ASKED)
    (missed,) = failed_examples(rows, ASKED)
    assert low.solved
    assert missed.solved
    table = mistakes_table(mistakes(rows, ASKED))
    assert table["Crystals"].sum() == 2  # of TiO2 and CaCO3
    assert list(table.sort_values("R_wp²")["Match further down"]) == [1, 0]
    figure = examples_figure(shown)
    assert "strict match, called solved" in figure.axes[2].get_title(loc="left")
    figure.draw_without_rendering()


def test_crystals_know_whether_their_arrangement_is_in_the_library() -> None:
    found = with_prototype(searched(made_solutions(noise="known", sizes=(10.0,))), ASKED)
    assert found["prototype"].all()
    table = reasons_table(reasons(found))
    assert table["Crystals"].sum() == 4
    assert set(table["Arrangement in the library"]) == {"yes"}
    assert missed_text(reasons(found)).endswith("0 of 0 all the same; of the others it finds 2 of 4")


def test_small_changes_cost_less_than_large_ones() -> None:
    residuals = residuals_of_changes(4, ASKED, "reference-code")
    medians = residuals.groupby("change")["residual"].median()
    assert medians["all edges 0.5 % longer"] < medians["all edges 1 % longer"] < medians["all edges 2 % longer"]
    assert medians["atoms displaced by 0.05 Å"] < medians["atoms displaced by 0.2 Å"]
    assert list(changes_table(residuals)["Change"]) == list(CHANGES)
    assert below_text(residuals, "atoms displaced by 0.05 Å") == "100"


def test_patterns_of_both_conventions_are_drawn() -> None:
    steps = nano_steps("BPO4", [10.0, 100.0])
    figure = nano_steps_figure(steps)
    assert [ax.get_title(loc="left").split(", ")[1:] for ax in figure.axes] == [
        ["10 Å", "paper"], ["10 Å", "code"], ["100 Å", "paper"], ["100 Å", "code"],
    ]  # fmt: skip
    wide, thin = steps[0].given, steps[2].given
    assert np.count_nonzero(wide > 0.5) > np.count_nonzero(thin > 0.5)


def test_a_search_is_followed_to_its_first_candidate() -> None:
    task = followed_crystal(17, ASKED, 10.0, "reference-code")
    assert not len(task.library.of_formula(task.truth.composition.reduced_formula))
    answer = solve(
        task.formula, task.pattern, library=task.library, size_angstrom=10.0, convention="reference-code",
        effort=Effort(fits=5, descents=0),
    )  # fmt: skip
    descent = descent_to_first(task, answer)
    assert descent.stages[-1].residual < descent.stages[0].residual + 1e-3
    assert descent.end.composition == task.truth.composition
    assert descent.stages[-1].blur == 0
    descent_figure(descent).draw_without_rendering()
    steps = narrowing_table(narrowing(task, answer)).set_index("Step")["Number"]
    assert steps["Library"] - steps["Left out"] == len(task.library)
    assert steps["Formula type"] >= steps["Templates"] <= steps["Assignments"]
    table = candidates_table(judged_candidates(task, answer))
    assert list(table["Rank"]) == list(range(1, len(answer.candidates) + 1))


def test_library_is_added_up() -> None:
    assert library_table(carried_library())["Entries"].sum() == len(carried_library())


def test_measured_patterns_are_counted_as_they_are_recorded() -> None:
    summary, each = measured_summary_table(), measured_outcomes_table("as measured")
    rows = outcomes("as measured")
    assert list(summary["Patterns"]) == [15, 14, 14]
    assert summary.loc[0, "R_wp², best of ten"] == "0.383 ± 0.330"
    assert summary.loc[2, "Found among ten"] == f"{int((rows['loose_rank'] > 0).sum())} of 14"
    assert len(each) == 14
    # A right one that is said to be solved, and one that is not found.
    assert set(each.loc[each["Crystal"].str.startswith("Mg2Si"), "Place of the right one"]) == {"1"}
    assert set(each.loc[each["Crystal"].str.startswith("C4SBr4"), "Place of the right one"]) == {"–"}
