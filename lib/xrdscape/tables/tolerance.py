"""Tables and sentences on how much of each artefact is borne: rates by its size, and what becomes of descents."""

import pandas as pd

from xrdscape.diffraction.artefacts import ARTEFACTS, FAMILY, ArtefactName
from xrdscape.errors import RecordError
from xrdscape.tables.words import minus, share_text

SIDES: dict[tuple[ArtefactName, int], str] = {
    ("width", -1): "Peaks narrower",
    ("width", 1): "Peaks wider",
    (FAMILY, -1): "Family that forbids the cell",
    (FAMILY, 1): "Family that allows too much",
}
"""Names of the two ways to be wrong, where there are two."""

WAYS = {False: "free", True: "family known"}
"""Names of descents by whether the cell is projected."""

OUTCOMES = {False: "with the cell free", True: "with its family known"}
"""The same within a sentence."""


def tolerated_table(tolerated: pd.DataFrame) -> pd.DataFrame:
    """Return the sizes that are borne, in words and per cent, free cells beside projected ones.

    Args:
        tolerated: as `artefact_rates.tolerated` gives it.
    """
    rows = []
    for name, side in dict.fromkeys(zip(tolerated["artefact"], tolerated["side"], strict=True)):
        part = tolerated[(tolerated["artefact"] == name) & (tolerated["side"] == side)]
        row = {"Flaw": _side_text(name, side), "Size": ARTEFACTS[name].size_label}
        for projected, way in WAYS.items():
            ours = part[part["projected"] == projected]
            for column, words in (("holds", "holds up to"), ("breaks", "breaks at")):
                texts = [
                    f"{size_text(name, size)} ({share_text(rate)})" if size == size else "not reached"
                    for size, rate in zip(ours[column], ours[f"{column}_rate"], strict=True)
                ]
                row[f"{way.capitalize()}: {words}"] = texts[0] if texts else "–"
        rows.append(row)
    return pd.DataFrame(rows)


def recovery_table(rates: pd.DataFrame) -> pd.DataFrame:
    """Return every rate: tight matches with intervals, conventional matches, descents that were misled.

    Args:
        rates: as `artefact_rates.rates_by_size` gives them.
    """
    return pd.DataFrame(
        {
            "Flaw": [ARTEFACTS[name].label for name in rates["artefact"]],
            "Size": [size_text(*pair) for pair in zip(rates["artefact"], rates["size"], strict=True)],
            "Cell": rates["projected"].map(WAYS).where(rates["artefact"] != FAMILY, "wrong family").to_numpy(),
            "Descents": rates["trials"].to_numpy(),
            "Tight": [
                f"{share_text(rate)} [{100 * low:.0f},\u00a0{100 * high:.0f}]"
                for rate, low, high in zip(rates["rate"], rates["low"], rates["high"], strict=True)
            ],
            "Conventional": rates["conventional"].map(share_text).to_numpy(),
            "Misled": rates["misled"].map(share_text).to_numpy(),
            "Cosine at the end": rates["cosine"].to_numpy(),
        }
    )


def size_text(artefact: ArtefactName, size: float) -> str:
    """Return a size as axes and tables write it."""
    if size == ARTEFACTS[artefact].absent:
        return "none" if artefact in ("counts", FAMILY) else f"{size:g}"
    text = f"{size:+g}" if artefact == FAMILY else f"{size:,.0f}" if artefact == "counts" else f"{size:g}"
    return minus(text)


def size_phrase(artefact: ArtefactName, size: float) -> str:
    """Return a size as a sentence says it."""
    return ARTEFACTS[artefact].wording.format(size_text(artefact, size))


def artefacts_sample_text(records: pd.DataFrame) -> str:
    """Return the size of the sample, for captions."""
    copies, structures = records["copy"].nunique(), records["structure"].nunique()
    level, seed = records["level"].iloc[0], records["seed"].iloc[0]
    return (
        f"{copies} distorted copies of each of {structures} structures, lattice noise {level:g}, seed {seed}, "
        f"{len(records):,} descents in all"
    )


