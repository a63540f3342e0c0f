"""Each artefact does to a pattern what it says, by the size it says, and nothing at size none."""

import math

import numpy as np
import pytest
import torch
from crystals import COARSE
from tolerances import ROUNDING, STANDARD_ERRORS, SUMMED

from xrdscape.crystal.families import detect_family, project
from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.artefacts import (
    ARTEFACTS,
    BEAM_STOP_DEG,
    FAMILIES_BY_ERROR,
    FAMILY,
    NONE,
    background,
    counted,
    march_dollase,
    rewidened,
    textured,
    with_artefact,
    with_background,
    with_impurity,
    wrong_family,
    zero_shifted,
)
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator, reflection_table
from xrdscape.errors import XrdscapeError
from xrdscape.paths import REFERENCE_NAMES
from xrdscape.patterns.simulated import simulate

FINE = Instrument(two_theta_max_deg=60.0)


def clean(name: str, instrument: Instrument = COARSE) -> torch.Tensor:
    return torch.from_numpy(simulate(load_structure(name), instrument).intensity)


def peak_deg(pattern: torch.Tensor, instrument: Instrument = FINE) -> float:
    """Centre of mass of the upper half of the strongest peak."""
    angles = instrument.axis.grid()
    top = (pattern > pattern.max() / 2) & ((angles - angles[pattern.argmax()]).abs() < 1)
    return float((angles * pattern)[top].sum() / pattern[top].sum())


@pytest.mark.parametrize("name", [NONE, *ARTEFACTS])
def test_without_size_there_is_no_artefact(name: str) -> None:
    reference, other = load_structure("U2Ti"), load_structure("Au2S")
    size = ARTEFACTS[name].absent if name in ARTEFACTS else 0.0
    target = with_artefact(reference, name, size, np.random.default_rng(0), other)
    expected = Simulator(reference)(*to_tensors([reference]))[0]
    torch.testing.assert_close(target / target.max(), expected / expected.max(), rtol=SUMMED, atol=SUMMED)


@pytest.mark.parametrize("name", [name for name in ARTEFACTS if name != FAMILY])
def test_the_similarity_falls_as_an_artefact_grows(name: str) -> None:
    reference, other = load_structure("BPO4"), load_structure("NaS")
    expected = clean("BPO4", Instrument())
    artefact = ARTEFACTS[name]
    for side in (-1, 1):
        sizes = sorted((s for s in artefact.sizes if (s - artefact.absent) * side > 0), reverse=side < 0)
        targets = [with_artefact(reference, name, size, np.random.default_rng(0), other) for size in sizes]
        alike = [float(torch.cosine_similarity(target, expected, dim=0)) for target in targets]
        assert alike == sorted(alike, reverse=True), (name, side)
        assert all(value < 1 - 1e-6 for value in alike)


def test_counts_have_mean_and_variance_of_poisson() -> None:
    pattern = torch.tensor([0.0, 1.0, 4.0], dtype=torch.float64).repeat_interleave(20_000)
    counts = counted(pattern, 100.0, np.random.default_rng(3)).reshape(3, -1)
    assert torch.equal(counts, counts.round())
    assert torch.equal(counts[0], torch.zeros_like(counts[0]))
    for row, mean in ((counts[1], 25.0), (counts[2], 100.0)):
        assert abs(float(row.mean()) - mean) < STANDARD_ERRORS * math.sqrt(mean / 20_000)
        # Of a Poisson number the variance of the sample variance is (2 mean^2 + mean) / n.
        assert abs(float(row.var()) - mean) < STANDARD_ERRORS * math.sqrt((2 * mean**2 + mean) / 20_000)


