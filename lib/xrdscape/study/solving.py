"""The benchmark of structure solution: which crystals are asked for, with which library, and how answers are judged."""

import hashlib
import math
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from xrdscape.crystal.standard_cells import ordered_cell
from xrdscape.diffraction.finite_size import SizeConvention
from xrdscape.diffraction.nano_patterns import NanoPattern, nano_convention, nano_pattern, sharp_pattern_of_cell
from xrdscape.errors import XrdscapeError
from xrdscape.evaluation.pattern_residual import r_wp_squared
from xrdscape.solution.chemistry import Chemistry
from xrdscape.solution.library import Library, carried_library

Protocol = Literal["strict", "split", "known"]
"""Contents that the library may have. "strict": no entry of the reduced formula of any crystal that is asked for;
"split": MP-20 entries outside its test split alone, as a learned model has them; "known": everything, the crystal
itself included."""

TEST_SOURCE = "mp20_test"
SPLIT_SOURCES = ("mp20_val", "mp20_mini(SLICES)", "mp20_pilot")


class Asked(NamedTuple):
    """A crystal that is asked for: its place in the library, its name there, and its primitive cell."""

    place: int
    id: str
    structure: Structure


@cache
def asked(count: int) -> tuple[int, ...]:
    """Return the places in the carried library of the crystals that are asked for: of the entries of MP-20's test
    split, those whose names have the lowest SHA-256."""
    library = carried_library()
    tests = library.of_sources([TEST_SOURCE]).chosen
    return tuple(sorted((int(place) for place in tests), key=lambda place: _digest(library.id(place)))[:count])


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@cache
def asked_crystal(number: int, count: int) -> Asked:
    """Return one of the crystals that are asked for."""
    library, place = carried_library(), asked(count)[number]
    return Asked(place, library.id(place), library.structure(place))


@cache
def allowed(protocol: Protocol, count: int, share: float = 1.0) -> tuple[Library, Chemistry]:
    """Return the library of a protocol, or a random part of it, and what it teaches.

    Args:
        protocol: what it may hold.
        count: of the crystals that are asked for.
        share: of the entries.
    """
    library = carried_library()
    if protocol == "strict":
        library = library.without(sorted({library.formula(place) for place in asked(count)}))
    elif protocol == "split":
        library = library.of_sources(SPLIT_SOURCES)
    if share < 1:
        library = library.a_part(share, seed=0)
    return library, Chemistry(library)


def pattern_asked(number: int, count: int, size_angstrom: float, convention: SizeConvention, seed: int) -> NanoPattern:
    """Return the pattern of a crystal that is asked for, with noise of its own."""
    crystal = asked_crystal(number, count)
    name = f"{crystal.id}|{size_angstrom:g}|{convention}|{seed}"
    generator = np.random.default_rng(int(_digest(name)[:16], 16))
    return nano_pattern(crystal.structure, size_angstrom, nano_convention(convention), generator)


LOOSE, STRICT = StructureMatcher(ltol=0.3, stol=0.5, angle_tol=10), StructureMatcher(ltol=0.2, stol=0.3, angle_tol=5)
"""The field's usual tolerances, and PXRDnet's."""


def judged(candidates: list[Structure], number: int, count: int, convention: SizeConvention) -> dict[str, Any]:
    """Return how near each candidate is to the crystal that was asked for.

    Args:
        candidates: in their order.
        number, count: of the crystal.
        convention: whose sharp patterns are compared.

    Returns:
        r_wp_squared, loose and strict (1 where they match), and rms: root mean square displacement of matched sites in
        units of (V / N)^(1/3), NaN without a loose match.
    """
    truth, rules = asked_crystal(number, count).structure, nano_convention(convention)
    reference = sharp_pattern_of_cell(ordered_cell(truth), rules)
    shares, loose, strict, rms = [], [], [], []
    for candidate in candidates:
        try:
            pattern = sharp_pattern_of_cell(ordered_cell(candidate), rules)
            shares.append(float(r_wp_squared(reference, pattern)))
        except XrdscapeError:
            shares.append(1.0)
        near = LOOSE.get_rms_dist(truth, candidate)
        loose.append(float(near is not None))
        rms.append(math.nan if near is None else float(near[0]))
        strict.append(float(near is not None and STRICT.fit(truth, candidate)))
    return {"r_wp_squared": shares, "loose": loose, "strict": strict, "rms": rms}
