"""Plain sentences on a solution: its verdict, and what speaks for and against each candidate."""

from collections.abc import Sequence

import numpy as np

from xrdscape.solution.facts import LOOSE_ANGSTROM, Facts, contents_text, resolvable
from xrdscape.solution.solution import Ranked, Solution

MANY_PARAMETERS = 0.5
"""Share of the peaks that a pattern has room for, beyond which free parameters are many."""
FEW_ENTRIES = 3
USUAL = 0.93
"""Distances in units of the library's short ones (5 % are below these) from which they pass for usual."""

ADVICE = (
    "Check the formula (what is in the primitive cell, or --formula-units), the wavelength and the axis of the "
    "pattern, and what is known of its peaks (--size-angstrom, --sigma-inv-angstrom); a mixture has no solution of "
    "one crystal. More random starts (--descents) or a library with structures like it (--library) may help."
)
TAKEN_FOR_GRANTED = (
    "The formula was taken for granted: a wrong one whose elements scatter much like the right ones can leave as "
    "little, and a short range of angles tells little."
)
"""Said of patterns of no convention, of which right crystals leave so much that some wrong ones do not leave more."""


def percent(share: float) -> str:
    """Return a share in per cent with two digits that count."""
    return f"{short(100 * share)} %"


def short(value: float) -> str:
    """Return a number with two digits that count, without a power of ten."""
    return np.format_float_positional(value, precision=2, fractional=False, trim="-")


def verdict_text(solution: Solution) -> str:
    """Return whether a pattern was solved, why not, and what may be done."""
    if not solution.candidates:
        return (
            f"Not solved: no known structure lends its arrangement of sites to {contents_text(solution.cells)}, so "
            f"that nothing could be fitted. {ADVICE}"
        )
    best, bound = solution.candidates[0], percent(solution.explained_below)
    name = f"{best.structure.composition.reduced_formula} in {best.space_group}"
    if solution.solved:
        others = {
            0: "No other candidate of the list explains it as well.",
            1: "One other candidate explains it about as well: the pattern alone does not tell them apart.",
        }.get(
            solution.as_well,
            f"{solution.as_well} other candidates explain it about as well: the pattern alone does not tell them "
            "apart.",
        )
        others += _simplest_text(solution)
        if solution.data.convention is None:
            others += f" {TAKEN_FOR_GRANTED}"
        return (
            f"Solved: candidate 1, {name}, leaves {percent(best.r_nano)} of the pattern unexplained; less than {bound} "
            f"counts as explained. {others}"
        )
    why = []
    if best.r_nano >= solution.explained_below:
        why.append(
            f"the best candidate, {name}, leaves {percent(best.r_nano)} of the pattern unexplained, and only less than "
            f"{bound} counts as explained"
        )
    if not best.candidate.likely:
        why.append(
            f"atoms of the best candidate, {name}, are at {best.candidate.contact:.2f} of the shortest distance known "
            "for such a pair"
        )
    return f"Not solved: {', and '.join(why)}. The candidates below are no result. {ADVICE}"


def _simplest_text(solution: Solution) -> str:
    """Return a sentence on the simplest of the candidates that explain a pattern as well as the first, if another."""
    best = solution.candidates[0]
    rank = _simplest_rank(best, solution)
    if rank is None:
        return ""
    simplest = solution.candidates[rank - 1]
    counts = [row.candidate.fit.template.parameters for row in (simplest, best)]
    return (
        f" Of these candidate {rank} has the fewest free parameters ({counts[0]} instead of {counts[1]}), which makes "
        "it more likely."
    )


