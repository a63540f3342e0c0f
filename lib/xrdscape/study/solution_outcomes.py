"""Outcomes of structure solution, counted from records: fits, matches, times, and what is worth what.

A search is a row of `searched`; every rate here is of such rows, with Jeffreys' 95 % interval.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from xrdscape.crystal.primitive_groups import SYSTEM_ENDS, system_of
from xrdscape.errors import RecordError
from xrdscape.evaluation.estimates import LEVEL, paired_difference
from xrdscape.evaluation.pattern_residual import NO_CANDIDATE
from xrdscape.solution.candidates import NEIGHBOURS_Z
from xrdscape.study.columns import SOLUTION
from xrdscape.study.jobs.solution import WAYS
from xrdscape.study.plan import SolutionPlan, any_plan, solution_jobs
from xrdscape.study.solving import asked_crystal, contents_told
from xrdscape.study.statistics import rates
from xrdscape.study.store import store_of

LIST = 10
"""Candidates of an answer that count, as PXRDnet keeps."""
SUCCESS = 0.1
"""R_wp^2 below which PXRDnet's paper calls a result a success."""
SETTING = ["convention", "protocol", "size", "way"]
MATCHES = ["loose_1", "loose_10", "strict_1", "strict_10"]
SYSTEMS = tuple(reversed(SYSTEM_ENDS))
"""Crystal systems, the one of highest symmetry first."""
ATOMS, FREE = (0, 4, 8, 12, 16, 20), (-1, 0, 2, 5, 10, 200)
"""Upper ends of the classes of atoms in the primitive cell and of free coordinates; the first is a lower end."""
PARTS = {"library 1/16": 1 / 16, "library 1/8": 1 / 8, "library 1/4": 1 / 4, "library 1/2": 1 / 2,
         "prototypes alone": 1.0}  # fmt: skip
"""Ways that use a part of the library, and which."""
FULL = "solve"
AGAINST = {
    "prototypes alone": FULL,
    **dict.fromkeys(["without annealing", "atoms stay", *list(PARTS)[:-1], "nearest chemistry", "random entry"],
                    "prototypes alone"),
    "without symmetry": "prototypes alone, 20 fits",
}  # fmt: skip
"""Ways that do without something, and the ways that have it."""


def solution_plan(name: str) -> SolutionPlan:
    """Return a plan of structure solution by its name.

    Raises:
        RecordError: it is of another kind, or there is none.
    """
    plan = any_plan(name)
    if not isinstance(plan, SolutionPlan):
        raise RecordError(f"Plan {name!r} is no plan of structure solution.")
    return plan


def stored_solutions(names: Sequence[str]) -> pd.DataFrame:
    """Return the records of plans of structure solution as far as they are there; none is computed here."""
    frames = [store_of(name).load(solution_jobs(solution_plan(name))) for name in names]
    there = [rows for rows in frames if len(rows)]
    return pd.concat(there, ignore_index=True) if there else pd.DataFrame(columns=list(SOLUTION))


def searched(records: pd.DataFrame) -> pd.DataFrame:
    """Return what came of each search.

    Returns:
        DataFrame convention, protocol, size, way, copy, crystal, formula, system, sites, free_coords, solved, seconds;
        first and best (R_wp^2 of the first candidate and the lowest among ten; 1 without any), below (best is a
        success), loose_1, loose_10, strict_1, strict_10 (whether the first, or one among ten, matches), rms (of the
        first loose match among ten, in units of (V / N)^(1/3); NaN without), fooled_1 and fooled_10 (a success by
        R_wp^2 without a loose match).
    """
    names = {"structure": "convention", "noise": "protocol", "level": "size", "method": "way"}
    kept = ["copy", "crystal", "formula", "sites", "free_coords", "solved", "seconds"]
    found = records[[*names, *kept]].rename(columns=names)
    residuals = [np.asarray(values, float)[:LIST] for values in records["r_wp_squared"]]
    found["system"] = [system_of(int(number)) for number in records["space_group"]]
    found["first"] = [float(values[0]) if len(values) else NO_CANDIDATE for values in residuals]
    found["best"] = [float(values.min()) if len(values) else NO_CANDIDATE for values in residuals]
    for kind in ("loose", "strict"):
        flags = [np.asarray(values, bool) for values in records[kind]]
        found[f"{kind}_1"] = [bool(values[:1].any()) for values in flags]
        found[f"{kind}_10"] = [bool(values[:LIST].any()) for values in flags]
    off = [np.asarray(values, float)[:LIST] for values in records["rms"]]
    found["rms"] = [float(values[np.isfinite(values)][0]) if np.isfinite(values).any() else np.nan for values in off]
    found["below"] = found["best"] < SUCCESS
    found["fooled_1"] = (found["first"] < SUCCESS) & ~found["loose_1"].astype(bool)
    found["fooled_10"] = found["below"] & ~found["loose_10"].astype(bool)
    return found.reset_index(drop=True)


