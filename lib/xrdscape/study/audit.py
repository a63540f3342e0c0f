"""Audits of records: some are picked at random, made again from their seed alone, and compared.

What is guaranteed. Anywhere: the start follows from the seed, and what the record says of its end (similarities,
distance, matches) is what that end gives. On the processor model and with the package versions that made it, the
descent or relaxation comes to the same end. On others it may go elsewhere: sums are rounded otherwise there, and on a
rough landscape a difference in the last bit can decide for another valley. How many may do so is bounded.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import binom

from xrdscape.crystal.structures import load_structure
from xrdscape.errors import RecordError
from xrdscape.evaluation.matching import CRITERIA
from xrdscape.runtime.provenance import provenance
from xrdscape.study.columns import SIMILARITIES, coords, emd, lattice, match, similarity
from xrdscape.study.jobs import SolutionJob, job_of
from xrdscape.study.records import crystal, evaluated, made_of
from xrdscape.study.store import Store

SIMILARITY_BOUND = 1e-3
"""A record made again is the same result if its four similarities are this near, its matches are the same, and its
geometric distance is within `DISTANCE_BOUND_ANGSTROM`."""
DISTANCE_BOUND_ANGSTROM = 1e-3
START_BOUND = 1e-9
"""Bound in angstrom, degrees or fractions: starting models are drawn in float64 and must be the same everywhere."""
EVALUATION_BOUND = 1e-6
"""Bound on similarities and on the distance in angstrom: evaluation is in float64 and must be the same everywhere."""
ELSEWHERE_SHARE = 0.1
"""Share of the records that may end elsewhere where another processor or other packages made them; of a sample, as many
as this share comes to with a chance of 99 % (`elsewhere_allowed`)."""
ELSEWHERE_SHARES = {"mse_100": 0.5}
"""The same of plans that magnify roundings more. Those of mse_100 scale losses by 10,000, so that Adam's steps follow
the last bits of small gradients: with the instructions of another processor, 14 and 9 of 30 ended elsewhere."""

Verdict = Literal["identical", "equal", "elsewhere", "different"]
"""Outcome of an audit: the same to the last bit; within the bounds above; another end after another rounding; a record
that does not hold."""

MATCHES = tuple(match(name, "end") for name in CRITERIA)


def audit(store: Store, sample: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Make some records again, one by one.

    Args:
        store: the records.
        sample: how many to pick; all if there are fewer.
        seed: of the choice.

    Yields:
        For each: structure, noise, level, copy, method, verdict, difference (what differs, in words), steps then and
        now (steps_again), seconds.

    Raises:
        RecordError: there are no records.
    """
    made = store.provenance()
    settings = {key: job_of(entry["settings"]) for key, entry in made.items()}
    rows = store.load(settings.values())
    if rows.empty:
        raise RecordError("There are no records to audit. `xrdscape campaign` makes them.")
    for _, row in rows.sample(min(sample, len(rows)), random_state=seed).iterrows():
        again = settings[row["shard"]].compute(((row["level"], row["copy"]),)).iloc[0]
        same = same_arithmetic(made_of(made[row["shard"]], row["copy"]))
        judge = verdict_on_search if isinstance(settings[row["shard"]], SolutionJob) else verdict_on
        verdict, difference = judge(row, again, same)
        named = {name: row[name] for name in ("structure", "noise", "level", "copy", "method")}
        made_again = {"steps": row.get("steps"), "steps_again": again.get("steps"), "seconds": again["seconds"]}
        yield {**named, "verdict": verdict, "difference": difference, **made_again}


def passes(verdicts: Sequence[Verdict], plan: str = "") -> bool:
    """Return whether an audit with these verdicts bears the records of a plan out."""
    return "different" not in verdicts and verdicts.count("elsewhere") <= elsewhere_allowed(len(verdicts), plan)


def elsewhere_allowed(sample: int, plan: str = "") -> int:
    """Return the number of a sample of a plan that may end elsewhere (see `ELSEWHERE_SHARE`)."""
    return int(binom.ppf(0.99, sample, ELSEWHERE_SHARES.get(plan, ELSEWHERE_SHARE)))


