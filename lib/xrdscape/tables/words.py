"""Names of methods, statistics and criteria in tables, figures and findings, and how numbers are written there."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from xrdscape.crystal.distortion import Noise
from xrdscape.evaluation.estimates import Statistic
from xrdscape.evaluation.matching import Criterion
from xrdscape.optimisation.variants import ALL_METHODS
from xrdscape.study.columns import NOISES, SETTING
from xrdscape.study.plan import Rates
from xrdscape.study.records import CHGNET, NOISED, PUBLISHED_METHODS

STATISTIC_NAMES: Mapping[Statistic, str] = MappingProxyType(
    {"mutual_information": "MI", "pearson": "Pearson", "spearman": "Spearman"}
)
"""Names of the statistics between geometric distance and pattern dissimilarity."""

CRITERION_NAMES: Mapping[Criterion, str] = MappingProxyType(
    {"conventional": "Conventional", "pymatgen": "pymatgen defaults", "tight": "Tight"}
)
"""Names of the criteria by which a result counts as found."""

NOISE_WORDS: Mapping[Noise, str] = MappingProxyType({"lattice": "lattice noise", "coordinates": "coordinate noise"})
"""Names of the kinds of noise within a sentence."""

LABELS: Mapping[str, str] = MappingProxyType(
    {
        NOISED: "Noised",
        **{name: method.label for name, method in PUBLISHED_METHODS.items()},
        CHGNET: "CHGNet",
        **{name: method.label for name, method in ALL_METHODS.items()},
    }
)
"""Names of the methods, and of the starting models, in the order of tables."""

CHOICES: Mapping[str, str] = MappingProxyType(
    {
        "unclamped": "No limit on large moves",
        "mse_100": "Patterns scaled to 100",
        "shift_100": "Shifts of at most 1°",
        "slower": "Smaller learning rate",
        "tapered": "No sharp edge at 90°",
        "k_alpha": "Wavelength 1.5418 Å",
    }
)
"""Plans that vary one choice of the study, and what they vary."""


def minus(text: str) -> str:
    """Return the text with true minus signs."""
    return text.replace("-", "−")


def number_text(value: float) -> str:
    """Return a number with two decimals and a true minus sign; a dash for what is not defined."""
    return minus(f"{value:.2f}") if np.isfinite(value) else "–"


def estimate_text(value: float, low: float, high: float) -> str:
    """Return a value with its interval; a dash where the statistic is not defined."""
    if not np.isfinite(value):
        return "–"
    # A no-break space: a narrow column may part the value from its interval, but not the interval.
    return f"{number_text(value)} [{number_text(low)},\u00a0{number_text(high)}]"


def percent_text(rate: float, low: float, high: float) -> str:
    """Return a rate with its interval, in per cent."""
    return f"{100 * rate:.1f} [{100 * low:.1f},\u00a0{100 * high:.1f}]"


def share_text(share: float) -> str:
    """Return a share in whole per cent."""
    return f"{100 * share:.0f}\u00a0%"


def seconds_text(seconds: float) -> str:
    """Return seconds to two digits, and whole ones above ten.

    >>> seconds_text(0.0623), seconds_text(1.98), seconds_text(134.4)
    ('0.062', '2', '134')
    """
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2g}"


def rates_text(rates: Rates) -> str:
    """Return the learning rates of a plan: one number where all methods share it.

    >>> rates_text({"cosine": 1e-5, "mse": 1e-5}), rates_text(({"cosine": 0.01, "mse": 0.002}, 0.5))
    ('0.00001', 'Cosine 0.01, MSE 0.002; 0.5')
    """
    if isinstance(rates, tuple):
        return "; ".join(map(rates_text, rates))
    if not isinstance(rates, Mapping):
        return f"{rates:.7f}".rstrip("0")
    if len(set(rates.values())) == 1:
        return rates_text(next(iter(rates.values())))
    return ", ".join(f"{LABELS[method]} {rates_text(rate)}" for method, rate in rates.items())


def setting_text(noise: str, level: float) -> str:
    """Return the name of a setting."""
    return f"{noise} {level:g}"


def sample_text(records: pd.DataFrame) -> str:
    """Return the size of a sample, for captions: realisations, structures, results a setting, seed."""
    copies, structures = records["copy"].nunique(), records["structure"].nunique()
    setting = records.groupby(SETTING).size().max()
    seeds = ", ".join(str(seed) for seed in sorted(records["seed"].unique()))
    return (
        f"{copies} distorted {'copy' if copies == 1 else 'copies'} of each of {structures} structures, "
        f"{setting} results a setting, seed {seeds}"
    )


def lattice_first(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of lattice noise before those of the coordinates, as in all tables of the book; else in their
    order.
    """
    return table.sort_values("noise", key=lambda noise: noise.map(NOISES.index), kind="stable", ignore_index=True)


def settings_in_order(index: pd.Index) -> list[tuple[Noise, float]]:
    """Return the noise and level, which an index begins with, each pair once; lattice noise first."""
    return list(dict.fromkeys((noise, key[1]) for noise in NOISES for key in index if key[0] == noise))


def readable(frame: pd.DataFrame, columns: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Return some columns of a frame as text for the page.

    Args:
        frame: a table.
        columns: by name, the head to show and a format specification ("" for text and integers as they are).
    """

    def text(value: object, spec: str) -> str:
        if isinstance(value, bool | np.bool_):
            return "yes" if value else "no"
        return minus(format(value, spec)) if spec else str(value)

    return pd.DataFrame({head: [text(value, spec) for value in frame[name]] for name, (head, spec) in columns.items()})