def summary(found: pd.DataFrame, by: Sequence[str] = SETTING) -> pd.DataFrame:
    """Return the numbers of each group of searches.

    Args:
        found: as `searched` gives them.
        by: columns that make the groups.

    Returns:
        DataFrame of the columns `by`, crystals, mean, sd (of the best R_wp^2 among ten; standard deviation of the
        population, as PXRDnet gives it), first_mean, first_sd, median, rms and seconds (medians), and for below (best
        R_wp^2 a success), fooled_1, fooled_10 and each of `MATCHES` the rate, and its _low and _high.
    """
    by = list(by)
    groups = found.groupby(by, as_index=False)
    table = groups.agg(
        crystals=("best", "size"), mean=("best", "mean"), sd=("best", _spread), first_mean=("first", "mean"),
        first_sd=("first", _spread), median=("best", "median"), rms=("rms", "median"), seconds=("seconds", "median"),
    )  # fmt: skip
    marked = found.assign(below_fifth=found["best"] < 2 * SUCCESS)
    for flag in ("below", "below_fifth", "fooled_1", "fooled_10", *MATCHES):
        counted = rates(marked, by, flag) if len(marked) else marked.assign(rate=[], low=[], high=[])
        columns = {"rate": flag, "low": f"{flag}_low", "high": f"{flag}_high"}
        table = table.merge(counted[[*by, *columns]].rename(columns=columns), on=by)
    return table


def _spread(values: "pd.Series[float]") -> float:
    return float(np.std(values))


def headline(found: pd.DataFrame) -> pd.DataFrame:
    """Return the searches of the headline: by the whole method, with no entry of any formula that is asked for."""
    return found[(found["protocol"] == "strict") & (found["way"] == FULL)]


