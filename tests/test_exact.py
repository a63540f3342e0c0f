"""PXRDnet's patterns exactly as they are made: what the truth leaves of them, and how fits come to it."""

from dataclasses import replace

import numpy as np
import pytest
from pymatgen.core import Element

from xrdscape.solution.exact import LEFT_BY_NOISE, exact_pattern, exactly, lines_of
from xrdscape.solution.hidden import with_hidden_lines
from xrdscape.solution.library import carried_library
from xrdscape.solution.measurement import nano_measurement
from xrdscape.solution.prototypes import LAST, Fit, Leg, Search, kinds_of, relaxed
from xrdscape.solution.templates import template
from xrdscape.study.solving import allowed, asked_crystal, pattern_asked

ASKED, NOISE_LEFT = 400, 1.5e-4
"""The noise of 1e-3 leaves up to 7e-5, lines within a bin some more."""


def truth(number: int, convention: str, size: float):  # type: ignore[no-untyped-def]
    """The pattern of a crystal, the search for it, and a fit that is the crystal."""
    crystal = asked_crystal(number, ASKED)
    pattern = pattern_asked(number, ASKED, size, convention, 0)
    data = nano_measurement(pattern.q_inv_angstrom, pattern.intensity, convention, size)
    search = Search.of(crystal.structure.composition, data.evidence(), allowed("strict", ASKED)[1])
    orbits = carried_library().orbits(crystal.place)
    known = template(kinds_of(orbits))
    kinds = [search.elements.index(Element.from_Z(int(z)).symbol) for z in np.unique(orbits.numbers)]
    cell = known.cell._replace(species=np.array(kinds)[known.cell.species])
    return data, search, Fit(replace(known, cell=cell), cell, 0.0, crystal.place, "prototype")


@pytest.mark.parametrize("convention", ["reference-code", "paper"])
@pytest.mark.parametrize("size", [10.0, 100.0])
def test_the_crystal_leaves_the_noise(convention: str, size: float) -> None:
    for number in range(6):
        data, search, fit = truth(number, convention, size)
        exact = exact_pattern(data)
        assert exact is not None
        found = exact.compared(lines_of(search, fit.cell, exact).bins)
        assert found.share < NOISE_LEFT
        low, high = exact.convention.sigma_bins
        assert low <= found.sigma <= high


def test_a_cell_that_is_off_comes_back() -> None:
    for number in (5, 9, 12):
        data, search, fit = truth(number, "reference-code", 100.0)
        exact = exact_pattern(data)
        assert exact is not None
        cell = fit.cell._replace(lattice=fit.cell.lattice * 1.004)
        off = exact.compared(lines_of(search, cell, exact).bins).share
        (found,) = exactly(search, [replace(fit, cell=cell, residual=off)], exact)
        assert off > 10 * NOISE_LEFT
        assert found.residual < NOISE_LEFT
        np.testing.assert_allclose(found.cell.lattice, fit.cell.lattice, rtol=0, atol=5e-3)


def test_lines_that_hide_others_are_found() -> None:
    # TiAlPd2, Ho3Ga6Ni9: strong lines of these share a bin, so that the crystal is not where its summed lines fit best.
    for number in (132, 393):
        data, search, fit = truth(number, "reference-code", 100.0)
        exact = exact_pattern(data)
        assert exact is not None
        summed = relaxed(search, fit.template, fit.cell, (Leg(1, True, 20), Leg(LAST, True, 30)))
        (stuck,) = exactly(search, [replace(fit, cell=summed.cell, residual=summed.residual)], exact)
        found = with_hidden_lines(search, stuck, exact, LEFT_BY_NOISE)
        assert stuck.residual > 20 * NOISE_LEFT
        assert found.residual < NOISE_LEFT
        off = [np.abs(end.cell.lattice - fit.cell.lattice).max() for end in (stuck, found)]
        assert off[0] > 1.5 * off[1]


def test_where_nothing_is_hidden_nothing_changes() -> None:
    data, search, fit = truth(5, "reference-code", 100.0)
    exact = exact_pattern(data)
    assert exact is not None
    assert with_hidden_lines(search, replace(fit, residual=LEFT_BY_NOISE / 2), exact, LEFT_BY_NOISE).cell is fit.cell
