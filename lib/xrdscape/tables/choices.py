"""Tables and sentences about what the open choices change: plans, criteria, estimators, neighbours, stopping."""

from collections.abc import Collection

import pandas as pd

from xrdscape.evaluation.estimates import jeffreys_interval
from xrdscape.evaluation.information import ESTIMATORS
from xrdscape.study.columns import SETTING
from xrdscape.study.records import NOISED, PUBLISHED_METHODS
from xrdscape.tables.words import (
    CHOICES,
    LABELS,
    NOISE_WORDS,
    STATISTIC_NAMES,
    lattice_first,
    minus,
    number_text,
    setting_text,
    settings_in_order,
)


def missing_text(names: Collection[str]) -> str:
    """Return a sentence on which of the plans in `CHOICES` have no records yet, and what makes them.

    Args:
        names: plans that have some.
    """
    missing = [name for name in CHOICES if name not in names]
    if not missing:
        return f"All {len(CHOICES)} choices have been run."
    listed = ", ".join(f"{_begun_low(CHOICES[name])} (`{name}`)" for name in missing)
    commands = ", ".join(f"`xrdscape campaign {name}`" for name in missing)
    return f"Not run yet, and so not shown: {listed}. To run them: {commands}."


def choices_text(table: pd.DataFrame) -> str:
    """Return a sentence on the comparisons in which a choice changes the match rate beyond chance.

    Args:
        table: as `sensitivity.choice_table` gives it.
    """
    if table.empty:
        return "None has been run yet."
    beyond = [
        f"{_begun_low(CHOICES[row['choice']])}, {NOISE_WORDS[row['noise']]}, {LABELS[row['method']]}: "
        f"{_points(row['difference'])}"
        for row in table[(table["low"] > 0) | (table["high"] < 0)].to_dict("records")
    ]
    listed = f" (in percentage points: {'; '.join(beyond)})" if beyond else ""
    return (
        f"In {len(beyond)} of {len(table)} comparisons the 95 % interval of the difference leaves out zero{listed}; "
        f"chance alone would bring about {0.05 * len(table):.0f}."
    )


def pairs_text(table: pd.DataFrame) -> str:
    """Return the number of pairs of descents behind the comparisons of `sensitivity.choice_table`."""
    if table.empty:
        return "no pairs of descents yet"
    least, most = table["n"].min(), table["n"].max()
    return f"{table['n'].sum():,} pairs of descents, {least if least == most else f'{least} to {most}'} a comparison"


def choice_name(choice: str) -> str:
    """Return the name of a choice of `sensitivity.paired_choices` in tables.

    >>> choice_name("slower"), choice_name("10 neighbours")
    ('Smaller learning rate', '10 nearest atoms in the distance')
    """
    return CHOICES.get(choice) or f"{choice.removesuffix(' neighbours')} nearest atoms in the distance"


