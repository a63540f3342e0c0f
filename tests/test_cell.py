"""Lattice parameters, vectors, metric tensors and the family projections."""

import numpy as np
import pytest
import torch
from crystals import CARRIED, carried, random_lattice
from pymatgen.core import Lattice, Structure
from scipy.spatial.transform import Rotation
from tolerances import ROUNDING

from xrdscape.crystal.cell import (
    check_lattice,
    closes,
    lattice_to_vectors,
    metric,
    reciprocal_metric,
    unit_volume,
    vectors_to_lattice,
)
from xrdscape.crystal.families import FAMILIES, detect_family, project
from xrdscape.crystal.reference_facts import reference_facts
from xrdscape.crystal.structures import load_structure
from xrdscape.errors import CellError, StructureError
from xrdscape.paths import REFERENCE_NAMES

RNG_SEED = 7


def random_cells(count: int) -> tuple[list[Lattice], torch.Tensor]:
    rng = np.random.default_rng(RNG_SEED)
    lattices = [random_lattice(rng) for _ in range(count)]
    return lattices, torch.tensor([lattice.parameters for lattice in lattices], dtype=torch.float64)


def test_metric_tensors_agree_with_pymatgen() -> None:
    lattices, cells = random_cells(50)
    for lattice, g, g_star in zip(lattices, metric(cells), reciprocal_metric(cells), strict=True):
        np.testing.assert_allclose(g, lattice.metric_tensor, rtol=ROUNDING, atol=ROUNDING)
        expected = lattice.reciprocal_lattice_crystallographic.metric_tensor
        np.testing.assert_allclose(g_star, expected, rtol=ROUNDING, atol=ROUNDING)


def test_unit_volume_is_volume_over_lengths() -> None:
    lattices, cells = random_cells(50)
    expected = [lattice.volume / np.prod(lattice.abc) for lattice in lattices]
    np.testing.assert_allclose(unit_volume(cells), expected, rtol=ROUNDING)
    assert unit_volume(torch.tensor([3.0, 4.0, 5.0, 90.0, 90.0, 90.0], dtype=torch.float64)) == 1


def test_vectors_have_the_metric_and_the_documented_orientation() -> None:
    _, cells = random_cells(50)
    vectors = lattice_to_vectors(cells)
    torch.testing.assert_close(vectors @ vectors.mT, metric(cells), rtol=ROUNDING, atol=ROUNDING)
    assert bool((vectors[:, 0, 1:] == 0).all())
    assert bool((vectors[:, 1, 2] == 0).all())
    assert bool((torch.linalg.det(vectors) > 0).all())


def test_vectors_and_parameters_are_inverse_in_any_orientation() -> None:
    _, cells = random_cells(50)
    rotation = torch.as_tensor(Rotation.random(50, rng=RNG_SEED).as_matrix())
    back = vectors_to_lattice(lattice_to_vectors(cells) @ rotation)
    torch.testing.assert_close(back, cells, rtol=ROUNDING, atol=ROUNDING)


def test_batch_axes_may_be_many_or_none() -> None:
    _, cells = random_cells(6)
    many = lattice_to_vectors(cells.reshape(2, 3, 6))
    torch.testing.assert_close(many.reshape(6, 3, 3), lattice_to_vectors(cells))
    torch.testing.assert_close(lattice_to_vectors(cells[0]), many[0, 0])


IMPOSSIBLE = {
    "not a number": ([4, 4, 4, 90, float("nan"), 90], "not a finite number"),
    "infinite": ([4, float("inf"), 4, 90, 90, 90], "not a finite number"),
    "zero length": ([4, 0, 4, 90, 90, 90], "lengths must be positive"),
    "negative length": ([4, 4, -4, 90, 90, 90], "lengths must be positive"),
    "zero angle": ([4, 4, 4, 90, 0, 90], "close no cell"),
    "negative angle": ([4, 4, 4, 90, -80, 90], "close no cell"),
    "straight angle": ([4, 4, 4, 90, 90, 180], "close no cell"),
    "reflex angle": ([4, 4, 4, 90, 90, 250], "close no cell"),
    "one angle above the others' sum": ([4, 4, 4, 30, 30, 80], "close no cell"),
    "angles above 360 in all": ([4, 4, 4, 125, 125, 125], "close no cell"),
    "flat, three times 120": ([4, 4, 4, 120, 120, 120], "close no cell"),
    "flat, one the sum of the others": ([4, 4, 4, 40, 50, 90], "close no cell"),
}


