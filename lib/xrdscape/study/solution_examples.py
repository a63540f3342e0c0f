"""Single searches of the benchmark: the truth beside the first candidate, and which crystals fail."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pymatgen.core import Element, Lattice, Structure

from xrdscape.crystal.standard_cells import ordered_cell
from xrdscape.diffraction.finite_size import SizeConvention
from xrdscape.diffraction.nano_patterns import nano_convention, sharp_pattern_of_cell
from xrdscape.errors import XrdscapeError
from xrdscape.evaluation.pattern_residual import r_wp_squared
from xrdscape.solution.library import carried_library
from xrdscape.study.solution_outcomes import LIST, SUCCESS
from xrdscape.study.solving import LOOSE, STRICT, Protocol, allowed, asked, asked_crystal

Exact = np.ndarray
Match = Literal["strict", "loose", "none"]
QUANTILES = (0.1, 0.5, 0.9, 0.95, 1.0)
"""Places in the order of R_wp^2 of the crystals that are shown: from good to the worst."""


@dataclass(frozen=True, eq=False)
class Example:
    """A crystal that was asked for, and the first candidate for it.

    Args:
        formula: reduced.
        truth, candidate: primitive cells.
        q_inv_angstrom, true_pattern, pattern: sharp patterns of both [n].
        residual: R_wp^2 between these.
        match: the strictest tolerance that the candidate meets.
        solved: whether the search called it so.
    """

    formula: str
    truth: Structure
    candidate: Structure
    q_inv_angstrom: Exact
    true_pattern: Exact
    pattern: Exact
    residual: float
    match: Match
    solved: bool


def example(truth: Structure, candidate: Structure, convention: SizeConvention, solved: bool) -> Example:
    """Return a crystal beside a candidate for it."""
    rules = nano_convention(convention)
    reference = sharp_pattern_of_cell(ordered_cell(truth), rules)
    try:
        pattern = sharp_pattern_of_cell(ordered_cell(candidate), rules)
    except XrdscapeError:  # a cell that nothing scatters from in this range
        pattern = np.zeros_like(reference)
    near: Match = "strict" if STRICT.fit(truth, candidate) else "loose" if LOOSE.fit(truth, candidate) else "none"
    return Example(
        truth.composition.reduced_formula, truth, candidate, rules.sharp_q_inv_angstrom, reference, pattern,
        float(r_wp_squared(reference, pattern)), near, solved,
    )  # fmt: skip


def first_candidate(row: pd.Series) -> Structure:
    """Return the first candidate that a record holds."""
    species = [Element.from_Z(int(number)) for number in row["first_numbers"]]
    return Structure(Lattice.from_parameters(*row["first_lattice"]), species, np.reshape(row["first_coords"], (-1, 3)))


def at_setting(
    records: pd.DataFrame, convention: str, size: float, protocol: Protocol = "strict", way: str = "solve"
) -> pd.DataFrame:
    """Return the records of one setting that have a candidate."""
    here = (records["structure"] == convention) & (records["level"] == size)
    here &= (records["noise"] == protocol) & (records["method"] == way)
    found = records[here]
    return found[found["r_wp_squared"].map(len).astype(int) > 0].reset_index(drop=True)


def spread_examples(rows: pd.DataFrame, count: int, quantiles: Sequence[float] = QUANTILES) -> list[Example]:
    """Return examples at quantiles of the first candidate's R_wp^2.

    Args:
        rows: as `at_setting` gives them.
        count: of the crystals that are asked for in all.
        quantiles: from 0 to 1.
    """
    order = _marked(rows).sort_values("first")
    places = [round(q * (len(order) - 1)) for q in quantiles] if len(order) else []
    return [_of(order.iloc[place], count) for place in dict.fromkeys(places)]


def fooled_examples(rows: pd.DataFrame, count: int, most: int = 3) -> list[Example]:
    """Return the examples with the lowest R_wp^2 of the first candidate that is no loose match, below the bound of a
    success."""
    marked = _marked(rows)
    wrong = marked[~marked["right"] & (marked["first"] < SUCCESS)].sort_values("first")
    return [_of(row, count) for _, row in wrong.head(most).iterrows()]


def failed_examples(rows: pd.DataFrame, count: int, most: int = 3) -> list[Example]:
    """Return the examples without a loose match among ten and with the highest R_wp^2 of the first candidate."""
    marked = _marked(rows)
    wrong = marked[~marked["listed"]].sort_values("first", ascending=False)
    return [_of(row, count) for _, row in wrong.head(most).iterrows()]


def _marked(rows: pd.DataFrame) -> pd.DataFrame:
    """Return records with the first candidate's R_wp^2, and whether it, or one among ten, matches loosely."""
    return rows.assign(
        first=np.array([values[0] for values in rows["r_wp_squared"]], float),
        right=np.array([values[0] for values in rows["loose"]], bool),
        listed=np.array([np.any(values[:LIST]) for values in rows["loose"]], bool),
    )


