"""What a plan consists of, and what it refuses."""

from dataclasses import asdict, replace

import pytest

from xrdscape.errors import RecordError
from xrdscape.optimisation.rules import Adam
from xrdscape.optimisation.variants import ALL_METHODS
from xrdscape.study.plan import (
    PLANS_FILE,
    STARTS_PER_SHARD,
    Plan,
    Shard,
    descent_shards,
    load_plan,
    plans,
    recipe_shards,
    relaxation_shards,
)
from xrdscape.study.records import CHGNET, PUBLISHED_METHODS
from xrdscape.study.store import store_of

SHARD = Shard("U2Ti", "lattice", "cosine", (0.05,), copies=2, seed=0, max_steps=3)


def test_the_study_has_the_papers_size_and_settings() -> None:
    plan = load_plan("study")
    assert sum(s.starts for s in descent_shards(plan)) == 22_500
    assert sum(s.starts for s in relaxation_shards(plan)) == 5_000
    assert (plan.max_steps, plan.check_every, plan.tolerance) == (30_000, 1_000, 1e-4)
    assert (len(plan.structures), plan.copies, plan.relaxation_copies) == (10, 50, 50)


def test_the_pilot_has_other_starts_than_the_study() -> None:
    assert load_plan("pilot").seed != load_plan("study").seed


@pytest.mark.parametrize("name", plans())
def test_every_plan_of_the_file_can_be_run(name: str) -> None:
    plan = load_plan(name)
    shards = [*descent_shards(plan), *relaxation_shards(plan), *recipe_shards(plan)]
    assert len({s.key for s in shards}) == len(shards) > 0
    assert all(s.starts <= STARTS_PER_SHARD and s.cost > 0 for s in shards)


def test_what_goes_beyond_has_the_studys_starts_and_each_method_its_own_noise() -> None:
    beyond, study = load_plan("beyond"), load_plan("study")
    assert (beyond.seed, beyond.copies, beyond.structures) == (study.seed, study.copies, study.structures)
    shards = recipe_shards(beyond)
    for name in beyond.recipes:
        named = [(s.structure, level) for s in shards if s.method == name for level in s.levels]
        levels = study.lattice_levels if ALL_METHODS[name].noise == "lattice" else study.coordinate_levels
        assert sorted(named) == sorted((structure, level) for structure in study.structures for level in levels)
        assert {s.noise for s in shards if s.method == name} == {ALL_METHODS[name].noise}


def test_another_method_has_other_keys_but_another_label_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = replace(load_plan("beyond"), structures=("U2Ti",), recipes=("graduated",))
    keys = {s.key for s in recipe_shards(plan)}
    for change, same in (({"label": "Another"}, True), ({"tries": 3}, False), ({"rule": Adam(decay=0.5)}, False)):
        other = {"graduated": replace(ALL_METHODS["graduated"], **change)}  # type: ignore[arg-type]
        monkeypatch.setattr("xrdscape.study.plan.ALL_RECIPES", other)
        assert (keys == {s.key for s in recipe_shards(plan)}) == same


def test_no_two_methods_share_a_name() -> None:
    """Records tell them apart by it, and so do figures."""
    assert not set(ALL_METHODS) & {*PUBLISHED_METHODS, CHGNET, "noised"}


def test_every_plan_of_the_file_writes_nothing_unknown() -> None:
    assert PLANS_FILE.read_text().isascii()
    for settings in plans().values():
        assert set(settings) <= {*asdict(Plan()), "like"}


def test_constraints_apply_to_lattice_noise_alone() -> None:
    shards = [s for s in descent_shards(Plan()) if PUBLISHED_METHODS[s.method].constrained]
    assert {s.noise for s in shards} == {"lattice"}


def test_every_start_is_in_one_shard_of_its_method() -> None:
    for copies in (1, 7, 30, 80):
        plan = Plan(structures=("U2Ti",), copies=copies, methods=("cosine",), relaxation_copies=0)
        named = [(s.noise, level, copy) for s in descent_shards(plan) for level in s.levels for copy in range(s.copies)]
        assert len(named) == len(set(named)) == 10 * copies


def test_settings_of_an_objective_are_its_own() -> None:
    shards = {s.method: s for s in descent_shards(Plan(mse_maximum=100.0, max_shift=5)) if s.noise == "lattice"}
    assert shards["mse"].mse_maximum == 100
    assert shards["cross_correlation"].max_shift == 5
    assert (shards["cosine"].mse_maximum, shards["cosine"].max_shift) == (1, None)


def test_rates_may_differ_between_methods_and_be_several() -> None:
    rates = {name: 10.0**-k for k, name in enumerate(PUBLISHED_METHODS)}
    plan = Plan(structures=("U2Ti",), lattice_learning_rate=rates, coordinate_learning_rate=(1e-5, 1e-4))
    shards = descent_shards(plan)
    assert {s.method: s.learning_rate for s in shards if s.noise == "lattice"} == rates
    assert [s.learning_rate for s in shards if s.noise == "coordinates" and s.method == "mse"] == [1e-5, 1e-4]


def test_a_key_changes_with_every_setting() -> None:
    changes = {"seed": 1, "learning_rate": 1e-3, "levels": (0.1,), "copies": 3, "structure": "NaS", "clamp": True,
               "wavelength_angstrom": 1.5418, "taper_deg": 4.0}  # fmt: skip
    keys = {SHARD.key, *(replace(SHARD, **{name: value}).key for name, value in changes.items())}
    assert len(keys) == len(changes) + 1


@pytest.mark.parametrize("name", ["study", "pilot"])
def test_keys_of_the_committed_records_stay(name: str) -> None:
    """A setting that is new, or a new way to write one down, must not orphan them."""
    plan, made = load_plan(name), store_of(name).provenance()
    descents, relaxations = ({s.key for s in shards(plan)} for shards in (descent_shards, relaxation_shards))
    assert descents <= set(made) <= descents | relaxations
    for key, entry in made.items():
        settings = {k: tuple(v) if isinstance(v, list) else v for k, v in entry["settings"].items()}
        assert Shard(**settings).key == key


def test_the_instrument_of_a_plan_is_that_of_its_shards() -> None:
    for name, wavelength, taper in (("study", 1.5406, 0.0), ("tapered", 1.5406, 4.0), ("k_alpha", 1.5418, 0.0)):
        shards = descent_shards(load_plan(name))
        assert {(s.wavelength_angstrom, s.taper_deg) for s in shards} == {(wavelength, taper)}
    assert {s.noise for s in descent_shards(load_plan("tapered"))} == {"lattice"}


def test_a_whole_number_is_the_same_setting_however_it_is_written() -> None:
    assert replace(SHARD, mse_maximum=100).key == replace(SHARD, mse_maximum=100.0).key


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
