"""Whole methods: each finds what it is for, tries as often as it must, and asks the pattern alone."""

from dataclasses import replace

import numpy as np
import pytest

from xrdscape.analysis.evaluation import tight_match
from xrdscape.engine.cell import detect_family
from xrdscape.engine.structures import load_structure
from xrdscape.errors import DescentError
from xrdscape.recovery import recipes
from xrdscape.recovery.energy import Relaxation
from xrdscape.recovery.graduated import Narrowing
from xrdscape.recovery.noise import Noise, generator, start
from xrdscape.recovery.recipes import ALL_RECIPES, ATOMS, RECIPES, VARIANTS, Found, Recipe, descend, search

SHORT = Narrowing(stages=2, steps=3, last_steps=4)


def found(recipe: Recipe, level: float, copies: range, name: str = "U2Ti") -> Found:
    truth = load_structure(name)
    starts = [start(name, recipe.noise, level, copy, 0, truth) for copy in copies]
    return search(recipe, truth, starts, [generator("again", recipe.noise, level, copy) for copy in copies])


@pytest.mark.parametrize(("name", "level"), [("graduated", 0.1), ("graduated_family", 0.15), ("adam", 0.05)])
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
    """The same with few steps under each of few blurs."""
    stages = min(recipe.narrowing.stages, 2)
    narrowing = replace(recipe.narrowing, stages=stages, steps=3, last_steps=min(recipe.narrowing.last_steps, 4))
    return replace(recipe, narrowing=narrowing, newton=min(recipe.newton, 1), finish=min(recipe.finish, 2))


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_runs_and_goes_towards_the_truth(name: str) -> None:
    recipe = shortened(VARIANTS[name])
    result = found(recipe, 0.05, range(2))
    assert np.isfinite(result.loss).all()
    assert all(0 < steps <= recipe.steps_a_try for steps in result.steps)
    if recipe.newton:
        assert np.isnan(result.start_loss).all(), "no rule of descent has evaluated it"
    elif not recipe.finish:
        assert np.isfinite(result.start_loss).all()
    truth = load_structure("U2Ti")
    start_cell = start("U2Ti", "lattice", 0.05, 0, 0, truth).lattice.parameters
    assert not np.allclose(result.ends[0].lattice.parameters, start_cell, rtol=1e-6)


def test_variants_differ_from_each_other_and_from_the_recipe_they_vary() -> None:
    told = [repr(ALL_RECIPES["graduated"]), *(repr(variant) for variant in VARIANTS.values())]
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
    with pytest.raises(DescentError, match="relaxations of coordinates"):
        Recipe("x", "coordinates", ATOMS, pattern_ev=1.0)
    with pytest.raises(DescentError, match="relaxations of coordinates"):
        Recipe("x", "lattice", relaxed=True, pattern_ev=1.0)
