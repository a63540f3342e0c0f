"""Cells with more reflections than memory holds are refused before any work begins."""

import time
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from made_up_cif import cif
from pymatgen.core import Lattice, Structure

from xrdscape.cli import app
from xrdscape.crystal.size import LARGEST_PHASES, refuse_size
from xrdscape.crystal.structures import to_tensors
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator
from xrdscape.errors import CellError
from xrdscape.patterns.simulated import simulate

REACH = Instrument().max_reciprocal_length


def cube(side: float) -> torch.Tensor:
    return torch.tensor([[side, side, side, 90.0, 90.0, 90.0]], dtype=torch.float64)


@pytest.mark.parametrize("side", [400.0, 1e6, 1e12])
def test_a_cell_too_large_is_one_message(side: float) -> None:
    began = time.perf_counter()
    with pytest.raises(
        CellError, match=r"with 1 sites has about .* reflections in this range, .* times as many as fit"
    ):
        simulate(Structure(Lattice.cubic(side), ["Fe"], [[0, 0, 0]]))
    assert time.perf_counter() - began < 1


def test_the_estimate_is_the_number_of_reflections() -> None:
    structure = Structure(Lattice.from_parameters(12, 14, 17, 80, 95, 110), ["Fe"], [[0, 0, 0]])
    simulator, lattice = Simulator(structure), to_tensors([structure])[0]
    count = int((simulator.reflections(lattice).multiplicity > 0).sum())
    refuse_size(lattice, int(0.97 * LARGEST_PHASES / count), REACH)
    with pytest.raises(CellError):
        refuse_size(lattice, int(1.03 * LARGEST_PHASES / count), REACH)


def test_a_shorter_sphere_and_clipped_indices_are_less_work() -> None:
    with pytest.raises(CellError):
        refuse_size(cube(400), 1, REACH)
    refuse_size(cube(400), 1, REACH / 10)
    refuse_size(cube(400), 1, REACH, hkl_max=4)


def test_a_sample_of_a_batch_is_enough() -> None:
    with pytest.raises(CellError, match="a cell of 500 x 500 x 500"):
        refuse_size(torch.cat([cube(5), cube(500)]), 1, REACH)


def test_the_command_says_it_in_one_message(tmp_path: Path) -> None:
    crystal = tmp_path / "large.cif"
    rows = [f"U{i} U {i % 20 / 20} {i // 20 / 20} 0 1" for i in range(400)]
    crystal.write_text(cif(rows, cell=(120, 120, 120, 90, 90, 90)))
    result = CliRunner().invoke(app, ["simulate", str(crystal), "-o", str(tmp_path / "o.xy")])
    assert result.exit_code == 2
    assert "error: a cell of 120 x 120 x 120 angstrom with 400 sites has about" in result.stderr
    assert not (tmp_path / "o.xy").exists()
