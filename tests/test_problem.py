"""Problems: what they refuse, what they must not hold, and what weights of points do."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pymatgen.core import Composition, IStructure, Lattice, Structure
from tolerances import RECOVERED

import xrdscape
from xrdscape.crystal.families import detect_family
from xrdscape.crystal.structures import load_structure, structures_from_tensors, to_tensors
from xrdscape.crystal.symmetry import symmetry_of
from xrdscape.diffraction.instrument import Instrument
from xrdscape.errors import DescentError, InstrumentError
from xrdscape.evaluation.matching import tight_match
from xrdscape.optimisation.descent import Schedule
from xrdscape.optimisation.graduated import graduated
from xrdscape.optimisation.loop import DescentResult
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.optimisation.problem import Problem
from xrdscape.optimisation.published import published_descent
from xrdscape.study.problems import problem_of
from xrdscape.study.starts import start

REFERENCE = load_structure("U2Ti")
PROBLEM = problem_of(REFERENCE, Instrument(two_theta_min_deg=10.0, step_deg=0.1))
ONES = torch.ones_like(PROBLEM.target)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"target": PROBLEM.target[:-1]}, r"The target has shape \[799\], the instrument's grid 800 points"),
        ({"weights": ONES[:-1]}, r"The weights has shape \[799\], the instrument's grid 800 points"),
        ({"weights": -ONES}, "Weights must be finite and at least 0"),
        ({"weights": ONES * torch.nan}, "Weights must be finite and at least 0"),
        ({"weights": ONES * torch.inf}, "Weights must be finite and at least 0"),
        ({"weights": 0 * ONES}, "The weights leave nothing of the target"),
    ],
)
def test_what_does_not_fit_is_refused(wrong: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(DescentError, match=message):
        replace(PROBLEM, **wrong)


@pytest.mark.parametrize("target", [0 * ONES, ONES * torch.nan])
def test_an_empty_target_is_refused(target: torch.Tensor) -> None:
    with pytest.raises(InstrumentError, match="zero everywhere or not a number"):
        replace(PROBLEM, target=target)


# The answer is not in it.


def numbers_in(value: Any, seen: set[int]) -> Iterator[np.ndarray]:
    """Every number that can be reached from a value, whatever holds it; refuses crystals and cells."""
    assert not isinstance(value, IStructure | Lattice), f"a {type(value).__name__} is in it"
    if id(value) in seen or isinstance(value, str | bytes | type | Composition | None.__class__):
        return
    seen.add(id(value))
    if isinstance(value, torch.Tensor | np.ndarray | float | int):
        yield np.asarray(value, dtype=np.float64).ravel()
    elif isinstance(value, dict):
        yield from (n for item in [*value, *value.values()] for n in numbers_in(item, seen))
    elif isinstance(value, list | tuple | set | frozenset):
        yield from (n for item in value for n in numbers_in(item, seen))
    elif isinstance(value, partial):
        yield from numbers_in((value.func, value.args, value.keywords), seen)
    elif closure := getattr(value, "__closure__", None):
        yield from (n for cell in closure for n in numbers_in(cell.cell_contents, seen))
    elif hasattr(value, "__dict__"):
        yield from numbers_in(vars(value), seen)


def told(value: Any, reference: Structure) -> set[float]:
    """The free coordinates, and the lattice parameters and vectors but for right and third angles, that are in it."""
    symmetry = symmetry_of(reference)
    free = np.abs(reference.frac_coords - symmetry.offset) > 1e-6
    vectors = reference.lattice.matrix[np.abs(reference.lattice.matrix) > 1e-6]
    angles = [angle for angle in reference.lattice.angles if min(abs(angle - 90), abs(angle - 120)) > 1e-6]
    secrets = np.unique([*reference.frac_coords[free], *vectors, *reference.lattice.abc, *angles])
    reached = np.concatenate(list(numbers_in(value, set())))
    return {float(secret) for secret in secrets if np.abs(reached - secret).min() < 1e-7}


@pytest.mark.parametrize("name", ["MnOF", "BPO4", "Na2BiO3"])
def test_a_problem_does_not_hold_the_crystal(name: str) -> None:
    """Not even after it was used, and with all that may be known of symmetry."""
    reference = load_structure(name)
    problem = problem_of(reference, family=detect_family(reference), symmetry=symmetry_of(reference))
    problem.simulator()(*to_tensors([start(name, "lattice", 0.1, 0)], torch.float32))
    assert told(problem, reference) == set()


@pytest.mark.parametrize("leak", ["cell", "coordinates", "closure", "structure"])
def test_the_crystal_would_be_found_in_it(leak: str) -> None:
    reference = load_structure("MnOF")
    lattice, coords = to_tensors([reference])
    problem = problem_of(reference)
    held = {
        "cell": [problem, {"kept": lattice}],
        "coordinates": (problem, [coords.flatten().tolist()]),
        "closure": [problem, lambda: coords],
        "structure": [problem, reference],
    }[leak]
    if leak == "structure":
        with pytest.raises(AssertionError, match="a Structure is in it"):
            told(held, reference)
    else:
        assert told(held, reference)


PACKAGE = Path(xrdscape.__file__).parent
BELOW_STUDY = ("crystal", "diffraction", "optimisation", "patterns", "refinement")
NAMES_OF_ANSWERS = {"reference", "truth", "true_structure", "reference_structure"}
MADE_FROM_IT = {"diffraction/artefacts.py"}
"""Modules below the study that make a pattern of a reference structure, and solve nothing; evaluation, which judges, is
no room to look in."""


def test_nothing_below_the_study_is_handed_a_reference_structure() -> None:
    found = set()
    for room in BELOW_STUDY:
        for path in sorted((PACKAGE / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    given = {a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
                    if given & NAMES_OF_ANSWERS:
                        found.add(str(path.relative_to(PACKAGE)))
    assert found == MADE_FROM_IT


# Weights


def spoilt() -> tuple[torch.Tensor, torch.Tensor]:
    """The target with a ramp of three times its maximum from 50 to 60 degrees, and which points it left alone."""
    angle = PROBLEM.simulator(torch.float64).two_theta_deg
    bad = (angle > 50) & (angle < 60)
    target = PROBLEM.target.clone()
    target[bad] = target.max() * torch.linspace(0, 3, int(bad.sum()), dtype=target.dtype)
    return target, (~bad).to(target.dtype)


def descended(problem: Problem, moves: str) -> DescentResult:
    """By the graduated descent of cells, or by the published one of atoms."""
    starts = [start("U2Ti", moves, 0.05, copy, 0, REFERENCE) for copy in range(2)]  # type: ignore[arg-type]
    if moves == "lattice":
        return graduated(problem, *to_tensors(starts))
    return published_descent(problem, starts, "coordinates", OBJECTIVES["cosine"], Schedule(0.1, 200))


def found(result: DescentResult) -> list[bool]:
    models = structures_from_tensors(REFERENCE, result.lattice, result.frac_coords)
    return [tight_match(REFERENCE, model) for model in models]


@pytest.mark.parametrize("moves", ["lattice", "coordinates"])
def test_points_of_weight_0_are_left_out(moves: str) -> None:
    target, weights = spoilt()
    problem = replace(PROBLEM, target=target)
    assert not any(found(descended(problem, moves)))
    assert all(found(descended(replace(problem, weights=weights), moves)))


def test_equal_weights_are_none() -> None:
    plain, weighted = (descended(problem, "lattice") for problem in (PROBLEM, replace(PROBLEM, weights=ONES)))
    lengths = slice(0, 3)
    torch.testing.assert_close(weighted.lattice[:, lengths], plain.lattice[:, lengths], rtol=RECOVERED, atol=0)
    torch.testing.assert_close(weighted.loss, plain.loss, rtol=0, atol=RECOVERED)
