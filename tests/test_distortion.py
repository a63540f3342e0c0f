"""Noise: its distributions, its seeding, and what it leaves alone."""

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats
from tolerances import PINNED_DRAW, STANDARD_ERRORS

from xrdscape.crystal.distortion import (
    COORDINATE_LEVELS,
    LATTICE_LEVEL_LIMIT,
    LATTICE_LEVELS,
    distort_coordinates,
    distort_lattice,
    strain_matrix,
)
from xrdscape.crystal.structures import load_structure
from xrdscape.errors import StructureError
from xrdscape.study.starts import start


def strain_of(structure, distorted):
    """S from L' = S L with lattice vectors as columns."""
    return distorted.lattice.matrix.T @ np.linalg.inv(structure.lattice.matrix.T)


def assert_mean(values, expected, sd):
    """The mean of independent values of known sd agrees with what is expected."""
    assert abs(np.mean(values) - expected) < STANDARD_ERRORS * sd / np.sqrt(np.size(values))


@pytest.mark.parametrize("level", LATTICE_LEVELS)
def test_strain_is_uniform(level):
    structure = load_structure("MnOF")
    rng = np.random.default_rng(1)
    strains = np.array([strain_of(structure, distort_lattice(structure, level, rng)) for _ in range(400)])
    offsets = (strains - np.eye(3)).reshape(-1, 9)
    assert np.abs(offsets).max() <= level * (1 + 1e-9)
    for column in offsets.T:
        assert_mean(column, 0, level / np.sqrt(3))
        # variance of U(-l, l) is l^2/3; the sd of x^2 is l^2 sqrt(4/45)
        assert_mean(column**2, level**2 / 3, level**2 * np.sqrt(4 / 45))
        assert stats.kstest(column, "uniform", args=(-level, 2 * level)).pvalue > 1e-4
    correlation = np.corrcoef(offsets.T) - np.eye(9)
    assert np.abs(correlation).max() < STANDARD_ERRORS / np.sqrt(len(offsets))


@pytest.mark.parametrize("level", COORDINATE_LEVELS)
def test_displacements_are_normal(level):
    structure = load_structure("Nd(Al2Cu)4")
    rng = np.random.default_rng(2)
    moved = np.array([distort_coordinates(structure, level, rng).frac_coords for _ in range(60)])
    offsets = moved - structure.frac_coords
    offsets = (offsets - np.round(offsets)).ravel()
    assert_mean(offsets, 0, level)
    assert_mean(offsets**2, level**2, level**2 * np.sqrt(2))
    assert stats.kstest(offsets / level, "norm").pvalue > 1e-4
    assert moved.min() >= 0
    assert moved.max() < 1


def test_each_noise_leaves_the_rest_alone():
    reference = load_structure("BPO4")
    rng = np.random.default_rng(3)
    strained, shaken = distort_lattice(reference, 0.2, rng), distort_coordinates(reference, 0.1, rng)
    np.testing.assert_array_equal(strained.frac_coords, reference.frac_coords)
    np.testing.assert_array_equal(shaken.lattice.matrix, reference.lattice.matrix)
    assert reference == load_structure("BPO4")


def test_no_strain_flattens_a_cell():
    """The worst draw, every component at its bound in the worst sign, keeps a positive determinant below 1/3."""
    level = LATTICE_LEVEL_LIMIT * 0.999
    signs = np.array(np.meshgrid(*[(-1, 1)] * 9)).reshape(9, -1).T.reshape(-1, 3, 3)
    # det is linear in each component, so its minimum over the box lies at a corner
    assert np.linalg.det(np.eye(3) + level * signs).min() > 0
    assert np.linalg.det(np.eye(3) + 0.5 * signs).min() <= 0


def test_a_start_alone_equals_the_one_in_sequence():
    in_sequence = [start("U2Ti", "lattice", 0.1, copy) for copy in range(5)]
    assert start("U2Ti", "lattice", 0.1, 3) == in_sequence[3]
    assert start("U2Ti", "lattice", 0.1, 3, structure=load_structure("U2Ti")) == in_sequence[3]


def test_every_key_gives_another_draw():
    keys = [
        ("U2Ti", "lattice", 0.1, 0, 0),
        ("U2Ti", "lattice", 0.1, 1, 0),
        ("U2Ti", "lattice", 0.05, 0, 0),
        ("U2Ti", "lattice", 0.1, 0, 1),
        ("NaS", "lattice", 0.1, 0, 0),
    ]
    strains = [(strain_of(load_structure(key[0]), start(*key)) - np.eye(3)) / key[2] for key in keys]
    distances = [np.abs(a - b).max() for i, a in enumerate(strains) for b in strains[:i]]
    assert min(distances) > 0.01


def test_draws_are_the_stored_ones_in_any_process():
    """Records name starts by their key: these literals may never change."""
    code = (
        "from xrdscape.study.starts import start;"
        "print(start('U2Ti','lattice',0.1,7).lattice.matrix.ravel().tolist());"
        "print(start('U2Ti','coordinates',0.01,7).frac_coords.ravel().tolist())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lattice, coords = map(json.loads, run.stdout.splitlines())
    np.testing.assert_allclose(lattice, PINNED_LATTICE, atol=PINNED_DRAW)
    np.testing.assert_allclose(coords, PINNED_COORDINATES, atol=PINNED_DRAW)


@pytest.mark.parametrize("level", [-0.1, 1 / 3, float("nan")])
def test_impossible_lattice_levels_are_refused(level):
    with pytest.raises(StructureError, match=r"outside \[0, 1/3\)"):
        strain_matrix(level, np.random.default_rng(0))


@pytest.mark.usefixtures("unchecked")
def test_impossible_settings_are_refused():
    with pytest.raises(StructureError, match="not a standard deviation"):
        distort_coordinates(load_structure("U2Ti"), -1, np.random.default_rng(0))
    with pytest.raises(StructureError, match="unknown noise 'both'"):
        start("U2Ti", "both", 0.1, 0)


PINNED_LATTICE = [
    5.000030081799898,
    -0.36792459402846894,
    -0.13541926489877265,
    -2.707281667146972,
    4.737269423191483,
    -0.015298776339925314,
    0.17018175706721952,
    0.2216410166622203,
    2.7231194106384606,
]
PINNED_COORDINATES = [
    0.6686894258291516,
    0.32773583966354897,
    0.47873288477992937,
    0.3334937866871272,
    0.6665303627916223,
    0.502020602829117,
    0.9862111859499275,
    0.999244124406284,
    0.9900612249521844,
]
