"""Tables of what goes wrong in structure solution: verdicts that err, crystals that are missed, and mistakes."""

import pandas as pd

from xrdscape.tables.solution import CONVENTIONS, NOT_YET


def calibration_table(calibration: pd.DataFrame) -> pd.DataFrame:
    """Return how often either verdict of a search is right, the headline's rows alone.

    Args:
        calibration: as `solution_outcomes.calibration` gives it.
    """
    rows = [
        (f"{row['size']:g} Å, {CONVENTIONS[row['convention']]}", "solved" if row["solved"] else "not solved",
         row["crystals"], *(f"{row[name]} ({100 * row[name] / row['crystals']:.0f}\u00a0%)"
                            for name in ("right_1", "right_10", "strict_1")))
        for row in calibration.sort_values(["size", "convention", "solved"], ascending=[True, True, False],
                                           kind="stable").to_dict("records")
    ]  # fmt: skip
    columns = [
        "Patterns",
        "Verdict",
        "Crystals",
        "First is a loose match",
        "One among ten is",
        "First is a strict match",
    ]
    return pd.DataFrame(rows, columns=columns)


TOLD = {
    "wrong element": "an element exchanged for another",
    "wrong formula": "the contents of another crystal",
    "noise": "noise for a pattern",
}


def told_wrongly_table(told: pd.DataFrame) -> pd.DataFrame:
    """Return what searches say that were told something wrong, as `solution_outcomes.told_wrongly` counts them."""
    rows: list[tuple] = [
        (TOLD[row["way"]], f"{row['size']:g} Å", row["searches"], row["searches"] - row["solved"], row["solved"],
         row["solved_near"], f"{100 * row['left']:.2g}\u00a0%")
        for row in sorted(told.to_dict("records"), key=lambda row: (list(TOLD).index(row["way"]), row["size"]))
    ]  # fmt: skip
    columns = ["Told", "Patterns", "Searches", "Not solved", "Solved", "of these by a neighbour in Z", "Left, median"]
    return pd.DataFrame(rows or [(NOT_YET, *["–"] * 6)], columns=columns)


def reasons_table(reasons: pd.DataFrame) -> pd.DataFrame:
    """Return how searches end, as `solution_examples.reasons` counts them."""
    rows = [
        (f"{row['size']:g} Å", "yes" if row["prototype"] else "no", "solved" if row["solved"] else "not solved",
         row["crystals"], row["right_1"], row["right_10"], row["missed"], f"{row['atoms']:g}", f"{row['free']:g}")
        for row in reasons.to_dict("records")
    ]  # fmt: skip
    columns = ["Patterns", "Arrangement in the library", "Verdict", "Crystals", "First right", "Right among ten"]
    return pd.DataFrame(rows, columns=[*columns, "Missed", "Atoms", "Free coordinates"])


def missed_text(reasons: pd.DataFrame) -> str:
    """Return how failures go with the library, in words, with the same argument."""
    texts = []
    for size, rows in reasons.groupby("size"):
        known, unknown = (rows[rows["prototype"] == held] for held in (True, False))
        texts.append(
            f"at {size:g} Å {unknown['missed'].sum()} of {rows['missed'].sum()} crystals without a match among ten "
            f"have an arrangement that the library does not hold, of which it finds {unknown['right_10'].sum()} of "
            f"{unknown['crystals'].sum()} all the same; of the others it finds {known['right_10'].sum()} of "
            f"{known['crystals'].sum()}"
        )
    return "; ".join(texts) or NOT_YET


def mistakes_table(mistakes: pd.DataFrame) -> pd.DataFrame:
    """Return what is wrong with first candidates, as `solution_examples.mistakes` counts it."""
    rows = [
        ("sites match, the elements on them do not" if row["exchanged"] else "other sites",
         "below 0.1" if row["low"] else "0.1 and more", row["crystals"], row["solved"], row["listed"])
        for row in mistakes.to_dict("records")
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["First candidate", "R_wp²", "Crystals", "Called solved", "Match further down"])