def test_counts_follow_from_the_seed() -> None:
    pattern = clean("U2Ti")
    one, same, other = (counted(pattern, 30.0, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_background_rises_to_its_share_of_the_maximum() -> None:
    pattern, angles = clean("U2Ti"), COARSE.axis.grid()
    added = with_background(pattern, angles, 0.3) - pattern
    assert float(added.max() / pattern.max()) == pytest.approx(0.3)
    assert float(added.min()) > 0
    shape = background(angles)
    assert torch.equal(shape[angles < BEAM_STOP_DEG / 2], shape[:1].expand(int((angles < BEAM_STOP_DEG / 2).sum())))
    far = angles > 60  # where the halo is gone, intensity times angle is constant
    product = shape[far] * angles[far]
    torch.testing.assert_close(product, product[:1].expand_as(product), rtol=1e-6, atol=0)


@pytest.mark.parametrize("shift_deg", [0.05, 0.5])
def test_a_zero_shift_moves_every_peak_by_as_much(shift_deg: float) -> None:
    reference = load_structure("NdCoO3")
    expected, target = clean("NdCoO3", FINE), zero_shifted(reference, shift_deg, FINE)
    assert peak_deg(target) - peak_deg(expected) == pytest.approx(shift_deg, abs=0.002)
    steps = round(shift_deg / FINE.step_deg)
    torch.testing.assert_close(target[steps:], expected[:-steps], rtol=SUMMED, atol=SUMMED * float(expected.max()))


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_a_width_is_that_of_an_instrument_as_wide(factor: float) -> None:
    wide = Instrument(U=0.1 * factor**2, V=0.01 * factor**2, W=0.1 * factor**2, two_theta_max_deg=60.0)
    target, expected = rewidened(load_structure("BPO4"), factor, FINE), clean("BPO4", wide)
    torch.testing.assert_close(target, expected, rtol=SUMMED, atol=SUMMED * float(expected.max()))


@pytest.mark.parametrize("r", [0.3, 0.7, 1.0, 1.8])
def test_march_dollase_has_mean_1_over_the_sphere(r: float) -> None:
    nodes, weights = np.polynomial.legendre.leggauss(200)
    over = march_dollase(torch.from_numpy(nodes), r).numpy()
    assert float((weights * over).sum() / 2) == pytest.approx(1, abs=1e-9)
    assert over[100] == pytest.approx(r**1.5, rel=1e-2), "across the axis"
    assert float(march_dollase(torch.ones(1), r)) == pytest.approx(r**-3), "along the axis"


def test_texture_weighs_each_reflection_by_its_angle_to_the_plates() -> None:
    """In a tetragonal cell cos(alpha) of (h, k, l) and (0, 0, 1) is l / c over 1 / d."""
    reference, r = load_structure("BPO4"), 0.5
    table = reflection_table(reference, FINE)
    for h, k, l, ratio in ((0, 0, 2, r**-3), (2, 0, 0, r**1.5), (1, 0, 1, None)):  # noqa: E741
        row = table[(table[["h", "k", "l"]] == [h, k, l]).all(axis=1)].iloc[0]
        cosine = l / reference.lattice.c * row["d_angstrom"]
        expected = (r**2 * cosine**2 + (1 - cosine**2) / r) ** -1.5
        assert ratio is None or expected == pytest.approx(ratio)
        narrow = Instrument(U=0, V=0, W=1e-4, eta=1.0, two_theta_max_deg=60.0)
        at = round(row["two_theta_deg"] / narrow.step_deg)
        measured = textured(reference, r, instrument=narrow)[at] / clean("BPO4", narrow)[at]
        assert float(measured) == pytest.approx(expected, rel=1e-6), (h, k, l)


def test_a_cubic_line_has_the_mean_weight_of_its_reflections() -> None:
    """The axis may then be any of the equivalent ones."""
    reference = load_structure("NdCoO3")
    one, other = (textured(reference, 0.4, axis, FINE) for axis in ((0, 0, 1), (1, 0, 0)))
    torch.testing.assert_close(one, other, rtol=SUMMED, atol=SUMMED * float(one.max()))


def test_an_impurity_has_its_share_of_the_intensity() -> None:
    one, other = clean("U2Ti"), clean("NaS")
    mixed = with_impurity(one, other, 0.3)
    rest = mixed - 0.7 * one / one.sum()
    assert float(mixed.sum()) == pytest.approx(1, abs=ROUNDING)
    torch.testing.assert_close(rest / rest.sum(), other / other.sum(), rtol=SUMMED, atol=SUMMED)
    assert float(rest.sum()) == pytest.approx(0.3)


def freedom(family: str) -> int:
    """Free parameters of a family: the rank of its projection."""
    cell = torch.tensor([5.0, 6.0, 7.0, 95.0, 100.0, 105.0], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda values: project(values, family), cell)
    return int(torch.linalg.matrix_rank(torch.as_tensor(jacobian)))


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_a_wrong_family_allows_too_much_or_forbids_the_cell(name: str) -> None:
    reference = load_structure(name)
    family, (cell,) = detect_family(reference), to_tensors([reference])[0]
    for size in FAMILIES_BY_ERROR[family]:
        wrong = wrong_family(family, size)
        allowed = torch.allclose(project(cell, wrong), cell, rtol=1e-6)
        assert allowed == (size > 0), wrong
        if size > 0:
            assert freedom(wrong) - freedom(family) == size


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: counted(torch.ones(3), 0.0, np.random.default_rng(0)), "counts at the maximum must be above 0"),
        (lambda: with_background(torch.ones(3), torch.ones(3), -0.1), "the share of a background must be 0 or more"),
        (lambda: zero_shifted(load_structure("U2Ti"), -0.1), "a zero shift must be 0 deg or more"),
        (lambda: rewidened(load_structure("U2Ti"), 0.0), "a factor of widths must be above 0"),
        (lambda: march_dollase(torch.ones(1), 0.0), "r must be above 0"),
        (lambda: with_impurity(torch.ones(3), torch.ones(3), 1.0), "at least 0 and below 1"),
        (lambda: wrong_family("cubic", -1), r"must be one of \[1, 2, 3, 5\]"),
    ],
)
def test_impossible_artefacts_are_refused(make, told: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(XrdscapeError, match=told):
        make()


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_artefact_is_refused() -> None:
    one = load_structure("U2Ti")
    with pytest.raises(XrdscapeError, match="Use one"):
        with_artefact(one, "rust", 1, np.random.default_rng(0), one)
