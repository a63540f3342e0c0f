"""The particle mesh against sums of peaks, its derivatives against differences, its reflections against pymatgen."""

import math
from itertools import product

import numpy as np
import pytest
import tolerances
from crystals import DATA
from pymatgen.analysis.diffraction.xrd import XRDCalculator
from pymatgen.core import Structure

from xrdscape.crystal.reading import read_crystal
from xrdscape.diffraction.finite_size import FiniteSizeProfile
from xrdscape.diffraction.kernels.mesh_kernel import (
    LEAST_Q,
    TAPER_REACH,
    TWO_PI,
    Beam,
    Cell,
    Moves,
    spread,
    unique_reflections,
)
from xrdscape.optimisation.kernels.mesh_fit_kernel import Target
from xrdscape.solution.evidence import evidence
from xrdscape.solution.prototypes import kinds_of
from xrdscape.solution.standard import standard_orbits
from xrdscape.solution.templates import Template, template

NAMES = ("triclinic_oblique", "CuO", "CaCO3_aragonite", "TiO2_rutile", "SiO2_quartz", "CaCO3_calcite", "NaCl")
"""One of each crystal system but the hexagonal, whose reflections trigonal crystals on hexagonal axes have."""
WAVELENGTH, SIGMA, THICKNESS = 1.54184, 0.08, 60.0
Q = np.arange(0.01, 5.0, 0.016)
MOST, STEP = 6000, 1e-4


def known_crystal(name: str) -> tuple[Structure, Template, tuple[str, ...]]:
    """A crystal, its template, and its elements in the template's order."""
    structure = read_crystal(DATA / f"{name}.cif").structure
    numbers = [site.specie.Z for site in structure]
    orbits = standard_orbits(structure.lattice.matrix, structure.frac_coords, numbers)
    symbols = {site.specie.Z: site.specie.symbol for site in structure}
    return structure, template(kinds_of(orbits)), tuple(symbols[z] for z in sorted(symbols))


def experiment(elements: tuple[str, ...]) -> tuple[Beam, Target]:
    """A pattern's range and peaks' shape; its intensities do not matter here."""
    found = evidence(Q, np.exp(-((Q - 2) ** 2)), WAVELENGTH, SIGMA, THICKNESS, q_end_inv_angstrom=4.6)
    return found.beam(elements), found.stages[-1]


def on_the_mesh(cell: Cell, moves: Moves, beam: Beam, target: Target, columns: int) -> np.ndarray:
    reciprocal = TWO_PI * np.linalg.inv(cell.lattice).T
    end = beam.q_end + TAPER_REACH * beam.taper
    hkl, multiplicity = unique_reflections(reciprocal, cell.rotations, cell.translations, 1.1 * end, MOST)
    out = np.empty((target.kernel.shape[1], columns))
    spread(hkl, multiplicity, reciprocal, cell, moves, beam, target.first_node, target.step, out)
    return target.kernel @ out


def factor(beam: Beam, q: np.ndarray) -> np.ndarray:
    """Form factors as the kernel interpolates them [species, m]."""
    nodes = np.arange(beam.factors.shape[1]) * beam.factor_step
    return np.array([np.interp(q, nodes, row) for row in beam.factors])


def lines(cell: Cell, beam: Beam) -> tuple[np.ndarray, np.ndarray]:
    """Every reflection's Q and intensity, without symmetry [m]."""
    reciprocal = TWO_PI * np.linalg.inv(cell.lattice).T
    end = beam.q_end + TAPER_REACH * beam.taper
    reach = (np.linalg.norm(cell.lattice, axis=1) * end / TWO_PI).astype(int) + 1
    hkl = np.array(list(product(*(range(-r, r + 1) for r in reach))), float)
    q = np.linalg.norm(hkl @ reciprocal, axis=1)
    hkl, q = hkl[(q > LEAST_Q) & (q < end)], q[(q > LEAST_Q) & (q < end)]
    phase = np.exp(TWO_PI * 1j * hkl @ cell.frac.T)
    amplitude = (factor(beam, q)[cell.species].T * phase).sum(1)
    theta = np.arcsin(q * WAVELENGTH / (4 * np.pi))
    lorentz = (1 + np.cos(2 * theta) ** 2) / (np.sin(theta) ** 2 * np.cos(theta))
    return q, np.abs(amplitude) ** 2 * lorentz / (1 + np.exp((q - beam.q_end) / beam.taper))


