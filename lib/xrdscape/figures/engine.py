"""Figures of how fast the engine is, drawn from the benchmark's record."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from xrdscape.figures.style import PALETTE, formula, letter_panels, new_figure
from xrdscape.timing.measure import CONTENDERS, CRYSTALS
from xrdscape.timing.record import Record, labels, limit_table, ratio, split_table, summary

CRYSTAL_STYLE = dict(
    zip(
        CRYSTALS,
        ((PALETTE["blue"], "o"), (PALETTE["orange"], "s"), (PALETTE["green"], "D"), (PALETTE["purple"], "^")),
        strict=True,
    )
)
"""Colour and marker of each crystal that everything was timed on."""
BASELINES = ("reference", "compiled")
PARTS = {
    "part_operator": ("Peaks to pattern", PALETTE["blue"], "//"),
    "part_peaks": ("Per reflection", PALETTE["sky"], ""),
    "loss": ("The loss itself", PALETTE["orange"], "\\\\"),
    "rest": ("Rest of the step", PALETTE["yellow"], "xx"),
}
MEMORY_ROWS = {
    "import": "Imports alone",
    "step": "A step",
    "reference": "Eager torch",
}
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")
MILLISECONDS = "Time per sample (ms)"
LIMIT = "limit"
LIMIT_LABEL = "Operator at the core's rate"


def contenders_figure(record: Record) -> Figure:
    """Draw the time per sample of every way to compute, one row a contender, one marker a crystal; logarithmic.

    Whiskers hold eight of ten samples. Hollow: no gradient. The bottom row is no measurement: the operations of the
    operator from peaks to pattern, at the rate of multiply-adds that one core reaches.

    Args:
        record: of the benchmark.
    """
    table = summary(record)
    chosen = (table["batch"] == record["settings"]["batch"]) & (table["threads"] == 1)
    table = table[chosen & table["crystal"].isin(CRYSTALS) & ~table["contender"].str.startswith("part_")]
    order = table.groupby("contender")["median_ms"].median().sort_values().index.tolist()
    rows = [LIMIT, *order]
    names = {**labels(record), LIMIT: LIMIT_LABEL}
    hollow = {peer["contender"] for peer in record["peers"] if "no gradient" in peer["computes"]}
    figure = new_figure(0.27 * len(rows) + 1.1)
    ax = figure.subplots()
    for row in table.to_dict("records"):
        reach = [[row["median_ms"] - row["low_ms"]], [row["high_ms"] - row["median_ms"]]]
        contender = row["contender"]
        _dot(ax, row["crystal"], row["median_ms"], rows.index(contender), reach, contender in hollow)
    for row in limit_table(record).to_dict("records"):
        _dot(ax, row["crystal"], row["limit_ms"], 0, marker="|")
    _name_rows(ax, [names[row] for row in rows])
    for tick, name in zip(ax.get_yticklabels(), rows, strict=True):
        tick.set_fontweight("bold" if name in CONTENDERS and name not in BASELINES else "normal")
    _logarithmic(ax, MILLISECONDS)
    _crystal_legend(figure, [crystal for crystal in CRYSTALS if (table["crystal"] == crystal).any()])
    return figure


def _dot(
    ax: Axes,
    crystal: str,
    x: float,
    row: float,
    reach: Sequence[Sequence[float]] | None = None,
    hollow: bool = False,
    marker: str | None = None,
) -> None:
    """Draw a marker, a little above or below its row so that crystals do not cover each other."""
    colour, mark = CRYSTAL_STYLE[crystal]
    y = row + 0.15 * (list(CRYSTAL_STYLE).index(crystal) - 1.5)
    ax.errorbar(
        x, y, xerr=reach, marker=marker or mark, markersize=9 if marker else 4.5, color=colour, elinewidth=0.9,
        markerfacecolor="none" if hollow else colour, markeredgewidth=1.6 if marker else 1.0, linestyle="",
    )  # fmt: skip


def _name_rows(ax: Axes, names: Sequence[str]) -> None:
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(-0.6, len(names) - 0.4)
    for row in range(0, len(names), 2):
        ax.axhspan(row - 0.5, row + 0.5, color="0.965", zorder=0)
    ax.tick_params(axis="y", length=0)


def _logarithmic(ax: Axes, label: str, base: int = 10) -> None:
    ax.set_xscale("log", base=base)
    ax.set_xlabel(label)
    ax.xaxis.set_major_formatter(PLAIN)
    ax.grid(axis="x", color="0.85", linewidth=0.6)


def _crystal_legend(figure: Figure, crystals: Sequence[str]) -> None:
    handles = [
        Line2D([], [], color=CRYSTAL_STYLE[c][0], marker=CRYSTAL_STYLE[c][1], linestyle="", label=formula(c))
        for c in crystals
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))


def scaling_figure(record: Record) -> Figure:
    """Draw the time per sample against reflections and batch, and what more threads give.

    (a) One batch size, one thread, all ten crystals. (b) Against the batch size, on one thread (solid) and all cores
    (dashed). (c) One thread's time over that of all cores, round by round; the band holds eight of ten rounds.
    """
    figure = new_figure(3.0)
    left, middle, right = figure.subplots(1, 3)
    table = summary(record)
    engine = table[table["contender"] == "engine"]
    _against_reflections(left, record, engine)
    threads = sorted(engine["threads"].unique().tolist())
    sizes = engine.groupby("crystal")["batch"].nunique()
    for crystal in [c for c in CRYSTALS if sizes.get(c, 0) > 1]:
        colour, marker = CRYSTAL_STYLE[crystal]
        for count in threads:
            part = engine[(engine["crystal"] == crystal) & (engine["threads"] == count)].sort_values("batch")
            style = "-" if count == 1 else "--"
            label = f"{formula(crystal)}, {count} thread" + ("s" if count > 1 else "")
            middle.plot(part["batch"], part["median_ms"], style, color=colour, marker=marker, label=label)
        if len(threads) > 1:
            _speed_up(right, record, crystal, part["batch"].tolist(), threads[-1])
    figure.legend(*middle.get_legend_handles_labels(), loc="outside lower center", ncols=4, handlelength=2.6)
    for ax in (middle, right):
        ax.set_xscale("log", base=2)
        ax.set_xlabel("Batch")
        ax.xaxis.set_major_formatter(PLAIN)
    middle.set_ylabel(MILLISECONDS)
    middle.set_yscale("log")
    middle.yaxis.set_major_formatter(PLAIN)
    right.axhline(1, color="0.6", linewidth=0.8)
    right.set_ylabel(f"Speed-up on {threads[-1]} cores")
    right.set_ylim(0, threads[-1] + 0.25)
    letter_panels([left, middle, right])
    return figure


def _against_reflections(ax: Axes, record: Record, engine: pd.DataFrame) -> None:
    at = engine[(engine["batch"] == record["settings"]["batch"]) & (engine["threads"] == 1)].set_index("crystal")
    work = pd.DataFrame(record["work"]).set_index("crystal")["peaks"]
    for crystal in [c for c in work.index if c in at.index]:
        colour, marker = CRYSTAL_STYLE.get(crystal, ("0.55", "o"))
        row = at.loc[crystal]
        reach = [[row["median_ms"] - row["low_ms"]], [row["high_ms"] - row["median_ms"]]]
        ax.errorbar(work[crystal], row["median_ms"], yerr=reach, color=colour, marker=marker, elinewidth=0.9)
        if crystal in CRYSTAL_STYLE:
            ax.annotate(formula(crystal), (work[crystal], row["median_ms"]), xytext=(3, -9),
                        textcoords="offset points", fontsize=7, color=colour)  # fmt: skip
    ax.set_xlim(0, 1.25 * work.max())
    ax.set_ylim(bottom=0)
    ax.set_xlabel("Reflections in the range")
    ax.set_ylabel(MILLISECONDS)


def _speed_up(ax: Axes, record: Record, crystal: str, batches: Sequence[int], threads: int) -> None:
    colour, marker = CRYSTAL_STYLE[crystal]
    bounds = [ratio(record, ("engine", crystal, b, 1), ("engine", crystal, b, threads)) for b in batches]
    low, middle, high = np.array(bounds).T
    ax.plot(batches, middle, color=colour, marker=marker)
    ax.fill_between(batches, low, high, color=colour, alpha=0.2, linewidth=0)


def split_figure(record: Record) -> Figure:
    """Draw the parts of the time of a step of a descent, one bar a crystal; the line is the core's limit for the
    operator.
    """
    table = split_table(record)
    limits = limit_table(record).set_index("crystal")["limit_ms"]
    figure = new_figure(0.42 * len(table) + 1.25)
    ax = figure.subplots()
    rows = np.arange(len(table))[::-1]
    start = np.zeros(len(table))
    for part, (label, colour, hatch) in PARTS.items():
        width = table[part].clip(lower=0).to_numpy()
        ax.barh(rows, width, 0.62, left=start, color=colour, hatch=hatch, edgecolor="white", linewidth=0, label=label)
        if part == "part_operator":
            for row, begin, crystal in zip(rows, start, table["crystal"], strict=True):
                ax.plot([begin + limits[crystal]] * 2, [row - 0.4, row + 0.4], color="black", linewidth=1.6)
        start = start + width
    ax.set_yticks(rows, [formula(crystal) for crystal in table["crystal"]])
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(MILLISECONDS)
    handles, names = ax.get_legend_handles_labels()
    handles.append(Line2D([], [], color="black", linewidth=1.6, label="limit"))
    figure.legend(handles, [*names, "Core's limit for peaks to pattern"], loc="outside upper center", ncols=3)
    return figure


def memory_figure(record: Record) -> Figure:
    """Draw the largest resident set of fresh processes, one row a thing done, one marker a crystal; logarithmic."""
    table = pd.DataFrame(record["memory"]).dropna(subset="mib")
    keys = list(dict.fromkeys(zip(table["what"], table["batch"], strict=True)))[::-1]
    figure = new_figure(0.3 * len(keys) + 1.1)
    ax = figure.subplots()
    for row in table.to_dict("records"):
        place, gib = keys.index((row["what"], row["batch"])), row["mib"] / 1024
        if row["crystal"]:
            _dot(ax, row["crystal"], gib, place)
        else:
            ax.plot(gib, place, marker="o", color="0.35")
    _name_rows(ax, [f"{MEMORY_ROWS[what]}, batch of {batch}" if batch else MEMORY_ROWS[what] for what, batch in keys])
    _logarithmic(ax, "Largest resident set (GiB)", base=2)
    ax.set_xlim(2.0 ** np.floor(np.log2(table["mib"].min() / 1024)), None)
    _crystal_legend(figure, [crystal for crystal in CRYSTALS if (table["crystal"] == crystal).any()])
    return figure
