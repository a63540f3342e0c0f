"""Tables and sentences of the chapter "Your own crystal"."""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from xrdscape.diffraction.pattern import reflection_table
from xrdscape.evaluation.estimates import jeffreys_interval
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.study.records import crystal
from xrdscape.tables.case import Case, Stage
from xrdscape.tables.results import CRITERIA, number_text
from xrdscape.user_crystal.experiment import APPROACHES, Experiment, OwnCrystal

TOLD_CRITERIA = ("conventional", "tight")


def facts_table(own: OwnCrystal) -> pd.DataFrame:
    """What is known of the crystal before anything is compared."""
    reference, lines = own.reference, reflection_table(own.reference)
    lengths = ", ".join(f"{value:.3f}" for value in reference.lattice.abc)
    angles = ", ".join(f"{value:.4g}" for value in reference.lattice.angles)
    rows = [
        ("Formula", reference.composition.reduced_formula),
        ("Space group", f"{own.space_group} (no. {own.number})"),
        ("Crystal family", own.family),
        ("Cell: a, b, c (Å)", lengths),
        ("Cell: α, β, γ (deg)", angles),
        ("Volume (Å³)", f"{reference.volume:.1f}"),
        ("Atoms in the cell", str(len(reference))),
        ("Density (g/cm³)", f"{reference.density:.2f}"),
        ("Lines up to 2θ = 90°", str(len(lines))),
    ]
    return pd.DataFrame(rows, columns=["Property", "Value"])


def settings_text(experiment: Experiment) -> str:
    """The experiment in one phrase, for captions; `ways_text` says how it descends."""
    projected = ", projected onto the crystal family" if experiment.project_family else ""
    copies = f"{experiment.copies} distorted {'copy' if experiment.copies == 1 else 'copies'}"
    noise = f"{experiment.noise.removesuffix('s')} noise {experiment.level:g}"
    return f"{copies}, {noise}, seed {experiment.seed}; descent on {experiment.compared.label}{projected}"


def ways_text(experiment: Experiment) -> str:
    """How each method descends, in one phrase."""
    return "; ".join(_way_text(replace(experiment, method=method)) for method in APPROACHES)


def _way_text(experiment: Experiment) -> str:
    recipe = experiment.recipe
    if recipe is None:
        way = f"steps of plain descent at learning rate {experiment.rate:g}"
    elif recipe.narrowing.stages:
        way = f"steps of Adam while the blur of both patterns narrows from {experiment.blur_deg:g}° to none"
    else:
        way = f"steps of Adam at learning rate {recipe.narrowing.rate:g}"
    return f"{experiment.method}, at most {experiment.steps} {way}"


