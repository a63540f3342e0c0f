"""Metric tensors, vectors, volumes and projections of any cell."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import bases, batches, cells, numbers
from tolerances import ROUNDING
from torch import Tensor

from xrdscape.crystal.cell import (
    closes,
    lattice_to_vectors,
    metric,
    reciprocal_metric,
    unit_volume,
    vectors_to_lattice,
)
from xrdscape.crystal.families import FAMILIES, TIED, Family, project


def assert_equal(result: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(result, expected, rtol=ROUNDING, atol=ROUNDING)


@given(batches(cells()))
def test_the_reciprocal_metric_is_the_inverse(lattice: Tensor) -> None:
    one = torch.eye(3, dtype=torch.float64).expand(len(lattice), 3, 3)
    assert_equal(reciprocal_metric(lattice) @ metric(lattice), one)
    assert_equal(metric(lattice), metric(lattice).mT)


@given(batches(cells()), st.tuples(*[st.integers(-9, 9)] * 3))
def test_spacings_are_those_of_reciprocal_vectors(lattice: Tensor, hkl: tuple[int, int, int]) -> None:
    """1/d^2 by the metric is |h a* + k b* + l c*|^2 with a* = b x c / V."""
    h = torch.tensor(hkl, dtype=torch.float64)
    a, b, c = lattice_to_vectors(lattice).unbind(-2)
    crossed = torch.stack([torch.cross(b, c, -1), torch.cross(c, a, -1), torch.cross(a, b, -1)], -2)
    volume = (a * crossed[:, 0]).sum(-1)
    length_squared = (h @ (crossed / volume[:, None, None])).square().sum(-1)
    assert_equal(h @ reciprocal_metric(lattice) @ h, length_squared)


@given(batches(cells()))
def test_volumes_are_one(lattice: Tensor) -> None:
    """By vectors, by the metric, by angles; and its inverse by the reciprocal metric."""
    volume = torch.linalg.det(lattice_to_vectors(lattice))
    assert_equal(torch.sqrt(torch.linalg.det(metric(lattice))), volume)
    assert_equal(lattice[:, :3].prod(-1) * unit_volume(lattice), volume)
    assert_equal(1 / torch.sqrt(torch.linalg.det(reciprocal_metric(lattice))), volume)
    assert bool(closes(lattice).all())


@given(batches(cells()))
def test_vectors_and_parameters_are_inverse(lattice: Tensor) -> None:
    assert_equal(vectors_to_lattice(lattice_to_vectors(lattice)), lattice)


@given(batches(cells()), bases())
def test_another_basis_has_the_transformed_metric(lattice: Tensor, basis: object) -> None:
    turn = torch.as_tensor(basis, dtype=torch.float64)
    other = vectors_to_lattice(turn @ lattice_to_vectors(lattice))
    assert_equal(metric(other), turn @ metric(lattice) @ turn.mT)


@given(batches(cells()), st.sampled_from(FAMILIES), numbers(0.2, 5.0))
def test_projections_keep_what_is_projected_and_any_scale(lattice: Tensor, family: Family, scale: float) -> None:
    projected = project(lattice, family)
    assert_equal(project(projected, family), projected)
    factors = torch.tensor([scale] * 3 + [1.0] * 3, dtype=torch.float64)
    assert_equal(project(lattice * factors, family), projected * factors)
    # A mean of cells is projected onto the mean of their projections.
    assert_equal(project(lattice.mean(0), family), projected.mean(0))
    for tied in TIED[family]:
        assert_equal(projected[:, tied].mean(-1), lattice[:, tied].mean(-1))


@given(batches(cells()), st.permutations(range(3)))
def test_projections_onto_ever_smaller_families_are_that_onto_the_smallest(lattice: Tensor, order: list[int]) -> None:
    nested: tuple[Family, ...] = ("triclinic", "monoclinic", "orthorhombic", "tetragonal", "cubic")
    for larger, family in enumerate(nested):
        for wider in nested[: larger + 1]:
            assert_equal(project(project(lattice, wider), family), project(lattice, family))
    relabelled = lattice[:, [*order, *(place + 3 for place in order)]]
    assert_equal(project(relabelled, "cubic"), project(lattice, "cubic"))


@given(st.tuples(cells(), cells()), st.sampled_from(FAMILIES))
def test_free_parameters_are_told_once_and_the_others_are_fixed(pair: tuple[Tensor, Tensor], family: Family) -> None:
    """Whatever the cell, what is not among the free parameters comes out the same."""
    free = [place for tied in TIED[family] for place in tied]
    assert len(set(free)) == len(free)
    one, other = (project(cell, family) for cell in pair)
    fixed = [place for place in range(6) if place not in free]
    assert torch.equal(one[fixed], other[fixed])
    jacobian = torch.autograd.functional.jacobian(lambda values: project(values, family), pair[0])
    assert int(torch.linalg.matrix_rank(torch.as_tensor(jacobian))) == len(TIED[family])
