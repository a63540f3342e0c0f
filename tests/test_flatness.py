"""How a loss rises beside the truth: by its fourth power where symmetry forbids every displacement."""

import numpy as np
import pandas as pd
import pytest

from xrdscape.crystal.structures import load_structure
from xrdscape.diffraction.pattern import Simulator
from xrdscape.figures.flatness import flatness_figure
from xrdscape.landscape.flatness import losses_beside, powers, without_free_coordinates
from xrdscape.optimisation.objectives import OBJECTIVES

SIZES = (0.01, 0.02)


@pytest.mark.parametrize(("name", "power"), [("U2Ti", 4), ("NaS", 2)])
def test_the_power_is_that_of_the_symmetry(name: str, power: int) -> None:
    reference = load_structure(name)
    rows = losses_beside(reference, OBJECTIVES["cosine"], SIZES, 3, 0)
    assert list(rows["displacement"]) == list(SIZES)
    assert powers({name: rows}, [name]) == pytest.approx((power, power), abs=0.1)


def test_powers_are_of_the_crystals_that_are_named() -> None:
    rows = {str(p): pd.DataFrame({"displacement": [0.1, 0.3], "loss": [0.1**p, 0.3**p]}) for p in (2, 3, 4)}
    assert powers(rows, ["2", "3"]) == pytest.approx((2, 3))
    assert powers(rows, ["4"]) == pytest.approx((4, 4))


def test_crystals_whose_sites_are_all_fixed_are_known() -> None:
    assert without_free_coordinates(["U2Ti", "NaS", "LiMnIr2"]) == {"U2Ti", "LiMnIr2"}


def test_atoms_are_displaced_by_what_is_asked_for_and_the_crystal_not_as_a_whole(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    reference, seen = load_structure("NaS"), []
    cosine = OBJECTIVES["cosine"]
    real = Simulator.__call__

    def told(self, lattice, frac_coords):  # type: ignore[no-untyped-def]
        seen.append(frac_coords)
        return real(self, lattice, frac_coords)

    monkeypatch.setattr(Simulator, "__call__", told)
    losses_beside(reference, cosine, SIZES, 4, 1)
    for size, sites in zip(SIZES, seen[-2:], strict=True):
        moved = (sites.numpy() - reference.frac_coords) @ reference.lattice.matrix
        assert np.allclose(np.sqrt((moved**2).sum((1, 2)) / len(reference)), size)
        assert np.allclose(moved.mean(1), 0, atol=1e-12)
    again = [losses_beside(reference, cosine, SIZES, 2, seed)["loss"].tolist() for seed in (1, 1, 2)]
    assert again[0] == again[1] != again[2]


def test_the_figure_tells_fixed_crystals_from_others() -> None:
    rows = {name: losses_beside(load_structure(name), OBJECTIVES["cosine"], SIZES, 2, 0) for name in ("U2Ti", "NaS")}
    figure = flatness_figure({"Cosine": rows}, frozenset({"U2Ti"}))
    (ax,) = figure.axes
    fixed, free, *legend = ax.lines
    assert list(fixed.get_ydata()) == list(rows["U2Ti"]["loss"])
    assert fixed.get_color() != free.get_color()
    assert fixed.get_color() == legend[0].get_color()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["no coordinate free", "some coordinates free"]
