"""Tables of single searches: the library, how a search narrows it down, its candidates, and what small changes do."""

from collections import defaultdict

import numpy as np
import pandas as pd
from pymatgen.util.string import unicodeify_spacegroup

from xrdscape.solution.catalogue import terms_of
from xrdscape.solution.library import Library
from xrdscape.study.solution_outcomes import SUCCESS


def library_table(library: Library) -> pd.DataFrame:
    """Return the entries of a library by what they are to be called by, and their terms."""
    counts = np.bincount(library.data["source"][library.chosen], minlength=len(library.sources))
    held: dict[str, list[int]] = defaultdict(list)
    for name, count in zip(library.sources, counts.tolist(), strict=True):
        if count:
            held[terms_of(name)].append(count)
    rows = sorted(((terms, len(found), sum(found)) for terms, found in held.items()), key=lambda row: -row[2])
    return pd.DataFrame(rows, columns=["Where entries come from, and their terms", "Sets", "Entries"])


def narrowing_table(steps: pd.DataFrame) -> pd.DataFrame:
    """Return the steps of `solving.narrowing` for the page."""
    return steps.rename(columns={"step": "Step", "number": "Number", "of what": "Of what"})


def candidates_table(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return the candidates of a search beside the truth, as `solving.judged_candidates` gives them."""
    groups = [unicodeify_spacegroup(name) for name in candidates["group"]]
    return pd.DataFrame({
        "Rank": candidates["rank"], "Space group kept": groups, "Prototype": candidates["prototype"],
        "Unexplained (%)": [f"{100 * share:.4f}" for share in candidates["r_nano"]],
        "R_wp² of sharp patterns": [f"{share:.4f}" for share in candidates["r_wp_squared"]],
        "Match": ["strict" if strict else "loose" if loose else "no"
                  for loose, strict in zip(candidates["loose"], candidates["strict"], strict=True)],
    })  # fmt: skip


def changes_table(residuals: pd.DataFrame) -> pd.DataFrame:
    """Return R_wp^2 of changed crystals: quantiles over crystals, as `nano_residuals` gives them."""
    rows = []
    for change in residuals["change"].unique():
        values = residuals.loc[residuals["change"] == change, "residual"]
        quantiles = (f"{value:.3f}" for value in values.quantile([0.1, 0.5, 0.9]))
        rows.append((change, len(values), *quantiles, f"{100 * (values < SUCCESS).mean():.0f}"))
    return pd.DataFrame(rows, columns=["Change", "Crystals", "10 %", "Median", "90 %", "below 0.1 (%)"])


def median_text(residuals: pd.DataFrame, change: str) -> str:
    """Return the median R_wp^2 of a change."""
    return f"{residuals.loc[residuals['change'] == change, 'residual'].median():.3f}"


def below_text(residuals: pd.DataFrame, change: str) -> str:
    """Return the share of crystals, in per cent, whose R_wp^2 stays a success under a change."""
    return f"{100 * (residuals.loc[residuals['change'] == change, 'residual'] < SUCCESS).mean():.0f}"
