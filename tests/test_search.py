"""Whole methods: each finds what it is for, restarts as often as it must, and asks the pattern alone."""

from dataclasses import replace

import numpy as np
import pytest
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from xrdscape.crystal.distortion import Noise, generator
from xrdscape.crystal.families import detect_family
from xrdscape.crystal.structures import load_structure, structures_from_tensors
from xrdscape.crystal.symmetry import symmetry_of
from xrdscape.errors import DescentError
from xrdscape.evaluation.matching import tight_match
from xrdscape.optimisation import search as searching
from xrdscape.optimisation.energy import Relaxation
from xrdscape.optimisation.graduated import Narrowing
from xrdscape.optimisation.loop import DescentResult
from xrdscape.optimisation.methods import ATOMS, METHODS, Method
from xrdscape.optimisation.problem import Problem
from xrdscape.optimisation.search import SearchResult, descend, search
from xrdscape.optimisation.variants import ALL_METHODS, VARIANTS
from xrdscape.study.problems import beside, problem_of
from xrdscape.study.starts import start

SHORT = Narrowing(stages=2, steps=3, last_steps=4)


def found(method: Method, level: float, copies: range, name: str = "U2Ti") -> SearchResult:
    reference, moves = load_structure(name), method.moves
    starts = [start(name, moves, level, copy, 0, reference) for copy in copies]
    if method.sites == "symmetric":
        starts = [beside(reference, model) for model in starts]
    return search(method, known(name), starts, [generator("again", moves, level, copy) for copy in copies])


def known(name: str = "U2Ti") -> Problem:
    """Return the problem of a crystal whose family and space group are known."""
    reference = load_structure(name)
    return problem_of(reference, family=detect_family(reference), symmetry=symmetry_of(reference))


@pytest.mark.parametrize(
    ("name", "level"), [("graduated", 0.1), ("graduated_family", 0.15), ("adam", 0.05), ("adam_entropy", 0.05)]
)
def test_a_method_finds_the_reference(name: str, level: float) -> None:
    result = found(METHODS[name], level, range(4))
    reference = load_structure("U2Ti")
    assert all(tight_match(reference, model) for model in result.refined)
    assert (result.loss <= -METHODS[name].enough).all()
    assert (result.loss < result.start_loss).all()
    assert result.descents == [1] * 4
    assert all(s > 0 for s in result.seconds)


def test_it_restarts_until_the_pattern_is_explained_and_keeps_the_best() -> None:
    once = replace(METHODS["restarts"], narrowing=SHORT, restarts=0, enough=2.0)
    first, best = found(once, 0.1, range(3)), found(replace(once, restarts=3), 0.1, range(3))
    assert best.descents == [4] * 3
    assert best.steps == [4 * SHORT.all_steps] * 3
    assert (best.loss <= first.loss).all()
    assert np.array_equal(best.start_loss, first.start_loss)
    easy = found(replace(once, restarts=3, enough=float(-first.loss.max())), 0.1, range(3))
    assert easy.descents == [1] * 3


def test_a_restart_is_the_same_again_whatever_the_batch() -> None:
    method = replace(METHODS["restarts"], narrowing=SHORT, restarts=2, enough=2.0)
    together, alone = found(method, 0.1, range(3)), found(method, 0.1, range(1, 2))
    assert together.loss[1] == pytest.approx(alone.loss[0], abs=1e-5)
    np.testing.assert_allclose(together.refined[1].lattice.abc, alone.refined[0].lattice.abc, rtol=1e-4)


def test_the_family_is_kept() -> None:
    end = found(replace(METHODS["graduated_family"], narrowing=SHORT), 0.1, range(1)).refined[0]
    assert detect_family(load_structure("U2Ti")) == "hexagonal"
    assert end.lattice.is_hexagonal(hex_angle_tol=1e-3, hex_length_tol=1e-5)


