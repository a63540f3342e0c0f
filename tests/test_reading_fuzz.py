"""Damaged files: a crystal or one message, never a traceback, never a wait."""

import time
import warnings
from pathlib import Path

import pytest
from crystals import DATA
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xrdscape.crystal.reading import read_crystal
from xrdscape.errors import XrdscapeError

LONGEST_SECONDS = 5.0
SEEDS = [path.read_bytes() for path in sorted([*(DATA / "inputs").iterdir(), *DATA.glob("*.cif")])]
PARTS = [
    *(b"?", b".", b"nan", b"inf", b"-1", b"0", b"1e99", b"1e-99", b"1e6", b"9" * 20, b"'", b'"', b";", b"\n;\n"),
    *(b"loop_", b"data_x", b"data_", b"save_", b"stop_", b"global_", b"_cell_length_a", b"_atom_site_fract_x", b"#"),
    *(
        b"x,y,z",
        b"-x,-y,-z",
        b"x+1/3,y,z",
        b"x+1/7,y,z",
        b"2x,y,z",
        b"x,x,x",
        b"y,x,z",
        b"1/0",
        b"(5)",
        b"Xx",
        b"Va",
        b"OH",
    ),
    *(
        b"[",
        b"]",
        b"\xff",
        b"\x00",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"$",
        b"P 1",
        b"F d -3 m",
        b"R -3 m",
        b"180",
        b"60",
        b"1",
    ),
]
NAMES = ("x.cif", "x.mcif", "POSCAR", "x.vasp", "x.json", "x.txt", "x", "x.res", "x.xsf")

SLOW = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def assert_read_or_refused(path: Path) -> None:
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            outcome = read_crystal(path).summary
        except XrdscapeError as refusal:
            outcome = str(refusal)
    assert path.name in outcome or "g/cm3" in outcome
    assert time.process_time() - began < LONGEST_SECONDS


@SLOW
@given(st.binary(max_size=400), st.sampled_from(NAMES))
def test_any_bytes(tmp_path: Path, data: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert_read_or_refused(path)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A file with some of its words and lines replaced, left out, doubled or swapped."""
    lines = draw(st.sampled_from(SEEDS)).split(b"\n")
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["word", "cut", "double", "swap", "insert", "byte"])):
            case "word":
                words = lines[place].split(b" ")
                words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(PARTS))
                lines[place] = b" ".join(words)
            case "cut":
                lines[place] = b""
            case "double":
                lines.insert(place, lines[place])
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[place], lines[other] = lines[other], lines[place]
            case "insert":
                lines.insert(place, draw(st.sampled_from(PARTS)))
            case "byte":
                cut = draw(st.integers(0, len(lines[place])))
                lines[place] = lines[place][:cut] + draw(st.binary(max_size=2)) + lines[place][cut + 1 :]
    return b"\n".join(lines)


@settings(SLOW, max_examples=400)
@given(damaged(), st.sampled_from(["x.cif"] * 4 + list(NAMES)))
def test_damaged_files(tmp_path: Path, data: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert_read_or_refused(path)


@pytest.mark.parametrize(
    ("symmetry", "rows"), [("P 1", 30_000), ("F m -3 m", 3_000), ("P 1", 5_000)], ids=["rows", "images", "many"]
)
def test_large_tables_do_not_hang(tmp_path: Path, symmetry: str, rows: int) -> None:
    path, side = tmp_path / "x.cif", round(rows ** (1 / 3)) + 1
    places = [(i % side / side, i // side % side / side, i // side**2 / side) for i in range(rows)]
    cell = "".join(f"_cell_length_{axis} {3 * side}\n" for axis in "abc")
    columns = "".join(f"_atom_site_{name}\n" for name in ("label", "type_symbol", "fract_x", "fract_y", "fract_z"))
    table = "\n".join(f"C{i} C {x:.5f} {y:.5f} {z:.5f}" for i, (x, y, z) in enumerate(places))
    path.write_text(f"data_x\n{cell}_space_group_name_H-M_alt '{symmetry}'\nloop_\n{columns}{table}\n")
    assert_read_or_refused(path)
