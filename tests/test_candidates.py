"""The list of candidates: neighbouring elements exchanged, and what counts as one crystal."""

import numpy as np
from test_exact import truth

from xrdscape.solution.candidates import ranked, swaps

VFE_CU2O4 = 244
"""Of the crystals that are asked for: one each of V and Fe, which scatter much alike."""


def test_neighbours_change_places_where_there_are_as_many_of_both() -> None:
    _, search, fit = truth(VFE_CU2O4, "reference-code", 100.0)
    others = swaps(search, [fit])
    assert others
    for other in others:
        assert np.bincount(other.cell.species).tolist() == np.bincount(fit.cell.species).tolist()
        assert not np.array_equal(other.cell.species, fit.cell.species)
        assert other.origin == "swap"
    assert len(ranked(search, [fit, *others], 10)) == 2


def test_one_crystal_counts_once() -> None:
    _, search, fit = truth(VFE_CU2O4, "reference-code", 100.0)
    assert len(ranked(search, [fit, fit], 10)) == 1
