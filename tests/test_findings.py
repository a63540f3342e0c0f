"""Each claim of the paper can hold, hold partly and fail, by its rule, on made-up results."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up import made_up_correlations, made_up_records, made_up_relaxations

from xrdscape.crystal.structures import load_structure
from xrdscape.findings.coordinates import sign_text
from xrdscape.findings.correlations import correlation_findings
from xrdscape.findings.energy import energy_findings
from xrdscape.findings.finding import (
    Finding,
    findings_frame,
    from_record,
    summary_text,
    to_record,
)
from xrdscape.findings.hidden import projection_table, projection_text, tight_share_table, tight_share_text
from xrdscape.findings.landscapes import Evidence, landscape_findings
from xrdscape.findings.rates import rate_findings
from xrdscape.findings.terms import STRONG_NOISE, rate_text
from xrdscape.landscape.minima import paired_minima
from xrdscape.landscape.paths import endpoints, near_minima
from xrdscape.landscape.slices import Slice
from xrdscape.study.projection import projected_starts, projection_gains
from xrdscape.study.statistics import joined_rates, tight_among_matches


def a_finding(cases: dict[str, bool], key: str = "key") -> Finding:
    return Finding(key, "A claim.", "Section 1", "it does", "so much", cases, "levels", ("fig-1",))


def verdicts(findings: Sequence[Finding]) -> dict[str, str]:
    return {finding.key: finding.verdict for finding in findings}


# The verdict


@pytest.mark.parametrize(
    ("cases", "verdict", "count"),
    [
        ({"a": True, "b": True}, "reproduced", "2 of 2 levels"),
        ({"a": True, "b": False}, "partly reproduced", "1 of 2 levels, not for b"),
        ({"a": False, "b": False}, "not reproduced", "0 of 2 levels"),
        ({}, "not tested by this sample", "0 of 0 levels"),
        ({str(n): n == 0 for n in range(8)}, "partly reproduced", "1 of 8 levels, not for 1; 2; 3; 4; 5; and 2 more"),
    ],
)
def test_verdict_is_counted_from_the_cases(cases: dict[str, bool], verdict: str, count: str) -> None:
    finding = a_finding(cases)
    assert finding.verdict == verdict
    assert finding.count == count


def test_summary_and_table_of_findings() -> None:
    findings = [a_finding({"a": True}), a_finding({"a": False}), a_finding({"a": False, "b": True}), a_finding({})]
    assert summary_text(findings) == (
        "Of 3 claims tested, 1 is reproduced, 1 is partly reproduced and 1 is not reproduced. "
        "This sample does not test 1 more."
    )
    table = findings_frame(findings)
    assert table["Claim of the paper"][0] == "A claim. (Section 1)"
    assert table["Here"][2] == "so much. It holds for 1 of 2 levels, not for a."
    assert table["Here"][3] == "This sample has no case of it."


def test_finding_survives_its_record() -> None:
    finding = a_finding({"a": True})
    assert from_record(to_record(finding)) == finding


# Match rates. The made-up records match at level 0.05, and at 0.1 only where constrained.


def with_levels(records: pd.DataFrame) -> pd.DataFrame:
    """As made up, with a level 0.01 that is like 0.05 and a level 0.15 that is like 0.1."""
    below = records[records["level"] == 0.05].assign(level=0.01)
    above = records[records["level"] == 0.1].assign(level=0.15)
    return pd.concat([records, below, above], ignore_index=True)


@pytest.fixture(scope="module")
def records() -> pd.DataFrame:
    return with_levels(made_up_records())


@pytest.fixture(scope="module")
def unprojected(records: pd.DataFrame) -> pd.DataFrame:
    """Projected starts of the strong levels, none of which matches."""
    starts = records[(records["noise"] == "lattice") & (records["level"] >= 0.1)]
    starts = starts.drop_duplicates(["structure", "level", "copy"])[["structure", "level", "copy"]]
    return starts.assign(conventional=False, tight=False)


def matched_where(records: pd.DataFrame, where: pd.Series) -> pd.DataFrame:
    return records.assign(match_conventional_end=where.to_numpy())


def rate_verdicts(records: pd.DataFrame, projected: pd.DataFrame) -> dict[str, str]:
    return verdicts(rate_findings(records, projection_gains(records, projected)))


def test_rate_claims_hold_where_they_should(records: pd.DataFrame, unprojected: pd.DataFrame) -> None:
    found = rate_verdicts(records, unprojected)
    for key in ("objectives-alike", "descent-struggles", "constraints-help", "constraints-help-many"):
        assert found[key] == "reproduced", key
    assert found["deceptive-similarity"] == "reproduced"
    assert found["projection-guides"] == "reproduced"


def test_largest_drop(records: pd.DataFrame, unprojected: pd.DataFrame) -> None:
    # Constrained results always match and never fall; the other four fall between 0.05 and 0.1.
    bound = records["method"] == "cosine_constrained"
    assert rate_verdicts(records, unprojected)["largest-drop"] == "partly reproduced"
    falls = matched_where(records, (records["level"] < 0.1) | (bound & (records["copy"] == 0)))
    assert rate_verdicts(falls, unprojected)["largest-drop"] == "reproduced"
    later = matched_where(records, records["level"] < 0.15)
    assert rate_verdicts(later, unprojected)["largest-drop"] == "not reproduced"
    few = records[records["level"] >= 0.1]
    assert rate_verdicts(few, unprojected)["largest-drop"] == "not tested by this sample"


def test_within_tolerance(records: pd.DataFrame, unprojected: pd.DataFrame) -> None:
    def with_cells(length: float, angle: float) -> pd.DataFrame:
        true = {name: np.array(load_structure(name).lattice.parameters) for name in records["structure"].unique()}
        moved = [[*(true[name][:3] * length), *(true[name][3:] + angle)] for name in records["structure"]]
        return records.assign(start_lattice=moved)

    for cell, verdict in (
        ((1.05, 4.0), "reproduced"),
        ((1.05, 6.0), "partly reproduced"),
        ((1.2, 6.0), "not reproduced"),
    ):
        assert rate_verdicts(with_cells(*cell), unprojected)["within-tolerance"] == verdict


def test_objectives_alike(records: pd.DataFrame, unprojected: pd.DataFrame) -> None:
    one_better = matched_where(records, records["match_conventional_end"] | (records["method"] == "mse"))
    found = {f.key: f for f in rate_findings(one_better, projection_gains(one_better, unprojected))}["objectives-alike"]
    assert found.verdict == "partly reproduced"
    assert "largest difference 100 percentage points" in found.result
    assert "MSE above" in found.result
    always = matched_where(records, records["method"].isin(("mse", "cosine_constrained")))
    assert rate_verdicts(always, unprojected)["objectives-alike"] == "not reproduced"


def test_descent_struggles(records: pd.DataFrame, unprojected: pd.DataFrame) -> None:
    one_better = matched_where(records, records["match_conventional_end"] | (records["method"] == "mse"))
    assert rate_verdicts(one_better, unprojected)["descent-struggles"] == "partly reproduced"
    all_found = matched_where(records, records["level"] > 0)
    assert rate_verdicts(all_found, unprojected)["descent-struggles"] == "not reproduced"
    easy = records.assign(match_conventional_start=True)
    assert rate_verdicts(easy, unprojected)["descent-struggles"] == "not tested by this sample"


def test_constraints_help(records: pd.DataFrame, unprojected: pd.DataFrame) -> None:
    def matched_by_constraints(where: pd.Series) -> pd.DataFrame:
        return matched_where(records, (records["level"] < 0.1) | ((records["method"] == "cosine_constrained") & where))

    one_level = rate_verdicts(matched_by_constraints(records["level"] == 0.1), unprojected)
    assert one_level["constraints-help"] == "partly reproduced"
    one_structure = rate_verdicts(matched_by_constraints(records["structure"] == "BPO4"), unprojected)
    assert one_structure["constraints-help-many"] == "partly reproduced"
    never = rate_verdicts(matched_by_constraints(records["level"] < 0), unprojected)
    assert never["constraints-help"] == never["constraints-help-many"] == "not reproduced"


def test_projection_guides(records: pd.DataFrame, unprojected: pd.DataFrame) -> None:
    one_level = unprojected.assign(conventional=unprojected["level"] == 0.1)
    assert rate_verdicts(records, one_level)["projection-guides"] == "partly reproduced"
    assert rate_verdicts(records, unprojected.assign(conventional=True))["projection-guides"] == "not reproduced"


def test_still_trapped(records: pd.DataFrame, unprojected: pd.DataFrame) -> None:
    # Copy 0 converges, the others run out of steps.
    solved = records["copy"] == 1
    assert rate_verdicts(records, unprojected)["still-trapped"] == "not reproduced"
    some = records.assign(match_tight_end=solved)
    assert rate_verdicts(some, unprojected)["still-trapped"] == "reproduced"
    some = records.assign(match_tight_end=solved & (records["structure"] == "BPO4"))
    assert rate_verdicts(some, unprojected)["still-trapped"] == "partly reproduced"


def test_similarity_that_deceives(records: pd.DataFrame, unprojected: pd.DataFrame) -> None:
    one = records.assign(cosine_end=np.where(records["structure"] == "BPO4", records["cosine_end"], 0.3))
    assert rate_verdicts(one, unprojected)["deceptive-similarity"] == "partly reproduced"
    low = rate_findings(records.assign(cosine_end=0.3), projection_gains(records, unprojected))
    assert verdicts(low)["deceptive-similarity"] == "not reproduced"
    assert "none of 6 descents does" in {f.key: f.result for f in low}["deceptive-similarity"]


def test_similarity_upside_down(records: pd.DataFrame, unprojected: pd.DataFrame) -> None:
    # Free and constrained results of a start are equally similar as made up.
    bound = records["method"] == "cosine_constrained"
    assert rate_verdicts(records, unprojected)["inverted-similarity"] == "not reproduced"
    lower = records.assign(cosine_end=records["cosine_end"] - 0.1 * bound)
    assert rate_verdicts(lower, unprojected)["inverted-similarity"] == "reproduced"
    one = records.assign(cosine_end=records["cosine_end"] - 0.1 * (bound & (records["structure"] == "BPO4")))
    assert rate_verdicts(one, unprojected)["inverted-similarity"] == "partly reproduced"


def test_last_mile(records: pd.DataFrame, unprojected: pd.DataFrame) -> None:
    near = records.assign(match_tight_start=False)
    assert rate_verdicts(near, unprojected)["last-mile"] == "reproduced"
    assert rate_verdicts(near.assign(match_tight_end=True), unprojected)["last-mile"] == "not reproduced"
    some = near.assign(match_tight_end=near["method"] == "entropy")
    assert rate_verdicts(some, unprojected)["last-mile"] == "partly reproduced"


# What the criterion hides


def test_projected_starts_are_evaluated_without_descent(records: pd.DataFrame) -> None:
    reference = load_structure("U2Ti").lattice.parameters
    sheared = [*reference[:5], reference[5] + 8]  # the angle is set right by the projection
    flat = [*(1.3 * np.array(reference[:3])), *reference[3:]]  # the lengths are not
    starts = records[(records["structure"] == "U2Ti") & (records["method"] == "cosine_constrained")]
    starts = starts[(starts["level"] == 0.1) & (starts["copy"] < 2)]
    starts = starts.assign(start_lattice=[sheared, flat])
    projected = projected_starts(starts, STRONG_NOISE)
    assert list(projected["conventional"]) == [True, False]
    assert list(projected["tight"]) == [True, False]
    row = projection_table(projection_gains(starts, projected)).iloc[0]
    assert row["Starts"] == 2
    assert row["Projected, match"].startswith("50\u00a0%")
    assert row["Descended, match"].startswith("100\u00a0%")
    assert row["Descended, tight"].startswith("0\u00a0%")
    assert "Of 2 starts" in projection_text(projection_gains(starts, projected))
    assert projection_text(projection_gains(starts.iloc[:0], projected)) == "This sample has no such starts."


def test_tight_matches_are_a_share_of_the_matches(records: pd.DataFrame) -> None:
    tight = records.assign(match_tight_end=records["copy"] == 0)
    table = tight_share_table(tight_among_matches(tight)).set_index("Level")
    assert table.loc["0.1", "Cosine + constraints"].startswith("2 of 6: 33\u00a0%")
    assert table.loc["0.1", "Cosine"] == "of 6 none"
    assert tight_share_text(tight_among_matches(tight)).endswith(
        f"from lattice noise 0.1 on: Cosine + constraints {rate_text(4, 12)} of 12."
    )


# Correlations


def set_values(table: pd.DataFrame, value: float, **where: object) -> pd.DataFrame:
    """The table with the value of some rows replaced, its interval half a hundredth to either side."""
    rows = np.logical_and.reduce([table[name] == wanted for name, wanted in where.items()])
    columns = {"value": value, "low": value - 0.005, "high": value + 0.005}
    return table.assign(**{c: np.where(rows, new, table[c]) for c, new in columns.items()})


@pytest.fixture(scope="module")
def correlations() -> pd.DataFrame:
    """Free values 0.2, constrained ones 0.9, intervals of a hundredth; lattice levels 0.01 to 0.2."""
    table = made_up_correlations()
    table = table.assign(low=table["value"] - 0.005, high=table["value"] + 0.005)
    lattice = table[(table["noise"] == "lattice") & (table["level"] == 0.1)]
    return pd.concat([table, *(lattice.assign(level=level) for level in (0.01, 0.15, 0.2))], ignore_index=True)


def test_correlation_claims_on_equal_values(correlations: pd.DataFrame) -> None:
    found = verdicts(correlation_findings(correlations))
    assert found["constraints-inform"] == found["constraints-correlate"] == "reproduced"
    assert found["none-is-consistent"] == found["scattered"] == "reproduced"
    assert found["cosine-entropy-alike"] == found["right-way-round"] == "reproduced"
    assert found["entropy-informs"] == found["error-is-monotonic"] == "not reproduced"
    assert found["low-at-high-noise"] == "not reproduced"


MI = {"statistic": "mutual_information"}


def test_highest_information(correlations: pd.DataFrame) -> None:
    for noise, key, level in (
        ("lattice", "best-by-level-lattice", 0.05),
        ("coordinates", "best-by-level-coordinates", 0.05),
    ):
        all_equal = {f.key: f for f in correlation_findings(correlations)}[key]
        assert all_equal.verdict == "reproduced"  # every interval reaches the highest value ...
        assert "above the others' at 0 of" in all_equal.result  # ... and none stands out
        one = set_values(correlations, 0.8, **MI, noise=noise, level=level, method="mse")
        assert verdicts(correlation_findings(one))[key] == "partly reproduced"
        every = set_values(correlations, 0.8, **MI, noise=noise, method="mse")
        assert verdicts(correlation_findings(every))[key] == "not reproduced"


def test_information_at_high_noise(correlations: pd.DataFrame) -> None:
    both = correlations
    for level in (0.15, 0.2):
        for method in ("cosine", "mse", "entropy", "cross_correlation"):
            both = set_values(both, 0.05, **MI, noise="lattice", level=level, method=method)
    assert verdicts(correlation_findings(both))["low-at-high-noise"] == "reproduced"
    one_unlike = set_values(both, 0.1, **MI, noise="lattice", level=0.15, method="entropy")
    assert verdicts(correlation_findings(one_unlike))["low-at-high-noise"] == "partly reproduced"


def test_constraints_and_distance(correlations: pd.DataFrame) -> None:
    one = set_values(correlations, 0.1, noise="lattice", level=0.1, method="cosine_constrained")
    found = correlation_findings(one)
    assert verdicts(found)["constraints-inform"] == verdicts(found)["constraints-correlate"] == "partly reproduced"
    printed = {f.key: f.result for f in found}["constraints-correlate"]
    assert "Pearson at 0.1: 0.10" in printed
    assert printed.endswith("The printed values are higher with constraints in 9 of 10 places")
    never = verdicts(correlation_findings(set_values(correlations, 0.1, noise="lattice", method="cosine_constrained")))
    assert never["constraints-inform"] == never["constraints-correlate"] == "not reproduced"


def test_consistency_and_scatter(correlations: pd.DataFrame) -> None:
    one = verdicts(correlation_findings(set_values(correlations, 0.9, noise="lattice", method="entropy")))
    assert one["none-is-consistent"] == one["scattered"] == "partly reproduced"
    assert one["entropy-informs"] == "reproduced"
    assert one["cosine-entropy-alike"] == "not reproduced"
    every = correlations.assign(value=0.9)
    found = verdicts(correlation_findings(every))
    assert found["none-is-consistent"] == found["scattered"] == "not reproduced"


def test_entropy_and_error_at_one_level(correlations: pd.DataFrame) -> None:
    above_one = set_values(correlations, 0.3, noise="lattice", method="entropy")
    above_one = set_values(above_one, 0.3, noise="lattice", method="mse")
    assert verdicts(correlation_findings(above_one))["entropy-informs"] == "partly reproduced"
    weakest = set_values(correlations, 0.1, noise="lattice", method="mse")
    assert verdicts(correlation_findings(weakest))["error-is-weakest"] == "reproduced"
    by_one = set_values(correlations, 0.1, noise="lattice", method="mse", statistic="pearson")
    assert verdicts(correlation_findings(by_one))["error-is-weakest"] == "partly reproduced"
    strongest = set_values(correlations, 0.4, noise="lattice", method="mse")
    assert verdicts(correlation_findings(strongest))["error-is-weakest"] == "not reproduced"


def test_coordinate_noise(correlations: pd.DataFrame) -> None:
    wrong = set_values(correlations, -0.2, noise="coordinates", level=0.1)
    assert verdicts(correlation_findings(wrong))["right-way-round"] == "partly reproduced"
    all_wrong = set_values(correlations, -0.2, noise="coordinates")
    assert verdicts(correlation_findings(all_wrong))["right-way-round"] == "not reproduced"
    high = set_values(correlations, 0.5, noise="coordinates", method="mse")
    assert verdicts(correlation_findings(high))["error-is-monotonic"] == "reproduced"
    one_high = set_values(correlations, 0.5, noise="coordinates", level=0.05, method="mse")
    assert verdicts(correlation_findings(one_high))["error-is-monotonic"] == "partly reproduced"


def test_settings_that_were_not_run_are_not_assessed() -> None:
    table = made_up_correlations()
    found = verdicts(correlation_findings(table[(table["noise"] == "lattice") & (table["level"] == 0.05)]))
    assert (
        found["entropy-informs"]
        == found["right-way-round"]
        == found["low-at-high-noise"]
        == "not tested by this sample"
    )


def test_signs_are_counted_against_the_published() -> None:
    text = sign_text(made_up_correlations(), "pearson")
    # cosine, entropy and cross-correlation at levels 0.01 and 0.05
    assert "of 6 Pearson coefficients" in text
    assert "prints 6 with a negative sign" in text
    assert "positive in 6 of these places" in text
    assert "Cosine 0.52 and 0.20" in text


# Landscapes


def a_slice(value: np.ndarray, name: str = "U2Ti") -> Slice:
    ny, nx = value.shape
    x, y = np.linspace(4.0, 5.0, nx), np.linspace(80.0, 100.0, ny)
    return Slice(name, "a", "gamma", x, y, value, (4.5, 90.0), "made up")


def bowl(n: int = 9) -> np.ndarray:
    u = np.linspace(-1, 1, n)
    return u[None, :] ** 2 + u[:, None] ** 2


def bumpy() -> np.ndarray:
    """A bowl in which every second point of every second row is a local minimum."""
    return bowl() + 2.0 * (np.indices((9, 9)) % 2).max(0)


MAPS, BARRIER = [a_slice(bumpy(), "U2Ti"), a_slice(bumpy(), "BPO4")], 0.01


def an_evidence(records: pd.DataFrame) -> Evidence:
    """Everything as the paper has it."""
    kinds = ("unconstrained", "unconstrained, from a constrained start", "constrained")
    descents = [
        {"structure": name, "descent": kind, "loss": -0.5, "reached": kind == "constrained"}
        for name in ("Au2S", "Na3MnCoNiO6")
        for kind in kinds
    ]
    return Evidence(
        false=pd.DataFrame({"value": [-0.8, -0.7, -0.6], "barrier": [0.3, 0.2, 0.1]}),
        counts=pd.DataFrame({"slice": ["a, b", "a, c"], "prominent": [2, 1]}),
        lines=pd.DataFrame(
            [("a = b", "a and b", 0.4), ("α = 90°", "a", 0.1), ("α = 90°", "b", 0.1)],
            columns=["line", "varied", "ascent"],
        ),
        descents=pd.DataFrame(descents),
        near=near_minima([ends_at(records, each.structure_name, each, 4.38, 87.0) for each in MAPS], MAPS, BARRIER),
        smallest_barrier=BARRIER,
    )


def ends_at(records: pd.DataFrame, name: str, landscape: Slice, x: float, y: float) -> pd.DataFrame:
    moved = records.assign(end_lattice=[[x, 4.0, 4.0, 90.0, 90.0, y]] * len(records))
    return endpoints(moved, landscape, name)


def landscape_verdicts(evidence: Evidence) -> dict[str, str]:
    return verdicts(landscape_findings(evidence))


def test_landscape_claims_hold_where_they_should(records: pd.DataFrame) -> None:
    found = landscape_verdicts(an_evidence(records))
    assert set(found.values()) == {"reproduced"}


def test_minima_of_the_map(records: pd.DataFrame) -> None:
    evidence = an_evidence(records)
    fewer = landscape_verdicts(replace(evidence, false=evidence.false.head(2)))
    assert fewer["several-minima"] == "not reproduced"
    assert fewer["similar-at-minima"] == "reproduced"
    none = landscape_verdicts(replace(evidence, false=evidence.false.head(0)))
    assert none["similar-at-minima"] == "not tested by this sample"
    for value, verdict in ((-0.4, "partly reproduced"), (0.0, "not reproduced")):
        values = [value if verdict == "not reproduced" else -0.8, value, value]
        dissimilar = replace(evidence, false=evidence.false.assign(value=values))
        assert landscape_verdicts(dissimilar)["similar-at-minima"] == verdict


def test_slices_and_lines(records: pd.DataFrame) -> None:
    evidence = an_evidence(records)
    for traps, verdict in (([0, 1], "partly reproduced"), ([0, 0], "not reproduced")):
        assert (
            landscape_verdicts(replace(evidence, counts=evidence.counts.assign(prominent=traps)))["all-slices"]
            == verdict
        )
    for climbs, verdict in (([0.4, 0.1, 0.39], "partly reproduced"), ([0.4, 0.5, 0.5], "not reproduced")):
        lines = replace(evidence, lines=evidence.lines.assign(ascent=climbs))
        assert landscape_verdicts(lines)["shallow-right-angle"] == verdict
    smooth = replace(evidence, lines=evidence.lines.assign(ascent=0.0))
    assert landscape_verdicts(smooth)["rough-diagonal"] == "not reproduced"
    no_diagonal = landscape_verdicts(replace(evidence, lines=evidence.lines[1:]))
    assert no_diagonal["rough-diagonal"] == no_diagonal["shallow-right-angle"] == "not tested by this sample"


def test_descents_within_slices(records: pd.DataFrame) -> None:
    evidence = an_evidence(records)
    for reached, only, start in (
        ([True, True, True, False, False, True], "partly reproduced", "partly reproduced"),
        ([True, True, False, True, True, False], "not reproduced", "not reproduced"),
    ):
        found = landscape_verdicts(replace(evidence, descents=evidence.descents.assign(reached=reached)))
        assert (found["only-constrained"], found["constrained-start"]) == (only, start)


def test_ends_off_minima(records: pd.DataFrame) -> None:
    evidence = an_evidence(records)

    def verdict(*places: tuple[float, float]) -> str:
        ends = [ends_at(records, each.structure_name, each, *place) for each, place in zip(MAPS, places, strict=True)]
        near = near_minima(ends, MAPS, BARRIER)
        return landscape_verdicts(replace(evidence, near=near))["ends-off-minima"]

    at_minimum, beside, outside = (4.25, 85.0), (4.38, 87.0), (9.0, 90.0)
    assert verdict(at_minimum, at_minimum) == "not reproduced"
    assert verdict(at_minimum, beside) == "partly reproduced"
    assert verdict(outside, outside) == "not tested by this sample"


# Energy


def energy_verdicts(
    relaxed: pd.DataFrame, losses: Sequence[np.ndarray] = (), energies: Sequence[np.ndarray] = ()
) -> dict[str, str]:
    names = ("U2Ti", "Au2S")
    slices = [[a_slice(v, n) for v, n in zip(values, names, strict=False)] for values in (losses, energies)]
    rates = joined_rates(made_up_records(), relaxed)
    return verdicts(energy_findings(rates, relaxed, paired_minima(*slices)))


def test_relaxations() -> None:
    relaxed = made_up_relaxations()
    found = energy_verdicts(relaxed)
    assert found["relaxation-recovers"] == "reproduced"
    # At coordinate noise 0.1 neither relaxation nor descent finds anything.
    assert found["relaxation-above-descents"] == "partly reproduced"
    assert found["energy-smooth"] == found["pattern-more-rugged"] == "not tested by this sample"
    lost = energy_verdicts(relaxed.assign(match_conventional_end=False))
    assert lost["relaxation-recovers"] == "partly reproduced"
    assert lost["relaxation-above-descents"] == "not reproduced"
    hard = (relaxed["noise"] == "coordinates") & (relaxed["level"] == 0.1)
    assert energy_verdicts(relaxed.assign(match_conventional_end=hard))["relaxation-recovers"] == "not reproduced"
    many = pd.concat([relaxed.assign(match_conventional_end=True, copy=copy) for copy in range(6)])
    assert energy_verdicts(many)["relaxation-above-descents"] == "reproduced"


def test_failed_relaxations_rest_in_a_minimum() -> None:
    relaxed = made_up_relaxations()
    assert energy_verdicts(relaxed)["other-minimum"] == "not reproduced"
    assert energy_verdicts(relaxed.assign(converged=True))["other-minimum"] == "reproduced"
    one = energy_verdicts(relaxed.assign(converged=relaxed["structure"] == "BPO4"))
    assert one["other-minimum"] == "partly reproduced"
    assert energy_verdicts(relaxed.assign(match_conventional_end=True))["other-minimum"] == "not tested by this sample"


def test_minima_of_the_energy() -> None:
    relaxed = made_up_relaxations()
    for losses, energies, smooth, rugged in (
        ([bumpy(), bumpy()], [bowl(), bowl()], "reproduced", "reproduced"),
        ([bumpy(), bowl()], [bowl(), bumpy()], "partly reproduced", "partly reproduced"),
        ([bowl(), bowl()], [bumpy(), bumpy()], "not reproduced", "not reproduced"),
    ):
        found = energy_verdicts(relaxed, losses, energies)
        assert (found["energy-smooth"], found["pattern-more-rugged"]) == (smooth, rugged)


def test_every_claim_has_its_own_key(
    records: pd.DataFrame, unprojected: pd.DataFrame, correlations: pd.DataFrame
) -> None:
    relaxed = made_up_relaxations()
    findings = [
        *rate_findings(records, projection_gains(records, unprojected)),
        *landscape_findings(an_evidence(records)),
        *correlation_findings(correlations),
        *energy_findings(joined_rates(records, relaxed), relaxed, paired_minima([a_slice(bumpy())], [a_slice(bowl())])),
    ]
    assert len({f.key for f in findings}) == len(findings)
    assert all(f.evidence and f.claim.endswith(".") and not f.rule.endswith(".") for f in findings)
