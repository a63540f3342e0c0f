"""Tables and sentences about what the open choices change: plans, criteria, estimators, neighbours, stopping."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import pandas as pd

from xrdscape.evaluation.estimates import jeffreys_interval
from xrdscape.evaluation.information import ESTIMATORS
from xrdscape.study.records import PUBLISHED_METHODS, match_rates
from xrdscape.study.sensitivity import Pair, criteria_differences, same_starts, with_neighbours
from xrdscape.tables.differences import Cells, Published, agreeing
from xrdscape.tables.results import CRITERIA, LABELS, STATISTICS, lattice_first, number_text
from xrdscape.tables.study import CHOICES

NOISE_WORDS = MappingProxyType({"lattice": "lattice noise", "coordinates": "coordinate noise"})


def missing_text(names: Collection[str]) -> str:
    """Which of the plans in `CHOICES` have no records yet, and what makes them.

    Args:
        names: plans that have some.
    """
    missing = [name for name in CHOICES if name not in names]
    if not missing:
        return f"All {len(CHOICES)} choices have been run."
    told = ", ".join(f"{_begun_low(CHOICES[name])} (`{name}`)" for name in missing)
    commands = ", ".join(f"`xrdscape campaign {name}`" for name in missing)
    return f"Not run yet, and so not shown: {told}. To run them: {commands}."


def choices_text(table: pd.DataFrame) -> str:
    """In how many comparisons a choice changes the match rate beyond chance, and which do.

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
    """How many pairs of descents are behind the comparisons of `sensitivity.choice_table`."""
    if table.empty:
        return "no pairs of descents yet"
    least, most = table["n"].min(), table["n"].max()
    return f"{table['n'].sum():,} pairs of descents, {least if least == most else f'{least} to {most}'} a comparison"


def paired_choices(
    study: pd.DataFrame, variants: Mapping[str, pd.DataFrame], neighbours: Sequence[int], copies: int
) -> dict[str, Pair]:
    """All choices that can move a statistic, by the words that tables have for them.

    Args:
        study: the study's records.
        variants: records by plan, of those in `CHOICES`.
        neighbours: other numbers to count in the geometric distance.
        copies: for these, how many copies of each start are judged again.
    """
    part = study[study["copy"] < copies].reset_index(drop=True)
    return {
        **{CHOICES[name]: same_starts(study, records) for name, records in variants.items()},
        **{neighbours_name(count): (part, with_neighbours(part, count)) for count in neighbours},
    }


def neighbours_name(count: int) -> str:
    """What tables call another number of neighbours in the distance."""
    return f"{count} nearest atoms in the distance"


def _begun_low(text: str) -> str:
    return text[0].lower() + text[1:]


def _points(difference: float) -> str:
    points = round(100 * difference)
    return f"{points:+d}".replace("-", "−") if points else "0"


def criteria_table(records: pd.DataFrame) -> pd.DataFrame:
    """Match rates with pymatgen's defaults, and of tight matches, less the conventional rate, in percentage points."""
    found = criteria_differences(records)
    texts = found.assign(text=found["difference"].map(_points)).pivot(
        index=["noise", "level", "method"], columns="criterion", values="text"
    )
    cells = (texts["pymatgen"] + "\u00a0/\u00a0" + texts["tight"]).unstack("method")
    order = [key for noise in ("lattice", "coordinates") for key in cells.index if key[0] == noise]
    table = pd.DataFrame({"Noise": [f"{noise} {level:g}" for noise, level in order]})
    for method in PUBLISHED_METHODS:
        if method in cells:
            table[LABELS[method]] = cells.loc[order, method].fillna("–").to_numpy()
    return table


def rates_by_criterion(records: pd.DataFrame) -> pd.DataFrame:
    """`match_rates` under every criterion, with its name in the column criterion."""
    return pd.concat([match_rates(records, name).assign(criterion=name) for name in CRITERIA], ignore_index=True)


def tight_table(records: pd.DataFrame) -> pd.DataFrame:
    """How many of the results that the conventional criterion accepts are tight matches, setting by setting.

    The column "Noised" counts the starts.
    """
    starts = records.drop_duplicates(["structure", "noise", "level", "copy"]).assign(method="noised")
    for criterion in ("conventional", "tight"):
        starts[f"match_{criterion}_end"] = starts[f"match_{criterion}_start"]
    records = pd.concat([starts, records], ignore_index=True)
    accepted = records[records["match_conventional_end"].astype(bool)]
    counts = accepted.groupby(["noise", "level", "method"])["match_tight_end"].agg(["sum", "size"])
    settings = records[["noise", "level"]].drop_duplicates().sort_values(["noise", "level"], ascending=[False, True])
    rows = []
    for noise, level in settings.itertuples(index=False):
        cells = [
            f"{counts.loc[key, 'sum']} of\u00a0{counts.loc[key, 'size']}"
            if (key := (noise, level, method)) in counts.index
            else "–"
            for method in ("noised", *PUBLISHED_METHODS)
        ]
        rows.append([f"{noise} {level:g}", *cells])
    return pd.DataFrame(rows, columns=["Noise", *(LABELS[method] for method in ("noised", *PUBLISHED_METHODS))])


