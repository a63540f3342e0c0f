"""Maps made once: what is stored is what was computed, what is missing is computed, and an audit sees a difference."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from xrdscape.book import Book, chapter_parameters
from xrdscape.cli import app
from xrdscape.errors import RecordError
from xrdscape.landscape import records
from xrdscape.landscape.records import (
    BOOK_MAPS,
    FOLDER,
    Map,
    MapAudit,
    audit,
    every_pair,
    landscapes,
    make_missing,
    paired,
)
from xrdscape.landscape.slices import Slice
from xrdscape.tables.landscapes import audit_text

# At 150 deg the two angles close no cell with the third, which is 120 deg: a part of this map has no value.
SMALL = (
    Map("loss", "U2Ti", "a", "c", 5),
    Map("loss", "U2Ti", "alpha", "beta", 5, angle_span_deg=60.0),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    return tmp_path


def same(first: Slice, second: Slice) -> bool:
    arrays = all(np.array_equal(getattr(first, n), getattr(second, n), equal_nan=True) for n in ("x", "y", "value"))
    facts = ("structure_name", "x_name", "y_name", "reference", "label")
    return arrays and all(getattr(first, n) == getattr(second, n) for n in facts)


def test_a_map_comes_back_as_it_was_computed(folder: Path) -> None:
    assert make_missing(SMALL, progress=False) == 2
    for each, stored in zip(SMALL, landscapes(SMALL), strict=True):
        assert same(stored, each.compute())
    assert np.isnan(landscapes(SMALL)[1].value).any()
    made = json.loads(str(np.load(SMALL[0].path)["facts"]))
    assert made["settings"] == {
        "quantity": "loss", "structure": "U2Ti", "x_name": "a", "y_name": "c", "n": 5, "length_span": 0.15,
        "angle_span_deg": 15.0,
    }  # fmt: skip
    assert {"revision", "packages", "machine", "date"} <= set(made["made_by"])


def test_only_what_is_missing_is_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xrdscape.landscape.records.BOOK_MAPS", SMALL)
    make_missing(SMALL, progress=False)
    kept = SMALL[1].path.stat().st_mtime_ns
    SMALL[0].path.unlink()
    result = CliRunner().invoke(app, ["landscapes"], catch_exceptions=False)
    assert result.stdout.startswith("1 maps made, 2 in ")
    assert SMALL[0].path.exists()
    assert SMALL[1].path.stat().st_mtime_ns == kept


def test_any_other_setting_is_another_record(folder: Path) -> None:
    first = SMALL[0]
    others = [
        replace(first, quantity="energy"), replace(first, structure="Au2S"), replace(first, x_name="b"),
        replace(first, n=7), replace(first, length_span=0.1), replace(first, angle_span_deg=10.0),
    ]  # fmt: skip
    assert len({each.path for each in (first, *others)}) == 7


def test_a_map_that_is_not_recorded_is_computed(folder: Path) -> None:
    (landscape,) = landscapes(SMALL[:1])
    assert same(landscape, SMALL[0].compute())
    assert list(folder.iterdir()) == []
    assert audit(SMALL, 3, seed=0) == []
    assert audit_text([]) == "The maps are computed on this page."


def altered(each: Map, change: np.ndarray) -> None:
    with np.load(each.path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    np.savez(each.path, **{**arrays, "value": arrays["value"] + change})


def test_an_audit_sees_a_record_that_no_longer_holds(folder: Path) -> None:
    make_missing(SMALL, progress=False)
    (found,) = audit(SMALL, points=25, seed=0)
    assert (found.quantity, found.maps, found.points) == ("loss", 2, 25)
    assert found.largest < 1e-12
    shift = np.zeros((5, 5))
    shift[1, 3] = 1e-6
    altered(SMALL[0], shift)
    with pytest.raises(RecordError, match=r"U2Ti-a-c-loss.*differ by 1e-06 from the record, and 1e-09 is allowed"):
        audit(SMALL, points=25, seed=0)


def test_a_value_where_there_should_be_none_is_a_difference(folder: Path) -> None:
    make_missing(SMALL, progress=False)
    altered(SMALL[0], np.full((5, 5), np.nan))
    with pytest.raises(RecordError, match="differ by nan"):
        audit(SMALL[:1], points=1, seed=0)


def test_the_points_of_an_audit_follow_from_its_seed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_missing(SMALL[:1], progress=False)
    asked: list[tuple[float, ...]] = []

    def values_at(self: Map, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        asked.append(tuple(x) + tuple(y))
        (stored,) = landscapes([self])
        return stored.value[[list(stored.y).index(v) for v in y], [list(stored.x).index(v) for v in x]]

    monkeypatch.setattr(Map, "values_at", values_at)
    for seed in (0, 0, 1):
        audit(SMALL[:1], points=4, seed=seed)
    assert asked[0] == asked[1] != asked[2]


def test_a_damaged_record_says_what_to_do(folder: Path) -> None:
    make_missing(SMALL[:1], progress=False)
    SMALL[0].path.write_bytes(SMALL[0].path.read_bytes()[:200])
    with pytest.raises(RecordError, match=r"cannot be read .*Delete it, and `xrdscape landscapes` makes it again"):
        landscapes(SMALL[:1])


def test_an_audit_is_told_with_its_bound() -> None:
    text = audit_text([MapAudit("loss", 17, 20, 0.0), MapAudit("energy", 4, 20, 2e-7)])
    assert "20 random points of each of the 17 maps of the loss" in text
    assert "4 maps of the energy, which differ from the record by at most 2e-07 eV/atom (0.0001 is allowed)" in text


def test_every_map_that_chapters_show_is_recorded() -> None:
    slices = {name: p.default for name, p in chapter_parameters("04-landscapes", Book()).items()}
    pairs = every_pair("U2Ti", slices["grid"], slices["length_span"], slices["angle_span_deg"])
    points = {name: p.default for name, p in chapter_parameters("06-chgnet", Book()).items()}
    losses, energies = paired({"U2Ti": ("a", "c")}, points["map_points"], points["pattern_points"])
    others = paired({"Nd(Al2Cu)4": ("a", "c")}, points["slice_points"], points["pattern_points"])
    assert {*pairs, *losses, *energies, *others[0], *others[1]} <= set(BOOK_MAPS)
    assert {each.path for each in BOOK_MAPS} == set(FOLDER.glob("*"))