def same_arithmetic(made: dict[str, Any]) -> bool:
    """Return whether records were made by the same model of processor and the same packages as are here now."""
    here = provenance()
    return all(
        made.get(name, {}).get(part) == here[name][part]
        for name, part in (("machine", "processor"), *(("packages", p) for p in ("torch", "numpy", "numba", "chgnet")))
    )


def verdict_on(row: pd.Series, again: pd.Series, same: bool = True) -> tuple[Verdict, str]:
    """Return the verdict on a record made again, and in words what differs beyond the bounds.

    Args:
        row, again: the record, and what was made now.
        same: whether it was made by the same arithmetic, so that its end must be the same.
    """
    differences = _start_differs(row, again) + _evaluation_differs(row)
    if differences:
        return "different", ", ".join(differences)
    differences = _end_differs(row, again)
    if differences:
        return ("different" if same else "elsewhere"), ", ".join(differences)
    whole = (lattice("end"), coords("end"), "steps", "stop_reason")
    exact = all(np.array_equal(row[name], again[name]) for name in whole)
    return ("identical" if exact else "equal"), ""


SHARE_BOUND = 1e-4
"""Searches made again have the same result if what their first candidates leave of the pattern is this near."""
FIRST_CANDIDATES = 3


def verdict_on_search(row: pd.Series, again: pd.Series, same: bool = True) -> tuple[Verdict, str]:
    """Return the same for a search for crystals: what it was asked, and how its first candidates are judged, are to
    hold; further candidates change places with the last bit."""
    asked = [name for name in ("crystal", "formula", "space_group", "sites", "free_coords") if row[name] != again[name]]
    if asked:
        return "different", ", ".join(f"{name} was {row[name]}" for name in asked)
    lists = ("r_nano", "r_wp_squared", "loose", "strict")
    if all(np.array_equal(row[name], again[name]) for name in lists) and row["prototypes"] == again["prototypes"]:
        return "identical", ""
    off = [f"solved was {row['solved']}"] if row["solved"] != again["solved"] else []
    for name, bound in (("r_nano", SHARE_BOUND), ("loose", 0.0)):
        then, now = (np.asarray(found[name])[:FIRST_CANDIDATES] for found in (row, again))
        if len(then) != len(now) or np.abs(then - now).max(initial=0) > bound:
            off.append(f"{name} of the first {FIRST_CANDIDATES} was {np.round(then, 5)}, now {np.round(now, 5)}")
    if off:
        return ("different" if same else "elsewhere"), ", ".join(off)
    return "equal", ""


def _start_differs(row: pd.Series, again: pd.Series) -> list[str]:
    off = max(float(np.abs(np.subtract(row[name], again[name])).max()) for name in (lattice("start"), coords("start")))
    return [f"start by {off:.1e}"] if off > START_BOUND else []


def _evaluation_differs(row: pd.Series) -> list[str]:
    """Return the differences of what the record says of its own refined model from what that gives now."""
    now = evaluated(load_structure(row["structure"]), [crystal(row, "end")], "end").iloc[0]
    numbers = [*(similarity(name, "end") for name in SIMILARITIES), emd("end")]
    off = [f"{name} is {now[name]:.4f} at that end, not {row[name]:.4f}" for name in numbers
            if abs(row[name] - now[name]) > EVALUATION_BOUND]  # fmt: skip
    return off + [f"{name} is not {row[name]} at that end" for name in MATCHES if row[name] != now[name]]


def _end_differs(row: pd.Series, again: pd.Series) -> list[str]:
    off = []
    for objective in SIMILARITIES:
        then, now = (found[similarity(objective, "end")] for found in (row, again))
        if abs(then - now) > SIMILARITY_BOUND:
            off.append(f"{objective} {then:.4f}, now {now:.4f}")
    then, now = (found[emd("end")] for found in (row, again))
    if abs(then - now) > DISTANCE_BOUND_ANGSTROM:
        off.append(f"distance {then:.4f} angstrom, now {now:.4f}")
    return off + [f"{name} was {row[name]}" for name in MATCHES if row[name] != again[name]]