def whole_method(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the records or searches of the whole method, by all protocols."""
    return rows[rows["method" if "method" in rows else "way"] == FULL]


def with_all_ways(found: pd.DataFrame) -> pd.DataFrame:
    """Return the searches of the setting in which all ways are compared: the strict protocol by the code's
    convention."""
    return found[(found["protocol"] == "strict") & (found["convention"] == "reference-code")]


def of_way(found: pd.DataFrame, way: str) -> pd.DataFrame:
    """Return the searches of one way among those of `with_all_ways`."""
    return with_all_ways(found[found["way"] == way])


def classed(found: pd.DataFrame, column: str, ends: Sequence[int]) -> pd.DataFrame:
    """Return searches with a class, such as "5–8", by the value of a column.

    Args:
        found: as `searched` gives them.
        column: "sites" or "free_coords".
        ends: upper ends of the classes; the first is the lower end of the first.
    """
    names = [str(high) if high == low + 1 else f"{low + 1}–{high}" if high < ends[-1] or high < 100 else f"over {low}"
             for low, high in pairwise(ends)]  # fmt: skip
    place = np.clip(np.searchsorted(ends, found[column], "left") - 1, 0, len(names) - 1)
    return found.assign(**{"class": pd.Categorical([names[n] for n in place], names, ordered=True)})


def candidate_curve(records: pd.DataFrame) -> pd.DataFrame:
    """Return what the first so many candidates hold.

    Returns:
        DataFrame convention, protocol, size, way, candidates (1, 2, ...), crystals, loose, strict (shares of crystals
        with a match among these), mean (of the best R_wp^2 among these).
    """
    rows = []
    for setting, group in records.groupby(["structure", "noise", "level", "method"]):
        most = max(map(len, group["r_wp_squared"]), default=0)
        for count in range(1, most + 1):
            best = [min(values[:count], default=NO_CANDIDATE) for values in group["r_wp_squared"]]
            shares = [np.mean([bool(np.any(values[:count])) for values in group[kind]]) for kind in ("loose", "strict")]
            rows.append((*setting, count, len(group), *shares, float(np.mean(best))))
    return pd.DataFrame(rows, columns=[*SETTING, "candidates", "crystals", "loose", "strict", "mean"])


def calibration(found: pd.DataFrame) -> pd.DataFrame:
    """Return how far "solved" and "not solved" can be believed.

    Returns:
        DataFrame convention, protocol, size, way, solved (what the search said), crystals, and the numbers of those
        where the first (right_1), or one among ten (right_10), is a loose match, and the first a strict one
        (strict_1).
    """
    groups = found.groupby([*SETTING, "solved"], as_index=False)
    return groups.agg(
        crystals=("best", "size"),
        right_1=("loose_1", "sum"),
        right_10=("loose_10", "sum"),
        strict_1=("strict_1", "sum"),
    )


def told_wrongly(records: pd.DataFrame, asked: int) -> pd.DataFrame:
    """Return what searches say that were told a wrong element, a wrong formula, or noise for a pattern.

    Args:
        records: as `stored_solutions` gives them.
        asked: how many crystals are asked for in all.

    Returns:
        DataFrame size, way, searches, solved, solved_near (of these, those with an element in place of one that is at
        most `NEIGHBOURS_Z` away in atomic number, which scatters nearly the same), and left (median unexplained share).
    """
    wrong = [name for name, way in WAYS.items() if way.wrong]
    rows = []
    for (size, way), part in records[records["method"].isin(wrong)].groupby(["level", "method"]):
        solved = part[part["solved"].astype(bool)]
        near = sum(
            _near(int(row["copy"]), asked, WAYS[str(way)].wrong, row["seed"]) for row in solved.to_dict("records")
        )
        left = [float(values[0]) if len(values) else 1.0 for values in part["r_nano"]]
        rows.append((size, way, len(part), len(solved), near, float(np.median(left))))
    return pd.DataFrame(rows, columns=["size", "way", "searches", "solved", "solved_near", "left"])


def _near(number: int, asked: int, wrong: str, seed: int) -> bool:
    """Return whether a search was told one element for another that scatters nearly the same."""
    own, told = asked_crystal(number, asked).structure.composition, contents_told(number, asked, wrong, seed)
    lost, won = sorted({*own} - {*told}), sorted({*told} - {*own})
    return len(lost) == len(won) == 1 and abs(lost[0].Z - won[0].Z) <= NEIGHBOURS_Z


def compared_ways(found: pd.DataFrame, against: str, flag: str = "loose_10") -> pd.DataFrame:
    """Return the difference that each way makes against another, over crystals that both were asked for.

    Args:
        found: as `searched` gives them.
        against: the other way.
        flag: what is compared.

    Returns:
        DataFrame convention, protocol, size, way, crystals, value, low, high: rate of the way less that of the other,
        with the 95 % interval of pairs.
    """
    rows = []
    keys = ["convention", "protocol", "size"]
    for setting, group in found.groupby(keys):
        wide = group.drop_duplicates(["way", "copy"]).pivot(index="copy", columns="way", values=flag)
        for way in wide.columns if against in wide else []:
            both = wide[[against, way]].dropna() if way != against else wide.iloc[:0]
            if len(both):
                before, after = (both[name].to_numpy(bool) for name in (against, way))
                e = paired_difference(before, after)
                rows.append((*setting, way, e.n, e.value, e.low, e.high))
    return pd.DataFrame(rows, columns=[*SETTING, "crystals", "value", "low", "high"])


def ingredients(found: pd.DataFrame) -> pd.DataFrame:
    """Return what each way of `AGAINST` loses or gains by what it does without: as `compared_ways`, and against."""
    tables = [compared_ways(found, against).assign(against=against) for against in dict.fromkeys(AGAINST.values())]
    every = pd.concat(tables, ignore_index=True)
    return every[[AGAINST.get(way) == other for way, other in zip(every["way"], every["against"], strict=True)]]


def size_effect(found: pd.DataFrame, flag: str = "loose_10") -> pd.DataFrame:
    """Return the rate at the larger size less that at the smaller one, pair by pair, for each convention, protocol and
    way.

    Returns:
        DataFrame convention, protocol, way, crystals, value, low, high.
    """
    rows = []
    for setting, group in found.groupby(["convention", "protocol", "way"]):
        wide = group.pivot(index="copy", columns="size", values=flag).dropna()
        if len(wide.columns) == 2 and len(wide):
            small, large = (wide[size].to_numpy(bool) for size in sorted(wide.columns))
            e = paired_difference(small, large)
            rows.append((*setting, e.n, e.value, e.low, e.high))
    return pd.DataFrame(rows, columns=["convention", "protocol", "way", "crystals", "value", "low", "high"])


def library_curve(found: pd.DataFrame, entries: int, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Return the share of crystals that are found by the size of the library, and a straight line over its logarithm.

    Args:
        found: as `searched` gives them; only ways in `PARTS` count, over crystals that all of these were asked for.
        entries: of the whole library.
        resamples: of the crystals, for the interval of the slope.
        seed: of these.

    Returns:
        DataFrame convention, protocol, size, entries, crystals, rate, low, high (Jeffreys), slope (gain a doubling) and
        slope_low, slope_high (percentiles of the bootstrap), expected (by the line for twice the whole library).
    """
    rows = []
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    for setting, group in found[found["way"].isin(PARTS)].groupby(["convention", "protocol", "size"]):
        wide = group.pivot(index="copy", columns="way", values="loose_10").dropna().astype(float)
        ways = [way for way in PARTS if way in wide.columns]
        if len(ways) < 2 or not len(wide):
            continue
        doublings = np.log2([PARTS[way] for way in ways])
        values = wide[ways].to_numpy()
        slope, at_whole = np.polyfit(doublings, values.mean(0), 1)
        draws = np.random.default_rng(seed).integers(0, len(values), (resamples, len(values)))
        slopes = np.polyfit(doublings, values[draws].mean(1).T, 1)[0]
        low, high = np.quantile(slopes, tails)
        long = wide[ways].melt(var_name="way", value_name="loose_10")
        share = rates(long, ["way"], "loose_10").set_index("way")
        for way in ways:
            rows.append((
                *setting, round(entries * PARTS[way]), len(values), *share.loc[way, ["rate", "low", "high"]],
                slope, low, high, at_whole + slope,
            ))  # fmt: skip
    columns = ["convention", "protocol", "size", "entries", "crystals", "rate", "low", "high", "slope", "slope_low"]
    return pd.DataFrame(rows, columns=[*columns, "slope_high", "expected"])
