"""Estimates from a pattern alone: what lies under the peaks, and how wide they are."""

import numpy as np
import pytest
import torch

from xrdscape.crystal.structures import load_structure
from xrdscape.diffraction.artefacts import counted, with_background
from xrdscape.patterns.background import background, peak_width
from xrdscape.patterns.simulated import simulate


def test_background_and_width_are_found() -> None:
    angles, noise = np.arange(10, 90, 0.02), np.random.default_rng(0)
    under = 300 + 200 * np.exp(-angles / 20) + 50 * np.cos(angles / 15)
    places = noise.uniform(12, 88, 40)
    peaks = sum(3000 * np.exp(-4 * np.log(2) * ((angles - place) / 0.15) ** 2) for place in places)
    counts = noise.poisson(under + peaks).astype(float)
    found = background(angles, counts)
    assert np.abs(found - under).max() < 2 * np.sqrt(under.max())
    assert peak_width(counts - found, 0.02) == pytest.approx(0.15, rel=0.15)
    assert peak_width(noise.normal(size=1000), 0.02) is None


@pytest.mark.parametrize("name", ["U2Ti", "NdCoO3", "Na3MnCoNiO6"])
@pytest.mark.parametrize(("share", "most"), [(0.1, 1e3), (0.1, 1e4), (0.1, 1e5), (0.5, 1e3), (0.5, 1e5)])
def test_the_halo_of_a_glass_is_background(name: str, share: float, most: float) -> None:
    pattern = simulate(load_structure(name))
    angles, exact = torch.from_numpy(pattern.two_theta_deg), torch.from_numpy(pattern.intensity)
    together = with_background(exact, angles, share)
    counts = counted(together, most, np.random.default_rng(0)).numpy() * together.max().item() / most
    under = (together - exact).numpy()
    left = np.abs(background(pattern.two_theta_deg, counts) - under).max()
    # Of a small one the tails of the peaks are a good part.
    assert left < (0.25 if share < 0.5 else 0.1) * under.max()


@pytest.mark.parametrize(("name", "most"), [("NdCoO3", 0.1), ("Na3MnCoNiO6", 0.13), ("Na2BiO3", 0.13)])
def test_without_a_background_little_but_tails_is_taken(name: str, most: float) -> None:
    pattern = simulate(load_structure(name))
    counts = counted(torch.from_numpy(pattern.intensity), 1e4, np.random.default_rng(0)).numpy()
    assert 0 < background(pattern.two_theta_deg, counts).sum() < most * counts.sum()


@pytest.mark.parametrize(("fwhm_deg", "number"), [(0.05, 12), (0.3, 12), (1.5, 12), (4, 4)])
def test_the_background_follows_no_peak_however_wide(fwhm_deg: float, number: int) -> None:
    angles, noise = np.arange(10, 90, 0.02), np.random.default_rng(0)
    places = np.linspace(20, 80, number)
    peaks = sum(1000 * np.exp(-4 * np.log(2) * ((angles - place) / fwhm_deg) ** 2) for place in places)
    assert np.abs(background(angles, noise.poisson(peaks + 50).astype(float)) - 50).max() < 6
    # Where nothing at all is counted there is no noise to go by.
    assert np.abs(background(angles, np.round(peaks))).max() < 2


def test_a_few_points_below_zero_do_not_draw_the_background_down() -> None:
    angles, noise = np.arange(15, 90, 0.02), np.random.default_rng(0)
    peaks = sum(1e5 / (1 + ((angles - place) / 0.06) ** 2) for place in (20, 21.3, 22.8, 30, 50, 70))
    dip = np.where(np.abs(angles - 18) < 0.3, -250, 0)
    found = background(angles, 150 + 20 * noise.normal(size=len(angles)) + peaks + dip)
    assert -30 < found.min() < found.max() < 300
