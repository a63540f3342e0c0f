"""Energy and pattern in one relaxation: forces, weights, and that both pull where they should."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from ase.calculators.calculator import Calculator
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor
from tolerances import COSINE_AT_TRUTH, FORCE_BY_DIFFERENCES

from xrdscape.crystal.structures import load_structure
from xrdscape.errors import DescentError, EnergyError
from xrdscape.evaluation.matching import tight_match
from xrdscape.optimisation import energy
from xrdscape.optimisation.energy import _sum, relax
from xrdscape.optimisation.joint import pattern_energy
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.study.problems import problem_of
from xrdscape.study.starts import start

COSINE = OBJECTIVES["cosine"]
REFERENCE = load_structure("U2Ti")  # hexagonal: a force with the cell transposed would show
PROBLEM = problem_of(REFERENCE)


class Springs(Calculator):
    """Each atom on a spring of 5 eV/angstrom^2 to its place in a crystal."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 - as ase declares it

    def __init__(self, centre: Structure) -> None:
        super().__init__()
        self.centre = AseAtomsAdaptor.get_atoms(centre, msonable=False)

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = ()) -> None:
        super().calculate(atoms, properties, system_changes)
        turns = atoms.get_scaled_positions(wrap=False) - self.centre.get_scaled_positions(wrap=False)
        away = (turns - turns.round()) @ atoms.cell.array
        self.results = {"energy": 2.5 * float((away**2).sum()), "forces": -5.0 * away}


def on_springs(monkeypatch: pytest.MonkeyPatch, centre: Structure) -> None:
    """Replace CHGNet."""
    monkeypatch.setattr(energy, "_calculator", lambda stress: Springs(centre))


def test_forces_are_the_energys_slope() -> None:
    begin = start("U2Ti", "coordinates", 0.05, 0)
    atoms = AseAtomsAdaptor.get_atoms(begin, msonable=False)
    atoms.calc = _sum(Springs(REFERENCE), pattern_energy(PROBLEM, begin, COSINE, 10.0))
    forces, h = atoms.get_forces(), 1e-5
    for atom, axis in np.ndindex(forces.shape):
        sides = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[atom, axis] += sign * h
            moved.calc = atoms.calc
            sides.append(moved.get_potential_energy())
        assert forces[atom, axis] == pytest.approx((sides[1] - sides[0]) / (2 * h), abs=FORCE_BY_DIFFERENCES)


def test_the_weight_is_what_a_whole_cosine_is_worth_to_an_atom() -> None:
    value, slope = pattern_energy(PROBLEM, REFERENCE, COSINE, 10.0)(REFERENCE.frac_coords)
    assert value == pytest.approx(-10.0 * len(REFERENCE), rel=COSINE_AT_TRUTH)
    assert np.abs(slope).max() < COSINE_AT_TRUTH


def test_no_weight_is_the_relaxation_alone() -> None:
    begin = start("U2Ti", "coordinates", 0.05, 0)
    alone = relax(begin, "coordinates")
    both = relax(begin, "coordinates", other=pattern_energy(PROBLEM, begin, COSINE, 0.0))
    np.testing.assert_array_equal(both.structure.frac_coords, alone.structure.frac_coords)
    assert (both.steps, both.energy_ev_per_atom) == (alone.steps, alone.energy_ev_per_atom)


def test_where_both_are_least_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    on_springs(monkeypatch, REFERENCE)
    result = relax(REFERENCE, "coordinates", other=pattern_energy(PROBLEM, REFERENCE, COSINE, 10.0))
    assert (result.converged, result.steps) == (True, 0)
    begin = start("U2Ti", "coordinates", 0.05, 0)
    assert not tight_match(REFERENCE, begin)
    result = relax(begin, "coordinates", other=pattern_energy(PROBLEM, begin, COSINE, 10.0))
    assert result.converged
    assert tight_match(REFERENCE, result.structure)


def test_where_they_differ_the_weight_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = start("U2Ti", "coordinates", 0.01, 0)
    on_springs(monkeypatch, wrong)
    losses = []
    for weight in (0.0, 1.0, 10.0, 100.0):
        end = relax(wrong, "coordinates", other=pattern_energy(PROBLEM, wrong, COSINE, weight)).structure
        losses.append(pattern_energy(PROBLEM, wrong, COSINE, 1.0)(end.frac_coords)[0])
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


def test_a_cell_does_not_feel_the_pattern() -> None:
    with pytest.raises(EnergyError, match="no stress"):
        relax(REFERENCE, "lattice", other=pattern_energy(PROBLEM, REFERENCE, COSINE, 1.0))


def test_weights_of_points_are_refused() -> None:
    weighted = replace(PROBLEM, weights=torch.ones_like(PROBLEM.target))
    with pytest.raises(DescentError, match="weighs all points alike"):
        pattern_energy(weighted, REFERENCE, COSINE, 1.0)
