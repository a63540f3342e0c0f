"""Claims on how well similar patterns mean similar crystals in single descents (the paper's Figures 5 and S4)."""

import pandas as pd

from xrdscape.findings.finding import Finding
from xrdscape.findings.terms import STRONG_NOISE, rate_text
from xrdscape.study.columns import match, similarity
from xrdscape.study.outcomes import at_setting

COSINE, MATCHED = similarity("cosine", "end"), match("conventional", "end")

DECEPTIVE = 0.7
"""Cosine similarity from which on a wrong result is called deceptively similar (the paper's examples: 0.71, 0.74)."""


def deceptive_similarity(records: pd.DataFrame) -> Finding:
    """Return the claim on free descents that end at a wrong cell with a high similarity."""
    free = _at(records, "cosine")
    wrong = ~free[MATCHED].astype(bool)
    deceived = wrong & (free[COSINE] >= DECEPTIVE) & (free[COSINE] > free[similarity("cosine", "start")])
    by_structure = deceived.groupby(free["structure"]).sum()
    return Finding(
        key="deceptive-similarity",
        claim="A high agreement of patterns does not imply the right structure: "
        "descents end in local minima of deceptively high similarity.",
        place="Abstract; Section 2.2, Figs. 5 and S4; Section 3",
        rule=f"at lattice noise {STRONG_NOISE:g} a free descent of the structure "
        f"raises the cosine similarity to {DECEPTIVE:g} or more and ends without a match",
        result=f"{int(deceived.sum())} of {len(free)} descents do, "
        f"{rate_text(int(deceived.sum()), int(wrong.sum()))} of those without a match; "
        f"the highest ends at {free.loc[deceived, COSINE].max():.2f}"
        if deceived.any()
        else f"none of {len(free)} descents does",
        cases={str(name): bool(n > 0) for name, n in by_structure.items()},
        unit="structures",
        evidence=("fig-5", "fig-s4"),
    )


def inverted_similarity(records: pd.DataFrame) -> Finding:
    """Return the claim on starting models whose wrong free result is more similar than their right constrained one."""
    columns = ["structure", "copy", COSINE, MATCHED]
    pairs = _at(records, "cosine")[columns].merge(
        _at(records, "cosine_constrained")[columns], on=["structure", "copy"], suffixes=("", "_bound")
    )
    inverted = (
        ~pairs[MATCHED].astype(bool)
        & pairs[f"{MATCHED}_bound"].astype(bool)
        & (pairs[COSINE] > pairs[f"{COSINE}_bound"])
    )
    counts = inverted.groupby(pairs["structure"]).sum()
    return Finding(
        key="inverted-similarity",
        claim="Similar structures can give dissimilar patterns, and distinct structures similar ones.",
        place="Section 2.2, Figs. 5 and S4",
        rule=f"for a start of the structure at lattice noise {STRONG_NOISE:g} "
        "the free result does not match and the constrained one does, "
        "yet the free one has the higher cosine similarity",
        result=f"{int(inverted.sum())} of {len(pairs)} starts, {counts.min()} to {counts.max()} a structure"
        if len(pairs)
        else "",
        cases={str(name): bool(n > 0) for name, n in counts.items()},
        unit="structures",
        evidence=("fig-5", "fig-s4"),
    )


def still_trapped(records: pd.DataFrame) -> Finding:
    """Return the claim on constrained descents whose outcome depends on the starting model."""
    bound = records[
        (records["noise"] == "lattice")
        & (records["method"] == "cosine_constrained")
        & (records["level"] >= STRONG_NOISE)
    ]
    solved = bound[match("tight", "end")].astype(bool)
    stuck = (bound["stop_reason"] == "converged") & ~solved
    both = pd.DataFrame({"solved": solved, "stuck": stuck}).groupby(bound["structure"]).sum()
    return Finding(
        key="still-trapped",
        claim="Even with constraints, descent depends on the start and can end in local minima.",
        place="Abstract; Section 2.1.1",
        rule=f"from lattice noise {STRONG_NOISE:g} on, some constrained descents of the structure "
        "end in a tight match and others converge without one",
        result=f"{int(stuck.sum()):,} of {len(bound):,} converge without a tight match" if len(bound) else "",
        cases={str(name): bool(row["solved"] > 0 and row["stuck"] > 0) for name, row in both.iterrows()},
        unit="structures",
        evidence=("table-criteria-lattice", "fig-s3"),
    )


def _at(records: pd.DataFrame, method: str) -> pd.DataFrame:
    return at_setting(records[records["method"] == method], "lattice", STRONG_NOISE)
