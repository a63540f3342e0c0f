"""An explorer of results in the page: geometric distance against similarity, and behind each point crystal and pattern.

It is one piece of HTML that holds its data and its script (explorer.js), so that it works without a network and without
a server, in the site and in a notebook alike.
"""

import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from IPython.display import HTML
from pymatgen.core import Structure

from xrdscape.crystal.drawing import best_view, drawn_radius, element_colours, with_face_images
from xrdscape.crystal.structures import from_tensors, load_structure, to_tensors
from xrdscape.diffraction.pattern import Simulator
from xrdscape.errors import RecordError
from xrdscape.figures.correlations import CORRELATION_PANELS, SIMILARITY_LABELS
from xrdscape.figures.style import METHOD_STYLE
from xrdscape.study.columns import emd, match
from xrdscape.study.columns import similarity as similarity_of
from xrdscape.study.records import PUBLISHED_METHODS, crystal

BIN = 30
"""Grid points of a pattern that the explorer shows as one, their maximum: 0.3 degrees of the default grid."""
DIGITS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
"""Intensities are sent as one character each, a number from 0 to 63."""
DECIMALS = 3
"""Decimals of what is sent: angstrom, similarities."""


def results_explorer(records: pd.DataFrame, level: float = 0.1) -> HTML:
    """Return the explorer of all descents from one level of lattice noise.

    Args:
        records: rows of descents.
        level: of lattice noise.

    Raises:
        RecordError: there are no descents from this level.
    """
    shown = records[(records["noise"] == "lattice") & np.isclose(records["level"], level)]
    shown = shown[shown["method"].isin(CORRELATION_PANELS)]
    if shown.empty:
        raise RecordError(f"There are no records at lattice noise {level:g}; put this level into the plan.")
    data = json.dumps(explorer_data(shown), separators=(",", ":"), allow_nan=False)
    here = Path(__file__)
    style, script = (here.with_name(f"explorer.{kind}").read_text(encoding="utf8") for kind in ("css", "js"))
    return HTML(
        f'<style>\n{style}</style>\n<div class="explorer"></div>\n'
        f'<script type="application/json" id="explorer-data">{data}</script>\n<script>\n{script}</script>'
    )


def explorer_data(records: pd.DataFrame) -> dict[str, Any]:
    """Return what the explorer's script needs.

    Args:
        records: rows of descents, all from one level.

    Returns:
        methods: by name, in the order of the paper's Figure 4: label, axis, colour, and the results as columns
        (crystal, copy, similarity, emd, match, matrix [9] in angstrom, pattern as text). crystals: by name, what is
        drawn of the truth.
    """
    results = pd.concat([_results(name, rows) for name, rows in records.groupby("structure")])
    methods = {}
    for name in CORRELATION_PANELS:
        rows = results[results["method"] == name]
        if not rows.empty:
            methods[name] = {
                "label": METHOD_STYLE[name].label,
                "axis": SIMILARITY_LABELS[PUBLISHED_METHODS[name].objective],
                "colour": METHOD_STYLE[name].colour,
                "results": rows.drop(columns="method").to_dict("list"),
            }
    names = [str(name) for name in records["structure"].unique()]
    return {"methods": methods, "crystals": {name: _reference(load_structure(name)) for name in names}}


def _results(name: Any, rows: pd.DataFrame) -> pd.DataFrame:
    """Return one structure's results: where each stands in the scatter plot, its cell and its pattern."""
    ends = [crystal(row) for _, row in rows.iterrows()]
    similarity = [row[similarity_of(PUBLISHED_METHODS[row["method"]].objective, "end")] for _, row in rows.iterrows()]
    return pd.DataFrame(
        {
            "method": rows["method"].to_numpy(),
            "crystal": name,
            "copy": rows["copy"].to_numpy(),
            "similarity": np.round(similarity, 5),
            "emd": rows[emd("end")].round(DECIMALS).to_numpy(),
            "match": rows[match("conventional", "end")].astype(int).to_numpy(),
            "matrix": [_flat(end.lattice.matrix) for end in ends],
            "pattern": _patterns(load_structure(name), ends),
        }
    )


def _reference(structure: Structure) -> dict[str, Any]:
    """Return the true crystal: cell, pattern, direction of view, and atoms with their images on faces, fractional."""
    # In the standard orientation, as the results are: in any other the two cells would not lie on each other.
    lattice, frac_coords = to_tensors([structure])
    standard = from_tensors(structure, lattice[0], frac_coords[0])
    symbols, positions = with_face_images(standard)
    colours = element_colours(standard)
    return {
        "matrix": _flat(standard.lattice.matrix),
        "pattern": _patterns(structure, [standard])[0],
        "view": _flat(best_view(standard).axes),
        "elements": {symbol: [colour, round(drawn_radius(symbol), 2)] for symbol, colour in colours.items()},
        "symbols": symbols,
        "atoms": [_flat(place) for place in standard.lattice.get_fractional_coords(positions)],
    }


def _patterns(reference: Structure, results: list[Structure]) -> list[str]:
    """Return the patterns of crystals of the same sites, each scaled to its maximum, binned and written in `DIGITS`."""
    simulator = Simulator(reference)
    lattice, frac_coords = to_tensors(results)
    with torch.no_grad():
        patterns = simulator(lattice, frac_coords, simulator.reflections(lattice, allow_empty=True))
    binned = patterns.reshape(len(results), -1, BIN).amax(-1)
    highest = binned.amax(-1, keepdim=True)
    # A cell too small to reflect at all has a pattern of zeros.
    levels = (63 * binned / highest.clamp(min=1e-300)).round().int().tolist()
    return ["".join(DIGITS[level] for level in row) for row in levels]


def _flat(values: Any) -> list[float]:
    return [round(float(value), DECIMALS) for value in np.ravel(values)]
