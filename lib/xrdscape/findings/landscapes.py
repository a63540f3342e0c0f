"""Claims on slices through the landscape of the pattern loss (the paper's Figures 2, 3, S2 and S3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xrdscape.findings.finding import Finding
from xrdscape.findings.terms import percent
from xrdscape.landscape.relief import compared, near_minima
from xrdscape.landscape.slices import Slice
from xrdscape.tables.results import number_text

PROMINENT = 3
"""How many local minima the paper marks."""

REASONABLE = 0.5
"""The cosine similarity that counts as reasonably high."""


@dataclass(frozen=True)
class Relief:
    """What the chapter on landscapes computes.

    Args:
        false: `false_minima` of the map of U2Ti over a and c that count as traps, highest barrier first.
        counts: `minima_counts` of all slices.
        lines: `symmetry_lines` of the same slices.
        descents: `descents_table` of the descents within slices.
        ends: `endpoints` of the descents in six parameters, one frame a slice of `maps`.
        maps: the slices that the descents are shown on.
        smallest_barrier: from which on a minimum counts as a trap; loss.
    """

    false: pd.DataFrame
    counts: pd.DataFrame
    lines: pd.DataFrame
    descents: pd.DataFrame
    ends: Sequence[pd.DataFrame]
    maps: Sequence[Slice]
    smallest_barrier: float


def landscape_findings(relief: Relief) -> list[Finding]:
    """The paper's claims on the loss landscape (its Figures 2, 3, S2 and S3)."""
    return [
        _several_minima(relief),
        _similar_at_minima(relief),
        _all_slices(relief),
        _only_constrained(relief),
        _constrained_start(relief),
        _rough_diagonal(relief),
        _shallow_right_angle(relief),
        _ends_off_minima(relief),
    ]


def _several_minima(relief: Relief) -> Finding:
    found = len(relief.false)
    return Finding(
        key="several-minima",
        claim="The cosine landscape of U₂Ti over a and c has several deep local minima.",
        place="Section 2.1.1, Fig. 2a",
        rule=f"the map has {PROMINENT} false minima or more with a barrier of at least {relief.smallest_barrier:g}",
        result=f"{found} such minima" + (f", the highest barrier {relief.false['barrier'].max():.2f}" if found else ""),
        cases={"U₂Ti": found >= PROMINENT},
        unit="maps",
        evidence=("fig-2", "table-minima"),
    )


def _similar_at_minima(relief: Relief) -> Finding:
    similarity = -relief.false.head(PROMINENT)["value"]
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


def _all_slices(relief: Relief) -> Finding:
    traps = relief.counts.set_index("slice")["traps"]
    return Finding(
        key="all-slices",
        claim="The landscape of the pattern loss is highly non-convex.",
        place="Abstract; Section 2.1.1, Figs. 2, 3 and S2; Section 3",
        rule="a slice of the cosine landscape of U₂Ti has a false minimum "
        f"with a barrier of at least {relief.smallest_barrier:g}",
        result=f"{traps.min()} to {traps.max()} such minima a slice",
        cases={str(name): bool(n > 0) for name, n in traps.items()},
        unit="slices",
        evidence=("fig-s2", "table-traps"),
    )


def _paths(relief: Relief) -> dict[tuple[str, str], bool]:
    """Whether the truth was reached, by structure and kind of descent."""
    table = relief.descents
    return dict(zip(zip(table["structure"], table["descent"], strict=True), table["reached"].map(bool), strict=True))


def _only_constrained(relief: Relief) -> Finding:
    reached = {key: value for key, value in _paths(relief).items() if "from" not in key[1]}
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


def _constrained_start(relief: Relief) -> Finding:
    reached = {key[0]: value for key, value in _paths(relief).items() if "from" in key[1]}
    loss = relief.descents[relief.descents["descent"].str.contains("from")]["loss"]
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


def _climbs(relief: Relief) -> tuple[float, dict[str, float]]:
    """Climb along a = b (nan without such a line), and along the lines of fixed alpha by what varies there."""
    diagonal = relief.lines[relief.lines["line"] == "a = b"]["uphill"]
    others = relief.lines[relief.lines["line"] != "a = b"]
    named = {f"{line}, {varied} varied": float(up) for line, varied, up in others.itertuples(index=False)}
    return float(diagonal.max()), named


def _rough_diagonal(relief: Relief) -> Finding:
    diagonal, _ = _climbs(relief)
    return Finding(
        key="rough-diagonal",
        claim="Along the symmetry axis a = b, where constrained descents move, "
        "the landscape stays non-convex, with pronounced fluctuations.",
        place="Abstract; Section 2.1.1, Fig. S2",
        rule=f"what must be climbed on the way to the truth is at least {relief.smallest_barrier:g}",
        result=f"{diagonal:.3f} in units of the loss",
        cases={"a = b": diagonal >= relief.smallest_barrier} if np.isfinite(diagonal) else {},
        unit="lines",
        evidence=("fig-s2", "table-lines"),
    )


def _shallow_right_angle(relief: Relief) -> Finding:
    diagonal, others = _climbs(relief)
    climbs = ", ".join(f"{up:.3f}" for up in others.values())
    return Finding(
        key="shallow-right-angle",
        claim="Along α = 90° the fluctuations are shallow, compared with those along a = b.",
        place="Section 2.1.1, Fig. S2",
        rule="what must be climbed along a = b is greater, by a factor of more than 1.5, than along the line",
        result=f"along a = b: {diagonal:.3f}; along the lines: {climbs}",
        cases={name: compared(diagonal, up) == "greater than" for name, up in others.items()}
        if np.isfinite(diagonal)
        else {},
        unit="lines with α = 90°",
        evidence=("fig-s2", "table-lines"),
    )


def _ends_off_minima(relief: Relief) -> Finding:
    cases, texts = {}, []
    for ends, landscape in zip(relief.ends, relief.maps, strict=True):
        near, _, inside = near_minima([ends], [landscape], relief.smallest_barrier)
        if inside:
            cases[landscape.structure_name] = near / inside < 0.5
            texts.append(f"{landscape.structure_name} {near} of {inside} ({percent(near / inside)})")
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
