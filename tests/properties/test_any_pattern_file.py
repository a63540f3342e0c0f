"""Patterns from files of any kind: a pattern or one refusal, soon, and never a wavelength that no line names."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pattern_files import archive, brml, gsas, ras, rasx, raw3, raw4, rows, uxd, xrdml

from xrdscape.errors import PatternError
from xrdscape.patterns.pattern import FEWEST_POINTS, LONGEST_ANGSTROM, SHORTEST_ANGSTROM
from xrdscape.patterns.reading import read_pattern
from xrdscape.patterns.scan import AXES

SOON = settings(deadline=timedelta(seconds=5))

SOUND = [
    content if isinstance(content, bytes) else content.encode()
    for content in (
        ras(5.0), rasx(2.0), brml(), raw3(), raw4(), xrdml(), uxd(), uxd("_COUNTS"), gsas("STD"), gsas("ESD"),
        gsas("FXYE"),
        archive({"Data0/Profile0.txt": rows()}), f"# wavelength = 0.15406 nm\n# 2theta I\n{rows()}",
        f"data_p\n_pd_calib_2theta_offset 0.1\nloop_\n_pd_meas_2theta_scan\n_pd_meas_counts_total\n{rows()}",
        "10 0.1 20\n" + rows("{y:.0f}"), "a\n2-Theta (deg)\nI\n101\n" + rows(),
    )
]  # fmt: skip
SUFFIXES = st.sampled_from(
    [".raw", ".rasx", ".brml", ".xrdml", ".uxd", ".ras", ".gsas", ".chi", ".xye", ".cif", ".csv", ""]
)
PIECES = [
    b"nan",
    b"-1e308",
    b"1e400",
    b"\0",
    b"\xff\xfe",
    b"BANK",
    b"*RAS_INT_START\n",
    b"<",
    b"\xff" * 8,
    b"\n\n",
    b"9" * 30,
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sound file in which some pieces have been lost, doubled or exchanged for others, or whose end is missing."""
    content = draw(st.sampled_from(SOUND))
    for _ in range(draw(st.integers(1, 4))):
        start, length = draw(st.integers(0, len(content))), draw(st.integers(0, 60))
        piece = content[start : start + length]
        fresh = draw(st.one_of(st.sampled_from([b"", 2 * piece, *PIECES]), st.binary(max_size=8)))
        content = content[:start] + fresh + content[start + length :]
    return content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content


WORDS = st.sampled_from(
    [*"Am=:/()[];,dIqQλÅ", "wavelength", "lambda", "K-Alpha1", "Kα2", "ratio", "energy", "keV", "nm", "1.5406",
     "0.15406", "1,5406", "1.5444", "0.5", "8.05", "2.5", "mm", "scan", "2theta", "2-Theta", "1/nm", "^-1",
     "intensity", "esd", "counts", "theta", "TOF", "x-axis", "start", "step", "stop", "10", "0.1", "20",
     "neutron", "source", "angstrom", "\t"]
)  # fmt: skip
HEADER = st.lists(st.lists(WORDS, max_size=8).map(" ".join), max_size=5)
MARKS = st.sampled_from(["", "# ", "; ", "! ", "* "])
BETWEEN = st.sampled_from([" ", "\t", ",", ";", ", ", " ; ", "  ", "\t "])
NUMBERS = st.sampled_from(
    [
        "{:.2f}",
        "{:.3f}",
        "{:.0f}",
        "{:,.0f}",
        "{:.3e}",
        "{:,.2f}",
        "+{:.1f}",
        "{:08.2f}",
        '"{:.2f}"',
        "{:.2f} ",
        "-{:.2f}",
    ]
)


@st.composite
def tables(draw: st.DrawFn) -> str:
    """A text in columns with a header, whose numbers are written in some way."""
    mark, between, comma = draw(MARKS), draw(BETWEEN), draw(st.booleans())
    columns = draw(st.integers(1, 5))
    ways = [draw(NUMBERS) for _ in range(columns)]
    angle = draw(st.sampled_from([0.01, 0.1, 1.0])) * np.arange(120) + draw(st.sampled_from([-5.0, 0.5, 10.0, 1000.0]))
    height = 3 + 2000 * np.exp(-(((np.arange(120) - 60) / 9) ** 2))
    values = [angle, height, np.sqrt(height), height / 2, angle[::-1]][:columns]
    lines = [between.join(way.format(v) for way, v in zip(ways, row, strict=True)) for row in zip(*values, strict=True)]
    lines = [line.replace(".", ",") for line in lines] if comma else lines
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    return end.join([*(mark + line for line in draw(HEADER)), *lines])


def assert_sound(path: Path, axis: str | None = None) -> None:
    with suppress(PatternError):
        read = read_pattern(path, axis=axis)
        assert len(read.two_theta_deg) == len(read.intensity) >= FEWEST_POINTS
        assert np.isfinite(read.intensity).all()
        assert (np.diff(read.two_theta_deg) > 0).all()
        assert read.two_theta_deg[0] >= 0
        assert read.two_theta_deg[-1] < 180
        assert read.sigma is None or np.isfinite(read.sigma).all()
        if read.radiation is not None:
            assert SHORTEST_ANGSTROM < read.radiation.wavelength_angstrom < LONGEST_ANGSTROM
            assert read.remarks[0].startswith("The wavelength is ")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("patterns")


@SOON
@given(damaged(), SUFFIXES)
def test_damaged_files(folder: Path, content: bytes, suffix: str) -> None:
    path = folder / f"damaged{suffix}"
    path.write_bytes(content)
    assert_sound(path)


@SOON
@given(
    st.binary(max_size=600),
    st.sampled_from([b"", b"RAW1.01\0", b"RAW4.00\0", b"PK\3\4", b"BANK 1 50 50 CONST 1000 1\n"]),
)
def test_any_bytes(folder: Path, content: bytes, start: bytes) -> None:
    path = folder / "bytes.raw"
    path.write_bytes(start + content)
    assert_sound(path)


@SOON
@given(tables(), st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]), SUFFIXES, st.sampled_from([None, *AXES]))
def test_tables_of_any_kind(folder: Path, text: str, encoding: str, suffix: str, axis: str | None) -> None:
    path = folder / f"table{suffix}"
    path.write_bytes(text.encode(encoding))
    assert_sound(path, axis)
