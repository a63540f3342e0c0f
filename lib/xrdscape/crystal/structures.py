"""Crystals: the ten reference structures, files of the user's own, and their way to tensors and back."""

import re
import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from pymatgen.core import Composition, DummySpecies, Element, Lattice, Structure
from pymatgen.io.cif import CifParser
from torch import Tensor

from xrdscape.crystal.contents import Contents, contents_of
from xrdscape.errors import CellError, StructureError
from xrdscape.paths import REFERENCE_NAMES, crystal_path, reference_path

MIN_SITE_DISTANCE_ANGSTROM = 0.5
"""No two nuclei come closer than 0.74 angstrom (H2): sites nearer than this are one site written twice."""

MIN_RELATIVE_VOLUME = 1e-4
"""Volume over a b c below which the three vectors are taken to lie in a plane."""

ISOTOPES = ("D", "T")
"""Of hydrogen, which scatter X-rays as it does."""

_MODULATED = "_cell_modulation_dimension"
_DATA_BLOCK = re.compile(r"^(?=\s*data_)", re.MULTILINE)

_CELL_ADVICE = (
    "Check that the lengths are positive and that the angles close a cell: each less than the sum of the "
    "other two, all three together less than 360 deg."
)


Crystal = Structure | str | Path
"""A crystal as a user names it: a structure, the path of its file, or the name of a reference structure."""


def structure_of(crystal: Crystal) -> Structure:
    """Return a structure of plain elements from what a user names it by; errors as `load_structure`."""
    if not isinstance(crystal, Structure):
        return load_structure(crystal)
    if all(isinstance(item, Element) and item.symbol not in ISOTOPES for site in crystal for item in site.species):
        return crystal
    species = [_plain(site.species, crystal.composition.reduced_formula) for site in crystal]
    return Structure(crystal.lattice, species, crystal.frac_coords)


def load_structure(name_or_path: str | Path) -> Structure:
    """Return a reference structure by name, or that in a CIF or POSCAR file by path.

    >>> from xrdscape import load_structure
    >>> load_structure("U2Ti").composition.reduced_formula
    'U2Ti'

    The cell is kept as written, not reduced. Oxidation states, site properties and labels are dropped;
    deuterium and tritium scatter X-rays as hydrogen and become hydrogen. Partial occupancy is kept. Of a CIF
    with several data blocks, as powder CIFs are, the first with atom sites is taken. pymatgen reads the file,
    so coordinates within 1e-4 of 1/3 or 2/3 become those fractions.

    Args:
        name_or_path: one of REFERENCE_NAMES, or the path of a file.

    Returns:
        The structure; for a reference name the conventional cell with all its sites.

    Raises:
        StructureError: no such name or file, an unreadable file, no sites, unknown elements, or sites that
            coincide.
        CellError: the cell has no volume or its angles close no cell.
    """
    if str(name_or_path) in REFERENCE_NAMES:
        return _reference(str(name_or_path)).copy()
    path = crystal_path(name_or_path)
    return _checked(_read(path), str(path))


def to_tensors(
    structures: Sequence[Structure], dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
) -> tuple[Float[Tensor, "batch 6"], Float[Tensor, "batch sites 3"]]:
    """Stack the geometry of structures with equally many sites.

    Args:
        structures: at least one; all with the same number of sites, in the same order.
        dtype: of the tensors.
        device: of the tensors.

    Returns:
        Lattice [batch, 6] (a, b, c in angstrom; alpha, beta, gamma in degrees), fractional coordinates
        [batch, sites, 3].

    Raises:
        StructureError: no structures, or different numbers of sites.
    """
    counts = sorted({len(structure) for structure in structures})
    if len(counts) != 1:
        raise StructureError(
            f"a batch needs structures with one number of sites, but got {counts or 'no structures'}: "
            "group them by number of sites first."
        )
    lattice = torch.tensor([structure.lattice.parameters for structure in structures], dtype=dtype)
    coords = torch.as_tensor(np.array([structure.frac_coords for structure in structures]), dtype=dtype)
    return lattice.to(device), coords.to(device)


def from_tensors(
    template: Structure | Contents, lattice: Float[Tensor, "6"], frac_coords: Float[Tensor, "sites 3"]
) -> Structure:
    """Return the template's species in a new geometry, in pymatgen's standard orientation.

    Args:
        template: gives the species and their order.
        lattice: a, b, c in angstrom; alpha, beta, gamma in degrees.
        frac_coords: fractional coordinates, one row a site.

    Raises:
        StructureError: the number of sites differs, or a value is not finite.
    """
    species = contents_of(template).species
    if len(species) != len(frac_coords):
        raise StructureError(
            f"the template has {len(species)} sites, but coordinates came for {len(frac_coords)}: "
            "use the structure that the tensors were made from."
        )
    parameters = lattice.detach().double().cpu().numpy()
    coords = frac_coords.detach().double().cpu().numpy()
    if not (np.isfinite(parameters).all() and np.isfinite(coords).all()):
        raise StructureError(f"a structure needs finite numbers, but got lattice {parameters.tolist()}.")
    return Structure(Lattice.from_parameters(*parameters.tolist()), species, coords)


