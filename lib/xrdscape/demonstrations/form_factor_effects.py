"""Effects of the choice of form factors: the curves themselves, and patterns."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from pymatgen.core import Element, Structure

from xrdscape.crystal.structures import to_tensors
from xrdscape.diffraction.form_factor_tables import resonance
from xrdscape.diffraction.form_factors import FormFactorSource, form_factor_table, form_factors
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator

SOURCES: tuple[FormFactorSource, ...] = ("electron", "international-tables", "waasmaier-kirfel")


def source_curves(elements: Sequence[str], largest_s: float = 3.0) -> dict[FormFactorSource, pd.DataFrame]:
    """Return the form factors of some elements by each source, electrons: a row an s in 1/angstrom, a column an
    element."""
    s = np.linspace(0, largest_s, 301)
    simulators = {source: form_factor_table(tuple(elements), source=source) for source in SOURCES}
    return {
        source: pd.DataFrame(
            form_factors(table.z.new_tensor(s**2), table).numpy().T, index=pd.Index(s, name="s"), columns=list(elements)
        )
        for source, table in simulators.items()
    }


def largest_differences(curves: dict[FormFactorSource, pd.DataFrame], ends: Sequence[float]) -> pd.DataFrame:
    """Return how much the paper's fit differs at most from International Tables, up to each of some s in 1/angstrom.

    Returns:
        A row an element, a column an end: the relative difference of largest magnitude, with its sign.
    """
    relative = curves["electron"] / curves["international-tables"] - 1
    columns = {}
    for end in ends:
        within = relative[relative.index <= end]
        columns[end] = {name: float(within[name].iloc[int(within[name].abs().argmax())]) for name in within.columns}
    return pd.DataFrame(columns).rename_axis("element")


def pattern_changes(structures: dict[str, Structure], wavelength_angstrom: float) -> pd.DataFrame:
    """Return what becomes of patterns by the paper's form factors if other ones are taken.

    Returns:
        One row a crystal: crystal; cosine and anomalous_cosine, the cosine similarity of the pattern to that by
        published form factors, and of that to the one with anomalous dispersion; line and anomalous_line, the largest
        change of a reflection's intensity in per cent of the strongest.
    """
    instrument = Instrument(wavelength_angstrom=wavelength_angstrom)
    rows = []
    for name, structure in structures.items():
        paper, published, anomalous = (
            _pattern_and_lines(structure, replace(instrument, **choice))
            for choice in ({"tabulation": "electron"}, {}, {"anomalous": True})
        )
        rows.append((name, *_change(paper, published), *_change(published, anomalous)))
    return pd.DataFrame(rows, columns=["crystal", "cosine", "line", "anomalous_cosine", "anomalous_line"])


def _pattern_and_lines(structure: Structure, instrument: Instrument) -> tuple[np.ndarray, np.ndarray]:
    """Return the pattern, and the intensities of its lines with the strongest at 100."""
    simulator = Simulator(structure, instrument)
    lattice, coords = to_tensors([structure])
    lists = simulator.reflections(lattice)
    geometrical = simulator.geometrical(lists, coords)
    peaks = simulator.peaks(lattice, lists, geometrical)
    _, line = np.unique(np.round(peaks.centre[0].numpy(), 4), return_inverse=True)
    height = np.bincount(line, peaks.height[0].numpy())
    return simulator.patterns(lattice, lists, geometrical)[0].numpy(), 100 * height / height.max()


def _change(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Return the cosine similarity of two patterns, and the largest change of a line."""
    (x, lines), (y, others) = one, other
    return float(x @ y / np.sqrt((x @ x) * (y @ y))), float(np.abs(lines - others).max())


def resonance_table(elements: Sequence[str], wavelength_angstrom: float) -> pd.DataFrame:
    """Return f' and f'' of some elements at a wavelength: element, Z, real, imaginary; electrons, by Z."""
    ordered = tuple(sorted(set(elements), key=lambda symbol: Element(symbol).Z))
    values = resonance(ordered, wavelength_angstrom)
    columns = {"element": ordered, "Z": [Element(symbol).Z for symbol in ordered]}
    return pd.DataFrame({**columns, "real": values.real, "imaginary": values.imaginary})