@pytest.mark.parametrize("noise", ["lattice", "coordinates"])
def test_relaxation_gives_what_the_noise_disturbed_and_nothing_else(noise: Noise, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """A relaxation that finds the reference structure, but for what was never disturbed, which it must leave alone."""
    reference, seen = load_structure("U2Ti"), []
    short = SHORT if noise == "lattice" else replace(ATOMS, last_steps=4)
    method = Method("x", noise, short, relaxed=True, restarts=1, enough=2.0)
    relaxed = reference.copy()
    if noise == "lattice":
        relaxed.translate_sites([0], [0.2, 0.0, 0.0])
    else:
        relaxed.scale_lattice(1.3 * reference.volume)

    def relax(structure, kind, max_steps=500):  # type: ignore[no-untyped-def]
        seen.append((kind, max_steps))
        return Relaxation(relaxed, -1.0, 0.0, 1, True, 0.1)

    monkeypatch.setattr(searching, "relax", relax)
    result = found(method, 0.1, range(1))
    assert seen == [(noise, 500), (noise, searching.SHORT_RELAXATION)]
    assert tight_match(reference, result.refined[0])


def shortened(method: Method) -> Method:
    """The same with few steps under each of few blurs; of atoms' cheap steps enough for one to go down."""
    stages, most = min(method.narrowing.stages, 2), 4 if method.moves == "lattice" else 60
    narrowing = replace(method.narrowing, stages=stages, steps=3, last_steps=min(method.narrowing.last_steps, most))
    return replace(method, narrowing=narrowing, newton=min(method.newton, 1), polish=min(method.polish, 2))


@pytest.mark.parametrize("name", [name for name, method in VARIANTS.items() if not method.relaxed])
def test_a_variant_runs_and_goes_towards_the_reference(name: str) -> None:
    method = replace(shortened(VARIANTS[name]), restarts=0)
    result = found(method, 0.05, range(2))
    assert np.isfinite(result.loss).all()
    assert all(0 < steps <= method.steps_a_descent for steps in result.steps)
    if method.newton:
        assert np.isnan(result.start_loss).all(), "no rule of descent has evaluated it"
    elif not method.polish:
        assert np.isfinite(result.start_loss).all()
    # So few plain steps may only swing around one of the two.
    better = int(np.argmin(result.loss))
    begin, end = start("U2Ti", method.moves, 0.05, better, 0, load_structure("U2Ti")), result.refined[better]
    assert np.allclose(end.lattice.parameters, begin.lattice.parameters, rtol=1e-6) != (method.moves == "lattice")
    away = end.frac_coords - begin.frac_coords
    assert np.allclose(away, np.round(away), atol=1e-6) != (method.moves == "coordinates")


def test_variants_differ_from_each_other_and_from_the_method_they_vary() -> None:
    told = [repr(method) for method in ALL_METHODS.values()]
    assert len(set(told)) == len(told)
    assert len({method.label for method in ALL_METHODS.values()}) == len(ALL_METHODS)


def test_known_symmetry_and_levenberg_marquardt_find_the_reference_in_few_steps() -> None:
    method, reference = VARIANTS["newton"], load_structure("U2Ti")
    result = found(method, 0.1, range(2))
    assert all(tight_match(reference, model) for model in result.refined)
    assert all(model.lattice.is_hexagonal(hex_angle_tol=1e-3, hex_length_tol=1e-5) for model in result.refined)
    assert max(result.steps) <= method.steps_a_descent < METHODS["graduated"].steps_a_descent / 10


def test_a_polish_makes_the_cosine_small_whatever_was_descended() -> None:
    """Its steps and its loss are those of the whole."""
    reference = load_structure("U2Ti")
    starts = [start("U2Ti", "lattice", 0.05, copy, 0, reference) for copy in range(2)]
    plain = replace(VARIANTS["finished"], narrowing=SHORT, polish=0)
    before, after = (descend(replace(plain, polish=steps), known(), starts) for steps in (0, 3))
    assert (after.loss <= before.loss).all()
    assert (after.loss < before.loss).any()
    assert (before.steps == SHORT.all_steps).all()
    assert ((after.steps > before.steps) & (after.steps <= before.steps + 3)).all()
    other = descend(replace(plain, objective="mse", polish=3), known(), starts)
    assert ((other.loss > -1.01) & (other.loss < 0)).all(), "minus a cosine, and no squared error"


def test_a_restart_that_fails_is_no_better_than_one_that_did_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of three comes to nothing."""
    real, calls = searching.descend, []

    def second_fails(method: Method, problem: Problem, starts: list[Structure]) -> DescentResult:
        calls.append(len(starts))
        result = real(method, problem, starts)
        return replace(result, loss=result.loss * float("nan")) if len(calls) == 2 else result

    method = replace(METHODS["restarts"], narrowing=SHORT, restarts=2, enough=2.0)
    whole = found(method, 0.1, range(2))
    first = found(replace(method, restarts=0), 0.1, range(2))
    monkeypatch.setattr(searching, "descend", second_fails)
    result = found(method, 0.1, range(2))
    assert calls == [2, 2, 2]
    assert (result.loss <= first.loss).all()
    assert (result.loss >= whole.loss).all()


@pytest.mark.parametrize("noise", ["lattice", "coordinates"])
def test_a_hop_starts_from_the_best_model_so_far(noise: Noise, monkeypatch: pytest.MonkeyPatch) -> None:
    """And other restarts from the start. The second descent of four comes to nothing."""
    real, begun = searching.descend, []

    def told(method: Method, problem: Problem, starts: list[Structure]) -> DescentResult:
        result = real(method, problem, starts)
        if len(begun) == 1:
            result = replace(result, loss=result.loss * float("nan"))
        models = structures_from_tensors(problem.contents, result.lattice, result.frac_coords)
        begun.append((starts[0], models[0], float(result.loss[0])))
        return result

    monkeypatch.setattr(searching, "descend", told)
    short = replace(SHORT, stages=0) if noise == "coordinates" else SHORT
    still = Method("x", noise, short, restarts=3, enough=2.0, spread=1e-5)
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


def test_a_hop_is_relaxed_where_the_method_relaxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a place beside the best end, and not from the end itself."""
    reference, seen = load_structure("U2Ti"), []

    def relax(structure, kind, max_steps=500):  # type: ignore[no-untyped-def]
        seen.append((structure, max_steps))
        return Relaxation(reference, -1.0, 0.0, 1, True, 0.1)

    monkeypatch.setattr(searching, "relax", relax)
    method = Method("x", "coordinates", replace(ATOMS, last_steps=4), relaxed=True, restarts=1, enough=2.0, spread=0.05)
    for hops in (False, True):
        seen.clear()
        result = found(replace(method, hops=hops), 0.1, range(1))
        assert [steps for _, steps in seen] == [500, searching.SHORT_RELAXATION]
        away = seen[1][0].frac_coords - reference.frac_coords
        off = np.abs(away - np.round(away)).max()
        assert (0.01 < off < 0.3) if hops else off < 1e-3
        assert tight_match(reference, result.refined[0])


def test_known_sites_are_kept_where_the_space_group_has_them() -> None:
    """In U2Ti no coordinate is free, so knowing the space group is knowing the answer; in BPO4 some are."""
    method = replace(VARIANTS["atoms_symmetric"], narrowing=replace(ATOMS, last_steps=1))
    assert tight_match(load_structure("U2Ti"), found(method, 0.05, range(1)).refined[0])
    reference = load_structure("BPO4")
    end = found(method, 0.05, range(1), "BPO4").refined[0]
    assert not tight_match(reference, end)
    groups = [SpacegroupAnalyzer(crystal, symprec=1e-3).get_space_group_number() for crystal in (reference, end)]
    assert groups[0] == groups[1]
    refined = found(VARIANTS["atoms_symmetric"], 0.05, range(2), "BPO4").refined
    assert all(tight_match(reference, model) for model in refined)


def test_a_weight_of_the_pattern_is_felt_by_every_relaxation(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, seen = load_structure("U2Ti"), []

    def relax(structure, kind, max_steps, other):  # type: ignore[no-untyped-def]
        value, _ = other(reference.frac_coords)
        seen.append((value / len(reference), max_steps))
        return Relaxation(reference, -1.0, 0.0, 1, True, 0.1)

    monkeypatch.setattr(searching, "relax", relax)
    short, alone = replace(ATOMS, last_steps=4), METHODS["alternation"]
    both = replace(alone, narrowing=short, restarts=1, enough=2.0, pattern_ev=3.0)
    assert alone.relaxes_alone
    assert not both.relaxes_alone
    result = found(both, 0.1, range(1))
    assert seen == [(pytest.approx(-3.0), searching.JOINT_STEPS), (pytest.approx(-3.0), searching.SHORT_RELAXATION)]
    assert tight_match(reference, result.refined[0])


def test_impossible_methods_are_refused() -> None:
    with pytest.raises(DescentError, match="unknown objective 'charm'"):
        Method("x", objective="charm")
    with pytest.raises(DescentError, match="0 or more restarts"):
        Method("x", restarts=-1)
    with pytest.raises(DescentError, match="nothing to blur"):
        Method("x", "coordinates")
    for wrong in ({"polish": 0}, {"narrowing": replace(SHORT, stages=0)}):
        with pytest.raises(DescentError, match="Levenberg-Marquardt steps under blurs"):
            replace(VARIANTS["newton"], **wrong)  # type: ignore[arg-type]
    with pytest.raises(DescentError, match="no family"):
        Method("x", "coordinates", ATOMS, cell="family")
    with pytest.raises(DescentError, match="polish moves the cell"):
        Method("x", "coordinates", ATOMS, polish=8)
    with pytest.raises(DescentError, match="leave sites 'free'"):
        Method("x", sites="symmetric")
    with pytest.raises(DescentError, match="relaxations of coordinates"):
        Method("x", "coordinates", ATOMS, pattern_ev=1.0)
    with pytest.raises(DescentError, match="relaxations of coordinates"):
        Method("x", "lattice", relaxed=True, pattern_ev=1.0)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("graduated_family", "crystal family"),
        ("symmetric", "space group"),
        ("newton", "space group"),
        ("atoms_symmetric", "space group"),
    ],
)
def test_a_method_asks_for_what_the_problem_must_know(name: str, what: str) -> None:
    method, reference = ALL_METHODS[name], load_structure("U2Ti")
    with pytest.raises(DescentError, match=f"needs a known {what}: give the problem"):
        search(method, problem_of(reference), [reference], [np.random.default_rng(0)])
