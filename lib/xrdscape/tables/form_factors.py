"""Tables and sentences about the choice of form factors."""

import pandas as pd


def differences_table(differences: pd.DataFrame) -> pd.DataFrame:
    """Return where form factors differ most, for readers: per cent, with its sign.

    Args:
        differences: as `form_factor_effects.largest_differences` gives them.
    """
    columns = {f"up to s = {end:.2f} 1/Å (%)": 100 * differences[end] for end in differences.columns}
    return pd.DataFrame({"Element": differences.index, **{name: list(values) for name, values in columns.items()}})


def changes_table(changes: pd.DataFrame) -> pd.DataFrame:
    """Return what other form factors make of patterns, for readers.

    Args:
        changes: as `form_factor_effects.pattern_changes` gives them.
    """
    return pd.DataFrame(
        {
            "Crystal": changes["crystal"],
            "Cosine": changes["cosine"],
            "Line (%)": [f"{value:.2f}" for value in changes["line"]],
            "Cosine with f′, f″": changes["anomalous_cosine"],
            "Line with f′, f″ (%)": [f"{value:.2f}" for value in changes["anomalous_line"]],
        }
    )


def dispersion_table(resonance: pd.DataFrame) -> pd.DataFrame:
    """Return anomalous dispersion, for readers.

    Args:
        resonance: as `form_factor_effects.resonance_table` gives it.
    """
    return resonance.rename(columns={"element": "Element", "real": "f′", "imaginary": "f″"})


def least_cosine_text(changes: pd.DataFrame) -> str:
    """Return a sentence on the pattern that the published form factors change most.

    Args:
        changes: as `form_factor_effects.pattern_changes` gives them.
    """
    row, largest = changes.iloc[int(changes["cosine"].argmin())], changes.iloc[int(changes["line"].argmax())]
    return (
        f"Of these patterns that of {row['crystal']} changes most: its cosine similarity is {row['cosine']:.5f}. The "
        f"line that changes most, one of {largest['crystal']}, does so by {largest['line']:.2f} % of the strongest."
    )
