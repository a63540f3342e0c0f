"""Published form factors of neutral atoms as sums of Gaussians, and what resonance adds to them."""

import csv
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import gemmi
import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element

from xrdscape.errors import StructureError

PublishedSource = Literal["international-tables", "waasmaier-kirfel"]
"""International Tables C (1992), table 6.1.1.4, as gemmi carries it: four Gaussians and a constant, fitted up to
s = sin(theta)/lambda = 2 1/angstrom, hydrogen as it is in a bond. Waasmaier and Kirfel: five, fitted up to s = 6,
hydrogen as a free atom."""

LARGEST_S: dict[PublishedSource, float] = {"international-tables": 2.0, "waasmaier-kirfel": 6.0}
"""s up to which each is fitted, 1/angstrom. Beyond 2, the constant of the first is most of what it gives: 1.14
electrons for silicon at s = 3.3, where the second has 0.77 and its innermost electrons alone 0.74."""

_TABLE = Path(__file__).with_name("waasmaier_kirfel.csv")
"""D. Waasmaier and A. Kirfel, Acta Cryst. A51 (1995) 416-431, doi:10.1107/S0108767394013292: neutral atoms up to
californium, fitted to the values of International Tables C up to s = 6 1/angstrom."""


class Gaussians(NamedTuple):
    """Form factors f(s) = c + sum_i a_i exp(-b_i s^2) in electrons, s in 1/angstrom: a and b [elements, terms], c
    [elements]."""

    a: NDArray[np.float64]
    b: NDArray[np.float64]
    c: NDArray[np.float64]


class Resonance(NamedTuple):
    """Anomalous dispersion f' and f'' in electrons [elements], the same at all angles."""

    real: NDArray[np.float64]
    imaginary: NDArray[np.float64]


def published_up_to(largest_s: float) -> PublishedSource:
    """Return the table to use for reflections up to s = sin(theta)/lambda in 1/angstrom."""
    return "international-tables" if largest_s <= LARGEST_S["international-tables"] else "waasmaier-kirfel"


def gaussians(elements: tuple[str, ...], source: PublishedSource) -> Gaussians:
    """Return the Gaussians of some elements.

    Raises:
        StructureError: an element is not in the table.
    """
    table = _rows()
    missing = [element for element in elements if element not in table]
    if missing:
        raise StructureError(
            f"No X-ray form factor is tabulated for {', '.join(missing)}. Replace the element or leave its sites out."
        )
    if source == "waasmaier-kirfel":
        values = np.array([table[element] for element in elements]).reshape(-1, 11)
        return Gaussians(values[:, :5], values[:, 5:10], values[:, 10])
    coefficients = [gemmi.Element(element).it92 for element in elements]
    a, b = (np.array([getattr(c, part) for c in coefficients], dtype=np.float64).reshape(-1, 4) for part in "ab")
    return Gaussians(a, b, np.array([c.c for c in coefficients], dtype=np.float64))


@cache
def _rows() -> dict[str, tuple[float, ...]]:
    with _TABLE.open(encoding="utf8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        return {name: tuple(float(value) for value in values) for name, *values in rows}


def form_factor(gaussian: Gaussians, s_inv_angstrom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the form factors [elements, n] in electrons at s = sin(theta)/lambda [n], by `Gaussians`."""
    decayed = np.exp(-gaussian.b[:, :, None] * np.asarray(s_inv_angstrom) ** 2)
    return np.asarray(gaussian.c[:, None] + (gaussian.a[:, :, None] * decayed).sum(1))


def resonance(elements: tuple[str, ...], wavelength_angstrom: float) -> Resonance:
    """Return the anomalous dispersion of some elements at a wavelength, by Cromer and Liberman as gemmi computes it.

    Source: D. T. Cromer and D. Liberman, Acta Cryst. A37 (1981) 267-268; hydrogen and helium have none.
    """
    energy = gemmi.hc / wavelength_angstrom
    pairs = [gemmi.cromer_liberman(Element(e).Z, energy) if Element(e).Z > 2 else (0.0, 0.0) for e in elements]
    real, imaginary = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return Resonance(real, imaginary)
