"""Free parameters of a symmetry: how many, that they keep it, and what a start becomes."""

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from tolerances import ROUNDING, RULE, SYMMETRIC

from xrdscape.crystal.families import TIED, detect_family, project
from xrdscape.crystal.structures import from_tensors, load_structure, to_tensors
from xrdscape.crystal.symmetry import symmetric_coords, symmetry_of, unwrapped
from xrdscape.errors import DescentError, StructureError
from xrdscape.optimisation.descent import Descent, Schedule, Stage, constant
from xrdscape.optimisation.loop import run_descent
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.optimisation.rules import Adam
from xrdscape.optimisation.symmetric import SymmetricCrystal
from xrdscape.paths import REFERENCE_NAMES
from xrdscape.study.problems import beside, problem_of
from xrdscape.study.starts import start


def distorted(name: str, copies: int = 3, level: float = 0.05):  # type: ignore[no-untyped-def]
    """Return a reference structure, and lattices and coordinates off by `level`, float64."""
    reference = load_structure(name)
    cells, _ = to_tensors([start(name, "lattice", level, copy, 1, reference) for copy in range(copies)])
    moved = [start(name, "coordinates", level, copy, 1, reference) for copy in range(copies)]
    _, sites = to_tensors([beside(reference, model) for model in moved])
    return reference, cells, sites


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_any_parameters_keep_the_space_group(name: str) -> None:
    reference, cells, sites = distorted(name, copies=1, level=0.02)
    symmetry = symmetry_of(reference)
    moved = SymmetricCrystal.of(symmetry, cells, sites)
    parameters = moved.start(cells, sites)
    assert parameters.shape == (1, len(TIED[symmetry.family]) + len(symmetry.free))
    torch.manual_seed(0)
    lattice, coords = moved.crystal(parameters + 0.02 * torch.randn_like(parameters))
    found = SpacegroupAnalyzer(from_tensors(reference, lattice[0], coords[0]), symprec=1e-4)
    expected = SpacegroupAnalyzer(reference, symprec=0.01)
    # Random values may happen to be more symmetric, never less.
    assert len(found.get_symmetry_operations()) >= len(expected.get_symmetry_operations())


@pytest.mark.parametrize(
    ("group", "lattice", "species", "coords", "cell", "sites"),
    [
        ("Fm-3m", Lattice.cubic(5.6), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]], 1, 0),
        ("Pa-3", Lattice.cubic(5.4), ["Fe", "S"], [[0, 0, 0], [0.385, 0.385, 0.385]], 1, 1),
        ("P4_2/mnm", Lattice.tetragonal(4.6, 2.96), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]], 2, 1),
        ("P6_3mc", Lattice.hexagonal(3.25, 5.2), ["Zn", "O"], [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.382]], 2, 1),
        ("P3_121", Lattice.hexagonal(4.9, 5.4), ["Si", "O"], [[0.47, 0, 1 / 3], [0.41, 0.27, 0.22]], 2, 4),
        ("Pnma", Lattice.orthorhombic(5.4, 7.6, 5.3), ["Ca", "O"], [[0.05, 0.25, 0.01], [0.3, 0.05, 0.7]], 3, 5),
        ("P2_1/c", Lattice.monoclinic(5.1, 5.2, 5.3, 99), ["Zr", "O"], [[0.27, 0.04, 0.21], [0.07, 0.33, 0.34]], 4, 6),
        ("P1", Lattice.from_parameters(4, 5, 6, 80, 95, 103), ["C", "N"], [[0.1, 0.2, 0.3], [0.4, 0.6, 0.9]], 6, 3),
    ],
)
def test_how_many_are_free(group, lattice, species, coords, cell, sites) -> None:  # type: ignore[no-untyped-def]
    """Wyckoff's tables, less the shifts of the whole that a polar group leaves free (one in P6_3mc, three in P1)."""
    symmetry = symmetry_of(Structure.from_spacegroup(group, lattice, species, coords))
    assert (len(TIED[symmetry.family]), len(symmetry.free)) == (cell, sites)
    flat = symmetry.free.reshape(sites, symmetry.offset.size)
    np.testing.assert_allclose(flat @ flat.T, np.eye(sites), atol=ROUNDING)
    np.testing.assert_allclose(symmetry.free.sum(1), 0, atol=ROUNDING)


def test_a_start_becomes_its_projection() -> None:
    reference, cells, sites = distorted("MnOF")
    symmetry = symmetry_of(reference)
    moved = SymmetricCrystal.of(symmetry, cells, sites)
    lattice, coords = moved.crystal(moved.start(cells, sites))
    torch.testing.assert_close(lattice, project(cells, detect_family(reference)))
    torch.testing.assert_close(coords, symmetric_coords(symmetry, sites))
    torch.testing.assert_close(symmetric_coords(symmetry, coords), coords)
    known = torch.tensor(reference.frac_coords)[None]
    torch.testing.assert_close(symmetric_coords(symmetry, known), known, rtol=0, atol=SYMMETRIC)
    # Nearer to the reference structure than the start, since what breaks the symmetry is error alone.
    off = [((x - known + 0.5) % 1 - 0.5).flatten(1).norm(dim=1) for x in (coords, sites)]
    assert (off[0] < off[1]).all()


