"""Whole methods: each finds what it is for, tries as often as it must, and asks the pattern alone."""

from dataclasses import replace

import numpy as np
import pytest
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from xrdscape.analysis.evaluation import tight_match
from xrdscape.engine.cell import detect_family
from xrdscape.engine.structures import load_structure
from xrdscape.errors import DescentError
from xrdscape.recovery import recipes
from xrdscape.recovery.energy import Relaxation
from xrdscape.recovery.graduated import Narrowing
from xrdscape.recovery.noise import Noise, generator, start
from xrdscape.recovery.recipes import ATOMS, RECIPES, Found, Recipe, descend, search
from xrdscape.recovery.recover import crystals
from xrdscape.recovery.variants import ALL_RECIPES, VARIANTS

SHORT = Narrowing(stages=2, steps=3, last_steps=4)


def found(recipe: Recipe, level: float, copies: range, name: str = "U2Ti") -> Found:
    truth = load_structure(name)
    starts = [start(name, recipe.noise, level, copy, 0, truth) for copy in copies]
    return search(recipe, truth, starts, [generator("again", recipe.noise, level, copy) for copy in copies])


@pytest.mark.parametrize(
    ("name", "level"), [("graduated", 0.1), ("graduated_family", 0.15), ("adam", 0.05), ("adam_entropy", 0.05)]
)
def test_a_recipe_finds_the_truth(name: str, level: float) -> None:
    result = found(RECIPES[name], level, range(4))
    truth = load_structure("U2Ti")
    assert all(tight_match(truth, end) for end in result.ends)
    assert (result.loss <= -RECIPES[name].enough).all()
    assert (result.loss < result.start_loss).all()
    assert result.tries == [1] * 4
    assert all(s > 0 for s in result.seconds)


def test_it_tries_again_until_the_pattern_is_explained_and_keeps_the_best() -> None:
    once = replace(RECIPES["restarts"], narrowing=SHORT, tries=1, enough=2.0)
    first, best = found(once, 0.1, range(3)), found(replace(once, tries=4), 0.1, range(3))
    assert best.tries == [4] * 3
    assert best.steps == [4 * SHORT.all_steps] * 3
    assert (best.loss <= first.loss).all()
    assert np.array_equal(best.start_loss, first.start_loss)
    easy = found(replace(once, tries=4, enough=float(-first.loss.max())), 0.1, range(3))
    assert easy.tries == [1] * 3


def test_another_try_is_the_same_again_whatever_the_company() -> None:
    recipe = replace(RECIPES["restarts"], narrowing=SHORT, tries=3, enough=2.0)
    together, alone = found(recipe, 0.1, range(3)), found(recipe, 0.1, range(1, 2))
    assert together.loss[1] == pytest.approx(alone.loss[0], abs=1e-5)
    np.testing.assert_allclose(together.ends[1].lattice.abc, alone.ends[0].lattice.abc, rtol=1e-4)


def test_the_family_is_kept() -> None:
    end = found(replace(RECIPES["graduated_family"], narrowing=SHORT), 0.1, range(1)).ends[0]
    assert detect_family(load_structure("U2Ti")) == "hexagonal"
    assert end.lattice.is_hexagonal(hex_angle_tol=1e-3, hex_length_tol=1e-5)


