"""Claims on slices through the landscape of the pattern loss (the paper's Figures 2, 3, S2 and S3)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from xrdscape.findings.finding import Finding
from xrdscape.findings.terms import percent
from xrdscape.tables.landscapes import ALIKE_WITHIN
from xrdscape.tables.words import number_text

PROMINENT = 3
"""Number of local minima that the paper marks."""

REASONABLE = 0.5
"""The cosine similarity that counts as reasonably high."""


@dataclass(frozen=True)
class Evidence:
    """Evidence that the claims on landscapes are tested on.

    Args:
        false: `minima.false_minima` of the map of U2Ti over a and c, highest barrier first.
        counts: `minima.minima_counts` of all slices.
        lines: `ascents.symmetry_lines` of the same slices.
        descents: `paths.descents_table` of the descents within slices.
        near: `paths.near_minima` of the descents in six parameters.
        smallest_barrier: of the minima that count; loss.
    """

    false: pd.DataFrame
    counts: pd.DataFrame
    lines: pd.DataFrame
    descents: pd.DataFrame
    near: pd.DataFrame
    smallest_barrier: float


def landscape_findings(evidence: Evidence) -> list[Finding]:
    """Return the paper's claims on the loss landscape (its Figures 2, 3, S2 and S3)."""
    return [
        _several_minima(evidence),
        _similar_at_minima(evidence),
        _all_slices(evidence),
        _only_constrained(evidence),
        _constrained_start(evidence),
        _rough_diagonal(evidence),
        _shallow_right_angle(evidence),
        _ends_off_minima(evidence),
    ]


def _several_minima(evidence: Evidence) -> Finding:
    found = len(evidence.false)
    return Finding(
        key="several-minima",
        claim="The cosine landscape of U₂Ti over a and c has several deep local minima.",
        place="Section 2.1.1, Fig. 2a",
        rule=f"the map has {PROMINENT} false minima or more with a barrier of at least {evidence.smallest_barrier:g}",
        result=f"{found} such minima"
        + (f", the highest barrier {evidence.false['barrier'].max():.2f}" if found else ""),
        cases={"U₂Ti": found >= PROMINENT},
        unit="maps",
        evidence=("fig-2", "table-minima"),
    )


def _similar_at_minima(evidence: Evidence) -> Finding:
    similarity = -evidence.false.head(PROMINENT)["value"]
    return Finding(
        key="similar-at-minima",
        claim="At the three most prominent minima the pattern is similar to the true one although the cell differs.",
        place="Section 2.1.1, Fig. 2b",
        rule=f"the cosine similarity at the minimum is {REASONABLE:g} or more",
        result=f"similarities {', '.join(f'{value:.2f}' for value in similarity)}",
        cases={f"minimum {number}": bool(value >= REASONABLE) for number, value in enumerate(similarity, start=1)},
        unit="minima",
        evidence=("fig-2", "table-minima"),
    )


def _all_slices(evidence: Evidence) -> Finding:
    prominent = evidence.counts.set_index("slice")["prominent"]
    return Finding(
        key="all-slices",
        claim="The landscape of the pattern loss is highly non-convex.",
        place="Abstract; Section 2.1.1, Figs. 2, 3 and S2; Section 3",
        rule="a slice of the cosine landscape of U₂Ti has a false minimum "
        f"with a barrier of at least {evidence.smallest_barrier:g}",
        result=f"{prominent.min()} to {prominent.max()} such minima a slice",
        cases={str(name): bool(n > 0) for name, n in prominent.items()},
        unit="slices",
        evidence=("fig-s2", "table-traps"),
    )


def _paths(evidence: Evidence) -> dict[tuple[str, str], bool]:
    """Return whether the reference was reached, by structure and kind of descent."""
    table = evidence.descents
    return dict(zip(zip(table["structure"], table["descent"], strict=True), table["reached"].map(bool), strict=True))