@pytest.mark.parametrize(("parameters", "reason"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_cells_are_refused_with_their_reason(parameters: list[float], reason: str) -> None:
    good = [4.0, 5.0, 6.0, 80.0, 90.0, 100.0]
    batch = torch.tensor([good, good, parameters], dtype=torch.float64)
    assert closes(batch).tolist() == [True, True, False]
    with pytest.raises(CellError, match=rf"number 2 of the batch.*{reason}") as refusal:
        check_lattice(batch)
    assert f"= {', '.join(f'{v:g}' for v in batch[2, :3].tolist())} angstrom" in str(refusal.value)
    with pytest.raises(CellError, match=reason):
        lattice_to_vectors(batch)


def test_narrow_but_possible_cells_pass() -> None:
    check_lattice(torch.tensor([[4.0, 5.0, 6.0, 40.0, 50.0, 89.0], [4.0, 5.0, 600.0, 119.0, 119.0, 119.0]]))


@pytest.mark.parametrize(
    "vectors", [[[1, 0, 0], [0, 1, 0], [1, 1, 0]], [[1, 0, 0], [2, 0, 0], [0, 0, 1]], [[0, 0, 0], [0, 1, 0], [0, 0, 1]]]
)
def test_vectors_without_volume_are_refused(vectors: list[list[float]]) -> None:
    with pytest.raises(CellError, match="Impossible cell"):
        vectors_to_lattice(torch.tensor(vectors, dtype=torch.float64))


EXPECTED_PROJECTION = {
    "cubic": [5, 5, 5, 90, 90, 90],
    "hexagonal": [4.5, 4.5, 6, 90, 90, 120],
    "tetragonal": [4.5, 4.5, 6, 90, 90, 90],
    "orthorhombic": [4, 5, 6, 90, 90, 90],
    "monoclinic": [4, 5, 6, 90, 97, 90],
    "triclinic": [4, 5, 6, 82, 97, 113],
}


@pytest.mark.parametrize("family", FAMILIES)
def test_projection_by_hand_and_idempotent(family: str) -> None:
    lattice = torch.tensor([[4.0, 5.0, 6.0, 82.0, 97.0, 113.0]], dtype=torch.float64)
    once = project(lattice, family)
    assert once[0].tolist() == EXPECTED_PROJECTION[family]
    _, cells = random_cells(20)
    projected = project(cells, family)
    # A mean of three equal numbers may round in the last bit.
    torch.testing.assert_close(project(projected, family), projected, rtol=1e-15, atol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_projection_keeps_gradients_and_batch_axes(family: str) -> None:
    _, cells = random_cells(6)
    cells.requires_grad_()
    assert torch.autograd.gradcheck(lambda lattice: project(lattice, family), cells[:1])
    torch.testing.assert_close(project(cells.reshape(3, 2, 6), family).reshape(6, 6), project(cells, family))


def test_projection_never_hands_back_its_argument() -> None:
    _, cells = random_cells(2)
    assert project(cells, "triclinic").data_ptr() != cells.data_ptr()


@pytest.mark.usefixtures("unchecked")
def test_unknown_family_is_refused_with_the_known_ones() -> None:
    with pytest.raises(CellError, match=r"Unknown crystal family 'rhombic'.*cubic, hexagonal.*triclinic"):
        project(torch.ones(1, 6), "rhombic")


def test_family_of_the_ten() -> None:
    stated = reference_facts().set_index("name").crystal_family
    for name in REFERENCE_NAMES:
        assert detect_family(load_structure(name)) == stated[name]


CARRIED_FAMILY = {
    "Bi2Te3": "hexagonal", "CaC2": "tetragonal", "CaCO3_aragonite": "orthorhombic", "CaCO3_calcite": "hexagonal",
    "CsCl": "cubic", "CuO": "monoclinic", "NaCl": "cubic", "Si": "cubic", "SiO2_quartz": "hexagonal",
    "TiO2_rutile": "tetragonal", "W": "cubic", "ZnS": "hexagonal",
    "triclinic_alloy": "triclinic", "triclinic_oblique": "triclinic",
}  # fmt: skip


@pytest.mark.parametrize("name", CARRIED)
def test_family_of_the_carried_and_its_projection_leaves_them(name: str) -> None:
    structure = carried(name)
    family = detect_family(structure)
    assert family == CARRIED_FAMILY[name]
    lattice = torch.tensor(structure.lattice.parameters, dtype=torch.float64)
    torch.testing.assert_close(project(lattice, family), lattice, rtol=ROUNDING, atol=0)


@pytest.mark.parametrize("name", ["Si", "NaCl", "CaC2", "Bi2Te3"])
def test_primitive_cells_are_refused(name: str) -> None:
    primitive = carried(name).get_primitive_structure()
    with pytest.raises(StructureError, match=r"not the conventional one.*get_conventional_standard_structure"):
        detect_family(primitive)


@pytest.mark.parametrize("beta", [89, 89.8])
def test_an_angle_near_90_deg_is_not_90_deg(beta: float) -> None:
    assert detect_family(Structure(Lattice.monoclinic(4.0, 4.05, 4.1, beta), ["Fe"], [[0, 0, 0]])) == "monoclinic"


def test_atoms_on_top_of_each_other_have_no_family() -> None:
    doubled = Structure(Lattice.cubic(4), ["Na", "Na"], [[0, 0, 0], [0, 0, 0]])
    with pytest.raises(StructureError, match="on top of each other"):
        detect_family(doubled)
