"""Records of any content come back from their files as they were."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import FEWER, crystals, numbers

from xrdscape.study import columns, records

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
OF_A_KIND = {
    "text": WORDS,
    "number": st.floats(width=64),
    "whole number": st.integers(0, 10**6),
    "flag": st.booleans(),
    "numbers": st.lists(numbers(0.1, 180.0), min_size=1, max_size=6),
}
ROWS = st.fixed_dictionaries({name: OF_A_KIND[kind] for name, kind in columns.REQUIRED.items()})
SETTINGS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("records")


@FEWER
@given(st.lists(ROWS, min_size=1, max_size=3), st.dictionaries(WORDS, SETTINGS, max_size=3))
def test_rows_and_settings_come_back(folder: Path, rows: list[dict[str, object]], settings: dict[str, object]) -> None:
    path, written = folder / "rows.parquet", pd.DataFrame(rows)
    records.write(path, written, settings)
    read = records.read(path)
    for name in written:
        if columns.REQUIRED[name] == "numbers":
            assert [list(values) for values in read[name]] == list(written[name])
        else:
            pd.testing.assert_series_equal(read[name], written[name], check_exact=True)
    assert records.made(path) == settings
    assert list(folder.iterdir()) == [path]


@given(crystals(), st.sampled_from(["start", "end"]))
def test_a_crystal_survives_its_record(structure, which: str) -> None:  # type: ignore[no-untyped-def]
    row = pd.Series(records.geometry(structure, which))
    again = records.crystal(row, which, structure)
    np.testing.assert_allclose(again.lattice.parameters, structure.lattice.parameters, rtol=1e-12)
    assert np.array_equal(again.frac_coords, structure.frac_coords)
    assert again.species_and_occu == structure.species_and_occu
