"""What a plan consists of, and what it refuses."""

from dataclasses import asdict

import pytest

from xrdscape.errors import RecordError
from xrdscape.optimisation.variants import ALL_METHODS
from xrdscape.study.plan import (
    PLANS_FILE,
    STARTS_PER_JOB,
    Plan,
    SolutionPlan,
    any_plan,
    descent_jobs,
    jobs,
    load_plan,
    plans,
    relaxation_jobs,
    search_jobs,
)
from xrdscape.study.records import CHGNET, PUBLISHED_METHODS


def test_the_study_has_the_papers_size_and_settings() -> None:
    plan = load_plan("study")
    assert sum(s.starts for s in descent_jobs(plan)) == 22_500
    assert sum(s.starts for s in relaxation_jobs(plan)) == 5_000
    assert (plan.max_steps, plan.check_every, plan.tolerance) == (30_000, 1_000, 1e-4)
    assert (len(plan.structures), plan.copies, plan.relaxation_copies) == (10, 50, 50)


def test_the_pilot_has_other_starts_than_the_study() -> None:
    assert load_plan("pilot").seed != load_plan("study").seed


@pytest.mark.parametrize("name", plans())
def test_every_plan_of_the_file_can_be_run(name: str) -> None:
    found = jobs(any_plan(name))
    assert len({job.key for job in found}) == len(found) > 0
    assert all(job.starts <= STARTS_PER_JOB and job.cost > 0 for job in found)


def test_what_goes_beyond_has_the_studys_starts_and_each_method_its_own_noise() -> None:
    beyond, study = load_plan("beyond"), load_plan("study")
    assert (beyond.seed, beyond.copies, beyond.structures) == (study.seed, study.copies, study.structures)
    found = search_jobs(beyond)
    for name in beyond.searches:
        named = [(job.structure, level) for job in found if job.method == name for level in job.levels]
        levels = study.lattice_levels if ALL_METHODS[name].moves == "lattice" else study.coordinate_levels
        assert sorted(named) == sorted((structure, level) for structure in study.structures for level in levels)
        assert {job.noise for job in found if job.method == name} == {ALL_METHODS[name].moves}


def test_no_two_methods_share_a_name() -> None:
    """Records tell them apart by it, and so do figures."""
    assert not set(ALL_METHODS) & {*PUBLISHED_METHODS, CHGNET, "noised"}


def test_every_plan_of_the_file_writes_nothing_unknown() -> None:
    assert PLANS_FILE.read_text().isascii()
    for settings in plans().values():
        assert set(settings) <= {*asdict(Plan()), *asdict(SolutionPlan()), "like", "kind"}


def test_constraints_apply_to_lattice_noise_alone() -> None:
    constrained = [job for job in descent_jobs(Plan()) if PUBLISHED_METHODS[job.method].constrained]
    assert {job.noise for job in constrained} == {"lattice"}


def test_every_start_is_in_one_job_of_its_method() -> None:
    for copies in (1, 7, 30, 80):
        plan = Plan(structures=("U2Ti",), copies=copies, methods=("cosine",), relaxation_copies=0)
        named = [(s.noise, level, copy) for s in descent_jobs(plan) for level in s.levels for copy in range(s.copies)]
        assert len(named) == len(set(named)) == 10 * copies


def test_settings_of_an_objective_are_its_own() -> None:
    by_method = {s.method: s for s in descent_jobs(Plan(mse_maximum=100.0, max_shift=5)) if s.noise == "lattice"}
    assert by_method["mse"].mse_maximum == 100
    assert by_method["cross_correlation"].max_shift == 5
    assert (by_method["cosine"].mse_maximum, by_method["cosine"].max_shift) == (1, None)


def test_rates_may_differ_between_methods_and_be_several() -> None:
    rates = {name: 10.0**-k for k, name in enumerate(PUBLISHED_METHODS)}
    plan = Plan(structures=("U2Ti",), lattice_learning_rate=rates, coordinate_learning_rate=(1e-5, 1e-4))
    found = descent_jobs(plan)
    assert {s.method: s.learning_rate for s in found if s.noise == "lattice"} == rates
    assert [s.learning_rate for s in found if s.noise == "coordinates" and s.method == "mse"] == [1e-5, 1e-4]


def test_the_instrument_of_a_plan_is_that_of_its_jobs() -> None:
    for name, wavelength, taper in (("study", 1.5406, 0.0), ("tapered", 1.5406, 4.0), ("k_alpha", 1.5418, 0.0)):
        found = descent_jobs(load_plan(name))
        assert {(job.wavelength_angstrom, job.taper_deg) for job in found} == {(wavelength, taper)}
    assert {s.noise for s in descent_jobs(load_plan("tapered"))} == {"lattice"}


def test_a_plan_refuses_what_it_cannot_run() -> None:
    with pytest.raises(RecordError, match="Unknown method magic"):
        Plan(methods=("cosine", "magic"))
    with pytest.raises(RecordError, match="copies >= 1"):
        Plan(copies=0)
    with pytest.raises(RecordError, match="lattice_learning_rate lacks mse"):
        Plan(methods=("cosine", "mse"), lattice_learning_rate={"cosine": 1e-2})


def test_a_file_of_plans_says_what_is_wrong(tmp_path) -> None:
    path = tmp_path / "plans.yaml"
    with pytest.raises(RecordError, match="cannot be read"):
        load_plan("study", path)
    path.write_text("- a list")
    with pytest.raises(RecordError, match="holds no plans"):
        load_plan("study", path)
    path.write_text("mine: {copys: 3}")
    with pytest.raises(RecordError, match=r"no plan 'yours'\. There are: mine"):
        load_plan("yours", path)
    with pytest.raises(RecordError, match="a setting that no plan has: copys"):
        load_plan("mine", path)
    path.write_text("mine: {copies: 3, structures: [U2Ti]}\nother: {like: mine, seed: 4}")
    assert load_plan("other", path) == Plan(copies=3, structures=("U2Ti",), seed=4)