def open_choices(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Return the changes by each choice over the same starting models.

    Args:
        comparisons: as `sensitivity.choice_table` gives them.
    """
    heads = ["Choice", "Method", "Starts", "Matches, then otherwise (%)", "Difference, 95 %", "Own similarity"]
    if comparisons.empty:
        return pd.DataFrame(columns=heads)
    rows, before = [], ""
    for row in comparisons.to_dict("records"):
        # A choice and a kind of noise are named where they begin.
        named = f"{CHOICES[row['choice']]}, {row['noise']}"
        rates = f"{100 * row['matched']:.0f}, {100 * row['matched_otherwise']:.0f}"
        interval = minus(f"{100 * row['low']:+.0f} to {100 * row['high']:+.0f}")
        shift = f"{_signed(row['similarity'])} ± {2 * row['error']:.4f}"
        rows.append((named if named != before else "", LABELS[row["method"]], row["n"], rates, interval, shift))
        before = named
    return pd.DataFrame(rows, columns=heads)


def _signed(value: float) -> str:
    """Return a number with four decimals and a sign, but none for what rounds to zero.

    >>> _signed(-0.00003), _signed(-0.0021)
    ('0.0000', '−0.0021')
    """
    return minus(f"{value:+.4f}") if round(value, 4) else "0.0000"


def _begun_low(text: str) -> str:
    return text[0].lower() + text[1:]


def _points(difference: float) -> str:
    points = round(100 * difference)
    return minus(f"{points:+d}") if points else "0"


def criteria_table(differences: pd.DataFrame) -> pd.DataFrame:
    """Return the match rates with pymatgen's defaults, and of tight matches, less the conventional rate, in percentage
    points.

    Args:
        differences: as `sensitivity.criteria_differences` gives them.
    """
    texts = differences.assign(text=differences["difference"].map(_points)).pivot(
        index=SETTING, columns="criterion", values="text"
    )
    cells = (texts["pymatgen"] + "\u00a0/\u00a0" + texts["tight"]).unstack("method")
    order = settings_in_order(cells.index)
    table = pd.DataFrame({"Noise": [setting_text(noise, level) for noise, level in order]})
    for method in PUBLISHED_METHODS:
        if method in cells:
            table[LABELS[method]] = cells[method].loc[order].fillna("–").to_numpy()
    return table


def tight_table(counts: pd.DataFrame) -> pd.DataFrame:
    """Return the tight matches among the results that the conventional criterion accepts, setting by setting.

    The column "Noised" counts the starting models.

    Args:
        counts: as `statistics.tight_among_matches` gives them.
    """
    methods = (NOISED, *PUBLISHED_METHODS)
    texts = {
        (row["noise"], row["level"], row["method"]): f"{row['tight']} of\u00a0{row['matched']}"
        for row in counts[counts["matched"] > 0].to_dict("records")
    }
    rows = [
        [setting_text(noise, level), *(texts.get((noise, level, method), "–") for method in methods)]
        for noise, level in settings_in_order(counts.set_index(SETTING).index)
    ]
    return pd.DataFrame(rows, columns=["Noise", *(LABELS[method] for method in methods)])


def tight_text(counts: pd.DataFrame, method: str, noise: str = "lattice") -> str:
    """Return the matches of one method over all levels and the tight ones among them, with interval and by level, in
    words.

    Args:
        counts: as `statistics.tight_among_matches` gives them.
        method, noise: which of them.
    """
    part = counts[(counts["noise"] == noise) & (counts["method"] == method)]
    trials, matched, tight = (int(part[name].sum()) for name in ("trials", "matched", "tight"))
    if not matched:
        return f"none of {trials:,} results matches"
    low, high = jeffreys_interval(tight, matched)
    some = part[part["matched"] > 0]
    shares = zip(some["level"], some["tight"] / some["matched"], strict=True)
    listed = ", ".join(f"{100 * share:.0f} % at {level:g}" for level, share in shares)
    return (
        f"{matched:,} of {trials:,} results match under the conventional criterion, and "
        f"{tight:,} of these are tight matches, {100 * tight / matched:.0f} % "
        f"[{100 * low:.0f}, {100 * high:.0f}]: {listed}"
    )


def estimator_table(means: pd.DataFrame) -> pd.DataFrame:
    """Return the estimators of mutual information beside Table 1, over the settings of each kind.

    Args:
        means: as `comparison.estimator_means` gives them.
    """
    kinds = [name for name in means.columns if name not in ("difference", "agrees", "shared")]
    agrees = f"Agrees, of {means['shared'].iloc[0]}"
    rows = []
    for name, row in means.loc[["published", *ESTIMATORS]].to_dict("index").items():
        ours = name != "published"
        rows.append(
            {
                "Estimator": name if ours else "Published",
                **{kind: number_text(row[kind]) for kind in kinds},
                "Mean difference": number_text(row["difference"]) if ours else "–",
                agrees: f"{row['agrees']:.0f}" if ours else "–",
            }
        )
    return pd.DataFrame(rows)


def neighbours_table(sizes: pd.DataFrame) -> pd.DataFrame:
    """Return the shift of the statistics by another number of neighbours in the distance, over all settings.

    Args:
        sizes: as `sensitivity.shift_sizes` gives them.
    """
    return pd.DataFrame(
        {
            "Counted": sizes["choice"].map(choice_name),
            "Statistic": sizes["statistic"].map(STATISTIC_NAMES),
            "Mean shift": [minus(f"{value:+.3f}") for value in sizes["mean"]],
            "Mean size of the shift": sizes["size"].map(number_text),
            "Largest": sizes["largest"].map(number_text),
            "Beyond chance": [f"{n} of {of}" for n, of in zip(sizes["beyond"], sizes["settings"], strict=True)],
        }
    )


def stopping_table(bounds: pd.DataFrame) -> pd.DataFrame:
    """Return `sensitivity.batch_stopping` as a table."""
    bounds = lattice_first(bounds)
    return pd.DataFrame(
        {
            "Noise": bounds["noise"],
            "Method": bounds["method"].map(LABELS),
            "Descents": bounds["n"],
            "Steps, each alone": [f"{steps:,.0f}" for steps in bounds["steps"]],
            "Steps in a batch, at least": [f"{steps:,.0f}" for steps in bounds["batch_steps"]],
            "Mean gain of the loss": [f"{gain:.4f}" for gain in bounds["gain"]],
            "Largest gain": [f"{gain:.4f}" for gain in bounds["most_gain"]],
        }
    )
