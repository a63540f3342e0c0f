"""Contents of a cell against what its file says of them: formula, Z, weight, density, distances."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import gemmi
import numpy as np
from pymatgen.core import Composition, Element, Structure

from xrdscape.crystal.cif import CifBlock, number
from xrdscape.errors import StructureError

THINNEST, DENSEST = 0.3, 25.0
"""Densities in g/cm3 between which crystals lie, but for some metal-organic frameworks (down to 0.13) and metals at a
million atmospheres: osmium, the densest element, has 22.6. What lies outside is named and may be a cell or a symmetry
misread."""

IMPOSSIBLE_DENSITIES = 0.01, 100.0
"""Outside these it is refused."""

SAME_CONTENTS, OTHER_CONTENTS = 0.01, 0.1
"""Shares of the electrons by which contents may miss the formula: below the first rounding of occupancies, above the
second the file contradicts itself. Between them, and of hydrogen, which X-rays hardly see, it is said."""

SAME_DENSITY, OTHER_DENSITY = 0.03, 0.2
"""The same for the density, relative."""

SAME_VOLUME = 0.02
"""The same for the volume; it is only said."""

SHORTEST_BOND = 0.6
"""Full sites nearer than this share of the sum of their covalent radii are no crystal's; bonds lie above 0.8."""

_PART = re.compile(r"([A-Z][a-z]?)\s*(\d*\.?\d*)")


@dataclass(frozen=True)
class Account:
    """Account of the contents of a cell.

    Args:
        z: formula units in the cell, by the file's formula or, without one, by the reduced formula of the contents.
        remarks: what does not agree with the file, in sentences.
        contradictions: what contradicts it so far that it is refused, in sentences.
        doubts: distances and a density that crystals do not have, in sentences.
    """

    z: float
    remarks: tuple[str, ...]
    contradictions: tuple[str, ...]
    doubts: tuple[str, ...]


def account_of(structure: Structure, block: CifBlock | None = None) -> Account:
    """Hold the contents of a cell against its file, and its density and distances against those of crystals."""
    remarks: list[str] = []
    contradictions: list[str] = []
    doubts: list[str] = []
    density = float(structure.density)
    formula = stated_formula(block) if block else None
    z = float(structure.composition.get_reduced_formula_and_factor()[1])
    if block and formula:
        z, remarks, contradictions, doubts = _beside_formula(structure, formula, block)
    if block:
        said, against = _beside_numbers(structure, block, borne_out=bool(formula) and not doubts)
        remarks += said
        contradictions += against
    if not THINNEST <= density <= DENSEST:
        what = (
            "low for a crystal: are atoms or operations missing?"
            if density < THINNEST
            else "above that of any element."
        )
        doubts.append(f"The density of {density:.2g} g/cm3 is {what}")
    doubts += _short_distances(structure)
    return Account(z, tuple(remarks), tuple(contradictions), tuple(doubts))


def refuse_density(structure: Structure) -> None:
    """Refuse a density that no crystal has.

    Raises:
        StructureError: the density lies outside `IMPOSSIBLE_DENSITIES`.
    """
    density = float(structure.density)
    least, most = IMPOSSIBLE_DENSITIES
    if not least <= density <= most:
        raise StructureError(
            f"has a density of {density:.3g} g/cm3, which no crystal has ({least:g} to {most:g}): "
            f"{structure.composition.formula} in {structure.volume:.4g} angstrom^3. Check the cell, the symmetry and "
            "the atoms."
        )


def stated_formula(block: CifBlock) -> dict[str, float] | None:
    """Return the elements of the formula that a file states, hydrogen isotopes together, or None."""
    text = block.value("_chemical_formula_sum")
    if not text:
        return None
    plain = re.sub(r"[\s'\"]+", " ", text).strip()
    found: dict[str, float] = {}
    for element, amount in _PART.findall(plain):
        name = "H" if element in ("D", "T") else element
        if not Element.is_valid_symbol(name):
            return None
        found[name] = found.get(name, 0.0) + float(amount if amount.strip(".") else 1)
    rest = _PART.sub("", plain).strip()
    return {name: amount for name, amount in found.items() if amount > 0} or None if not rest else None


def named_elements(block: CifBlock) -> frozenset[str]:
    """Return the elements that a file names outside its atom table."""
    letters = [re.match(r"[A-Z][a-z]?", kind or "") for kind in block.column("_atom_type_symbol")]
    listed = {"H" if found[0] in ("D", "T") else found[0] for found in letters if found}
    return frozenset({name for name in listed if Element.is_valid_symbol(name)} | set(stated_formula(block) or {}))


