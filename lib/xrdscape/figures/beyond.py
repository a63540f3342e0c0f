"""Figures of the methods beyond the paper."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from io import BytesIO

import pandas as pd
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter
from PIL import Image

from xrdscape.crystal.distortion import Noise
from xrdscape.figures.landscapes import draw_map
from xrdscape.figures.match_rates import NOISE_LABELS
from xrdscape.figures.style import BEYOND_STYLE, PALETTE, TWO_THETA, letter_panels, new_figure
from xrdscape.landscape.slices import SYMBOLS
from xrdscape.landscape.smoothing import Smoothed
from xrdscape.study.cases import Failure
from xrdscape.study.outcomes import at_setting
from xrdscape.tables.beyond import failure_text

FRAME_MS = 900
"""Milliseconds that each frame of an animation stands."""
FRAME_IN, FRAME_DPI, COLOURS = (3.9, 4.6), 110, 128
"""Height and width of a frame, its pixels to the inch, and its number of colours."""

# What the slider of an animation does, and its button: until pressed again, step the slider on.
_SHOW = (
    "this.closest('.frames').querySelectorAll('img')"
    ".forEach((image, place) => { image.style.display = place == this.value ? 'block' : 'none' })"
)
_PLAY = (
    "if (this.timer) { clearInterval(this.timer); this.timer = 0 } else { this.timer = setInterval(() => { "
    "const slider = this.nextElementSibling; slider.value = (+slider.value + 1) % (+slider.max + 1); "
    f"slider.oninput() }}, {FRAME_MS}) }} this.textContent = this.timer ? 'Stop' : 'Play'"
)


def smoothing_figure(smoothed: Sequence[Smoothed], paths: Sequence[pd.DataFrame]) -> Figure:
    """Draw the maps of a slice under blurs from wide to none, with the parts of graduated descents that belong to each.

    Args:
        smoothed: slices, widest blur first.
        paths: as `graduated_path` gives them.
    """
    figure = new_figure(2.35 * -(-len(smoothed) // 3))
    axes = figure.subplots(-(-len(smoothed) // 3), 3, squeeze=False, sharex=True, sharey=True)
    for ax, place in zip(axes.ravel(), range(len(smoothed)), strict=False):
        _draw(ax, smoothed, place, paths)
    for ax in axes.ravel()[len(smoothed) :]:
        ax.set_axis_off()
    for ax in axes.ravel():
        ax.label_outer()
    letter_panels(axes.ravel()[: len(smoothed)])
    return figure


def smoothing_animation(smoothed: Sequence[Smoothed], paths: Sequence[pd.DataFrame]) -> HTML:
    """Draw the same as `smoothing_figure`, one blur a frame, with a slider and a button to play.

    It is one piece of HTML that needs no network, and is the same whenever it is made.
    """
    frames = []
    for place, shown in enumerate(smoothed):
        figure = new_figure(*FRAME_IN)
        _draw(figure.subplots(), smoothed, place, paths)
        image = BytesIO()
        figure.savefig(image, format="png", dpi=FRAME_DPI, metadata={"Software": None})
        data = b64encode(_fewer_colours(image)).decode()
        names = f"{SYMBOLS[shown.landscape.x_name]} and {SYMBOLS[shown.landscape.y_name]}"
        alt = f"Map of the loss of {shown.landscape.structure_name} over {names}, {_blur_text(shown.width_deg)}"
        style = f"display:{'none' if place else 'block'};max-width:100%"
        frames.append(f'<img src="data:image/png;base64,{data}" alt="{alt}" style="{style}">')
    slider = f'<input type="range" min="0" max="{len(frames) - 1}" value="0" aria-label="Frame" oninput="{_SHOW}">'
    button = f'<button type="button" onclick="{_PLAY}">Play</button>'
    return HTML(f'<div class="frames">{"".join(frames)}<div>{button} {slider}</div></div>')


def _fewer_colours(image: BytesIO) -> bytes:
    """Return a PNG of as many colours as a palette holds: a third of the size, and nobody sees it."""
    small = BytesIO()
    Image.open(image).convert("RGB").quantize(COLOURS).save(small, format="png", optimize=True)
    return small.getvalue()


def _blur_text(width_deg: float) -> str:
    return f"blur {width_deg:g}°" if width_deg else "no blur"


def _draw(ax: Axes, smoothed: Sequence[Smoothed], place: int, paths: Sequence[pd.DataFrame]) -> None:
    """Draw a slice, and of each path what was walked until its blur had become that of the next slice."""
    width = smoothed[place].width_deg
    draw_map(ax, smoothed[place].landscape)
    after = smoothed[place + 1].width_deg if place + 1 < len(smoothed) else -1.0
    for path in paths:
        walked = path[path["width_deg"] > after]
        shown = walked[walked["width_deg"] <= width]
        ax.plot(walked["x"], walked["y"], color="white", linewidth=0.8, alpha=0.7)
        ax.plot(shown["x"], shown["y"], color=PALETTE["vermillion"], linewidth=1.8)
        # Before the first step of a path it stands at its start.
        here = (walked if len(walked) else path.iloc[:1])[["x", "y"]].iloc[-1]
        ax.plot(*here, marker="o", markersize=5, color=PALETTE["vermillion"], markeredgecolor="black")
    ax.set_title(_blur_text(width).capitalize())


def cost_figure(costs: pd.DataFrame, shown: Mapping[Noise, Sequence[float]]) -> Figure:
    """Draw the share of starts solved against the time that a start takes, a panel a noise level.

    Args:
        costs: as `statistics.costs` gives them, of methods in `BEYOND_STYLE`.
        shown: levels of each kind of noise.
    """
    settings = [(noise, level) for noise, levels in shown.items() for level in levels]
    figure = new_figure(2.9 * -(-len(settings) // 2))
    axes = figure.subplots(-(-len(settings) // 2), 2, squeeze=False, sharey=True).ravel()
    for ax, (noise, level) in zip(axes, settings, strict=False):
        for _, row in at_setting(costs, noise, level).iterrows():
            style = BEYOND_STYLE[row["method"]]
            reach = [[max(0.0, row["rate"] - row["low"])], [max(0.0, row["high"] - row["rate"])]]
            ax.errorbar(
                row["seconds"], row["rate"], yerr=reach, marker=style.marker, markersize=8, color=style.colour,
                linestyle="", elinewidth=1.2, label=style.label,
            )  # fmt: skip
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_ylim(-0.03, 1.05)
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
        ax.set_title(f"{NOISE_LABELS[noise][0]} {level:g}")
        ax.set_xlabel("Seconds a start, median")
        ax.grid(color="0.92", linewidth=0.6)
    for ax in axes[::2]:
        ax.set_ylabel("Tight matches")
    for ax in axes[len(settings) :]:
        ax.set_axis_off()
    letter_panels(axes[: len(settings)])
    handles = {label: mark for ax in axes for mark, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(
        handles=list(handles.values()), labels=list(handles), loc="outside upper center", ncols=min(3, len(handles))
    )
    return figure


def failures_figure(shown: Sequence[Failure]) -> Figure:
    """Draw the patterns of refined models that are not the reference structure over those of it, one panel a model.

    Args:
        shown: as `cases.failures` gives them.
    """
    figure = new_figure(1.45 * len(shown) + 0.5)
    axes = figure.subplots(len(shown), 1, squeeze=False, sharex=True).ravel()
    for ax, failure in zip(axes, shown, strict=True):
        for pattern, label, style in (
            (failure.reference, "truth", {"color": "0.65", "linewidth": 2.4}),
            (failure.refined, "end", {"color": PALETTE["blue"], "linewidth": 0.9}),
        ):
            ax.plot(pattern.two_theta_deg, pattern.intensity / pattern.intensity.max(), label=label, **style)
        ax.set_title(failure_text(failure), fontsize=8)
        ax.set_yticks([])
    axes[-1].set_xlabel(TWO_THETA)
    axes[0].legend(loc="upper right", ncols=2)
    letter_panels(axes, fontsize=8)
    return figure
