"""Records on disk and the rates and correlations read off them."""

import numpy as np
import pandas as pd
import pytest
from made_solutions import made_solutions
from made_up import whole
from pymatgen.core import Lattice

from xrdscape.crystal.structures import load_structure
from xrdscape.errors import RecordError
from xrdscape.evaluation.estimates import jeffreys_interval
from xrdscape.evaluation.matching import CRITERIA
from xrdscape.study import records, statistics
from xrdscape.study.starts import start


@pytest.fixture(scope="module")
def evaluated():
    reference = load_structure("NaS")
    results = [reference, start("NaS", "coordinates", 0.01, 0), start("NaS", "coordinates", 0.1, 0)]
    return records.evaluated(reference, results, "end")


def test_the_reference_is_evaluated_as_perfect_and_noise_as_worse(evaluated):
    assert evaluated.loc[0, ["cosine_end", "entropy_end", "cross_correlation_end"]].to_list() == pytest.approx(
        [1, 1, 1]
    )
    assert evaluated.loc[0, "mse_end"] == pytest.approx(0, abs=1e-15)
    assert evaluated.loc[0, "emd_end"] == pytest.approx(0, abs=1e-9)
    assert evaluated.loc[0, ["match_conventional_end", "match_pymatgen_end", "match_tight_end"]].all()
    assert evaluated["emd_end"].is_monotonic_increasing
    assert evaluated["cosine_end"].is_monotonic_decreasing
    assert not evaluated.loc[2, "match_tight_end"]


@pytest.mark.parametrize("name", ["U2Ti", "Nd(Al2Cu)4"])
def test_a_cell_too_small_to_reflect_is_evaluated_too(name):
    """Descents of the mean squared error get there: against a pattern of few strong lines, zero is not far off."""
    reference = load_structure(name)
    small = reference.copy()
    small.lattice = Lattice.from_parameters(1.29, 1.18, 1.24, 84.7, 61.3, 68.0)
    row = records.evaluated(reference, [reference, small], "end").iloc[1]
    assert row[["cosine_end", "entropy_end", "cross_correlation_end"]].to_list() == [0, 0, 0]
    assert -1 < row["mse_end"] < 0
    assert row["emd_end"] > 0
    assert not any(row[f"match_{name}_end"] for name in CRITERIA)


def test_a_crystal_survives_its_record():
    reference = load_structure("Na2BiO3")
    row = pd.Series({"structure": "Na2BiO3", **records.geometry(reference, "start")})
    again = records.crystal(row, "start")
    assert again.lattice.parameters == pytest.approx(reference.lattice.parameters)
    assert again.frac_coords == pytest.approx(reference.frac_coords)
    assert again.species == reference.species


@pytest.mark.usefixtures("unchecked")
def test_a_crystal_is_at_the_start_or_the_end():
    row = pd.Series(records.geometry(load_structure("U2Ti"), "end"))
    with pytest.raises(RecordError, match="'start' and its 'end'"):
        records.crystal(row, "middle")


def test_files_keep_rows_settings_and_versions(tmp_path):
    rows = pd.DataFrame({"structure": ["NaS"], "end_lattice": [[1.0, 2.0, 3.0, 90.0, 90.0, 90.0]]})
    path = tmp_path / "new" / "rows.parquet"
    records.write(path, whole(rows), {"abc": {"settings": {"seed": 3}, "revision": "def"}})
    back = records.read(path)
    assert list(back.loc[0, "end_lattice"]) == [1.0, 2.0, 3.0, 90.0, 90.0, 90.0]
    assert records.made(path) == {"abc": {"settings": {"seed": 3}, "revision": "def"}}
    assert [p.name for p in path.parent.iterdir()] == ["rows.parquet"]


def test_lists_without_any_number_are_lists_of_numbers(tmp_path):
    rows = made_solutions()
    rows["rms"] = [np.full(len(values), np.nan) for values in rows["rms"]]
    rows["contact"] = [[] for _ in rows["contact"]]
    records.write(tmp_path / "none.parquet", rows, {})
    kept = records.read(tmp_path / "none.parquet")
    assert all(np.isnan(values).all() for values in kept["rms"])
    assert [len(values) for values in kept["contact"]] == [0] * len(rows)


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "rows.parquet"
    records.write(path, whole(pd.DataFrame({"level": [1.0]})), {})
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RecordError, match=r"rows\.parquet is damaged .* Delete it"):
        records.read(path)


def test_an_unknown_schema_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "rows.parquet"
    monkeypatch.setattr(records, "SCHEMA_VERSION", 99)
    records.write(path, whole(pd.DataFrame({"level": [1.0]})), {})
    monkeypatch.undo()
    with pytest.raises(RecordError, match="has schema 99, this version reads schema 2"):
        records.read(path)


def made_up_records(n: int = 40) -> pd.DataFrame:
    """Records whose distance grows with dissimilarity for one method and not at all for the other."""
    rng = np.random.default_rng(0)
    rows = []
    for method in ("cosine", "entropy"):
        for copy in range(n):
            distance = rng.uniform()
            similarity = 1 - distance if method == "cosine" else rng.uniform()
            rows.append(
                {
                    **{"structure": "NaS", "noise": "lattice", "level": 0.1, "copy": copy, "method": method},
                    **{f"{name}_end": similarity for name in ("cosine", "entropy")},
                    **{"emd_end": distance, "match_tight_start": copy == 0, "match_tight_end": copy < 10},
                }
            )
    return pd.DataFrame(rows)


def test_match_rates_count_each_start_once():
    rates = statistics.match_rates(made_up_records(), "tight").set_index("method")
    assert rates.loc["noised", ["matched", "trials"]].to_list() == [1, 40]
    assert rates.loc["cosine", "rate"] == 0.25
    assert tuple(rates.loc["cosine", ["low", "high"]]) == jeffreys_interval(10, 40)


def test_correlations_are_positive_where_pattern_and_geometry_agree():
    table = statistics.correlations(made_up_records()).set_index(["method", "statistic"])["value"]
    assert table["cosine", "pearson"] == pytest.approx(1)
    assert table["cosine", "spearman"] == pytest.approx(1)
    assert table["cosine", "mutual_information"] > 1
    assert abs(table["entropy", "pearson"]) < 0.4
    assert table["entropy", "mutual_information"] < 0.3


def test_a_copy_completed_elsewhere_says_so() -> None:
    here, there = {"processor": "A"}, {"processor": "B"}
    entry = {"settings": {}, "machine": here, "otherwise": {"copies": [3, 5], "machine": there}}
    assert [records.made_of(entry, copy)["machine"] for copy in (0, 3, 5)] == [here, there, there]
    assert records.made_of({"machine": here}, 3)["machine"] == here