def _beside_formula(
    structure: Structure, formula: Mapping[str, float], block: CifBlock
) -> tuple[float, list[str], list[str], list[str]]:
    """Return the formula units in the cell; remarks; contradictions; doubts."""
    held = {str(element): float(amount) for element, amount in structure.composition.items()}
    heavy = [element for element in formula if element != "H"] or list(formula)
    electrons = sum(formula[element] * Element(element).Z for element in heavy)
    fitted = sum(held.get(element, 0.0) * Element(element).Z for element in heavy) / electrons
    stated = float(number(block.value("_cell_formula_units_z")) or 0)
    whole = stated > 1 and all(amount % stated == 0 for amount in formula.values())
    # Some programs give the formula of the whole cell beside Z.
    z = 1.0 if whole and _share_off(held, formula, 1.0) <= OTHER_CONTENTS else stated or fitted
    says = f"{_formula(formula)}{f' and Z = {stated:g}' if stated else ''}"
    told = f"The cell holds {_formula(held)}, but the file says {says}"
    off = _share_off(held, formula, z)
    if off > OTHER_CONTENTS and fitted > 0 and _share_off(held, formula, fitted) <= SAME_CONTENTS:
        return fitted, [], [], [f"{told}: {fitted:.4g} formula units."]
    if z <= 0 or off > OTHER_CONTENTS:
        against = (
            f"holds {_formula(held)} in its cell, but says {says}. An atom, an operation or an occupancy is wrong or "
            "missing: mend it, or remove what is wrong of the formula and Z."
        )
        return z, [], [against], []
    remarks = [f"{told}."] if off > SAME_CONTENTS else []
    missing = formula.get("H", 0.0) * z - held.get("H", 0.0)
    if abs(missing) > max(0.02 * formula.get("H", 0.0) * z, 0.05):
        few = "fewer" if missing > 0 else "more"
        remarks.append(f"{told}: {abs(missing):.3g} {few} hydrogen atoms, which scatter X-rays little.")
    return stated or z, remarks, [], []


def _share_off(held: Mapping[str, float], formula: Mapping[str, float], z: float) -> float:
    """Return the electrons of atoms that are too many or too few, hydrogen aside, over those that the formula asks
    for."""
    elements = {*held, *formula} - ({"H"} if {*formula} != {"H"} else set())
    off = sum(abs(held.get(e, 0.0) - z * formula.get(e, 0.0)) * Element(e).Z for e in elements)
    return off / max(z * sum(amount * Element(e).Z for e, amount in formula.items()), 1e-9)


def _beside_numbers(structure: Structure, block: CifBlock, borne_out: bool) -> tuple[list[str], list[str]]:
    """Return the stated density and volume; the density contradicts only where the formula does not bear out the
    contents."""
    remarks, contradictions = [], []
    stated, density = number(block.value("_exptl_crystal_density_diffrn")), float(structure.density)
    if stated and stated > 0:
        off = abs(density / float(stated) - 1)
        # Some files state it in kg/m3.
        off = min(off, abs(density * 1000 / float(stated) - 1))
        if off > OTHER_DENSITY and not borne_out:
            contradictions.append(
                f"holds atoms of {density:.3f} g/cm3, but says {float(stated):g}. An atom, an operation or an "
                "occupancy is wrong or missing: mend it, or remove the density."
            )
        elif off > SAME_DENSITY:
            remarks.append(f"The file says a density of {float(stated):g} g/cm3; its atoms come to {density:.3f}.")
    volume = number(block.value("_cell_volume"))
    if volume and volume > 0 and abs(structure.volume / float(volume) - 1) > SAME_VOLUME:
        remarks.append(f"The file says a volume of {float(volume):g} angstrom^3; its cell has {structure.volume:.6g}.")
    return remarks, contradictions


def _short_distances(structure: Structure) -> list[str]:
    """Return a sentence on full sites that are nearer than atoms can be."""
    radii = np.array([max(_radius(str(e)) for e in site.species) for site in structure])
    filled = np.array([site.species.num_atoms for site in structure])
    here, there, _, apart = structure.get_neighbor_list(2 * SHORTEST_BOND * float(radii.max()))
    close = (apart < SHORTEST_BOND * (radii[here] + radii[there])) & (filled[here] + filled[there] > 1.02)
    if not close.any():
        return []
    first = np.flatnonzero(close)[apart[close].argmin()]
    names = [structure[int(place[first])].species.elements[0].symbol for place in (here, there)]
    return [f"{names[0]} and {names[1]} are {apart[first]:.2f} angstrom apart, nearer than any bond."]


def _radius(symbol: str) -> float:
    return float(gemmi.Element(symbol).covalent_r)


def _formula(amounts: Mapping[str, float]) -> str:
    return " ".join(Composition({e: round(n, 3) for e, n in amounts.items()}).hill_formula.split())