def in_favour(fact: Facts, solution: Solution) -> list[str]:
    """Return what speaks for a candidate, a sentence each."""
    found = []
    if fact.r_nano < solution.explained_below:
        found.append(
            f"It explains the pattern: {percent(fact.r_nano)} of it is left (R_wp² {short(fact.r_wp_squared)}), and "
            f"less than {percent(solution.explained_below)} is what right crystals leave."
        )
    near = fact.distances
    if fact.contact >= USUAL:
        told = ", ".join(f"{'–'.join(d.pair)} {d.angstrom:.2f} Å" for d in near[:4])
        found.append(f"Its shortest distances are all as usual in the library: {told}.")
    if fact.origin != "sequence" and fact.shared_by >= FEW_ENTRIES:
        found.append(
            f"Its arrangement of sites is that of {_prototype(fact)}, which {fact.shared_by} entries of the library "
            "share."
        )
    room = resolvable(_row(fact, solution))
    if fact.parameters <= MANY_PARAMETERS * room:
        found.append(f"It has {_parameters(fact)}, and the pattern has room for {room} peaks beside each other.")
    return found


def against(fact: Facts, facts: Sequence[Facts], solution: Solution) -> list[str]:
    """Return what speaks against a candidate, a sentence each."""
    found = []
    if fact.r_nano >= solution.explained_below:
        found.append(
            f"It does not explain the pattern: {percent(fact.r_nano)} of it is left (R_wp² "
            f"{short(fact.r_wp_squared)}), and right crystals leave less than {percent(solution.explained_below)}."
        )
    near = [d for d in fact.distances if d.ratio < USUAL]
    if near:
        told = ", ".join(f"{'–'.join(d.pair)} {d.angstrom:.2f} Å ({d.ratio:.2f})" for d in near)
        found.append(
            f"Atoms are nearer than is usual (in parentheses: in units of the library's 5th percentile): {told}."
        )
    simpler = _simpler(fact, facts, solution)
    if simpler and fact.r_nano < solution.explained_below:
        found.append(
            f"Candidate {simpler.rank} explains the pattern as well with {_parameters(simpler)} instead of "
            f"{fact.parameters}."
        )
    if fact.alternative_to:
        found.append(
            f"It is candidate {fact.alternative_to} with elements exchanged that are neighbours in the periodic table "
            "and scatter alike."
        )
    if fact.loose_group != fact.space_group:
        found.append(
            f"Within {LOOSE_ANGSTROM:g} Å its sites have the higher symmetry {fact.loose_group}: the lower one may "
            "be no more than what noise makes of it."
        )
    twins = [str(other.rank) for other in facts if other.alternative_to == fact.rank]
    if twins:
        found.append(
            f"With neighbouring elements exchanged it is candidate {' and '.join(twins)}: such elements scatter alike."
        )
    room = resolvable(_row(fact, solution))
    if fact.parameters > MANY_PARAMETERS * room:
        found.append(f"It has {_parameters(fact)}, many for a pattern with room for {room} peaks.")
    if fact.origin == "sequence":
        found.append(
            f"Its arrangement comes from a random start: it shares with {_prototype(fact)} the space group and the "
            "kinds of sites only."
        )
    elif fact.shared_by < FEW_ENTRIES:
        found.append(
            f"Its arrangement of sites is rare: it is that of {_prototype(fact)}, and "
            f"{'no other entry' if fact.shared_by <= 1 else 'one other entry'} of the library has it."
        )
    return found


def _simpler(fact: Facts, facts: Sequence[Facts], solution: Solution) -> Facts | None:
    """Return the candidate of the fewest parameters that explains the pattern about as well with fewer, or None."""
    rank = _simplest_rank(_row(fact, solution), solution)
    return None if rank is None else facts[rank - 1]


def _simplest_rank(row: Ranked, solution: Solution) -> int | None:
    """Return the rank of the candidate of the fewest parameters among those that explain the pattern as well as one
    with more, or None."""
    own = row.candidate.fit.template.parameters
    found = [(other.candidate.fit.template.parameters, other.rank) for other in solution.equals_of(row)]
    simpler = [pair for pair in found if pair[0] < own]
    return min(simpler)[1] if simpler else None


def _row(fact: Facts, solution: Solution) -> Ranked:
    return solution.candidates[fact.rank - 1]


def _parameters(fact: Facts) -> str:
    return f"{fact.parameters} free parameter{'' if fact.parameters == 1 else 's'}"


def _prototype(fact: Facts) -> str:
    return f"{fact.prototype_formula} ({fact.prototype}; {fact.prototype_source})"