def structures_from_tensors(
    template: Structure | Contents, lattice: Float[Tensor, "batch 6"], frac_coords: Float[Tensor, "batch sites 3"]
) -> list[Structure]:
    """Return the structures of a batch of geometries; arguments as `from_tensors`, with a leading batch axis."""
    pairs = zip(lattice.double(), frac_coords.double(), strict=True)
    return [from_tensors(template, *pair) for pair in pairs]


@lru_cache(maxsize=len(REFERENCE_NAMES))
def _reference(name: str) -> Structure:
    return _checked(_read(reference_path(name)), name)


def _read(path: Path) -> Structure:
    """Parse a file; whatever the parser raises becomes one sentence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if path.suffix.lower() in (".cif", ".mcif"):
                return CifParser.from_str(_crystal_block(path)).parse_structures(primitive=False, on_error="raise")[0]
            if "POSCAR" in path.name.upper() or "CONTCAR" in path.name or path.suffix == ".vasp":
                # Half a second to import, and few files need it.
                from pymatgen.io.vasp import Poscar

                return Poscar.from_str(path.read_text()).structure
            return Structure.from_file(path)
    except StructureError:
        raise
    except Exception as error:  # the parsers raise a dozen kinds, down to bare IndexError
        if isinstance(error.__cause__, np.linalg.LinAlgError):
            raise CellError(f"{path} has a cell without volume. {_CELL_ADVICE}") from error
        said = " ".join(str(error.__cause__ or error).split()).rstrip(".!") or type(error).__name__
        raise StructureError(
            f"{path} is not a crystal structure that pymatgen can read ({said}). Check that it is a "
            "complete CIF (cell, symmetry, at least one atom site, occupancies of at most 1 a site) or a "
            "POSCAR."
        ) from error


def _crystal_block(path: Path) -> str:
    """The first data block of a CIF with atom sites; the whole text if there is none, for the parser to refuse.

    Powder CIFs keep their patterns in blocks of their own, before and after.
    """
    text = path.read_text(encoding="utf8", errors="replace")
    block = next((block for block in _DATA_BLOCK.split(text) if "_atom_site_fract_x" in block), text)
    if _MODULATED in block:
        # pymatgen reads no symmetry in four dimensions, and would take the sites of one asymmetric unit for all.
        raise StructureError(f"{path} is a modulated structure: give its average structure as an ordinary CIF.")
    return block


def _checked(structure: Structure, origin: str) -> Structure:
    """The structure with plain elements only, or a clear refusal. `origin` names it in messages."""
    if len(structure) == 0:
        raise StructureError(f"{origin} has no atom sites: a pattern needs at least one.")
    lattice = structure.lattice
    if not np.isfinite(lattice.matrix).all() or lattice.volume < MIN_RELATIVE_VOLUME * np.prod(lattice.abc):
        raise CellError(
            f"{origin} has a cell without volume: a, b, c = {_row(lattice.abc)} angstrom, "
            f"alpha, beta, gamma = {_row(lattice.angles)} deg. {_CELL_ADVICE}"
        )
    if not np.isfinite(structure.frac_coords).all():
        raise StructureError(f"{origin} has a coordinate that is not a finite number: mend the file.")
    plain = Structure(lattice, [_plain(site.species, origin) for site in structure], structure.frac_coords)
    _refuse_coincident(plain, origin)
    return plain


def _plain(species: Composition, origin: str) -> Composition:
    """Elements without oxidation states; the hydrogen isotopes together."""
    amounts: dict[str, float] = {}
    for item, amount in species.items():
        if isinstance(item, DummySpecies):
            raise StructureError(
                f"{origin} has an atom of unknown kind {str(item)!r}: X-ray scattering needs chemical "
                "elements. Replace it by the element that sits there."
            )
        symbol = "H" if item.symbol in ISOTOPES else item.symbol
        amounts[symbol] = amounts.get(symbol, 0.0) + amount
    if not amounts:
        raise StructureError(f"{origin} has a site without any atom: remove it or give its occupancy.")
    return Composition(amounts)


def _refuse_coincident(structure: Structure, origin: str) -> None:
    """Two sites may only coincide when they cannot be filled at once (split positions)."""
    distance = structure.distance_matrix
    filled = np.array([site.species.num_atoms for site in structure])
    clash = (distance < MIN_SITE_DISTANCE_ANGSTROM) & (filled[:, None] + filled > 1 + 1e-6)
    pairs = np.argwhere(np.triu(clash, 1))
    if len(pairs):
        i, j = pairs[0]
        raise StructureError(
            f"{origin} has {len(pairs)} pair(s) of sites on top of each other: "
            f"{structure[i].species_string} (site {i + 1}) and {structure[j].species_string} (site "
            f"{j + 1}) are {distance[i, j]:.2f} angstrom apart. Remove duplicates, or give occupancies "
            "that add up to at most 1."
        )


def _row(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