def mistakes(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the first candidates without a loose match, by what is wrong with them.

    Args:
        rows: as `at_setting` gives them.
        count: of the crystals that are asked for in all.

    Returns:
        DataFrame exchanged (whether the sites match loosely if all atoms count as one kind), low (R_wp^2 a
        success), crystals, solved (how many of these the search called so), listed (how many have a match further down
        among ten).
    """
    found = []
    for _, row in rows.iterrows():
        if not row["loose"][0]:
            truth = asked_crystal(int(row["copy"]), count).structure
            exchanged = bool(LOOSE.fit(_of_one_kind(truth), _of_one_kind(first_candidate(row))))
            low, listed = float(row["r_wp_squared"][0]) < SUCCESS, bool(np.any(row["loose"][:LIST]))
            found.append((exchanged, low, bool(row["solved"]), listed))
    frame = pd.DataFrame(found, columns=["exchanged", "low", "solved", "listed"])
    groups = frame.groupby(["exchanged", "low"], as_index=False)
    return groups.agg(crystals=("solved", "size"), solved=("solved", "sum"), listed=("listed", "sum"))


def _of_one_kind(crystal: Structure) -> Structure:
    return Structure(crystal.lattice, ["C"] * len(crystal), crystal.frac_coords)


def _of(row: pd.Series, count: int) -> Example:
    truth = asked_crystal(int(row["copy"]), count).structure
    return example(truth, first_candidate(row), row["structure"], bool(row["solved"]))


def with_prototype(found: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return searches with a flag that tells whether the library they may use holds the crystal's arrangement of sites.

    Args:
        found: as `solution_outcomes.searched` gives them.
        count: of the crystals that are asked for in all.
    """
    numbers = carried_library().data["arrangement"]
    places = asked(count) if len(found) else ()
    known = {protocol: set(numbers[allowed(protocol, count)[0].chosen].tolist()) for protocol in set(found["protocol"])}
    flags = [
        int(numbers[places[copy]]) in known[protocol]
        for protocol, copy in zip(found["protocol"], found["copy"], strict=True)
    ]
    return found.assign(prototype=np.array(flags, bool))


def reasons(found: pd.DataFrame) -> pd.DataFrame:
    """Return how searches end, by whether the library holds the crystal's arrangement and by the search's verdict.

    Args:
        found: as `with_prototype` gives them.

    Returns:
        DataFrame size, prototype, solved, crystals, right_1, right_10 (loose), missed (without a match among ten), and
        atoms and free (medians).
    """
    groups = found.groupby(["size", "prototype", "solved"], as_index=False)
    table = groups.agg(
        crystals=("best", "size"), right_1=("loose_1", "sum"), right_10=("loose_10", "sum"), atoms=("sites", "median"),
        free=("free_coords", "median"),
    )  # fmt: skip
    table["missed"] = table["crystals"] - table["right_10"]
    return table