def broken_text(tolerated: pd.DataFrame, projected: bool) -> str:
    """Return the artefacts that leave at least half of the recovery at every size tried, and those that do not.

    Args:
        tolerated: as `artefact_rates.tolerated` gives it.
        projected: whether of projected cells or of free ones.
    """
    found = tolerated[(tolerated["projected"] == projected) & (tolerated["artefact"] != FAMILY)].to_dict("records")
    borne = [_side_text(r["artefact"], r["side"]).lower() for r in found if r["breaks"] != r["breaks"]]
    broken = [
        f"{_side_text(r['artefact'], r['side']).lower()} at {size_phrase(r['artefact'], r['breaks'])}"
        for r in found
        if r["breaks"] == r["breaks"]
    ]
    texts = []
    if borne:
        texts.append(f"at every size tried, at least half of the flawless recovery is left with {', '.join(borne)}")
    if broken:
        texts.append(f"it falls below half with {', '.join(broken)}")
    return "; ".join(texts)


def borne_text(tolerated: pd.DataFrame, projected: bool) -> str:
    """Return the last size of each artefact of the pattern before recovery falls below half (see `broken_text`)."""
    found = tolerated[(tolerated["projected"] == projected) & (tolerated["artefact"] != FAMILY)].to_dict("records")
    texts = [(_side_text(r["artefact"], r["side"]).lower(), r["artefact"], r["holds"]) for r in found]
    return "; ".join(
        f"{words}: {'at no size tried' if size == ARTEFACTS[name].absent else size_phrase(name, size)}"
        for words, name, size in texts
    )


def outcome_text(rates: pd.DataFrame, artefact: ArtefactName, size: float) -> str:
    """Return the outcomes of descents at one size of an artefact, with free cells and with projected ones.

    Args:
        rates: as `artefact_rates.rates_by_size` gives them.
        artefact, size: which one.

    Raises:
        RecordError: for a size that is not recorded.
    """
    rows = rates[(rates["artefact"] == artefact) & (rates["size"] == size)]
    if rows.empty:
        sizes = ", ".join(f"{tried:g}" for tried in ARTEFACTS[artefact].sizes)
        raise RecordError(f"{ARTEFACTS[artefact].label} of size {size:g} is not recorded. Use one of: {sizes}.")
    return "; ".join(
        f"{OUTCOMES[row['projected']]}, {share_text(row['rate'])} are found, {share_text(row['misled'])} misled "
        f"and {share_text(row['lost'])} lost"
        for row in rows.to_dict("records")
    )


def misled_text(rates: pd.DataFrame, projected: bool) -> str:
    """Return the shares of descents that were misled, and that were lost, at the largest size of each artefact of the
    pattern.

    Args:
        rates: as `artefact_rates.rates_by_size` gives them.
        projected: whether of projected cells or of free ones.
    """
    texts = []
    for name, artefact in ARTEFACTS.items():
        at_largest = (rates["artefact"] == name) & (rates["size"] == artefact.sizes[-1])
        rows = rates[at_largest & (rates["projected"] == projected)]
        if name != FAMILY and len(rows):
            row = rows.iloc[0]
            texts.append(
                f"{artefact.label.lower()} ({size_phrase(name, row['size'])}): {share_text(row['misled'])} misled, "
                f"{share_text(row['lost'])} lost"
            )
    return "; ".join(texts)


def family_text(rates: pd.DataFrame) -> str:
    """Return the recovery with a family that leaves parameters free which the reference's fixes.

    Args:
        rates: as `artefact_rates.rates_by_size` gives them.
    """
    rows = rates[(rates["artefact"] == FAMILY) & (rates["size"] > 0)]
    found, trials = rows["matched"].sum(), rows["trials"].sum()
    few, many = rows["size"].min(), rows["size"].max()
    return f"{found:,} of {trials:,} descents are found, with {few:g} to {many:g} parameters too many"


def forbidden_text(rates: pd.DataFrame) -> str:
    """Return the similarity to the target with families that forbid the reference's cell, against that with the right
    family.

    Args:
        rates: as `artefact_rates.rates_by_size` gives them.
    """
    rows = rates[rates["artefact"] == FAMILY].sort_values("size", ascending=False)
    if rows.empty:
        return "nothing recorded"
    right = rows[rows["size"] == 0]["cosine"].iloc[0]
    wrong = [
        f"{row['cosine']:.2f} at {size_text(FAMILY, row['size'])}" for row in rows[rows["size"] < 0].to_dict("records")
    ]
    return f"{right:.4f} with the true family, {', '.join(wrong)}"


def _side_text(artefact: ArtefactName, side: int) -> str:
    return SIDES.get((artefact, side), ARTEFACTS[artefact].label)
