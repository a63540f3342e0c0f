"""Matches, distance, intervals and correlations, against cases whose answer is known."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from scipy import stats
from tolerances import KNOWN_DISTANCE, MI_BIAS, QUANTILE, SIMILARITY

from xrdscape.crystal.distortion import distort_coordinates, distort_lattice
from xrdscape.crystal.structures import load_structure
from xrdscape.errors import RecordError, XrdscapeError
from xrdscape.evaluation.estimates import jeffreys_interval, mutual_information, pearson, spearman
from xrdscape.evaluation.matching import CONVENTIONAL, PYMATGEN_DEFAULTS, emd, matches, tight_match
from xrdscape.paths import REFERENCE_NAMES
from xrdscape.study.published import published_table


def reshaped(structure, lattice=None, coords=None):
    lattice = structure.lattice if lattice is None else lattice
    return Structure(lattice, structure.species_and_occu, structure.frac_coords if coords is None else coords)


def stretched(structure, factors):
    a, b, c, *angles = structure.lattice.parameters
    return reshaped(structure, Lattice.from_parameters(*np.multiply((a, b, c), factors), *angles))


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_a_structure_matches_itself(name):
    reference = load_structure(name)
    assert all(matches(reference, reference, options) for options in (CONVENTIONAL, PYMATGEN_DEFAULTS))
    assert tight_match(reference, reference)


@pytest.mark.parametrize("name", ["Nd(Al2Cu)4", "Na2BiO3"])
def test_primitive_reduction_hides_matches_of_centred_cells(name):
    """The trap: the truth reduces to its primitive cell, a slightly shaken copy does not."""
    reference = load_structure(name)
    copies = [distort_coordinates(reference, 0.01, np.random.default_rng(seed)) for seed in range(4)]
    assert [matches(reference, copy, PYMATGEN_DEFAULTS) for copy in copies] == [False] * 4
    assert [matches(reference, copy) for copy in copies] == [True] * 4


def test_scale_accepts_a_stretched_cell():
    reference = load_structure("NdCoO3")
    wrong = stretched(reference, (1.3, 1.3, 1.3))
    assert matches(reference, wrong, PYMATGEN_DEFAULTS)
    assert not matches(reference, wrong)
    assert not tight_match(reference, wrong)


@pytest.mark.parametrize("judge", [matches, tight_match])
def test_wild_results_match_nothing(judge):
    reference = load_structure("U2Ti")
    assert not judge(reference, reshaped(reference, coords=np.full((3, 3), np.nan)))
    assert not judge(reference, reshaped(reference, Lattice.from_parameters(4.8, 4.8, 2.8, 60, 60, 119.9999)))
    assert not judge(reference, load_structure("NaS"))


@pytest.mark.parametrize(
    ("factors", "expected"),
    [((1.0049, 1, 0.9951), True), ((1.0051, 1, 1), False), ((1, 0.9949, 1), False), ((1, 1, 1.0051), False)],
)
def test_tight_length_limit(factors, expected):
    reference = load_structure("MnOF")
    assert tight_match(reference, stretched(reference, factors)) is expected


@pytest.mark.parametrize(("turn_deg", "expected"), [(0.49, True), (0.51, False), (-0.51, False)])
def test_tight_angle_limit(turn_deg, expected):
    reference = load_structure("NdCoO3")
    a, b, c, alpha, beta, gamma = reference.lattice.parameters
    lattice = Lattice.from_parameters(a, b, c, alpha, beta, gamma + turn_deg)
    assert tight_match(reference, reshaped(reference, lattice)) is expected


@pytest.mark.parametrize(("step_angstrom", "expected"), [(0.049, True), (0.051, False)])
def test_tight_distance_limit(step_angstrom, expected):
    """Two atoms moved oppositely: their mean displacement, and so the common translation, is zero."""
    reference = load_structure("Na3MnCoNiO6")
    coords = reference.frac_coords.copy()
    coords[3] += reference.lattice.get_fractional_coords([0, step_angstrom, 0])
    coords[9] -= reference.lattice.get_fractional_coords([0, step_angstrom, 0])
    assert tight_match(reference, reshaped(reference, coords=coords)) is expected


@pytest.mark.parametrize("name", ["Na3MnCoNiO6", "MnOF", "NaS", "LiMnIr2"])
def test_origin_and_order_of_atoms_do_not_matter(name):
    reference = load_structure(name)
    rng = np.random.default_rng(4)
    coords = (reference.frac_coords + rng.uniform(size=3) + rng.normal(0, 0.0005, (len(reference), 3))) % 1
    order = rng.permutation(len(reference))
    moved = Structure(reference.lattice, [reference[i].species for i in order], coords[order])
    assert tight_match(reference, moved)


def test_atoms_need_a_site_of_their_own_kind():
    reference = load_structure("NdCoO3")
    swapped = Structure(reference.lattice, ["Co", "Nd", "O", "O", "O"], reference.frac_coords)
    assert [s.specie.symbol for s in reference] == ["Nd", "Co", "O", "O", "O"]
    assert not tight_match(reference, swapped)
    doubled = reference.frac_coords.copy()
    doubled[3] = doubled[4] + 0.001
    assert not tight_match(reference, reshaped(reference, coords=doubled))


@pytest.mark.parametrize("name", ["Na3MnCoNiO6", "Na2BiO3", "MnOF", "U2Ti"])
def test_other_settings_of_the_cell_match(name):
    reference = load_structure(name)
    niggli = reference.get_reduced_structure("niggli") if name in ("MnOF", "U2Ti") else reference
    assert tight_match(reference, niggli)
    basis = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]]) @ np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]])
    other = Structure(
        Lattice(basis @ reference.lattice.matrix),
        reference.species_and_occu,
        reference.frac_coords @ np.linalg.inv(basis),
    )
    assert max(np.abs(np.subtract(other.lattice.abc, reference.lattice.abc))) > 0.1
    assert tight_match(reference, other)
    assert not tight_match(reference, stretched(other, (1.02, 1, 1)))


def test_a_strain_within_match_is_not_tight():
    reference = load_structure("BPO4")
    result = stretched(reference, (1.03, 1.03, 1))
    assert matches(reference, result)
    assert not tight_match(reference, result)


def test_emd_of_known_pairs():
    """One atom a cell: every distance scales with the cell, so the largest difference is at the last neighbour."""
    small = Structure(Lattice.cubic(3.0), ["Fe"], [[0, 0, 0]])
    large = Structure(Lattice.cubic(3.3), ["Fe"], [[0, 0, 0]])
    # neighbours 1-6 lie at a, 7-18 at sqrt(2) a
    assert emd(small, large, k=6) == pytest.approx(0.3, abs=KNOWN_DISTANCE)
    assert emd(small, large, k=18) == pytest.approx(0.3 * np.sqrt(2), abs=KNOWN_DISTANCE)


def test_emd_is_blind_to_setting_and_grows_with_distortion():
    reference = load_structure("Na2BiO3")
    assert emd(reference, reference.get_primitive_structure()) == pytest.approx(0, abs=1e-3)
    rng = np.random.default_rng(5)
    near, far = (emd(reference, distort_lattice(reference, level, rng)) for level in (0.01, 0.2))
    assert 0 < near < far
    assert np.isnan(emd(reference, reshaped(reference, coords=np.full((24, 3), np.nan))))


@pytest.mark.parametrize(("successes", "trials"), [(1, 10), (5, 10), (250, 500), (499, 500)])
def test_jeffreys_is_the_beta_posterior(successes, trials):
    expected = stats.beta.interval(0.95, successes + 0.5, trials - successes + 0.5)
    np.testing.assert_allclose(jeffreys_interval(successes, trials), expected, atol=QUANTILE)


def test_jeffreys_edges_and_textbook_values():
    """Brown, Cai and DasGupta (2001), Table 5: n = 10."""
    assert np.round(jeffreys_interval(0, 10), 3).tolist() == [0, 0.217]
    assert np.round(jeffreys_interval(1, 10), 3).tolist() == [0.011, 0.381]
    assert np.round(jeffreys_interval(5, 10), 3).tolist() == [0.224, 0.776]
    low, high = jeffreys_interval(10, 10)
    assert (round(low, 3), high) == (0.783, 1.0)


@pytest.mark.parametrize(("successes", "trials"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_counts_are_refused(successes, trials):
    with pytest.raises(XrdscapeError, match="no rate can be estimated"):
        jeffreys_interval(successes, trials)


def gaussian_pairs(rho, n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return x, rho * x + np.sqrt(1 - rho**2) * rng.normal(size=n)


@pytest.mark.parametrize("rho", [0.3, 0.9])
def test_mutual_information_of_gaussians(rho):
    """-log(1 - rho^2) / 2 nats; the interval covers it about as often as it says, and is not too wide."""
    reference = -0.5 * np.log(1 - rho**2)
    estimates = [mutual_information(*gaussian_pairs(rho, 400, seed), seed=seed, n_resamples=60) for seed in range(12)]
    values = np.array([e.value for e in estimates])
    assert abs(values.mean() - reference) < MI_BIAS
    # at 95 % coverage, 9 or fewer of 12 happen once in 400
    assert sum(e.low <= reference <= e.high for e in estimates) >= 10
    widths = np.array([e.high - e.low for e in estimates])
    assert widths.mean() < 8 * values.std(ddof=1)


def test_resampling_with_ties_would_inflate():
    """Why not the bootstrap proper: its estimates leave the value behind, the halves' spread does not."""
    x, y = gaussian_pairs(0.3, 300, 1)
    rows = np.random.default_rng(0).integers(0, 300, 300)
    honest = mutual_information(x, y, n_resamples=40)
    assert mutual_information(x[rows], y[rows], n_resamples=2).value > honest.high


