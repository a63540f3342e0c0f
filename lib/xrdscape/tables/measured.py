"""Tables of measured patterns that were solved from their formulas."""

import pandas as pd

from xrdscape.paths import RECORDS
from xrdscape.study.pxrdnet import pxrdnet_table
from xrdscape.tables.words import seconds_text

OUTCOMES = RECORDS / "measured" / "outcomes.csv"
"""Outcomes of `xrdscape measured` for the patterns that PXRDnet was tried on; these themselves are not carried."""


def measured_outcomes_table(way: str) -> pd.DataFrame:
    """Return the outcome of each measured pattern at one resolution.

    Args:
        way: "smoothed" or "as measured".
    """
    part = outcomes(way)
    return pd.DataFrame(
        {
            "Crystal": part["formula"] + " " + part["space_group"],
            "Sites": part["sites"],
            "Verdict": part["solved"].map({True: "solved", False: "not solved"}),
            "Left unexplained (%)": (100 * part["r_nano"]).map("{:.2g}".format),
            "Place of the right one": [str(rank) if rank else "–" for rank in part["loose_rank"]],
            "R_wp², best": part["r_wp_squared"].map("{:.3f}".format),
            "of the first": part["r_wp_squared_first"].map("{:.3f}".format),
            "Seconds": part["seconds"].map(seconds_text),
        }
    )


def measured_summary_table() -> pd.DataFrame:
    """Return what is found of the measured patterns at both resolutions, beside what PXRDnet publishes."""
    published = pxrdnet_table("pxrdnet_table1")
    row = published[(published["source"] == "measured") & (published["method"] == "PXRDnet")].iloc[0]
    rows = [("PXRDnet, published", int(row["crystals"]), "–", "–", f"{row['mean']:.3f} ± {row['sd']:.3f}", "–", "–")]
    for way, words in (("smoothed", "xrdscape, smoothed as there"), ("as measured", "xrdscape, at their resolution")):
        part = outcomes(way)
        shares, refined = part["r_wp_squared"], part["r_wp_squared_refined"].dropna()
        rows.append(
            (words, len(part), f"{(part['loose_rank'] > 0).sum()} of {len(part)}",
             f"{(part['loose_rank'] == 1).sum()} of {len(part)}", f"{shares.mean():.3f} ± {shares.std(ddof=0):.3f}",
             f"{part['r_wp_squared_first'].mean():.3f}", f"{refined.median():.4f}" if len(refined) else "–")
        )  # fmt: skip
    names = ["Method", "Patterns", "Found among ten", "First", "R_wp², best of ten", "of the first",
             "of the first, refined (median)"]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def outcomes(way: str) -> pd.DataFrame:
    """Return the recorded outcomes at one resolution, "smoothed" or "as measured"."""
    rows = pd.read_csv(OUTCOMES)
    return rows[rows["way"] == way].reset_index(drop=True)
