"""Sizes that a library teaches: volumes of elements, and how near two atoms come to each other."""

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition, Element
from scipy.sparse import csr_array

from xrdscape.crystal.primitive_groups import primitive_group
from xrdscape.solution.library import DISTANCE_UNIT_ANGSTROM, HEAVIEST, Library

Exact = NDArray[np.float64]

TYPICAL_ANGSTROM3 = 18.0
"""Volume of an atom of an element that a library has not got."""
RIDGE, ROBUST, ROUNDS = 0.15, 0.15, 6
"""Pull of a single volume towards the typical one; relative error beyond which an entry counts less; fits."""
LOW_PERCENTILE, FEWEST, FEWEST_OF_KIND = 5.0, 6, 15
"""Percentile of the distances of a pair; entries that a pair or a kind of pair needs to have its own value."""
LEAST_OF_RADII = 0.3
FAR_OF_RADII = 3.0
ANION_FROM = 2.5
"""Electronegativity (Pauling); C, H, N, P, S, Se, Te and As count as anions as well, beside an anion."""
MAY_BE_ANIONS = ("P", "S", "Se", "Te", "As", "N", "C", "H")


@dataclass(frozen=True, eq=False)
class Chemistry:
    """Sizes that a library teaches.

    Args:
        library: whose chosen entries count, and no others.
    """

    library: Library

    @cached_property
    def volumes(self) -> Exact:
        """Volume of an atom by atomic number, angstrom^3 [119]: the robust least squares of the entries' volumes."""
        table = self.library.contents
        place = np.full(table.entries, -1)
        place[self.library.chosen] = np.arange(len(self.library))
        rows = place[table.entry]
        inside = rows >= 0
        measured = self._cell_volumes() / table.atoms[self.library.chosen]
        share = table.count[inside] / table.atoms[table.entry[inside]]
        shares = csr_array((share, (rows[inside], table.number[inside])), shape=(len(measured), HEAVIEST + 1))
        volumes = np.full(HEAVIEST + 1, TYPICAL_ANGSTROM3)
        for _ in range(ROUNDS):
            expected = np.maximum(shares @ volumes, 3.0)
            off = np.abs(expected - measured) / expected
            weight = np.minimum(1, ROBUST / np.maximum(off, 1e-9)) / expected**2
            square = (shares.T @ shares.multiply(weight[:, None])).toarray()
            square += np.eye(HEAVIEST + 1) * (RIDGE / TYPICAL_ANGSTROM3) ** 2
            right = shares.T @ (weight * measured) + RIDGE**2 / TYPICAL_ANGSTROM3
            volumes = np.linalg.solve(square, right)
        return np.maximum(volumes, 3.0)

    def _cell_volumes(self) -> Exact:
        """Return the volume of each chosen entry's primitive cell in angstrom^3 [n]."""
        a, b, c, *angles = self.library.data["parameters"][self.library.chosen].astype(np.float64).T
        x, y, z = np.cos(np.radians(np.array(angles)))
        points = np.array([1 if n == 0 else primitive_group(n).points for n in range(231)])
        whole = a * b * c * np.sqrt(np.maximum(1 - x * x - y * y - z * z + 2 * x * y * z, 0))
        return np.asarray(whole / points[self.library.data["group"][self.library.chosen]])

    def volume(self, composition: Composition) -> float:
        """Return the volume that these atoms are expected to take, angstrom^3: right within 9 % (robust standard
        deviation)."""
        return float(sum(count * self.volumes[element.Z] for element, count in composition.items()))

    @cached_property
    def radii(self) -> Exact:
        """Radius of the sphere of each element's volume, angstrom [119]."""
        return np.cbrt(3 * self.volumes / (4 * np.pi))

    def shortest(self, elements: tuple[str, ...]) -> Exact:
        """Return the distance in angstrom that two atoms of each pair of elements hardly ever fall below [n, n].

        It is the 5th percentile of the shortest distance of the pair among the library's entries, or where there are
        few, of the kind of pair in units of the sum of the radii.
        """
        numbers = [Element(element).Z for element in elements]
        pairs = self._pairs
        out = np.empty((len(elements), len(elements)))
        for i, first in enumerate(numbers):
            for j, second in enumerate(numbers):
                low, high = sorted((first, second))
                ratios = pairs.ratio[(pairs.low == low) & (pairs.high == high)]
                if len(ratios) >= FEWEST:
                    ratio = float(np.percentile(ratios, LOW_PERCENTILE))
                else:
                    ratio = pairs.of_kind.get(kind_of(elements, elements[i], elements[j]), 0.6)
                out[i, j] = max(ratio, LEAST_OF_RADII) * (self.radii[first] + self.radii[second])
        return out

    @cached_property
    def _pairs(self) -> "Pairs":
        """The shortest distance of each pair of elements in each chosen entry, over the sum of the radii."""
        library = self.library
        table = library.contents
        kinds = np.bincount(table.entry, minlength=table.entries)
        first = np.concatenate([[0], np.cumsum(kinds)])
        pairs = kinds * (kinds + 1) // 2
        start = np.concatenate([[0], np.cumsum(pairs)])
        low, high, ratio, kind = [], [], [], []
        anion = np.array([_may_be_anion(z) for z in range(HEAVIEST + 1)])
        negative = np.array([_electronegativity(z) >= ANION_FROM for z in range(HEAVIEST + 1)])
        for count in np.unique(kinds[library.chosen]):
            upper = np.triu_indices(count)
            entries = library.chosen[kinds[library.chosen] == count]
            numbers = table.number[first[entries][:, None] + np.arange(count)]
            distance = library.data["distances"][start[entries][:, None] + np.arange(len(upper[0]))]
            one, two = numbers[:, upper[0]], numbers[:, upper[1]]
            low.append(one.ravel())
            high.append(two.ravel())
            ratio.append((distance * DISTANCE_UNIT_ANGSTROM / (self.radii[one] + self.radii[two])).ravel())
            ionic = negative[numbers].any(1)[:, None]
            kind.append((ionic * 6 + (anion[one].astype(int) + anion[two]) * 2 + (one == two)).ravel())
        joined = [np.concatenate(part) for part in (low, high, ratio, kind)]
        near = joined[2] < FAR_OF_RADII
        low_, high_, ratio_, kind_ = (part[near] for part in joined)
        of_kind = {int(k): float(np.percentile(ratio_[kind_ == k], LOW_PERCENTILE))
                   for k in np.unique(kind_) if (kind_ == k).sum() >= FEWEST_OF_KIND}  # fmt: skip
        return Pairs(low_, high_, ratio_, of_kind)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Shortest distances of pairs: the lower and the higher atomic number, distance over the sum of the radii [m], and
    the low percentile of each kind of pair."""

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    ratio: Exact
    of_kind: dict[int, float]


def _electronegativity(number: int) -> float:
    if number == 0:
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # noble and very heavy elements have none
        value = Element.from_Z(number).X
    return float(value) if value == value else 0.0


def _may_be_anion(number: int) -> bool:
    return number > 0 and (_electronegativity(number) >= ANION_FROM or Element.from_Z(number).symbol in MAY_BE_ANIONS)


def kind_of(elements: tuple[str, ...], first: str, second: str) -> int:
    """Return the kind of a pair in a compound: with an anion in it or none, how many of the pair may be anions, and
    whether they are alike."""
    ionic = any(_electronegativity(Element(element).Z) >= ANION_FROM for element in elements)
    anions = _may_be_anion(Element(first).Z) + _may_be_anion(Element(second).Z)
    return ionic * 6 + anions * 2 + (first == second)
