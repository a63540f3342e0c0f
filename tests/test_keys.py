"""Keys: the same for ever for records that exist, and another one for every other setting."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import pytest
from crystals import DATA
from made_up import TINY_JOB

from xrdscape.optimisation.methods import METHODS, Method
from xrdscape.optimisation.rules import PLAIN, Adam
from xrdscape.paths import RECORDS
from xrdscape.study.jobs import Job, SearchJob, artefact_jobs, job_of, search
from xrdscape.study.jobs.artefact import STORE
from xrdscape.study.jobs.keys import key_of
from xrdscape.study.plan import any_plan, jobs, plans
from xrdscape.study.store import store_of

FIRST = json.loads((DATA / "first_keys.json").read_text(encoding="utf8"))
"""Keys that jobs had before there were several kinds of them: a digest of all keys of a plan in their order, and some
jobs with their own keys. Frozen: a plan that changes gets a digest of its new keys, and no key that exists changes."""
SEARCH = SearchJob("U2Ti", "graduated", (0.05,), copies=2, seed=0)


def planned(name: str) -> Sequence[Job]:
    return artefact_jobs() if name == STORE else jobs(any_plan(name))


@pytest.mark.parametrize("name", FIRST["plans"])
def test_every_job_of_a_plan_has_the_key_that_it_always_had(name: str) -> None:
    keys = [job.key for job in planned(name)]
    assert len(keys) == FIRST["plans"][name]["jobs"]
    assert hashlib.sha256(" ".join(keys).encode()).hexdigest() == FIRST["plans"][name]["digest"]


@pytest.mark.parametrize("row", FIRST["rows"], ids=lambda row: f"{row['plan']}-{row['record']['method']}-{row['key']}")
def test_a_record_has_the_key_that_it_always_had(row: Mapping[str, Any]) -> None:
    assert key_of(row["record"]) == row["key"]
    assert row["key"] in {job.key for job in planned(row["plan"])}


@pytest.mark.parametrize("name", [*plans(), STORE])
def test_a_job_comes_back_from_its_record(name: str) -> None:
    """As a file holds it: in JSON."""
    for job in planned(name):
        assert job_of(json.loads(json.dumps(job.record()))) == job


@pytest.mark.parametrize("name", sorted({path.parent.name for path in RECORDS.glob("*/*.parquet")}))
def test_stored_records_are_those_of_their_plan_by_key_and_by_settings(name: str) -> None:
    made = store_of(name).provenance()
    assert {key: job_of(entry["settings"]).key for key, entry in made.items()} == {key: key for key in made}
    # Plans of structure solution are computed one after the other; the rest is whole.
    keys = {job.key for job in planned(name)}
    assert set(made) <= keys if name.startswith("solution") else set(made) == keys


@pytest.mark.parametrize(
    "changes",
    [
        {"structure": "NaS"},
        {"noise": "coordinates"},
        {"method": "mse"},
        {"levels": (0.1,)},
        {"copies": 3},
        {"seed": 1},
        {"max_steps": 4},
        {"check_every": 500},
        {"tolerance": 1e-5},
        {"learning_rate": 1e-3},
        {"mse_maximum": 100.0},
        {"max_shift": 5},
        {"clamp": False},
        {"dtype": "float64"},
        {"wavelength_angstrom": 1.5418},
        {"taper_deg": 4.0},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_key_changes_with_every_setting_of_a_descent(changes: dict[str, Any]) -> None:
    assert replace(TINY_JOB, **changes).key != TINY_JOB.key


def test_a_whole_number_is_the_same_setting_however_it_is_written() -> None:
    assert replace(TINY_JOB, mse_maximum=100).key == replace(TINY_JOB, mse_maximum=100.0).key


METHOD_CHANGES: list[dict[str, Any]] = [
    {"moves": "coordinates", "narrowing": METHODS["adam"].narrowing},
    {"narrowing": replace(METHODS["graduated"].narrowing, narrowest_deg=0.3)},
    {"objective": "entropy"},
    {"cell": "family"},
    {"rule": PLAIN},
    {"rule": Adam(decay=0.5)},
    {"newton": 2, "polish": 8},
    {"polish": 8},
    {"relaxed": True},
    {"restarts": 3},
    {"spread": 0.2},
    {"enough": 0.99},
    {"pattern_ev": 1.0},
    {"hops": True},
    {"sites": "symmetric"},
]
OF_ATOMS = ("pattern_ev", "sites")
"""Settings of methods that move atoms alone."""


@pytest.mark.parametrize("changes", METHOD_CHANGES, ids=lambda changes: next(iter(changes)))
def test_a_key_changes_with_every_setting_of_a_method(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    method = METHODS["energy_adam" if set(changes) & set(OF_ATOMS) else "graduated"]
    keys = []
    for each in (method, replace(method, **changes)):
        monkeypatch.setattr(search, "ALL_METHODS", {SEARCH.method: each})
        keys.append(SEARCH.key)
    assert keys[0] != keys[1]


def test_every_setting_of_a_method_is_changed_above() -> None:
    assert {name for changes in METHOD_CHANGES for name in changes} == {f.name for f in fields(Method)} - {"label"}


def test_a_key_does_not_change_with_a_label(monkeypatch: pytest.MonkeyPatch) -> None:
    key = SEARCH.key
    monkeypatch.setattr(search, "ALL_METHODS", {SEARCH.method: replace(METHODS["graduated"], label="Another")})
    assert SEARCH.key == key
