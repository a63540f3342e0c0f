"""The tables of the book, made from records: ours beside what the paper printed."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd

from xrdscape.crystal.structures import load_structure
from xrdscape.errors import RecordError
from xrdscape.landscape.relief import minima_with_barriers
from xrdscape.landscape.slices import SYMBOLS, Slice, coarser, energy_slice, spacing_text, unit, xrd_slice
from xrdscape.optimisation.variants import ALL_METHODS
from xrdscape.study.plan import Plan, Rates
from xrdscape.study.published import published_table
from xrdscape.study.records import CHGNET, PUBLISHED_METHODS, match_rates

STATISTICS = MappingProxyType({"mutual_information": "MI", "pearson": "Pearson", "spearman": "Spearman"})
"""The statistics between geometric distance and pattern dissimilarity, and their names in figures."""

PUBLISHED_TABLES = MappingProxyType({"mutual_information": "table1", "pearson": "table_s1", "spearman": "table_s2"})

CRITERIA = MappingProxyType({"conventional": "Conventional", "pymatgen": "pymatgen defaults", "tight": "Tight"})
"""When a result counts as found, in the order of the table."""

LABELS = MappingProxyType(
    {
        "noised": "Noised",
        **{name: method.label for name, method in PUBLISHED_METHODS.items()},
        CHGNET: "CHGNet",
        **{name: recipe.label for name, recipe in ALL_METHODS.items()},
    }
)
"""Column heads by method."""

LEAST_BARRIER = 0.01
"""The part of a slice's range that one must climb to leave a minimum, for it to count: less is rippling of the grid."""

NOISES = ("lattice", "coordinates")


def sample_text(records: pd.DataFrame) -> str:
    """The size of a sample, for captions: copies, structures, results a setting, seed."""
    copies, structures = records["copy"].nunique(), records["structure"].nunique()
    setting = records.groupby(["noise", "level", "method"]).size().max()
    seeds = ", ".join(str(seed) for seed in sorted(records["seed"].unique()))
    return (
        f"{copies} distorted {'copy' if copies == 1 else 'copies'} of each of {structures} structures, "
        f"{setting} results a setting, seed {seeds}"
    )


def plan_table(plan: Plan) -> pd.DataFrame:
    """Settings of the descents in this book beside those of the paper."""
    shifts = "all" if plan.max_shift is None else f"at most {plan.max_shift} steps of the grid"
    rows = [
        ("Distorted copies of a structure at a level", plan.copies, "50"),
        ("Seed of the noise", plan.seed, "not published"),
        ("Learning rate, lattice", rates_text(plan.lattice_learning_rate), "explored: 0.0005 to 0.01"),
        ("Learning rate, coordinates", rates_text(plan.coordinate_learning_rate), "explored: 0.000001 to 0.0001"),
        ("Large moves limited as in StructSnap", "yes" if plan.clamp else "no", "not stated"),
        ("Steps at most", f"{plan.max_steps:,}", "30,000"),
        ("Test for convergence every ... steps", f"{plan.check_every:,}", "1,000"),
        ("Converged when the loss fell by less than", f"{plan.tolerance:g}", "0.0001"),
        ("Convergence is judged for", "each descent", "not stated"),
        ("Patterns scaled to a maximum of, for MSE", f"{plan.mse_maximum:g}", "not stated"),
        ("Shifts of the cross-correlation", shifts, "not stated"),
        ("Precision of the descents", plan.dtype, "not stated"),
    ]
    return pd.DataFrame([(a, str(b), c) for a, b, c in rows], columns=["Setting", "Here", "Paper"])


