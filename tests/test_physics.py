"""What every correct powder pattern obeys, whatever the formulas behind it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from crystals import COARSE, carried, pattern_of
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from scipy.spatial.transform import Rotation
from tolerances import ABSENT, SUMMED
from torch import Tensor

from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator, reflection_table
from xrdscape.paths import REFERENCE_NAMES

SEED = 11
EXAMPLES = ("triclinic_alloy", "triclinic_oblique", "CuO", "CaCO3_aragonite", "SiO2_quartz", "ZnS", "CaC2", "Si")


def assert_same(result: Tensor, expected: Tensor, factor: float = 1.0) -> None:
    assert float((result - factor * expected).abs().max()) <= SUMMED * float(result.abs().max())


def assert_differs(result: Tensor, expected: Tensor) -> None:
    """For the counter-examples: shows that the comparison above could fail."""
    assert float((result - expected).abs().max()) > 1e-3 * float(expected.max())


def with_coords(structure: Structure, coords: np.ndarray) -> Structure:
    return Structure(structure.lattice, structure.species_and_occu, coords)


def test_friedel_mates_scatter_alike() -> None:
    """The acentric quartz and its inverted image, and the two halves of the sphere of one crystal."""
    for name in ("SiO2_quartz", "triclinic_oblique", "ZnS"):
        structure = carried(name)
        assert_same(pattern_of(with_coords(structure, -structure.frac_coords)), pattern_of(structure))
        simulator = Simulator(structure, COARSE)
        lattice, sites = to_tensors([structure])
        lists = simulator.reflections(lattice)
        there = simulator.peaks(lattice, lists, simulator.geometrical(lists, sites)).height
        mates = simulator.geometrical(lists.select(torch.tensor([0])), -sites)
        assert_same(simulator.peaks(lattice, lists, mates).height, there)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_origin_does_not_matter(name: str) -> None:
    structure = carried(name)
    shift = np.random.default_rng(SEED).uniform(-3, 3, 3)
    assert_same(pattern_of(with_coords(structure, structure.frac_coords + shift)), pattern_of(structure))
    one_atom = structure.frac_coords.copy()
    one_atom[0] += shift
    assert_differs(pattern_of(with_coords(structure, one_atom)), pattern_of(structure))


@pytest.mark.parametrize("name", EXAMPLES)
def test_whole_cell_shifts_of_single_atoms_do_not_matter(name: str) -> None:
    structure = carried(name)
    whole = np.random.default_rng(SEED).integers(-4, 5, structure.frac_coords.shape)
    assert_same(pattern_of(with_coords(structure, structure.frac_coords + whole)), pattern_of(structure))


@pytest.mark.parametrize("name", ["triclinic_alloy", "triclinic_oblique", "CuO", "ZnS", "CaC2", "CsCl"])
@pytest.mark.parametrize(
    "scaling", [[2, 1, 1], [1, 1, 2], [[1, 1, 0], [-1, 1, 0], [0, 0, 1]], [[1, 0, 0], [2, 1, 0], [0, -1, 1]]]
)
def test_a_supercell_is_the_same_crystal(name: str, scaling: list) -> None:  # type: ignore[type-arg]
    """n cells in one scatter n^2 as strongly per cell; a change of axes with determinant 1 changes nothing."""
    structure = carried(name)
    supercell = structure.make_supercell(scaling, in_place=False)
    assert_same(pattern_of(supercell), pattern_of(structure), (len(supercell) / len(structure)) ** 2)


@pytest.mark.parametrize("name", ["Si", "NaCl", "W", "CaC2", "CuO", "Bi2Te3", "CaCO3_calcite"])
def test_primitive_and_conventional_settings_agree(name: str) -> None:
    structure = carried(name)
    primitive = SpacegroupAnalyzer(structure).find_primitive()
    assert len(primitive) < len(structure)
    assert_same(pattern_of(structure), pattern_of(primitive), (structure.volume / primitive.volume) ** 2)


@pytest.mark.parametrize("name", ["triclinic_alloy", "triclinic_oblique", "CuO", "Bi2Te3"])
def test_niggli_and_given_settings_agree(name: str) -> None:
    structure = carried(name)
    reduced = structure.get_reduced_structure("niggli")
    np.testing.assert_allclose(reduced.volume, structure.volume)
    assert_same(pattern_of(reduced), pattern_of(structure))


def test_niggli_reduction_changes_the_oblique_cell() -> None:
    """Otherwise the test above would compare a cell with itself."""
    oblique = carried("triclinic_oblique")
    assert not np.allclose(oblique.get_reduced_structure("niggli").lattice.abc, oblique.lattice.abc)


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_niggli_settings_of_the_ten_agree(name: str) -> None:
    structure = load_structure(name)
    assert_same(pattern_of(structure.get_reduced_structure("niggli")), pattern_of(structure))


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_rotated_crystal_gives_the_same_powder(name: str) -> None:
    structure = carried(name)
    rotation = Rotation.random(rng=SEED).as_matrix()
    turned = Structure(Lattice(structure.lattice.matrix @ rotation), structure.species_and_occu, structure.frac_coords)
    assert_same(pattern_of(turned), pattern_of(structure))


@pytest.mark.parametrize("name", ["triclinic_alloy", "CuO", "CaCO3_aragonite"])
def test_relabelling_the_axes_changes_nothing(name: str) -> None:
    structure = carried(name)
    axes = [2, 0, 1]
    relabelled = Structure(
        Lattice(structure.lattice.matrix[axes]), structure.species_and_occu, structure.frac_coords[:, axes]
    )
    assert_same(pattern_of(relabelled), pattern_of(structure))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_order_of_sites_does_not_matter(name: str) -> None:
    structure = carried(name)
    order = np.random.default_rng(SEED).permutation(len(structure))
    assert_same(pattern_of(Structure.from_sites([structure[i] for i in order])), pattern_of(structure))


def test_like_atoms_may_change_places_and_unlike_may_not() -> None:
    structure = carried("CuO")  # Cu on sites 0 to 3, O on 4 to 7
    assert structure[3].species_string == "Cu"
    assert structure[4].species_string == "O"
    like, unlike = structure.frac_coords.copy(), structure.frac_coords.copy()
    like[[0, 3]] = like[[3, 0]]
    unlike[[3, 4]] = unlike[[4, 3]]
    assert_same(pattern_of(with_coords(structure, like)), pattern_of(structure))
    assert_differs(pattern_of(with_coords(structure, unlike)), pattern_of(structure))


def test_a_split_site_is_one_site() -> None:
    """Seven tenths and three tenths of one element at one place are one atom of it."""
    whole = Structure(Lattice.tetragonal(3.5, 4.1), ["Fe", "O"], [[0, 0, 0], [0.5, 0.5, 0.3]])
    split = Structure(whole.lattice, [{"Fe": 0.7}, {"Fe": 0.3}, "O"], [[0, 0, 0], [0, 0, 0], [0.5, 0.5, 0.3]])
    assert_same(pattern_of(split), pattern_of(whole))


def test_bragg_angle_scales_with_wavelength_over_cell() -> None:
    """Stretching everything with the wavelength keeps the angles; heights follow through the form factors alone."""
    structure = carried("CsCl")
    lattice, sites = to_tensors([structure])
    near = Simulator(structure, Instrument(step_deg=0.1))
    far = Simulator(structure, Instrument(step_deg=0.1, wavelength_angstrom=2 * 1.5406))
    stretched = lattice * torch.tensor([2.0, 2, 2, 1, 1, 1])
    a, b = near.reflections(lattice), far.reflections(stretched)
    torch.testing.assert_close(a.hkl, b.hkl)
    first = near.peaks(lattice, a, near.geometrical(a, sites))
    second = far.peaks(stretched, b, far.geometrical(b, sites))
    torch.testing.assert_close(first.centre, second.centre)
    torch.testing.assert_close(first.fwhm, second.fwhm)


Rule = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Whether a reflection (h, k, l), here h, k, m, is extinct."""
EXTINCTIONS: dict[str, tuple[str, Rule]] = {
    "body centring, W": ("W", lambda h, k, m: (h + k + m) % 2 == 1),
    "body centring, CaC2": ("CaC2", lambda h, k, m: (h + k + m) % 2 == 1),
    "face centring, NaCl": ("NaCl", lambda h, k, m: ((h + k) % 2 == 1) | ((k + m) % 2 == 1)),
    "face centring, Si": ("Si", lambda h, k, m: ((h + k) % 2 == 1) | ((k + m) % 2 == 1)),
    "diamond glide, Si": (
        "Si",
        lambda h, k, m: (h % 2 == 0) & (k % 2 == 0) & (m % 2 == 0) & ((h + k + m) % 4 == 2),
    ),
    "base centring, CuO": ("CuO", lambda h, k, m: (h + k) % 2 == 1),
    "c glide, CuO": ("CuO", lambda h, k, m: (k == 0) & (m % 2 == 1)),
    "n glide, rutile": ("TiO2_rutile", lambda h, k, m: (k == 0) & ((h + m) % 2 == 1)),
    "2_1 screw along a, aragonite": ("CaCO3_aragonite", lambda h, k, m: (k == 0) & (m == 0) & (h % 2 == 1)),
    "2_1 screw along b, aragonite": ("CaCO3_aragonite", lambda h, k, m: (h == 0) & (m == 0) & (k % 2 == 1)),
    "2_1 screw along c, aragonite": ("CaCO3_aragonite", lambda h, k, m: (h == 0) & (k == 0) & (m % 2 == 1)),
    "4_2 screw, rutile": ("TiO2_rutile", lambda h, k, m: (h == 0) & (k == 0) & (m % 2 == 1)),
    "6_3 screw, wurtzite": ("ZnS", lambda h, k, m: (h == 0) & (k == 0) & (m % 2 == 1)),
    "c glide, wurtzite": ("ZnS", lambda h, k, m: (h == k) & (m % 2 == 1)),
    "3_2 screw, quartz": ("SiO2_quartz", lambda h, k, m: (h == 0) & (k == 0) & (m % 3 != 0)),
    "obverse rhombohedral centring, Bi2Te3": ("Bi2Te3", lambda h, k, m: (-h + k + m) % 3 != 0),
    "obverse rhombohedral centring, calcite": ("CaCO3_calcite", lambda h, k, m: (-h + k + m) % 3 != 0),
    "c glide, calcite": ("CaCO3_calcite", lambda h, k, m: (h == -k) & (m % 2 == 1)),
}


