"""The list of candidates: neighbouring elements exchanged, and what counts as one crystal."""

import numpy as np
from test_exact import truth

from xrdscape.solution.candidates import MOST_EXCHANGES, ranked, swaps

VFE_CU2O4, LI2FE3COO8 = 244, 148
"""Of the crystals that are asked for: one each of V and Fe, and Fe beside Co on orbits of one size."""


def test_neighbours_change_places_and_both_orders_are_listed() -> None:
    _, search, fit = truth(VFE_CU2O4, "reference-code", 100.0)
    others = swaps(search, [fit])
    assert 0 < len(others) <= MOST_EXCHANGES
    for other in others:
        assert np.bincount(other.cell.species).tolist() == np.bincount(fit.cell.species).tolist()
        assert not np.array_equal(other.cell.species, fit.cell.species)
        assert other.origin == "swap"
    assert len(ranked(search, [fit, *others], 10)) == 1 + len(others)


def test_single_orbits_change_places_where_there_are_more_of_one_element() -> None:
    _, search, fit = truth(LI2FE3COO8, "reference-code", 100.0)
    iron, cobalt = search.elements.index("Fe"), search.elements.index("Co")
    assert search.counts[iron] != search.counts[cobalt]
    exchanged = [
        other for other in swaps(search, [fit])
        if np.isin(fit.cell.species[other.cell.species != fit.cell.species], [iron, cobalt]).all()
    ]  # fmt: skip
    assert exchanged


def test_one_crystal_counts_once() -> None:
    _, search, fit = truth(LI2FE3COO8, "reference-code", 100.0)
    assert len(ranked(search, [fit, fit], 10)) == 1