def rates_text(rates: Rates) -> str:
    """Learning rates of a plan: one number where all methods share it.

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


def joined_rates(descents: pd.DataFrame, relaxations: pd.DataFrame) -> pd.DataFrame:
    """Match rates (conventional criterion) of descents and relaxations together; "noised" are the starts of both."""
    return match_rates(pd.concat([descents, relaxations], ignore_index=True))


def rates_table(records: pd.DataFrame, noise: str) -> pd.DataFrame:
    """Match rates in per cent, with 95 % intervals, at every setting of one kind of noise: a column a criterion."""
    columns = {}
    for criterion, head in CRITERIA.items():
        rates = match_rates(records, criterion)
        rates = rates[rates["noise"] == noise].set_index(["level", "method"])[["rate", "low", "high"]]
        columns[head] = rates.apply(lambda r: percent_text(*r), axis=1)
    table = pd.DataFrame(columns)
    order = [(level, m) for level in table.index.unique("level") for m in LABELS if (level, m) in table.index]
    table = table.loc[order].reset_index()
    first = ~table["level"].duplicated()
    table["level"] = [f"{level:g}" if shown else "" for level, shown in zip(table["level"], first, strict=True)]
    table["method"] = table["method"].map(LABELS)
    return table.rename(columns={"level": "Level", "method": "Method"})


def percent_text(rate: float, low: float, high: float) -> str:
    """A rate with its interval, in per cent."""
    return f"{100 * rate:.1f} [{100 * low:.1f},\u00a0{100 * high:.1f}]"


def width_text(records: pd.DataFrame) -> str:
    """How many of the matches are tight, in counts over all levels of noise."""
    free = ~records["method"].map({name: method.constrained for name, method in PUBLISHED_METHODS.items()})
    lattice = records["noise"] == "lattice"
    told = []
    for rows, name in (
        (records[lattice & free], "of the free descents under lattice noise"),
        (records[lattice & ~free], "of the constrained ones"),
        (records[~lattice], "of those under coordinate noise"),
    ):
        found, tight = (int(rows[f"match_{kind}_end"].sum()) for kind in ("conventional", "tight"))
        told.append(f"{name}, {found:,} of {len(rows):,} match and {tight:,} match tightly")
    return "; ".join(told).capitalize() + "."


def trap_text(records: pd.DataFrame) -> str:
    """What pymatgen's default options do to the judgement of the starts, in counts."""
    starts = records.drop_duplicates(["structure", "noise", "level", "copy"])
    as_is, reduced = (starts[f"match_{name}_start"].astype(bool) for name in ("conventional", "pymatgen"))
    moved = starts["noise"] == "coordinates"
    return (
        f"Of the {(as_is & moved).sum():,} starts with displaced atoms that match as they are, "
        f"the default options lose {(as_is & ~reduced & moved).sum():,}; "
        f"of the {(~as_is & ~moved).sum():,} starts with a strained cell that do not match as they are, "
        f"they accept {(~as_is & reduced & ~moved).sum():,}."
    )