@pytest.mark.parametrize("noise", ["lattice", "coordinates"])
def test_relaxation_gives_what_the_noise_disturbed_and_nothing_else(noise: Noise, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """A relaxation that finds the truth, but for what was never disturbed, which it must leave alone."""
    truth, seen = load_structure("U2Ti"), []
    short = SHORT if noise == "lattice" else replace(ATOMS, last_steps=4)
    recipe = Recipe("x", noise, short, relaxed=True, tries=2, enough=2.0)
    relaxed = truth.copy()
    if noise == "lattice":
        relaxed.translate_sites([0], [0.2, 0.0, 0.0])
    else:
        relaxed.scale_lattice(1.3 * truth.volume)

    def relax(structure, kind, max_steps=500):  # type: ignore[no-untyped-def]
        seen.append((kind, max_steps))
        return Relaxation(relaxed, -1.0, 0.0, 1, True, 0.1)

    monkeypatch.setattr(recipes, "relax", relax)
    result = found(recipe, 0.1, range(1))
    assert seen == [(noise, 500), (noise, recipes.SHORT_RELAXATION)]
    assert tight_match(truth, result.ends[0])


def shortened(recipe: Recipe) -> Recipe:
    """The same with few steps under each of few blurs; of atoms' cheap steps enough for one to go down."""
    stages, most = min(recipe.narrowing.stages, 2), 4 if recipe.noise == "lattice" else 60
    narrowing = replace(recipe.narrowing, stages=stages, steps=3, last_steps=min(recipe.narrowing.last_steps, most))
    return replace(recipe, narrowing=narrowing, newton=min(recipe.newton, 1), finish=min(recipe.finish, 2))


@pytest.mark.parametrize("name", [name for name, recipe in VARIANTS.items() if not recipe.relaxed])
def test_a_variant_runs_and_goes_towards_the_truth(name: str) -> None:
    recipe = replace(shortened(VARIANTS[name]), tries=1)
    result = found(recipe, 0.05, range(2))
    assert np.isfinite(result.loss).all()
    assert all(0 < steps <= recipe.steps_a_try for steps in result.steps)
    if recipe.newton:
        assert np.isnan(result.start_loss).all(), "no rule of descent has evaluated it"
    elif not recipe.finish:
        assert np.isfinite(result.start_loss).all()
    begin, end = start("U2Ti", recipe.noise, 0.05, 0, 0, load_structure("U2Ti")), result.ends[0]
    assert np.allclose(end.lattice.parameters, begin.lattice.parameters, rtol=1e-6) != (recipe.noise == "lattice")
    assert np.allclose(end.frac_coords, begin.frac_coords, atol=1e-6) != (recipe.noise == "coordinates")


def test_variants_differ_from_each_other_and_from_the_recipe_they_vary() -> None:
    told = [repr(recipe) for recipe in ALL_RECIPES.values()]
    assert len(set(told)) == len(told)
    assert len({recipe.label for recipe in ALL_RECIPES.values()}) == len(ALL_RECIPES)


def test_known_symmetry_and_levenberg_marquardt_find_the_truth_in_few_steps() -> None:
    recipe, truth = VARIANTS["newton"], load_structure("U2Ti")
    result = found(recipe, 0.1, range(2))
    assert all(tight_match(truth, end) for end in result.ends)
    assert all(end.lattice.is_hexagonal(hex_angle_tol=1e-3, hex_length_tol=1e-5) for end in result.ends)
    assert max(result.steps) <= recipe.steps_a_try < RECIPES["graduated"].steps_a_try / 10


def test_a_finish_makes_the_cosine_small_whatever_was_descended() -> None:
    """Its steps and its loss are those of the whole."""
    truth = load_structure("U2Ti")
    starts = [start("U2Ti", "lattice", 0.05, copy, 0, truth) for copy in range(2)]
    plain = replace(VARIANTS["finished"], narrowing=SHORT, finish=0)
    before, after = descend(plain, truth, starts), descend(replace(plain, finish=3), truth, starts)
    assert (after.loss <= before.loss).all()
    assert (after.loss < before.loss).any()
    assert (before.steps == SHORT.all_steps).all()
    assert ((after.steps > before.steps) & (after.steps <= before.steps + 3)).all()
    other = descend(replace(plain, objective="mse", finish=3), truth, starts)
    assert ((other.loss > -1.01) & (other.loss < 0)).all(), "minus a cosine, and no squared error"


def test_a_try_that_fails_is_no_better_than_one_that_did_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of three comes to nothing, the third to the truth."""
    real, calls = recipes.descend, []

    def second_fails(recipe, truth, starts):  # type: ignore[no-untyped-def]
        calls.append(len(starts))
        result = real(recipe, truth, starts)
        return replace(result, loss=result.loss * float("nan")) if len(calls) == 2 else result

    recipe = replace(RECIPES["restarts"], narrowing=SHORT, tries=3, enough=2.0)
    whole = found(recipe, 0.1, range(2))
    first = found(replace(recipe, tries=1), 0.1, range(2))
    monkeypatch.setattr(recipes, "descend", second_fails)
    result = found(recipe, 0.1, range(2))
    assert calls == [2, 2, 2]
    assert (result.loss <= first.loss).all()
    assert (result.loss >= whole.loss).all()


@pytest.mark.parametrize("noise", ["lattice", "coordinates"])
def test_a_hop_starts_from_the_best_end_so_far(noise: Noise, monkeypatch: pytest.MonkeyPatch) -> None:
    """And other tries from the start. The second descent of four comes to nothing."""
    real, begun = recipes.descend, []

    def told(recipe, truth, starts):  # type: ignore[no-untyped-def]
        result = real(recipe, truth, starts)
        if len(begun) == 1:
            result = replace(result, loss=result.loss * float("nan"))
        begun.append((starts[0], crystals(truth, result)[0], float(result.loss[0])))
        return result

    monkeypatch.setattr(recipes, "descend", told)
    short = replace(SHORT, stages=0) if noise == "coordinates" else SHORT
    still = Recipe("x", noise, short, tries=4, enough=2.0, spread=1e-5)
    for hops in (True, False):
        begun.clear()
        found(replace(still, hops=hops), 0.1, range(1))
        (first, best, loss), *_, (_, third, reached), _ = begun
        later = [begin for begin, _, _ in begun[1:]]
        expected = [best, best, third if reached < loss else best] if hops else [first] * 3
        for here, there in zip(later, expected, strict=True):
            np.testing.assert_allclose(here.lattice.parameters, there.lattice.parameters, rtol=1e-3)
            away = here.frac_coords - there.frac_coords
            np.testing.assert_allclose(away - np.round(away), 0, atol=1e-3)


def test_a_hop_is_relaxed_where_the_recipe_relaxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a place beside the best end, and not from the end itself."""
    truth, seen = load_structure("U2Ti"), []

    def relax(structure, kind, max_steps=500):  # type: ignore[no-untyped-def]
        seen.append((structure, max_steps))
        return Relaxation(truth, -1.0, 0.0, 1, True, 0.1)

    monkeypatch.setattr(recipes, "relax", relax)
    recipe = Recipe("x", "coordinates", replace(ATOMS, last_steps=4), relaxed=True, tries=2, enough=2.0, spread=0.05)
    for hops in (False, True):
        seen.clear()
        result = found(replace(recipe, hops=hops), 0.1, range(1))
        assert [steps for _, steps in seen] == [500, recipes.SHORT_RELAXATION]
        away = seen[1][0].frac_coords - truth.frac_coords
        off = np.abs(away - np.round(away)).max()
        assert (0.01 < off < 0.3) if hops else off < 1e-3
        assert tight_match(truth, result.ends[0])


def test_known_sites_are_kept_where_the_space_group_has_them() -> None:
    """In U2Ti no coordinate is free, so knowing the space group is knowing the answer; in BPO4 some are."""
    recipe = replace(VARIANTS["atoms_symmetric"], narrowing=replace(ATOMS, last_steps=1))
    assert tight_match(load_structure("U2Ti"), found(recipe, 0.05, range(1)).ends[0])
    truth = load_structure("BPO4")
    end = found(recipe, 0.05, range(1), "BPO4").ends[0]
    assert not tight_match(truth, end)
    groups = [SpacegroupAnalyzer(crystal, symprec=1e-3).get_space_group_number() for crystal in (truth, end)]
    assert groups[0] == groups[1]
    assert all(tight_match(truth, e) for e in found(VARIANTS["atoms_symmetric"], 0.05, range(2), "BPO4").ends)


def test_a_weight_of_the_pattern_is_felt_by_every_relaxation(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, seen = load_structure("U2Ti"), []

    def relax(structure, kind, max_steps, other):  # type: ignore[no-untyped-def]
        value, _ = other(truth.frac_coords)
        seen.append((value / len(truth), max_steps))
        return Relaxation(truth, -1.0, 0.0, 1, True, 0.1)

    monkeypatch.setattr(recipes, "relax", relax)
    both = replace(RECIPES["alternation"], narrowing=replace(ATOMS, last_steps=4), tries=2, enough=2.0, pattern_ev=3.0)
    assert RECIPES["alternation"].relaxes_alone
    assert not both.relaxes_alone
    result = found(both, 0.1, range(1))
    assert seen == [(pytest.approx(-3.0), recipes.BOTH_STEPS), (pytest.approx(-3.0), recipes.SHORT_RELAXATION)]
    assert tight_match(truth, result.ends[0])


def test_records_are_named_by_what_a_recipe_uses() -> None:
    """By the name that recipes without a weight had before there was one."""
    alone = RECIPES["energy_adam"]
    assert repr(alone).startswith("Recipe(noise='coordinates', narrowing=Narrowing(")
    assert repr(alone).endswith("relaxed=True, tries=1, spread=0.05, enough=0.99999)")
    assert repr(replace(alone, pattern_ev=3.0)) == repr(alone)[:-1] + ", pattern_ev=3.0)"
    assert repr(replace(alone, hops=True, sites="symmetric")) == repr(alone)[:-1] + ", hops=True, sites='symmetric')"
    assert repr(replace(alone, label="x")) == repr(alone)


def test_impossible_recipes_are_refused() -> None:
    with pytest.raises(DescentError, match="unknown objective 'charm'"):
        Recipe("x", objective="charm")
    with pytest.raises(DescentError, match="at least one try"):
        Recipe("x", tries=0)
    with pytest.raises(DescentError, match="nothing to blur"):
        Recipe("x", "coordinates")
    for wrong in ({"finish": 0}, {"narrowing": replace(SHORT, stages=0)}):
        with pytest.raises(DescentError, match="Levenberg-Marquardt steps under blurs"):
            replace(VARIANTS["newton"], **wrong)  # type: ignore[arg-type]
    with pytest.raises(DescentError, match="no family"):
        Recipe("x", "coordinates", ATOMS, cell="family")
    with pytest.raises(DescentError, match="finish moves the cell"):
        Recipe("x", "coordinates", ATOMS, finish=8)
    with pytest.raises(DescentError, match="leave sites 'free'"):
        Recipe("x", sites="symmetric")
    with pytest.raises(DescentError, match="relaxations of coordinates"):
        Recipe("x", "coordinates", ATOMS, pattern_ev=1.0)
    with pytest.raises(DescentError, match="relaxations of coordinates"):
        Recipe("x", "lattice", relaxed=True, pattern_ev=1.0)
