"""What the paper found, the rule by which this sample would show it, and whether it does."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xrdscape.analysis.estimates import jeffreys_interval
from xrdscape.analysis.landscape import Slice
from xrdscape.study.records import CHGNET, METHODS, match_rates
from xrdscape.tables.results import LABELS, estimate_text, joined_rates, number_text, published_values, trap_count

SEEN, NOT_SEEN = "seen at this sample", "not seen at this sample"
COLUMNS = ["Finding of the paper", "Counts as seen when", "Here", "Verdict"]

FREE = tuple(name for name, method in METHODS.items() if not method.constrained)
"""The methods without constraints."""

SIMILARITIES = ("cosine", "entropy", "cross_correlation")
"""The methods whose objective is a similarity, not an error."""

STRONG_NOISE = 0.1
"""Lattice noise from which on the paper finds that free descents fail."""

SPURIOUS_GAIN = 0.2
"""By how much the cosine similarity must rise, without a match, for a minimum to be called spurious."""

NEARLY_ALL = 0.9
"""The match rate that counts as nearly all."""


def verdict(seen: bool) -> str:
    """The one wording of a verdict."""
    return SEEN if seen else NOT_SEEN


def optimisation_findings(records: pd.DataFrame) -> pd.DataFrame:
    """The paper's findings on match rates (its Figures 1 and 5), judged on our descents."""
    rates = match_rates(records)
    rows = [_largest_drop(rates), _objectives_alike(rates), _constraints_help(rates), _spurious(records)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _largest_drop(rates: pd.DataFrame) -> tuple[str, ...]:
    free = rates[(rates["noise"] == "lattice") & rates["method"].isin(FREE)]
    mean = free.groupby("level")["rate"].mean()
    falls = {(a, b): float(mean[a] - mean[b]) for a, b in zip(mean.index[:-1], mean.index[1:], strict=True)}
    steepest = max(falls, key=lambda key: falls[key])
    here = ", ".join(f"{a:g} to {b:g}: {100 * fall:.0f}" for (a, b), fall in falls.items()).replace("-", "−")
    return (
        "Under lattice noise the match rate falls most between levels 0.05 and 0.1.",
        "the mean rate of the four free methods falls more there than between any other two levels",
        f"fall in percentage points: {here}",
        verdict(steepest == (0.05, 0.1)),
    )


def _objectives_alike(rates: pd.DataFrame) -> tuple[str, ...]:
    free = rates[(rates["noise"] == "lattice") & rates["method"].isin(FREE)].groupby("level")
    alike = free["low"].max() <= free["high"].min()
    spread = float((free["rate"].max() - free["rate"].min()).max())
    return (
        "Under lattice noise the choice of objective makes little or no difference.",
        "at every level the 95 % intervals of the four free methods share a point",
        f"they do at {alike.sum()} of {len(alike)} levels; largest difference {100 * spread:.0f} percentage points",
        verdict(bool(alike.all())),
    )


def _constraints_help(rates: pd.DataFrame) -> tuple[str, ...]:
    strong = rates[(rates["noise"] == "lattice") & (rates["level"] >= STRONG_NOISE)]
    counts = strong.groupby("method")[["matched", "trials"]].sum()
    free, bound = ((int(counts["matched"][m]), int(counts["trials"][m])) for m in ("cosine", "cosine_constrained"))
    return (
        "Projection onto the crystal family raises the match rate under lattice noise.",
        f"over levels from {STRONG_NOISE:g} on, the 95 % interval with constraints lies above that without",
        f"{_rate_text(*bound)} with, {_rate_text(*free)} without",
        verdict(jeffreys_interval(*bound)[0] > jeffreys_interval(*free)[1]),
    )


def _rate_text(matched: int, trials: int) -> str:
    low, high = jeffreys_interval(matched, trials)
    return f"{100 * matched / trials:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def _spurious(records: pd.DataFrame) -> tuple[str, ...]:
    free = records[(records["noise"] == "lattice") & (records["method"] == "cosine")]
    raised = free["cosine_end"] - free["cosine_start"] >= SPURIOUS_GAIN
    spurious = free[raised & ~free["match_conventional_end"].astype(bool)]
    best = f", the highest at {spurious['cosine_end'].max():.2f}" if len(spurious) else ""
    return (
        "Free descents reach high similarity at wrong cells.",
        f"a free cosine descent raises the cosine similarity by {SPURIOUS_GAIN:g} or more and ends without a match",
        f"{len(spurious)} of {len(free)} descents{best}",
        verdict(len(spurious) > 0),
    )


def correlation_findings(correlations: pd.DataFrame) -> pd.DataFrame:
    """The paper's findings on distance and similarity (Tables 1, S1, S2), judged on ours."""
    rows = [
        _constraints_inform(correlations),
        _entropy_informs(correlations),
        _right_way_round(correlations, ("mse",), "spearman", "the error (MSE) grows with the distance"),
        _right_way_round(
            correlations, ("cosine", "entropy"), "pearson", "cosine and entropy similarity fall with the distance"
        ),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _at(correlations: pd.DataFrame, noise: str, statistic: str) -> pd.DataFrame:
    rows = correlations[(correlations["noise"] == noise) & (correlations["statistic"] == statistic)]
    return rows.set_index(["level", "method"])


def _constraints_inform(correlations: pd.DataFrame) -> tuple[str, ...]:
    values = _at(correlations, "lattice", "mutual_information")["value"].unstack("method")
    higher = values["cosine_constrained"] > values[list(FREE)].max(axis=1)
    return (
        "With constraints the pattern tells far more about the distance, at every level of lattice noise.",
        "the mutual information with constraints is above that of each free method at every level",
        f"it is at {higher.sum()} of {len(higher)} levels",
        verdict(bool(higher.all())),
    )


def _entropy_informs(correlations: pd.DataFrame) -> tuple[str, ...]:
    rows = _at(correlations, "lattice", "mutual_information").xs(0.1, level="level")
    entropy, cosine = (
        [float(rows[end][method]) for end in ("value", "low", "high")] for method in ("entropy", "cosine")
    )
    return (
        "At lattice noise 0.1 entropy similarity tells more than cosine similarity (0.21 and 0.09 nats).",
        "the 95 % interval of its mutual information lies above the other",
        f"{estimate_text(*entropy)} and {estimate_text(*cosine)}",
        verdict(bool(entropy[1] > cosine[2])),
    )


def _right_way_round(
    correlations: pd.DataFrame, methods: Sequence[str], statistic: str, finding: str
) -> tuple[str, ...]:
    rows = _at(correlations, "coordinates", statistic)
    low = rows[rows.index.get_level_values("method").isin(methods)]["low"]
    low = low[low.index.get_level_values("level") < STRONG_NOISE]
    return (
        f"Below coordinate noise {STRONG_NOISE:g}, {finding}.",
        f"the {statistic.capitalize()} coefficient is positive at every such level, with its whole 95 % interval",
        f"it is in {(low > 0).sum()} of {len(low)} cases",
        verdict(bool((low > 0).all())),
    )


def sign_text(correlations: pd.DataFrame, statistic: str = "pearson") -> str:
    """How the signs printed for coordinate noise compare with ours, in words and counts."""
    printed = {
        key: value
        for key, value in published_values(statistic).items()
        if key[0] == "coordinates" and key[2] in SIMILARITIES
    }
    ours = correlations[correlations["statistic"] == statistic].set_index(["noise", "level", "method"])["value"]
    pairs = [(key, value, ours[key]) for key, value in printed.items() if key in ours and np.isfinite(ours[key])]
    below = [(p, v) for key, p, v in pairs if key[1] < STRONG_NOISE]
    top = [(key, p, v) for key, p, v in pairs if key[1] >= STRONG_NOISE]
    listed = "; ".join(f"{LABELS[key[2]]} {number_text(p)} and {number_text(v)}" for key, p, v in top)
    return (
        f"Below coordinate noise {STRONG_NOISE:g} the paper prints {sum(p < 0 for p, _ in below)} negative "
        f"{statistic.capitalize()} coefficients of {len(below)} for the three similarities; ours, in the convention of "
        f"this page, are positive in {sum(v > 0 for _, v in below)} of the same {len(below)} places. At level "
        f"{STRONG_NOISE:g} the paper prints positive signs; there, paper and here: {listed}."
    )


def energy_findings(
    descents: pd.DataFrame, relaxations: pd.DataFrame, losses: Sequence[Slice], energies: Sequence[Slice]
) -> pd.DataFrame:
    """The paper's findings on relaxation and energy (its Figures 6 and S5), judged on ours.

    Args:
        descents, relaxations: records.
        losses, energies: over the same parameters and ranges.
    """
    rates = joined_rates(descents, relaxations)
    rows = [_recovers(rates), _above_descents(rates), _smoother(losses, energies)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _recovers(rates: pd.DataFrame) -> tuple[str, ...]:
    relaxed = rates[rates["method"] == CHGNET].set_index(["noise", "level"])["rate"]
    hardest = ("coordinates", 0.1)
    others = relaxed.drop(hardest)
    return (
        "CHGNet recovers nearly all structures, but for coordinate noise 0.1.",
        f"its match rate is {100 * NEARLY_ALL:.0f} % or more at every setting but that one, and lower there",
        f"lowest elsewhere {100 * others.min():.0f} %, at coordinate noise 0.1 {100 * relaxed[hardest]:.0f} %",
        verdict(bool(others.min() >= NEARLY_ALL > relaxed[hardest])),
    )


def _above_descents(rates: pd.DataFrame) -> tuple[str, ...]:
    wide = rates.set_index(["noise", "level", "method"])["rate"].unstack("method")
    above = wide[CHGNET] >= wide[list(FREE)].max(axis=1)
    return (
        "Relaxation recovers more than free descents on patterns do.",
        "its match rate is at least that of each free method at every setting",
        f"it is at {above.sum()} of {len(above)} settings",
        verdict(bool(above.all())),
    )


def _smoother(losses: Sequence[Slice], energies: Sequence[Slice]) -> tuple[str, ...]:
    counts = [tuple(trap_count(landscape) for landscape in pair) for pair in zip(losses, energies, strict=True)]
    here = ", ".join(f"{e.structure_name} {p} and {n}" for e, (p, n) in zip(energies, counts, strict=True))
    return (
        "Along lattice parameters the energy is smooth with one minimum, the pattern loss is not.",
        "on every slice the energy has one minimum and the pattern loss more (barriers of 1 % of the range or more)",
        f"minima of pattern loss and energy: {here}",
        verdict(all(energy == 1 < pattern for pattern, energy in counts)),
    )