def lattice_first(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of lattice noise before those of the coordinates, as in all tables of the book; else in their order."""
    return table.sort_values("noise", key=lambda noise: noise.map(NOISES.index), kind="stable", ignore_index=True)


def stop_table(records: pd.DataFrame) -> pd.DataFrame:
    """How descents ended, one row a kind of noise and method; steps and seconds are medians."""
    rows = []
    for noise in NOISES:
        for method in PUBLISHED_METHODS:
            part = records[(records["noise"] == noise) & (records["method"] == method)]
            if part.empty:
                continue
            converged, ran_out = (part["stop_reason"] == end for end in ("converged", "out of steps"))
            rows.append(
                {
                    "Noise": noise,
                    "Method": LABELS[method],
                    "Converged (%)": 100 * float(converged.mean()),
                    "Failed (%)": 100 * float((~converged & ~ran_out).mean()),
                    "Steps": int(part["steps"].median()),
                    "Seconds": float(part["seconds"].median()),
                    "Closer (%)": 100 * float((part["emd_end"] < part["emd_start"]).mean()),
                }
            )
    return pd.DataFrame(rows)


def relaxation_table(records: pd.DataFrame) -> pd.DataFrame:
    """How CHGNet's relaxations ended: one row a setting, medians but for the share that converged."""
    rows = [
        {
            "Noise": f"{noise} {level:g}",
            "Converged (%)": 100 * float(part["converged"].mean()),
            "Steps": int(part["steps"].median()),
            "Energy gained (meV/atom)": 1000 * float((part["energy_start"] - part["energy_end"]).median()),
            "EMD at start (Å)": float(part["emd_start"].median()),
            "EMD at end (Å)": float(part["emd_end"].median()),
        }
        for noise in NOISES
        for level, part in records[records["noise"] == noise].groupby("level")
    ]
    return pd.DataFrame(rows)


def correlation_table(correlations: pd.DataFrame, statistic: str) -> pd.DataFrame:
    """One statistic at every setting, ours with its interval above what the paper printed (Tables 1, S1, S2).

    Args:
        correlations: as `records.correlations` gives them.
        statistic: key of `STATISTICS`.

    Returns:
        Two rows a setting; columns Noise (with its level, or "published"), then the methods. Signs are as printed.
    """
    if statistic not in STATISTICS:
        raise RecordError(f"Unknown statistic {statistic!r}. Use one of: {', '.join(STATISTICS)}.")
    ours = correlations[correlations["statistic"] == statistic]
    methods = [m for m in PUBLISHED_METHODS if m in set(ours["method"])]
    cells = ours.set_index(["noise", "level", "method"])
    estimates = cells[["value", "low", "high"]].to_numpy()
    texts = {key: estimate_text(*e) for key, e in zip(cells.index, estimates, strict=True)}
    counts = _per_setting(cells["n"]).max(axis=1)
    printed = published_values(statistic)
    rows = []
    for (noise, level), n in zip(counts.index, counts, strict=True):
        here = [texts.get((noise, level, m), "–") for m in methods]
        paper = [number_text(printed.get((noise, level, m), float("nan"))) for m in methods]
        rows += [[f"{noise} {level:g}, n\u00a0=\u00a0{n:.0f}", *here], ["published", *paper]]
    return pd.DataFrame(rows, columns=["Noise", *(LABELS[m] for m in methods)])


def estimate_text(value: float, low: float, high: float) -> str:
    """A value with its interval; a dash where the statistic is not defined."""
    if not np.isfinite(value):
        return "–"
    # A no-break space: a narrow column may part the value from its interval, but not the interval.
    return f"{number_text(value)} [{number_text(low)},\u00a0{number_text(high)}]"


def published_values(statistic: str) -> dict[tuple[str, float, str], float]:
    """What the paper printed, by noise, level and method; blanks are left out."""
    names = {(m.objective, m.constrained): name for name, m in PUBLISHED_METHODS.items()}
    printed = published_table(PUBLISHED_TABLES[statistic]).dropna(subset="value")
    return {
        (row["noise"], row["level"], names[row["objective"], row["constrained"]]): row["value"]
        for row in printed.to_dict("records")
    }


def number_text(value: float) -> str:
    """Two decimals and a true minus sign; a dash for what is not defined."""
    return f"{value:.2f}".replace("-", "−") if np.isfinite(value) else "–"


def _per_setting(values: pd.Series) -> pd.DataFrame:
    """Rows (noise, level), lattice first; columns methods."""
    wide = values.unstack("method")
    return wide.loc[[key for noise in NOISES for key in wide.index if key[0] == noise]]


def paired_slices(axes: Mapping[str, tuple[str, str]], n: int, fine: int) -> tuple[list[Slice], list[Slice]]:
    """Pattern losses and energies over the same two parameters and ranges, for several structures.

    Args:
        axes: the two lattice parameters of each structure, by its name.
        n: energies along each axis.
        fine: losses along each axis; patterns are cheap and their loss has finer features.
    """
    crystals = [(load_structure(name), names) for name, names in axes.items()]
    losses = [xrd_slice(reference, *names, n=fine) for reference, names in crystals]
    return losses, [energy_slice(reference, *names, n=n) for reference, names in crystals]


def trap_count(landscape: Slice) -> int:
    """Local minima that one must climb out of by `LEAST_BARRIER` of the slice's range."""
    height = float(np.nanmax(landscape.value) - np.nanmin(landscape.value))
    return len(minima_with_barriers(landscape, LEAST_BARRIER * height))


def roughness_table(losses: Sequence[Slice], energies: Sequence[Slice]) -> pd.DataFrame:
    """How many minima pattern and energy have over the same slice, each also on a grid of twice the spacing.

    Args:
        losses: of the pattern.
        energies: over the same parameters and ranges.

    Raises:
        RecordError: for two slices that are not over the same ranges.
    """
    rows = []
    for pattern, energy in zip(losses, energies, strict=True):
        if not all(np.allclose(p[[0, -1]], e[[0, -1]]) for p, e in ((pattern.x, energy.x), (pattern.y, energy.y))):
            raise RecordError("Minima can be compared over one range alone: give both slices the same spans.")
        rows.append(
            {
                "Slice": _slice_text(energy),
                "Pattern": trap_count(pattern),
                "at twice the spacing": trap_count(coarser(pattern)),
                "Energy": trap_count(energy),
                "at twice its spacing": trap_count(coarser(energy)),
            }
        )
    return pd.DataFrame(rows)


def energy_minima_table(energies: Sequence[Slice]) -> pd.DataFrame:
    """Where the deepest energy of each slice's grid lies.

    Args:
        energies: in eV/atom.
    """
    rows = []
    for energy in energies:
        j, i = np.unravel_index(np.nanargmin(energy.value), energy.value.shape)
        centre = (np.abs(energy.y - energy.reference[1]).argmin(), np.abs(energy.x - energy.reference[0]).argmin())
        offsets = (
            (energy.x_name, energy.x[i] - energy.reference[0]),
            (energy.y_name, energy.y[j] - energy.reference[1]),
        )
        rows.append(
            {
                "Slice": _slice_text(energy),
                "Off the truth": ", ".join(
                    f"{SYMBOLS[name]}\u00a0{offset:+.2f}{unit(name)}".replace("-", "−") for name, offset in offsets
                ),
                "Grid": spacing_text([energy]),
                "Below the truth (meV/atom)": float(1000 * (energy.value[centre] - energy.value[j, i])),
            }
        )
    return pd.DataFrame(rows)


def _slice_text(landscape: Slice) -> str:
    return f"{landscape.structure_name}: {SYMBOLS[landscape.x_name]}, {SYMBOLS[landscape.y_name]}"