def test_correlations_agree_with_scipy():
    x, y = gaussian_pairs(0.5, 200, 2)
    y = np.round(y, 1)  # ties
    for ours, scipys in ((pearson, stats.pearsonr), (spearman, stats.spearmanr)):
        estimate = ours(x, y)
        assert estimate.value == pytest.approx(scipys(x, y).statistic, abs=SIMILARITY)
        assert estimate.low < estimate.value < estimate.high
        assert estimate.n == 200
    fisher = stats.pearsonr(x, y).confidence_interval()
    np.testing.assert_allclose([pearson(x, y).low, pearson(x, y).high], fisher, atol=0.05)


def test_spearman_sees_only_the_order():
    x, y = gaussian_pairs(0.7, 60, 3)
    assert spearman(x, y) == spearman(np.exp(x), y)


@pytest.mark.parametrize("estimator", [mutual_information, pearson, spearman])
def test_degenerate_input_gives_nan(estimator):
    values = np.arange(40.0)
    for x, y in ((values, np.ones(40)), (values[:2], values[:2]), ([], [])):
        estimate = estimator(x, y)
        assert np.isnan([estimate.value, estimate.low, estimate.high]).all()
        assert estimate.n == len(x)


@pytest.mark.parametrize("estimator", [mutual_information, pearson, spearman])
def test_unfinished_pairs_are_left_out_and_the_seed_fixes_the_rest(estimator):
    x, y = gaussian_pairs(0.5, 60, 4)
    gappy = np.concatenate([x, [np.nan, 1.0]]), np.concatenate([y, [0.0, np.inf]])
    assert estimator(*gappy, n_resamples=50) == estimator(x, y, n_resamples=50)
    with pytest.raises(XrdscapeError, match="one length each"):
        estimator(x, y[:-1])


