"""Random cells, crystals, bases and patterns for the property-based tests."""

from typing import Any

import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure
from torch import Tensor

from xrdscape.diffraction.instrument import Instrument

ELEMENTS = ("H", "O", "Na", "Fe", "U")

FADING = Instrument(two_theta_min_deg=10.0, two_theta_max_deg=60.0, step_deg=0.1, taper_deg=3.0)
"""Reflections fade out at the end, so that rounding takes none away and adds none."""


FEWER = settings(max_examples=settings.default.max_examples // 2)
"""For tests that take long."""


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers of a range, tiny ones left out: no length or intensity is 1e-300 of another."""
    return st.floats(low, high, allow_subnormal=False).map(lambda value: round(value, 9))


@st.composite
def angles(draw: st.DrawFn) -> tuple[float, float, float]:
    """Three angles in degrees that close a cell, from flat to needle-like."""
    alpha, beta = draw(numbers(35.0, 145.0)), draw(numbers(35.0, 145.0))
    least, most = abs(alpha - beta), min(alpha + beta, 360.0 - alpha - beta)
    return alpha, beta, least + (most - least) * draw(numbers(0.2, 0.8))


def cells(shortest: float = 2.5, longest: float = 9.0) -> st.SearchStrategy[Tensor]:
    """Lattice parameters [6] in float64 that close a cell; every other one has the angles of a crystal family."""
    special = st.sampled_from([(90.0, 90.0, 90.0), (90.0, 90.0, 120.0), (90.0, 103.0, 90.0), (60.0, 60.0, 60.0)])
    lengths = st.tuples(*[numbers(shortest, longest)] * 3)
    whole = st.tuples(lengths, st.one_of(angles(), special))
    return whole.map(lambda parts: torch.tensor([*parts[0], *parts[1]], dtype=torch.float64))


def batches(of: st.SearchStrategy[Tensor], most: int = 4) -> st.SearchStrategy[Tensor]:
    """Some of these, one below the other."""
    return st.lists(of, min_size=1, max_size=most).map(torch.stack)


def species() -> st.SearchStrategy[dict[str, float]]:
    """What sits on a site: one element, whole or in part, or two that share it."""
    whole = st.sampled_from(ELEMENTS).map(lambda element: {element: 1.0})
    part = st.tuples(st.sampled_from(ELEMENTS), numbers(0.2, 0.9)).map(lambda pair: {pair[0]: pair[1]})
    shared = numbers(0.1, 0.9).map(lambda amount: {"Fe": amount, "Na": round(1 - amount, 9)})
    return st.one_of(whole, whole, part, shared)


def coordinates(sites: int) -> st.SearchStrategy[NDArray[np.float64]]:
    """Fractional coordinates [sites, 3]."""
    return arrays.arrays(np.float64, (sites, 3), elements=numbers(0.0, 0.999))


@st.composite
def crystals(draw: st.DrawFn, most_sites: int = 4, of: st.SearchStrategy[Any] | None = None) -> Structure:
    """Any crystal without symmetry; its atoms may come close to each other."""
    kinds = draw(st.lists(of or species(), min_size=1, max_size=most_sites))
    lattice = Lattice.from_parameters(*draw(cells()).tolist())
    return Structure(lattice, kinds, draw(coordinates(len(kinds))))


@st.composite
def bases(draw: st.DrawFn) -> NDArray[np.int64]:
    """An integer matrix of determinant 1 or -1: another basis of the same lattice."""
    basis = np.eye(3, dtype=np.int64)[list(draw(st.permutations(range(3))))]
    for row, other in draw(st.lists(st.permutations(range(3)).map(lambda order: order[:2]), max_size=2)):
        basis[row] += draw(st.sampled_from([-1, 1])) * basis[other]
    return basis


def in_basis(structure: Structure, basis: NDArray[np.int64]) -> Structure:
    """The same crystal in another basis of its lattice."""
    lattice = Lattice(basis @ structure.lattice.matrix)
    return Structure(lattice, structure.species_and_occu, structure.frac_coords @ np.linalg.inv(basis))


@st.composite
def patterns(draw: st.DrawFn, count: int = 1, most: int = 40) -> Tensor:
    """So many patterns [count, n] of one length in float64: intensities from 0 to 10^6, none of them empty."""
    values = st.one_of(st.just(0.0), numbers(1e-3, 1e6))
    n = draw(st.integers(2, most))
    rows = draw(arrays.arrays(np.float64, (count, n), elements=values, fill=st.nothing()))
    rows[rows.sum(1) == 0, draw(st.integers(0, n - 1))] = 1.0
    return torch.from_numpy(rows)
