"""The demonstrations of the first two chapters, against what the equations say."""

import numpy as np
import pandas as pd
import pytest
from tolerances import DEMONSTRATED_GRADIENT, JUMP, KNOWN_DISTANCE, ORACLE_ANGLE_DEG, ORACLE_INTENSITY, SUMMED

from xrdscape.crystal.structures import load_structure
from xrdscape.demonstrations.derivation import (
    edge_crossings,
    elements_of,
    isotropic_loss,
    largest_gap,
    loss_derivative,
    pattern_derivative,
    projections,
    pymatgen_agreement,
    pymatgen_lines,
    structure_factors,
)
from xrdscape.demonstrations.noise_effects import (
    coordinate_draws,
    lattice_draws,
    medians_by_level,
    patterns_by_level,
    shortest_distance,
    start_table,
)
from xrdscape.diffraction.instrument import Instrument
from xrdscape.errors import CellError
from xrdscape.tables.noise import coordinate_noise_text
from xrdscape.tables.words import readable

COARSE = Instrument(step_deg=0.1)


def test_friedel_pairs_are_conjugate():
    pair = structure_factors(load_structure("BPO4"), [(1, 1, 2), (-1, -1, -2)])
    assert pair["real"][0] == pytest.approx(pair["real"][1], rel=SUMMED)
    assert pair["imaginary"][0] == pytest.approx(-pair["imaginary"][1], rel=SUMMED)
    assert abs(pair["imaginary"][0]) > 1


def test_face_centring_extinguishes_mixed_indices():
    squares = structure_factors(load_structure("LiMnIr2"), [(1, 0, 0), (2, 1, 1), (2, 2, 0)])["modulus_squared"]
    assert (squares[:2] < SUMMED * squares[2]).all()


def test_projections_start_with_the_cell_as_given():
    structure = load_structure("U2Ti")
    table = projections(structure).set_index("family")
    assert table.loc["as given"].to_numpy() == pytest.approx(structure.lattice.parameters)
    assert table.loc["hexagonal"].to_numpy() == pytest.approx(structure.lattice.parameters)
    assert table.loc["cubic", "gamma"] == 90


def test_lines_agree_with_pymatgen():
    agreement = pymatgen_agreement(pymatgen_lines(["U2Ti", "Na3MnCoNiO6"]))
    assert list(agreement["structure"]) == ["U2Ti", "Na3MnCoNiO6"]
    assert agreement["unmatched"].sum() == 0
    assert agreement["angle_difference_deg"].max() < ORACLE_ANGLE_DEG
    assert agreement["intensity_difference"].max() < ORACLE_INTENSITY


def test_a_line_in_one_list_only_is_counted():
    lines = pd.DataFrame(
        {"structure": ["X", "X"], "angle_difference_deg": [0.0, np.nan], "intensity_difference": [0.0, np.nan]}
    )
    assert pymatgen_agreement(lines)[["lines", "unmatched"]].to_numpy().tolist() == [[1, 1]]


def test_crossings_stand_where_braggs_law_puts_them():
    au2s = load_structure("Au2S")
    crossings = edge_crossings(au2s, 0.05, COARSE)
    for strain, d in crossings[["strain", "d_angstrom"]].to_numpy():
        assert d * (1 + strain) * 2 * np.sin(np.pi / 4) == pytest.approx(COARSE.wavelength_angstrom)
    tapered = edge_crossings(au2s, 0.05, Instrument(step_deg=0.1, taper_deg=4))
    assert crossings["jump"].abs().max() > JUMP > tapered["jump"].abs().max()


def test_isotropic_loss_is_lowest_without_strain():
    loss = isotropic_loss(load_structure("Au2S"), np.array([-0.01, 0.0, 0.01]), COARSE)
    assert loss[1] == pytest.approx(-1)
    assert (loss[[0, 2]] > -0.9).all()
    with pytest.raises(CellError, match="above -1"):
        isotropic_loss(load_structure("Au2S"), np.array([-1.0]), COARSE)


def test_derivatives_agree_with_differences():
    u2ti = load_structure("U2Ti")
    assert largest_gap(pattern_derivative(u2ti, "gamma", instrument=COARSE)) < DEMONSTRATED_GRADIENT
    values = u2ti.lattice.c * np.array([0.99, 1.02])
    assert largest_gap(loss_derivative(u2ti, "c", values, instrument=COARSE)) < DEMONSTRATED_GRADIENT


def test_tables_for_the_page():
    frame = pd.DataFrame({"x": [-1.5], "name": ["Q"], "good": [True], "left out": [0]})
    table = readable(frame, {"name": ("Name", ""), "x": ("X (Å)", ".1f"), "good": ("Good", "")})
    assert table.to_dict("list") == {"Name": ["Q"], "X (Å)": ["−1.5"], "Good": ["yes"]}
    assert elements_of(["U2Ti", "Au2S"]) == ["Au", "S", "Ti", "U"]


def test_draws_grow_with_the_level():
    medians = lattice_draws("U2Ti", (0.01, 0.1), 20).groupby("level").median()
    assert (medians.loc[0.1, "length_change_percent"] > 5 * medians.loc[0.01, "length_change_percent"]).all()
    draws = coordinate_draws("U2Ti", (0.0, 0.05), 5)
    still = draws[draws["level"] == 0.0]
    assert still["displacement_angstrom"].to_numpy() == pytest.approx(0)
    assert still["shortest_angstrom"].to_numpy() == pytest.approx(shortest_distance("U2Ti"), abs=KNOWN_DISTANCE)
    assert "at level 0 and by" in coordinate_noise_text(medians_by_level(draws))


def test_starts_come_out_the_same_in_any_order():
    cells = start_table("Au2S", "lattice", 0.1, (3, 0, 3)).drop(columns="copy").to_numpy()
    assert (cells[0] == cells[2]).all()
    assert (cells[0] != cells[1]).any()


def test_patterns_by_level_start_alike():
    (level, pattern, cosine), (_, _, lower) = patterns_by_level("U2Ti", "coordinates", (0.0, 0.1))
    assert (level, cosine) == (0.0, pytest.approx(1))
    assert lower < cosine
    assert len(pattern.intensity) == Instrument().n_steps