@pytest.mark.parametrize("name", NAMES)
def test_the_mesh_is_a_sum_of_peaks(name: str) -> None:
    _, known, elements = known_crystal(name)
    beam, target = experiment(elements)
    still = Moves(np.zeros((0, 3, 3)), np.zeros((0, len(known), 3)))
    pattern = on_the_mesh(known.cell, still, beam, target, 1)[:, 0]
    q, intensity = lines(known.cell, beam)
    profile = FiniteSizeProfile(THICKNESS, SIGMA)
    stride = math.ceil(len(Q) / len(target.values))
    expected = profile(Q[::stride, None] - q) @ intensity
    np.testing.assert_allclose(pattern, expected, rtol=0, atol=tolerances.MESH * expected.max())


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_those_of_differences(name: str) -> None:
    _, known, elements = known_crystal(name)
    beam, target = experiment(elements)
    generator, moves = np.random.default_rng(0), known.moves
    shift = np.tensordot(generator.normal(0, 0.05, known.free_coords), moves.displacements, 1)
    cell = known.cell._replace(frac=known.cell.frac + shift)
    found = on_the_mesh(cell, moves, beam, target, 1 + known.parameters)[:, 1:].T

    def at(strain: np.ndarray, move: np.ndarray) -> np.ndarray:
        there = cell._replace(lattice=cell.lattice @ (np.eye(3) + strain), frac=cell.frac + move)
        return on_the_mesh(there, moves, beam, target, 1)[:, 0]

    none, still = np.zeros((3, 3)), np.zeros_like(cell.frac)
    ways = [(STEP * e, still) for e in moves.strains] + [(none, STEP * d) for d in moves.displacements]
    for row, (strain, move) in zip(found, ways, strict=True):
        by_differences = (at(strain, move) - at(-strain, -move)) / (2 * STEP)
        np.testing.assert_allclose(row, by_differences, rtol=0, atol=tolerances.MESH_SLOPE * np.abs(row).max())


@pytest.mark.parametrize("name", NAMES)
def test_reflections_and_multiplicities_are_those_of_pymatgen(name: str) -> None:
    structure, known, elements = known_crystal(name)
    beam, _ = experiment(elements)
    cell, end = known.cell, 4.5
    reciprocal = TWO_PI * np.linalg.inv(cell.lattice).T
    hkl, multiplicity = unique_reflections(reciprocal, cell.rotations, cell.translations, end, MOST)
    q = np.linalg.norm(hkl @ reciprocal, axis=1)
    amplitude = (factor(beam, q)[cell.species].T * np.exp(TWO_PI * 1j * hkl @ cell.frac.T)).sum(1)
    theta = np.arcsin(q * WAVELENGTH / (4 * np.pi))
    own = multiplicity * np.abs(amplitude) ** 2
    own *= (1 + np.cos(2 * theta) ** 2) / (np.sin(theta) ** 2 * np.cos(theta))
    last = math.degrees(2 * math.asin(end * WAVELENGTH / (4 * math.pi)))
    theirs = XRDCalculator(WAVELENGTH).get_pattern(structure, scaled=True, two_theta_range=(0, last))
    summed = np.array([own[np.abs(np.degrees(2 * theta) - angle) < 2e-3].sum() for angle in theirs.x])
    strongest = summed.argmax()
    scale = theirs.y[strongest] / summed[strongest]
    np.testing.assert_allclose(summed * scale, theirs.y, rtol=0, atol=100 * tolerances.PEAKS_OF_PYMATGEN)
    # What pymatgen does not list is weaker than a thousandth of a per cent of its strongest.
    listed = (np.abs(np.degrees(2 * theta)[:, None] - theirs.x) < 2e-3).any(1)
    assert (own[~listed] * scale).max(initial=0) < 2e-3
