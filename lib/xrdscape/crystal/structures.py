"""Crystals: the ten reference structures, files of the user's own, and their way to tensors and back."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from pymatgen.core import Lattice, Structure
from torch import Tensor

from xrdscape.crystal.contents import Contents, contents_of
from xrdscape.crystal.reading import Crystal, crystal_of_structure, plain_elements, read_crystal
from xrdscape.errors import CrystalWarning, StructureError

CrystalLike = Crystal | Structure | str | Path
"""A crystal as a user names it: what was read, a structure, the path of its file, or the name of a reference."""


def crystal_of(crystal: CrystalLike) -> Crystal:
    """Return what is known of a crystal from what a user names it by; errors as `read_crystal`."""
    if isinstance(crystal, Crystal):
        return crystal
    return crystal_of_structure(crystal) if isinstance(crystal, Structure) else read_crystal(crystal)


def structure_of(crystal: CrystalLike) -> Structure:
    """Return a structure of plain elements from what a user names it by; errors as `read_crystal`."""
    if isinstance(crystal, Structure):
        return plain_elements(crystal)[0]
    return crystal.structure if isinstance(crystal, Crystal) else load_structure(crystal)


def load_structure(name_or_path: str | Path) -> Structure:
    """Return a reference structure by name, or that in a CIF, POSCAR or other file of pymatgen's formats by path.

    >>> from xrdscape import load_structure
    >>> load_structure("U2Ti").composition.reduced_formula
    'U2Ti'

    As `read_crystal`; what that assumed is warned of.

    Args:
        name_or_path: one of REFERENCE_NAMES, or the path of a file.

    Returns:
        The structure; for a reference name the conventional cell with all its sites.

    Raises:
        StructureError: no such name or file, or a file that cannot be read, contradicts itself or can be read in
            several ways.
        CellError: the cell has no volume or its angles close no cell.
    """
    crystal = read_crystal(name_or_path)
    for remark in crystal.remarks:
        warnings.warn(f"{name_or_path}: {remark}", CrystalWarning, stacklevel=2)
    return crystal.structure.copy()


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