def recovery_table(found: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """How many starts and results by each method are the crystal: counts, and per cent with Jeffreys' 95 % interval.

    Args:
        found: by method, the records of the same starts (`study.own.records_by_method`).
    """
    starts = next(iter(found.values()))
    rows = []
    for criterion in TOLD_CRITERIA:
        counts = [int(starts[f"match_{criterion}_start"].sum())]
        counts += [int(records[f"match_{criterion}_end"].sum()) for records in found.values()]
        rows.append((CRITERIA[criterion], *(_rate_text(count, len(starts)) for count in counts)))
    return pd.DataFrame(rows, columns=["Criterion", *_heads(found)])


def _heads(found: Mapping[str, pd.DataFrame]) -> list[str]:
    return ["Before the descent", *(f"After it, {method}" for method in found)]


def _rate_text(successes: int, trials: int) -> str:
    low, high = jeffreys_interval(successes, trials)
    return f"{successes} of {trials}: {100 * successes / trials:.0f} [{100 * low:.0f},\u00a0{100 * high:.0f}]"


def change_table(found: Mapping[str, pd.DataFrame], objective: str) -> pd.DataFrame:
    """Similarity and distance to the truth before the descents and after those of each method: median, least, greatest.

    Args:
        found: as in `recovery_table`.
        objective: a key of `OBJECTIVES`.
    """
    names = {objective: OBJECTIVES[objective].label, "cosine": "Cosine", "emd": "EMD (Å)"}
    starts = next(iter(found.values()))
    rows = []
    for key, label in names.items():
        values = [starts[f"{key}_start"], *(records[f"{key}_end"] for records in found.values())]
        spans = [f"{number_text(v.median())} [{number_text(v.min())},\u00a0{number_text(v.max())}]" for v in values]
        rows.append((label, *spans))
    return pd.DataFrame(rows, columns=["Measure", *_heads(found)])


def best_and_worst(records: pd.DataFrame) -> pd.DataFrame:
    """The copies that ended nearest to the truth and farthest from it, by EMD: rows of the records."""
    ordered = records.sort_values(["emd_end", "copy"])
    return ordered.iloc[[0, -1]].assign(case=["best", "worst"])


def cases_table(records: pd.DataFrame, objective: str) -> pd.DataFrame:
    """The best and the worst copy, before and after."""
    rows = []
    for row in best_and_worst(records).to_dict("records"):
        for which, label in (("start", "before"), ("end", "after")):
            matched = [name for name in TOLD_CRITERIA if row[f"match_{name}_{which}"]]
            rows.append(
                {
                    "Case": f"{row['case']} (copy {row['copy']}), {label}",
                    OBJECTIVES[objective].label: number_text(row[f"{objective}_{which}"]),
                    "EMD (Å)": number_text(row[f"emd_{which}"]),
                    "Match": " and ".join(CRITERIA[name] for name in matched) or "none",
                    "a, b, c (Å)": ", ".join(f"{v:.3f}" for v in row[f"{which}_lattice"][:3]),
                    "α, β, γ (deg)": ", ".join(f"{v:.2f}" for v in row[f"{which}_lattice"][3:]),
                    "Ended": f"{row['stop_reason']}, {row['steps']} steps" if which == "end" else "",
                }
            )
    return pd.DataFrame(rows)


def own_case(own: OwnCrystal, records: pd.DataFrame) -> Case:
    """The best and the worst copy as a case to draw (`figures.case_figure`)."""
    told = best_and_worst(records)
    stages = [Stage("Truth", own.reference, 1.0, True)]
    for _, row in told.iterrows():
        for which, label in (("start", "before"), ("end", "after")):
            stages.append(
                Stage(
                    f"{row['case'].capitalize()}, {label}",
                    crystal(row, which, own.reference),
                    float(row[f"cosine_{which}"]),
                    bool(row[f"match_conventional_{which}"]),
                )
            )
    first = told.iloc[0]
    return Case(
        own.name, float(first["level"]), int(first["copy"]), int(first["seed"]), own.reference, tuple(stages), False
    )


def traps_table(traps: pd.DataFrame) -> pd.DataFrame:
    """`traps_by_slice` for the page."""
    return pd.DataFrame(
        {
            "Slice": traps["slice"],
            "False minima on the grid": traps["minima"],
            "Traps": traps["traps"],
            "Highest barrier / range": traps["highest"],
            "Lowest loss of a trap": traps["deepest"],
        }
    )


def climbs_table(lines: pd.DataFrame) -> pd.DataFrame:
    """`climbs` for the page."""
    heads = {
        "line": "Line", "climb": "Climbed on the way to the truth", "depth": "Depth of the line",
        "share": "Climb / depth",
    }  # fmt: skip
    return lines.rename(columns=heads)


def roughness_sentence(traps: pd.DataFrame, lines: pd.DataFrame) -> str:
    """What `traps_by_slice` and `climbs` found, in words."""
    count, least, most = int(traps["traps"].sum()), 100 * lines["share"].min(), 100 * lines["share"].max()
    highest = f"; the highest barrier is {100 * traps['highest'].max():.0f} % of its map's range" if count else ""
    return (
        f"The {len(traps)} maps have {count} {'trap' if count == 1 else 'traps'}{highest}. On a walk to the truth "
        f"along the lines of the second table, {least:.0f} to {most:.0f} % of the depth is to be climbed again."
    )