@pytest.mark.parametrize(("name", "rule"), EXTINCTIONS.values(), ids=EXTINCTIONS)
def test_systematic_absences(name: str, rule: Rule) -> None:
    structure = carried(name)
    lattice, sites = to_tensors([structure])
    simulator = Simulator(structure, COARSE)
    lists = simulator.reflections(lattice)
    height = simulator.peaks(lattice, lists, simulator.geometrical(lists, sites)).height[0]
    absent = rule(*lists.hkl[0].to(torch.int64).unbind(-1))
    assert bool(absent.any())
    assert float(height[absent].max()) <= ABSENT * float(height.max())
    # Moving one atom breaks every symmetry, and the reflections appear.
    sites[0, 0] += torch.tensor([0.03, 0.05, 0.02])
    broken = simulator.peaks(lattice, lists, simulator.geometrical(lists, sites)).height[0]
    assert float(broken[absent].max()) > 1e-6 * float(broken.max())


def test_silicon_shows_no_absent_line_in_its_table() -> None:
    """The 222 line is forbidden for spherical atoms, and only the six allowed lines stand below 90 deg."""
    table = reflection_table(carried("Si"))
    assert (2, 2, 2) not in {tuple(row) for row in table[["h", "k", "l"]].to_numpy().tolist()}