def _only_constrained(evidence: Evidence) -> Finding:
    reached = {key: value for key, value in _paths(evidence).items() if "from" not in key[1]}
    texts = [
        f"{structure}, {kind}: {'reached' if value else 'not reached'}" for (structure, kind), value in reached.items()
    ]
    return Finding(
        key="only-constrained",
        claim="Within a slice the free descent ends in a local minimum, while the constrained one reaches the truth.",
        place="Section 2.1.1, Fig. 3",
        rule="the free descent ends away from the truth, the constrained one at it (0.5 % of lengths, 0.5° of angles)",
        result="; ".join(texts),
        cases={f"{s}, {kind}": value == (kind == "constrained") for (s, kind), value in reached.items()},
        unit="descents",
        evidence=("fig-3", "table-descents"),
    )


def _constrained_start(evidence: Evidence) -> Finding:
    reached = {key[0]: value for key, value in _paths(evidence).items() if "from" in key[1]}
    loss = evidence.descents[evidence.descents["descent"].str.contains("from")]["loss"]
    return Finding(
        key="constrained-start",
        claim="A free descent ends in a local minimum even from a start on the symmetric line.",
        place="Section 2.1.1, Fig. 3",
        rule="the free descent from the projected start ends away from the truth",
        result=f"loss at the end: {', '.join(number_text(value) for value in loss)}",
        cases={structure: not value for structure, value in reached.items()},
        unit="descents",
        evidence=("fig-3", "table-descents"),
    )


def _ascents(evidence: Evidence) -> tuple[float, dict[str, float]]:
    """Return the ascent along a = b (nan without such a line), and along lines of fixed alpha by what varies there."""
    diagonal = evidence.lines[evidence.lines["line"] == "a = b"]["ascent"]
    others = evidence.lines[evidence.lines["line"] != "a = b"]
    named = {f"{line}, {varied} varied": float(up) for line, varied, up in others.itertuples(index=False)}
    return float(diagonal.max()), named


def _rough_diagonal(evidence: Evidence) -> Finding:
    diagonal, _ = _ascents(evidence)
    return Finding(
        key="rough-diagonal",
        claim="Along the symmetry axis a = b, where constrained descents move, "
        "the landscape stays non-convex, with pronounced fluctuations.",
        place="Abstract; Section 2.1.1, Fig. S2",
        rule=f"what must be climbed on the way to the truth is at least {evidence.smallest_barrier:g}",
        result=f"{diagonal:.3f} in units of the loss",
        cases={"a = b": diagonal >= evidence.smallest_barrier} if np.isfinite(diagonal) else {},
        unit="lines",
        evidence=("fig-s2", "table-lines"),
    )


def _shallow_right_angle(evidence: Evidence) -> Finding:
    diagonal, others = _ascents(evidence)
    along = ", ".join(f"{up:.3f}" for up in others.values())
    return Finding(
        key="shallow-right-angle",
        claim="Along α = 90° the fluctuations are shallow, compared with those along a = b.",
        place="Section 2.1.1, Fig. S2",
        rule=f"what must be climbed along a = b is greater, by a factor of more than {ALIKE_WITHIN:g}, "
        "than along the line",
        result=f"along a = b: {diagonal:.3f}; along the lines: {along}",
        cases={name: diagonal > ALIKE_WITHIN * up for name, up in others.items()} if np.isfinite(diagonal) else {},
        unit="lines with α = 90°",
        evidence=("fig-s2", "table-lines"),
    )


def _ends_off_minima(evidence: Evidence) -> Finding:
    cases, texts = {}, []
    for row in evidence.near.to_dict("records"):
        name, near, inside = row["structure"], row["at_minimum"], row["inside"]
        if inside:
            cases[name] = near / inside < 0.5
            texts.append(f"{name} {near} of {inside} ({percent(near / inside)})")
    return Finding(
        key="ends-off-minima",
        claim="The end points of descents in six parameters do not consistently lie at the minima of a slice.",
        place="Fig. S3",
        rule="of the end points within the map fewer than half lie "
        "within 1 % of each length and 1° of each angle of a trap",
        result=f"at a trap: {', '.join(texts)}",
        cases=cases,
        unit="maps",
        evidence=("fig-s3",),
    )