def test_perfect_correlation_has_a_degenerate_interval():
    x = np.arange(10.0)
    estimate = pearson(x, 2 * x)
    np.testing.assert_allclose([estimate.value, estimate.low, estimate.high], 1, atol=SIMILARITY)


@pytest.mark.usefixtures("unchecked")
def test_published_tables():
    for name in ("table1", "table_s1", "table_s2"):
        table = published_table(name)
        assert len(table) == 45
        assert table.groupby(["noise", "constrained"]).size().to_dict() == {
            ("coordinates", False): 20,
            ("lattice", False): 20,
            ("lattice", True): 5,
        }
    mi = published_table("table1").set_index(["noise", "level", "objective", "constrained"]).value
    assert mi["lattice", 0.1, "cosine", True] == 1.12
    assert mi["coordinates", 0.05, "cross_correlation", False] == 1.81
    s1 = published_table("table_s1").set_index(["noise", "level", "objective", "constrained"]).value
    assert s1["coordinates", 0.01, "cross_correlation", False] == -0.82
    assert np.isnan(s1["coordinates", 0.005, "cross_correlation", False])
    assert set(published_table("values").value) >= {0.74, 0.57, 0.71, 0.05}
    with pytest.raises(RecordError, match="no published table 'table9': choose one of table1"):
        published_table("table9")
