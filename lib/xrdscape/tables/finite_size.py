"""Tables and sentences about the finite size of crystallites."""

import pandas as pd


def size_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return how well plates stand for particles, for readers.

    Args:
        frame: as `finite_size_effects.comparison_frame` gives it.
    """
    return pd.DataFrame(
        {
            "Crystal": frame["crystal"],
            "Particle": frame["shape"],
            "Size (Å)": [f"{size:g}" for size in frame["size_angstrom"]],
            "Atoms": frame["atoms"],
            "τ of the paper": frame["paper"],
            "τ of the code": frame["code"],
            "Best plate": frame["best"],
            "Its thickness (Å)": [f"{value:.1f}" for value in frame["thickness_angstrom"]],
            "over the size": [f"{value:.2f}" for value in frame["ratio"]],
        }
    )


def ratio_text(frame: pd.DataFrame) -> str:
    """Return in words which thickness fits best: the mean over crystals, for each shape and size.

    Args:
        frame: as `finite_size_effects.comparison_frame` gives it.
    """
    means = frame.groupby(["shape", "size_angstrom"])["ratio"].mean()
    parts = []
    for shape in dict.fromkeys(frame["shape"]):
        values = [f"{ratio:.2f} at {size:g} Å" for size, ratio in means[shape].items()]
        parts.append(f"of a {shape}'s size {', '.join(values)}")
    return "; ".join(parts)


def sphere_text(frame: pd.DataFrame, thickness_angstrom: float) -> str:
    """Return in words the diameters of spheres that a plate stands for, by the thicknesses that were found best.

    Args:
        frame: as `finite_size_effects.comparison_frame` gives it.
        thickness_angstrom: of the plate.
    """
    ratio = frame.loc[frame["shape"] == "sphere", "ratio"]
    return f"{thickness_angstrom / ratio.max():.0f} to {thickness_angstrom / ratio.min():.0f}"


def range_text(values: pd.Series) -> str:
    """Return the least and the largest of some numbers, in words of two digits."""
    return f"{values.min():.2g} to {values.max():.2g}"


def widths_table(widths: pd.DataFrame) -> pd.DataFrame:
    """Return widths of peaks, for readers.

    Args:
        widths: as `finite_size_effects.half_widths` gives them.
    """
    return pd.DataFrame(
        {
            "τ (Å)": [f"{size:g}" for size in widths.index],
            "Paper": list(widths["paper"]),
            "Code": list(widths["reference-code"]),
            "Gaussian alone": list(widths["gaussian"]),
        }
    )
