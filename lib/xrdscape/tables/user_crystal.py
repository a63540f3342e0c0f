"""Tables and sentences of the chapter on a crystal of the user's own."""

from dataclasses import replace

import pandas as pd

from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.study.columns import Similarity, Which, emd, lattice, match, similarity
from xrdscape.tables.words import CRITERION_NAMES, number_text
from xrdscape.user_crystal.experiment import APPROACHES, Experiment, UserCrystal
from xrdscape.user_crystal.outcomes import TOLD_CRITERIA


def facts_table(crystal: UserCrystal, lines: int) -> pd.DataFrame:
    """Return the facts of the crystal that are known before anything is compared.

    Args:
        crystal: the crystal.
        lines: number of lines in its pattern.
    """
    reference = crystal.reference
    lengths = ", ".join(f"{value:.3f}" for value in reference.lattice.abc)
    angles = ", ".join(f"{value:.4g}" for value in reference.lattice.angles)
    rows = [
        ("Formula", reference.composition.reduced_formula),
        ("Space group", f"{crystal.space_group} (no. {crystal.number})"),
        ("Crystal family", crystal.family),
        ("Cell: a, b, c (Å)", lengths),
        ("Cell: α, β, γ (deg)", angles),
        ("Volume (Å³)", f"{reference.volume:.1f}"),
        ("Atoms in the cell", str(len(reference))),
        ("Density (g/cm³)", f"{reference.density:.2f}"),
        ("Lines up to 2θ = 90°", str(lines)),
    ]
    return pd.DataFrame(rows, columns=["Property", "Value"])


def settings_text(experiment: Experiment) -> str:
    """Return the experiment in one phrase, for captions; `ways_text` says how it descends."""
    projected = ", projected onto the crystal family" if experiment.project_family else ""
    copies = f"{experiment.copies} distorted {'copy' if experiment.copies == 1 else 'copies'}"
    noise = f"{experiment.noise.removesuffix('s')} noise {experiment.level:g}"
    return f"{copies}, {noise}, seed {experiment.seed}; descent on {experiment.descended.label}{projected}"


def ways_text(experiment: Experiment) -> str:
    """Return the ways to descend, in one phrase."""
    return "; ".join(_way_text(replace(experiment, method=method)) for method in APPROACHES)


def _way_text(experiment: Experiment) -> str:
    settings = experiment.settings
    if settings is None:
        way = f"steps of plain descent at learning rate {experiment.rate:g}"
    elif settings.narrowing.stages:
        way = f"steps of Adam while the blur of both patterns narrows from {experiment.blur_deg:g}° to none"
    else:
        way = f"steps of Adam at learning rate {settings.narrowing.rate:g}"
    return f"{experiment.method}, at most {experiment.steps} {way}"


def recovery_table(counts: pd.DataFrame) -> pd.DataFrame:
    """Return the starting and refined models that are the crystal: counts, and per cent with Jeffreys' 95 % interval.

    Args:
        counts: as `outcomes.match_counts` gives them.
    """
    texts = [
        f"{row['matched']} of {row['trials']}: {100 * row['rate']:.0f} "
        f"[{100 * row['low']:.0f},\u00a0{100 * row['high']:.0f}]"
        for row in counts.to_dict("records")
    ]
    return _beside(counts.assign(text=texts, criterion=counts["criterion"].map(CRITERION_NAMES)), "criterion")


def change_table(changes: pd.DataFrame) -> pd.DataFrame:
    """Return the similarity and distance to the reference structure before and after the descents: median, least,
    greatest.

    Args:
        changes: as `outcomes.changes` gives them.
    """
    names = {**{name: objective.label for name, objective in OBJECTIVES.items()}, "cosine": "Cosine", "emd": "EMD (Å)"}
    texts = [
        f"{number_text(row['median'])} [{number_text(row['least'])},\u00a0{number_text(row['greatest'])}]"
        for row in changes.to_dict("records")
    ]
    return _beside(changes.assign(text=texts, measure=changes["measure"].map(names)), "measure")


def _beside(rows: pd.DataFrame, head: str) -> pd.DataFrame:
    """Return the table of a row for each value of the column `head`, its texts side by side, one column a method."""
    methods = list(dict.fromkeys(rows["method"]))
    heads = [f"After it, {method}" if method else "Before the descent" for method in methods]
    wide = rows.pivot(index=head, columns="method", values="text").loc[list(dict.fromkeys(rows[head])), methods]
    return wide.set_axis(heads, axis=1).reset_index(names=head.capitalize())


def cases_table(rows: pd.DataFrame, objective: Similarity) -> pd.DataFrame:
    """Return the best and the worst realisation, before and after.

    Args:
        rows: as `outcomes.best_and_worst` gives them.
        objective: the similarity to show.
    """
    labels: tuple[tuple[Which, str], ...] = (("start", "before"), ("end", "after"))
    return pd.DataFrame(
        [_case_row(row, which, label, objective) for _, row in rows.iterrows() for which, label in labels]
    )


def _case_row(row: pd.Series, which: Which, label: str, objective: Similarity) -> dict[str, str]:
    matched = [CRITERION_NAMES[name] for name in TOLD_CRITERIA if row[match(name, which)]]
    cell = row[lattice(which)]
    return {
        "Case": f"{row['case']} (copy {row['copy']}), {label}",
        OBJECTIVES[objective].label: number_text(row[similarity(objective, which)]),
        "EMD (Å)": number_text(row[emd(which)]),
        "Match": " and ".join(matched) or "none",
        "a, b, c (Å)": ", ".join(f"{v:.3f}" for v in cell[:3]),
        "α, β, γ (deg)": ", ".join(f"{v:.2f}" for v in cell[3:]),
        "Ended": f"{row['stop_reason']}, {row['steps']} steps" if which == "end" else "",
    }


def minima_table(minima: pd.DataFrame) -> pd.DataFrame:
    """Return the false minima of each slice.

    Args:
        minima: as `minima.minima_by_share` gives them.
    """
    return pd.DataFrame(
        {
            "Slice": minima["slice"],
            "False minima on the grid": minima["minima"],
            "Traps": minima["prominent"],
            "Highest barrier / range": minima["highest"],
            "Lowest loss of a trap": minima["deepest"],
        }
    )


def ascents_table(lines: pd.DataFrame) -> pd.DataFrame:
    """Return the ascents along single lines.

    Args:
        lines: as `ascents.ascents` gives them.
    """
    heads = {
        "line": "Line", "ascent": "Climbed on the way to the truth", "depth": "Depth of the line",
        "share": "Climb / depth",
    }  # fmt: skip
    return lines.rename(columns=heads)


def roughness_sentence(minima: pd.DataFrame, lines: pd.DataFrame) -> str:
    """Return the minima and ascents of the maps, in words; arguments as of `minima_table` and `ascents_table`."""
    count, least, most = int(minima["prominent"].sum()), 100 * lines["share"].min(), 100 * lines["share"].max()
    highest = f"; the highest barrier is {100 * minima['highest'].max():.0f} % of its map's range" if count else ""
    return (
        f"The {len(minima)} maps have {count} {'trap' if count == 1 else 'traps'}{highest}. On a walk to the truth "
        f"along the lines of the second table, {least:.0f} to {most:.0f} % of the depth is to be climbed again."
    )
