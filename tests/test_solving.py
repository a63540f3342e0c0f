"""The benchmark of structure solution: no answer in the library, the same question every time, an honest judgement."""

import numpy as np
import pandas as pd
import pytest

from xrdscape.solution.library import carried_library
from xrdscape.study.audit import verdict_on_search
from xrdscape.study.jobs import SolutionJob, job_of
from xrdscape.study.jobs.solution import WAYS
from xrdscape.study.plan import any_plan, load_plan, solution_jobs
from xrdscape.study.solving import TEST_SOURCE, allowed, asked, asked_crystal, contents_told, judged, pattern_asked

ASKED = 400


def test_the_crystals_asked_for_are_of_the_test_split_and_no_two_alike() -> None:
    library, places = carried_library(), asked(ASKED)
    assert len(set(places)) == ASKED
    assert {library.source(place) for place in places} == {TEST_SOURCE}
    # Whoever asks for fewer asks for the first of them.
    assert asked(10) == places[:10]


def test_no_compound_that_is_asked_for_is_in_the_library_of_the_strict_protocol() -> None:
    library, chemistry = allowed("strict", ASKED)
    wanted = {carried_library().formula(place) for place in asked(ASKED)}
    assert not wanted & {library.formula(int(place)) for place in library.chosen}
    # Nor have its sizes been learnt from them.
    assert chemistry.library is library


def test_the_split_protocol_has_nothing_of_the_test_split() -> None:
    library, _ = allowed("split", ASKED)
    assert TEST_SOURCE not in {library.source(int(place)) for place in library.chosen}
    assert len(library) > 5000


def test_the_same_question_is_asked_every_time() -> None:
    first, again = (pattern_asked(3, ASKED, 10.0, "reference-code", 0) for _ in range(2))
    np.testing.assert_array_equal(first.intensity, again.intensity)
    other = pattern_asked(3, ASKED, 10.0, "reference-code", 1)
    assert np.abs(first.intensity - other.intensity).max() > 0


@pytest.mark.parametrize("wrong", ["element", "formula"])
def test_wrong_contents_are_wrong(wrong: str) -> None:
    own = asked_crystal(5, ASKED).structure.composition
    told = contents_told(5, ASKED, wrong, 0)
    assert told.reduced_formula != own.reduced_formula
    if wrong == "element":
        assert sorted(told.values()) == sorted(own.values())
    assert contents_told(5, ASKED, "", 0) == own


def test_the_crystal_itself_is_judged_right() -> None:
    truth = asked_crystal(0, ASKED).structure
    found = judged([truth, truth.copy().scale_lattice(truth.volume * 1.06)], 0, ASKED, "reference-code")
    assert found["loose"] == found["strict"] == [1.0, 1.0]
    assert found["r_wp_squared"][0] == 0
    assert found["r_wp_squared"][1] > 0.1
    assert found["rms"][0] == pytest.approx(0, abs=1e-6)


def test_jobs_are_made_again_from_their_records() -> None:
    jobs = solution_jobs(any_plan("solution"))
    assert sum(job.starts for job in jobs) == 2 * 2 * ASKED
    assert all(job_of(job.record()) == job and job_of(job.record()).key == job.key for job in jobs[:3])
    assert len({job.key for job in jobs}) == len(jobs)
    with pytest.raises(ValueError, match="one of descents is needed"):
        load_plan("solution")


@pytest.mark.parametrize("way", ["random entry", "nearest chemistry"])
def test_baselines_answer_without_the_pattern(way: str) -> None:
    job = SolutionJob("reference-code", "strict", way, (100.0,), 0, 1, ASKED, 3, 0)
    rows = job.compute()
    assert len(rows) == 1
    assert rows.loc[0, "fits"] == 0
    assert len(rows.loc[0, "r_wp_squared"]) == 3
    assert WAYS[way].baseline


def test_a_search_is_recorded_and_its_audit_tells_changes() -> None:
    job = SolutionJob("reference-code", "strict", "prototypes alone, 20 fits", (100.0,), 11, 1, ASKED, 3, 0)
    row, again = (job.compute().iloc[0] for _ in range(2))
    assert verdict_on_search(row, again) == ("identical", "")
    assert row["solved"]
    assert row["strict"][0] == 1
    nearly = pd.Series({**again, "r_nano": [*again["r_nano"][:2], again["r_nano"][2] + 5e-5]})
    assert verdict_on_search(row, nearly)[0] == "equal"
    off = pd.Series({**again, "r_nano": [again["r_nano"][0] + 0.01, *again["r_nano"][1:]]})
    assert verdict_on_search(row, off)[0] == "different"
    assert verdict_on_search(row, off, same=False)[0] == "elsewhere"
    assert verdict_on_search(row, pd.Series({**again, "crystal": "another"}))[0] == "different"
