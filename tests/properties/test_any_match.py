"""Matches and distances of any crystals."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure
from strategies import FEWER, bases, coordinates, in_basis, numbers
from tolerances import KNOWN_DISTANCE

from xrdscape.evaluation.matching import TIGHT_DISTANCE_ANGSTROM, emd, matches, tight_match

KINDS = ("Na", "Fe", "O", "U")
"""One of each, so that which atom belongs to which is beyond doubt."""


@st.composite
def crystals(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS) -> Structure:
    """A crystal with atoms that keep their distance, in a cell without symmetry."""
    lengths = [3.0 + draw(numbers(0.0, 0.3)), 4.5 + draw(numbers(0.0, 0.3)), 6.5 + draw(numbers(0.0, 0.3))]
    lattice = Lattice.from_parameters(*lengths, 94 + draw(numbers(0.0, 2.0)), 99 + draw(numbers(0.0, 2.0)),
                                      105 + draw(numbers(0.0, 2.0)))  # fmt: skip
    structure = Structure(lattice, kinds, draw(coordinates(len(kinds))))
    assume((structure.distance_matrix + 9 * np.eye(len(kinds))).min() > 0.7)
    return structure


@st.composite
def the_same(draw: st.DrawFn, structure: Structure) -> Structure:
    """The crystal in another setting: basis, origin, order of sites, image or not, all of it moved a little."""
    image = draw(st.sampled_from([1.0, -1.0]))
    shift = draw(arrays.arrays(np.float64, 3, elements=numbers(-2.0, 2.0)))
    order = list(draw(st.permutations(range(len(structure)))))
    kinds = [structure.species_and_occu[place] for place in order]
    moved = Structure(structure.lattice, kinds, (image * structure.frac_coords + shift)[order])
    return in_basis(moved, draw(bases()))


@given(st.data(), crystals())
def test_a_crystal_is_itself_in_any_setting(data: st.DataObject, structure: Structure) -> None:
    other = data.draw(the_same(structure))
    assert tight_match(structure, other)
    assert tight_match(other, structure)


@FEWER
@given(st.data(), crystals(("Na", "Fe", "Na", "Na")))
def test_like_atoms_may_change_places(data: st.DataObject, structure: Structure) -> None:
    assert tight_match(structure, data.draw(the_same(structure)))


@given(st.data(), crystals(), numbers(0.0, 3.0))
def test_a_tight_match_bounds_what_is_left_of_displacements(
    data: st.DataObject, structure: Structure, factor: float
) -> None:
    """By the definition: the largest displacement from the mean one, of the crystal or of its mirror image."""
    direction = data.draw(arrays.arrays(np.float64, (len(KINDS), 3), elements=numbers(-1.0, 1.0)))
    away = direction - direction.mean(0)
    assume(np.linalg.norm(away, axis=1).max() > 0.1)
    step = factor * TIGHT_DISTANCE_ANGSTROM * away / np.linalg.norm(away, axis=1).max()
    moved = structure.copy()
    for place, by in enumerate(step):
        moved.translate_sites([place], by, frac_coords=False)
    largest = min(farthest(structure, moved.frac_coords), farthest(structure, -moved.frac_coords))
    assume(abs(largest / TIGHT_DISTANCE_ANGSTROM - 1) > 1e-6)
    assert tight_match(structure, data.draw(the_same(moved))) == (largest <= TIGHT_DISTANCE_ANGSTROM)


def farthest(structure: Structure, frac_coords: NDArray[np.float64]) -> float:
    """Largest displacement (angstrom) of an atom from its site, once the mean of all has been removed."""
    away = frac_coords - structure.frac_coords
    # Counted from the first atom, whose displacement is the origin's.
    away = away - away[0]
    away -= np.round(away)
    return float(np.linalg.norm((away - away.mean(0)) @ structure.lattice.matrix, axis=1).max())


@given(crystals(), st.sampled_from(range(6)), st.booleans(), numbers(0.0, 2.0))
def test_a_tight_match_bounds_lengths_and_angles(structure: Structure, place: int, up: bool, factor: float) -> None:
    assume(abs(factor - 1) > 1e-6)
    parameters, size = list(structure.lattice.parameters), factor * (1 if up else -1)
    parameters[place] += size * (0.005 * parameters[place] if place < 3 else 0.5)
    changed = Structure(Lattice.from_parameters(*parameters), structure.species_and_occu, structure.frac_coords)
    assert tight_match(structure, changed) == (factor < 1)


@FEWER
@given(st.data(), crystals())
def test_a_tight_match_is_a_match(data: st.DataObject, structure: Structure) -> None:
    assert matches(structure, data.draw(the_same(structure)))


@FEWER
@given(st.data(), crystals(), crystals())
def test_the_distance_is_one(data: st.DataObject, one: Structure, other: Structure) -> None:
    """0 between settings of one crystal, the same both ways, and no shorter by a third crystal."""
    assert emd(one, data.draw(the_same(one))) == pytest.approx(0, abs=KNOWN_DISTANCE)
    way = emd(one, other)
    assert emd(other, one) == pytest.approx(way, abs=KNOWN_DISTANCE)
    third = data.draw(crystals())
    assert way <= emd(one, third) + emd(third, other) + KNOWN_DISTANCE
