"""Against independent implementations: pymatgen's line lists, and a pattern summed atom by atom in this file."""

import math
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from crystals import CARRIED, carried
from pymatgen.analysis.diffraction.xrd import ATOMIC_SCATTERING_PARAMS, XRDCalculator
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from tolerances import ORACLE_ANGLE_DEG, ORACLE_INTENSITY, SUMMED

from xrdscape.crystal.structures import load_structure
from xrdscape.diffraction.instrument import PAPER_INSTRUMENT, Instrument
from xrdscape.diffraction.pattern import reflection_table
from xrdscape.paths import REFERENCE_NAMES, ROOT
from xrdscape.patterns.simulated import simulate

MP20 = ROOT.parent / "shared" / "data" / "mp20_sample.csv.gz"
SYSTEMS = ("triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic")
FIRST_GROUP_OF_NEXT_SYSTEM = (3, 16, 75, 143, 168, 195)
PER_SYSTEM = 30
"""Seven times thirty: the claim is about at least 200 structures."""


def assert_agrees_with_pymatgen(structure: Structure, instrument: Instrument | None = None) -> None:
    instrument = instrument or PAPER_INSTRUMENT
    ours = reflection_table(structure, instrument)
    theirs = XRDCalculator(wavelength=instrument.wavelength_angstrom).get_pattern(
        structure, two_theta_range=(0, instrument.two_theta_max_deg)
    )
    what = f"{structure.formula}, {structure.lattice.parameters}"
    assert len(ours) == len(theirs.x), what
    np.testing.assert_allclose(ours.two_theta_deg, theirs.x, rtol=0, atol=ORACLE_ANGLE_DEG, err_msg=what)
    np.testing.assert_allclose(ours.d_angstrom, theirs.d_hkls, rtol=ORACLE_INTENSITY, err_msg=what)
    np.testing.assert_allclose(ours.intensity, theirs.y, rtol=ORACLE_INTENSITY, err_msg=what)
    multiplicity = [sum(family["multiplicity"] for family in line) for line in theirs.hkls]
    assert ours.multiplicity.tolist() == multiplicity, what


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_the_ten_agree_with_pymatgen(name: str) -> None:
    assert_agrees_with_pymatgen(load_structure(name))


@pytest.mark.parametrize("name", CARRIED)
def test_the_carried_agree_with_pymatgen(name: str) -> None:
    assert_agrees_with_pymatgen(carried(name))


def test_the_carried_span_all_crystal_systems() -> None:
    assert {SpacegroupAnalyzer(carried(name)).get_crystal_system() for name in CARRIED} == set(SYSTEMS)


@pytest.mark.parametrize("wavelength_angstrom", [0.70930, 1.7889])
def test_other_wavelengths_and_ranges_agree_with_pymatgen(wavelength_angstrom: float) -> None:
    instrument = Instrument(wavelength_angstrom=wavelength_angstrom, two_theta_max_deg=70.0, tabulation="electron")
    for name in ("CuO", "TiO2_rutile", "triclinic_alloy"):
        assert_agrees_with_pymatgen(carried(name), instrument)


@pytest.mark.skipif(not MP20.exists(), reason="the MP-20 sample is not at hand; the carried crystals stand in for it")
def test_mp20_agrees_with_pymatgen() -> None:
    """The smallest cells of each crystal system, equally many of each."""
    sample = smallest_cells(MP20, PER_SYSTEM)
    assert Counter(sample.system) == dict.fromkeys(SYSTEMS, PER_SYSTEM)
    for text in sample.cif:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pymatgen comments on rounded coordinates
            structure = Structure.from_str(text, "cif")
            assert_agrees_with_pymatgen(structure)


def smallest_cells(path: Path, per_system: int) -> pd.DataFrame:
    """Rows of the sample with their crystal system: the cells of least volume, which are the quickest."""
    sample = pd.read_csv(path)
    place = np.searchsorted(FIRST_GROUP_OF_NEXT_SYSTEM, sample["spacegroup.number"], side="right")
    volume = sample.cif.str.extract(r"_cell_volume\s+([\d.]+)")[0].astype(float)
    sample = sample.assign(system=np.array(SYSTEMS)[place], volume=volume)
    return sample.sort_values("volume").groupby("system").head(per_system)


def pattern_atom_by_atom(structure: Structure, instrument: Instrument) -> np.ndarray:
    """The pattern by plain sums in Cartesian space over the full sphere (both Friedel mates), atoms and grid points."""
    grid = instrument.two_theta_min_deg + instrument.step_deg * np.arange(instrument.n_steps)
    reciprocal = 2 * np.pi * np.linalg.inv(structure.lattice.matrix).T
    wavelength = instrument.wavelength_angstrom
    largest = int(2 * max(structure.lattice.abc) / wavelength) + 1
    pattern = np.zeros_like(grid)
    for hkl in np.ndindex(*(2 * largest + 1,) * 3):
        q = (np.array(hkl) - largest) @ reciprocal
        s = np.linalg.norm(q) / (4 * np.pi)
        if s == 0 or s * wavelength > math.sin(math.radians(instrument.two_theta_max_deg / 2)):
            continue
        amplitude = 0j
        for site in structure:
            for element, occupancy in site.species.items():
                tail = sum(a * math.exp(-b * s * s) for a, b in ATOMIC_SCATTERING_PARAMS[element.symbol])
                factor = element.Z - 41.78214 * s * s * tail
                amplitude += occupancy * factor * np.exp(1j * (q @ site.coords))
        theta = math.asin(s * wavelength)
        lorentz = (1 + math.cos(2 * theta) ** 2) / (math.sin(theta) ** 2 * math.cos(theta))
        tangent, width = math.tan(theta), instrument.caglioti
        width2 = width.U * tangent**2 + width.V * tangent + width.W
        offset2 = (grid - math.degrees(2 * theta)) ** 2
        shape = instrument.eta * 2.0 ** (-4 * offset2 / width2) + (1 - instrument.eta) / (1 + 4 * offset2 / width2)
        pattern += abs(amplitude) ** 2 * lorentz * shape
    return pattern


@pytest.mark.parametrize("name", ["triclinic_alloy", "triclinic_oblique", "CuO", "SiO2_quartz"])
def test_patterns_agree_with_a_sum_atom_by_atom(name: str) -> None:
    """On an absolute scale; the alloy has a mixed and a half-empty site."""
    structure = carried(name)
    instrument = Instrument(
        step_deg=0.05, two_theta_max_deg=75.0, U=0.2, V=-0.03, W=0.08, eta=0.35, tabulation="electron"
    )
    expected = pattern_atom_by_atom(structure, instrument)
    np.testing.assert_allclose(
        simulate(structure, instrument).intensity, expected, rtol=0, atol=SUMMED * expected.max()
    )