def tight_text(records: pd.DataFrame, method: str, noise: str = "lattice") -> str:
    """The same for one method over all levels, in words: matches, tight ones among them with interval, by level."""
    part = records[(records["noise"] == noise) & (records["method"] == method)]
    accepted = part[part["match_conventional_end"].astype(bool)]
    if accepted.empty:
        return f"none of {len(part):,} results matches"
    tight = accepted["match_tight_end"].astype(bool)
    low, high = jeffreys_interval(int(tight.sum()), len(tight))
    levels = tight.groupby(accepted["level"]).mean()
    told = ", ".join(f"{100 * share:.0f} % at {level:g}" for level, share in levels.items())
    return (
        f"{len(accepted):,} of {len(part):,} results match under the conventional criterion, and "
        f"{int(tight.sum()):,} of these are tight matches, {100 * tight.mean():.0f} % "
        f"[{100 * low:.0f}, {100 * high:.0f}]: {told}"
    )


def estimator_table(ours: Cells, published: Published) -> pd.DataFrame:
    """How the estimators of mutual information compare with Table 1, all settings together and by kind.

    Args:
        ours, published: as `differences.cells` and `all_published` give them.
    """
    shared = [place for place in published if place in ours and place[0] == "mutual_information"]
    frame = pd.DataFrame(
        [
            {
                "kind": _kind(noise, method),
                "published": published[(statistic, noise, level, method)],
                **ours[(statistic, noise, level, method)].otherwise,
            }
            for statistic, noise, level, method in shared
        ]
    )
    means = frame.groupby("kind", sort=False).mean()
    rows = [
        {
            "Estimator": name.capitalize() if name == "published" else name,
            **{kind: number_text(mean) for kind, mean in means[name].items()},
            "Mean difference": "–"
            if name == "published"
            else number_text(float((frame[name] - frame["published"]).abs().mean())),
            f"Agrees, of {len(shared)}": "–" if name == "published" else str(agreeing(ours, published, name)),
        }
        for name in ("published", *ESTIMATORS)
    ]
    return pd.DataFrame(rows)


def _kind(noise: str, method: str) -> str:
    if noise == "coordinates":
        return "Coordinates"
    return "Lattice, constrained" if PUBLISHED_METHODS[method].constrained else "Lattice, free"


def neighbours_table(shifts: pd.DataFrame, neighbours: Sequence[int]) -> pd.DataFrame:
    """How far another number of neighbours in the distance moves the statistics, over all settings.

    Args:
        shifts: as `sensitivity.choice_shifts` gives them for `paired_choices`.
        neighbours: the numbers to show.
    """
    rows = []
    named = shifts[shifts["choice"].isin([neighbours_name(count) for count in neighbours])]
    for (choice, statistic), part in named.groupby(["choice", "statistic"], sort=False):
        beyond = int(((part["low"] > 0) | (part["high"] < 0)).sum())
        rows.append(
            {
                "Counted": choice,
                "Statistic": STATISTICS[str(statistic)],
                "Mean shift": f"{part['value'].mean():+.3f}".replace("-", "−"),
                "Mean size of the shift": number_text(float(part["value"].abs().mean())),
                "Largest": number_text(float(part["value"].abs().max())),
                "Beyond chance": f"{beyond} of {len(part)}",
            }
        )
    return pd.DataFrame(rows)


def stopping_table(bounds: pd.DataFrame) -> pd.DataFrame:
    """`sensitivity.batch_stopping` as a table."""
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


def roughness_text(table: pd.DataFrame, reference: str) -> str:
    """How far the other instruments change traps and climb at most, in words.

    Args:
        table: as `edge.roughness_by_instrument` gives it.
        reference: the instrument to compare with.
    """
    wide = table.pivot(index="structure", columns="instrument", values=["traps", "climb"])
    others = [name for name in table["instrument"].unique() if name != reference]
    told = []
    for name in others:
        traps = int((wide["traps"][name] - wide["traps"][reference]).abs().max())
        climb = float((wide["climb"][name] / wide["climb"][reference] - 1).abs().max())
        told.append(f"{name}: traps by at most {traps}, climb by at most {100 * climb:.1f} %")
    return "; ".join(told)
