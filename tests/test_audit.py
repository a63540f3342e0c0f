"""An audit makes records again and says whether they are the same."""

from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice

from xrdscape.crystal.structures import load_structure
from xrdscape.errors import RecordError
from xrdscape.optimisation.energy import Relaxation
from xrdscape.runtime.provenance import provenance
from xrdscape.study.audit import (
    audit,
    elsewhere_allowed,
    passes,
    same_arithmetic,
    verdict_on,
)
from xrdscape.study.jobs import relaxation
from xrdscape.study.plan import Plan, descent_jobs, search_jobs
from xrdscape.study.store import Store, store_of

PLAN = Plan(structures=("U2Ti",), lattice_levels=(0.05,), coordinate_levels=(0.01,), copies=2, max_steps=20)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("records"))
    for job in descent_jobs(PLAN):
        store.add(job, job.compute(), {})
    return store


def test_records_made_by_this_code_pass(store: Store) -> None:
    rows = list(audit(store, 100))
    assert len(rows) == 18, "all of them, where more are asked for than there are"
    assert {row["verdict"] for row in rows} <= {"identical", "equal"}
    moved = [row for row in rows if row["noise"] == "lattice" and "cosine" in str(row["method"])]
    assert {row["verdict"] for row in moved} == {"identical"}
    assert all(row["steps"] == row["steps_again"] for row in rows)


def test_the_choice_follows_from_the_seed(store: Store) -> None:
    picks = [[(row["noise"], row["copy"], row["method"]) for row in audit(store, 4, seed)] for seed in (0, 0, 1)]
    assert picks[0] == picks[1] != picks[2]


@pytest.mark.parametrize(
    ("column", "change", "told"),
    [
        ("cosine_end", lambda value: value - 0.01, "cosine"),
        ("emd_end", lambda value: value + 0.01, "emd_end is"),
        ("match_tight_end", lambda value: not value, "match_tight_end"),
        ("start_lattice", lambda value: np.add(value, 1e-6), "start by 1.0e-06"),
    ],
)
def test_a_record_that_was_tampered_with_is_found(store: Store, column: str, change, told: str) -> None:  # type: ignore[no-untyped-def]
    row = store.load(descent_jobs(PLAN)[:1]).iloc[0]
    tampered = row.copy()
    tampered[column] = change(row[column])
    assert verdict_on(row, row) == ("identical", "")
    verdict, difference = verdict_on(tampered, row)
    assert verdict == "different"
    assert told in difference


def test_an_end_that_is_a_little_off_is_the_same_result(store: Store) -> None:
    row = store.load(descent_jobs(PLAN)[:1]).iloc[0]
    other = row.copy()
    other["end_lattice"] = np.add(row["end_lattice"], 1e-9)
    assert verdict_on(other, row)[0] == "equal"


@pytest.fixture
def searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Records of two searches, one of which begins with a relaxation: here one that finds a cell 2 % too large."""
    reference = load_structure("U2Ti")
    relaxed = reference.copy()
    relaxed.scale_lattice(1.02**3 * reference.volume)
    monkeypatch.setattr(relaxation, "RECORDS", tmp_path)
    monkeypatch.setattr(relaxation, "relax", lambda start, noise: Relaxation(relaxed, -6.0, -5.0, 7, True, 0.1))
    plan = Plan(structures=("U2Ti",), lattice_levels=(0.1,), coordinate_levels=(0.05,), methods=(), copies=1,
                searches=("energy_graduated", "adam"), relaxation_copies=0)  # fmt: skip
    store = Store(tmp_path / "made")
    for job in search_jobs(plan):
        store.add(job, job.compute(), {})
    return store


def test_searches_are_made_again_too(searched: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list(audit(searched, 10))
    assert {row["method"] for row in rows} == {"energy_graduated", "adam"}
    assert {row["verdict"] for row in rows} <= {"identical", "equal"}
    # A relaxation that comes to another place leads to another end, which no processor excuses here.
    monkeypatch.setattr("xrdscape.study.audit.same_arithmetic", lambda made: True)
    # Too far and too flat for the descent that follows.
    a, b, c = load_structure("U2Ti").lattice.abc
    far = load_structure("U2Ti")
    far.lattice = Lattice.from_parameters(2.5 * a, b, c / 2, 90, 90, 120)
    monkeypatch.setattr(relaxation, "relax", lambda start, noise: Relaxation(far, -6.0, -5.0, 7, True, 0.1))
    verdicts = {row["method"]: row["verdict"] for row in audit(searched, 10)}
    assert verdicts["energy_graduated"] == "different"
    assert verdicts["adam"] in ("identical", "equal")


def test_nothing_to_audit_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no records to audit"):
        next(audit(Store(tmp_path), 1))


def test_another_end_is_excused_by_another_arithmetic_alone(store: Store) -> None:
    """Two records of one setting are each true to themselves and end in different places."""
    rows = store.load(descent_jobs(PLAN)[:1])
    row, again = rows.iloc[0], rows.iloc[1].copy()
    for name in ("start_lattice", "start_coords"):
        again[name] = row[name]
    assert verdict_on(row, again, same=True)[0] == "different"
    verdict, difference = verdict_on(row, again, same=False)
    assert verdict == "elsewhere"
    assert "now" in difference
    tampered = row.copy()
    tampered["cosine_end"] += 0.01
    assert verdict_on(tampered, row, same=False)[0] == "different", "a record must be true to its own end anywhere"


def test_arithmetic_is_that_of_a_processor_and_packages() -> None:
    here = provenance()
    assert same_arithmetic(here)
    assert not same_arithmetic({**here, "machine": {**here["machine"], "processor": "another"}})
    assert not same_arithmetic({**here, "packages": {**here["packages"], "torch": "0.1"}})
    assert not same_arithmetic({})


def test_an_audit_passes_unless_a_record_does_not_hold_or_too_many_end_elsewhere() -> None:
    assert [elsewhere_allowed(n) for n in (1, 3, 50)] == [1, 2, 10]
    assert passes(["identical", "equal", "elsewhere"])
    assert not passes(["elsewhere"] * 3)
    assert passes(["elsewhere"] * 10 + ["identical"] * 40)
    assert not passes(["elsewhere"] * 11 + ["identical"] * 39)
    assert not passes(["different"] + ["identical"] * 49)
    # What magnifies roundings more may do so more often.
    assert elsewhere_allowed(30, "mse_100") == 21
    assert passes(["elsewhere"] * 14 + ["identical"] * 16, "mse_100")


def test_the_study_holds() -> None:
    """Some of the repository's own records, made again on whatever machine this is."""
    assert passes([row["verdict"] for row in audit(store_of("study"), 3, seed=1)])