def test_free_coordinates_of_the_model_do_not_matter() -> None:
    reference, _, sites = distorted("MnOF")
    symmetry = symmetry_of(reference)
    shift = 0.01 * symmetry.free.sum(0)
    other = symmetry_of(Structure(reference.lattice, reference.species_and_occu, reference.frac_coords + shift))
    np.testing.assert_allclose(other.offset, symmetry.offset, atol=SYMMETRIC)
    np.testing.assert_allclose(other.projector, symmetry.projector, atol=ROUNDING)
    torch.testing.assert_close(
        symmetric_coords(symmetry, sites), symmetric_coords(other, sites), rtol=0, atol=SYMMETRIC
    )


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_the_offset_has_the_symmetry_and_nothing_that_is_free(name: str) -> None:
    reference = load_structure(name)
    symmetry = symmetry_of(reference)
    kept = torch.tensor(symmetry.offset)[None]
    torch.testing.assert_close(symmetric_coords(symmetry, kept), kept, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(symmetry.projector @ symmetry.offset.ravel(), 0, atol=ROUNDING)
    # What is left of the crystal is a displacement that the symmetry keeps.
    free = (reference.frac_coords - symmetry.offset).ravel()
    np.testing.assert_allclose(symmetry.projector @ free, free, atol=SYMMETRIC)


def test_sites_are_counted_in_the_cells_that_the_symmetry_has_them_in() -> None:
    """Whole cells added to a site change nothing once it is unwrapped; without that its images would not meet."""
    reference, _, sites = distorted("BPO4", copies=1, level=0.02)
    symmetry, known = symmetry_of(reference), reference.frac_coords
    far = sites[0].numpy() + np.random.default_rng(0).integers(-2, 3, known.shape)
    back = unwrapped(far, known)
    np.testing.assert_allclose(back, sites[0].numpy(), atol=ROUNDING)
    assert (np.abs(back - known) <= 0.5).all()
    model = beside(reference, Structure(reference.lattice, reference.species_and_occu, far))
    np.testing.assert_allclose(model.frac_coords, back, atol=ROUNDING)
    near, lost = (symmetric_coords(symmetry, torch.tensor(coords)[None]) for coords in (back, far))
    off = ((near - lost + 0.5) % 1 - 0.5).abs()
    assert float(off.max()) > 0.1


@pytest.mark.parametrize(("moves_cell", "moves_sites"), [(True, False), (False, True), (True, True)])
def test_it_descends(moves_cell: bool, moves_sites: bool) -> None:
    reference, cells, sites = distorted("MnOF", level=0.002)
    exact_cells, exact_sites = (
        part.expand_as(like) for part, like in zip(to_tensors([reference]), (cells, sites), strict=True)
    )
    cells, sites = cells if moves_cell else exact_cells, sites if moves_sites else exact_sites
    problem = problem_of(reference)
    stage = Stage.of(problem, problem.simulator(torch.float64))
    descent = Descent(constant(stage), OBJECTIVES["cosine"], Schedule(3e-4, 30, 30, rule=Adam()))

    def ends(which: slice):  # type: ignore[no-untyped-def]
        moved = SymmetricCrystal.of(symmetry_of(reference), cells[which], sites[which], moves_cell, moves_sites)
        return run_descent(descent, moved, cells[which], sites[which])

    together, alone = ends(slice(None)), ends(slice(1, 2))
    assert (together.loss < together.start_loss).all()
    torch.testing.assert_close(together.lattice[1:2], alone.lattice, rtol=RULE, atol=RULE)
    torch.testing.assert_close(together.frac_coords[1:2], alone.frac_coords, rtol=RULE, atol=RULE)
    stays = together.frac_coords if not moves_sites else together.lattice
    if not (moves_cell and moves_sites):
        torch.testing.assert_close(stays, exact_sites if not moves_sites else exact_cells)


def test_what_is_refused() -> None:
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.6), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    cells, sites = to_tensors([salt])
    with pytest.raises(DescentError, match="leaves 0 coordinates free"):
        SymmetricCrystal.of(symmetry_of(salt), cells, sites, moves_cell=False)
    moved = SymmetricCrystal.of(symmetry_of(salt), cells, sites)
    assert moved.possible(cells[:, :1] / cells[:, :1]).tolist() == [True]
    assert moved.possible(-cells[:, :1]).tolist() == [False]
    with pytest.raises(StructureError, match="conventional"):
        symmetry_of(salt.get_primitive_structure())
