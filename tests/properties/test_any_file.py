"""Files: what is written is read back, and no file at all ends in anything but a pattern, a crystal or a refusal."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from crystals import DATA
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure
from strategies import FEWER, angles, coordinates, numbers, species
from tolerances import CIF_FRACTION, XY_FILE

from xrdscape.cli import app
from xrdscape.crystal.accounts import IMPOSSIBLE_DENSITIES
from xrdscape.crystal.structures import load_structure
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.widths import CagliotiWidth
from xrdscape.errors import XrdscapeError
from xrdscape.patterns.pattern import FEWEST_POINTS
from xrdscape.patterns.reading import read_pattern
from xrdscape.patterns.simulated import simulate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


# What is written is read back.


@FEWER
@given(
    start_deg=numbers(0.0, 30.0),
    span_deg=numbers(40.0, 60.0),
    step_deg=numbers(0.02, 0.5),
    wavelength=numbers(0.5, 2.2),
    widths=st.tuples(numbers(0.0, 0.3), numbers(0.0, 0.1), numbers(0.01, 0.3)),
    eta=numbers(0.0, 1.0),
)
def test_a_simulated_pattern_is_read_as_it_was_written(
    folder: Path, start_deg: float, span_deg: float, step_deg: float, wavelength: float,
    widths: tuple[float, float, float], eta: float,
) -> None:  # fmt: skip
    path, end_deg = folder / "simulated.xy", start_deg + span_deg
    options = {"two-theta-min-deg": [start_deg], "two-theta-max-deg": [end_deg], "step-deg": [step_deg],
               "wavelength-angstrom": [wavelength], "caglioti": widths, "eta": [eta]}  # fmt: skip
    words = [word for name, values in options.items() for word in (f"--{name}", *map(repr, values))]
    result = CliRunner().invoke(app, ["simulate", "U2Ti", "-o", str(path), "--force", *words])
    assert result.exit_code == 0, result.output
    instrument = Instrument(
        wavelength_angstrom=wavelength, two_theta_min_deg=start_deg, two_theta_max_deg=end_deg, step_deg=step_deg,
        eta=eta, **dict(zip("UVW", widths, strict=True)),
    )  # fmt: skip
    pattern, read = simulate(load_structure("U2Ti"), instrument), read_pattern(path)
    np.testing.assert_allclose(read.two_theta_deg, pattern.two_theta_deg, rtol=XY_FILE, atol=0)
    np.testing.assert_allclose(read.intensity, pattern.intensity, rtol=XY_FILE, atol=0)
    assert read.radiation.mean_wavelength_angstrom == pytest.approx(wavelength, rel=XY_FILE)
    assert read.profile is not None
    width = read.profile.width
    assert isinstance(width, CagliotiWidth)
    assert [width.U, width.V, width.W, read.profile.eta] == pytest.approx([*widths, eta], rel=XY_FILE)
    assert not read.has_background


@st.composite
def columns(draw: st.DrawFn) -> NDArray[np.float64]:
    """A pattern as two or three columns with as many decimals as files have [2 or 3, n]."""
    n, first, step = draw(st.integers(FEWEST_POINTS, 80)), draw(numbers(0.0, 60.0)), draw(numbers(0.01, 1.0))
    rows = [np.round(first + step * np.arange(n), 4)]
    rows += [np.round(draw(arrays.arrays(np.float64, n, elements=numbers(*ends))), 3)
             for ends in [(0.0, 1e5), (0.5, 1e3)][: draw(st.integers(1, 2))]]  # fmt: skip
    assume(rows[1].max() > rows[1].min())
    return np.stack(rows)


def assert_read(path: Path, table: NDArray[np.float64], wavelength: float) -> None:
    read = read_pattern(path)
    assert np.array_equal(read.two_theta_deg, table[0])
    assert np.array_equal(read.intensity, table[1])
    assert (read.sigma is None) if len(table) == 2 else np.array_equal(read.sigma, table[2])
    assert read.radiation.mean_wavelength_angstrom == pytest.approx(wavelength)


@given(columns(), st.sampled_from([" ", "\t", ",", ", ", ";", " ; "]), st.booleans(), numbers(0.5, 2.5))
def test_columns_of_text(
    folder: Path, table: NDArray[np.float64], between: str, falling: bool, wavelength: float
) -> None:
    """Between semicolons decimals may have commas; angles may fall; comments may stand anywhere."""
    path = folder / "columns.dat"
    rows = [between.join(f"{value:.6f}" for value in row) for row in table.T]
    if ";" in between:
        rows = [row.replace(".", ",") for row in rows]
    rows = rows[::-1] if falling else rows
    rows.insert(3, "# a remark")
    names = between.join(["2theta", "intensity", "esd"][: len(table)])
    path.write_text("\n".join([f"Sample 7, wavelength = {wavelength:.6f} A", names, *rows, ""]))
    assert_read(path, table, wavelength)


def in_parentheses(value: float, uncertainty: float) -> str:
    """A number with three decimals and its uncertainty as CIF writes it."""
    return f"{value:.3f}({round(1000 * uncertainty)})"


@given(columns(), st.booleans(), numbers(0.5, 2.5), st.sampled_from(["_pd_meas_2theta_scan", "range"]))
def test_powder_cifs(folder: Path, table: NDArray[np.float64], own_column: bool, wavelength: float, how: str) -> None:
    """Uncertainties in parentheses or in a column of their own; angles in a loop, or by first, last and step."""
    path, n = folder / "pattern.cif", table.shape[1]
    names, cells = ["_pd_meas_counts_total"], [[f"{value:.3f}" for value in table[1]]]
    if len(table) == 3 and own_column:
        names, cells = [*names, f"{names[0]}_su"], [*cells, [f"{value:.3f}" for value in table[2]]]
    elif len(table) == 3:
        cells = [[in_parentheses(*pair) for pair in table[1:].T]]
    head = ["data_pattern", f"_diffrn_radiation_wavelength {wavelength!r}"]
    if how == "range":
        step = table[0, 1] - table[0, 0]
        assume(step > 0)
        table = np.stack([table[0, 0] + step * np.arange(n), *table[1:]])
        ends = zip(("min", "max", "inc"), (table[0, 0], table[0, -1], step), strict=True)
        head += [f"_pd_meas_2theta_range_{part} {float(value)!r}" for part, value in ends]
    else:
        names, cells = [how, *names], [[f"{value:.4f}" for value in table[0]], *cells]
    rows = [" ".join(row) for row in zip(*cells, strict=True)]
    path.write_text("\n".join([*head, "loop_", *names, *rows, ""]))
    assert_read(path, table, wavelength)


@st.composite
def spacious_crystals(draw: st.DrawFn) -> Structure:
    """Crystals whose atoms keep their distance, and whose coordinates are not nearly 1/3 or 2/3."""
    kinds = draw(st.lists(species(), min_size=1, max_size=4))
    lengths = draw(st.tuples(*[numbers(3.0, 12.0)] * 3))
    coords = np.round(draw(coordinates(len(kinds))), 6)
    structure = Structure(Lattice.from_parameters(*lengths, *draw(angles())), kinds, coords)
    least, most = IMPOSSIBLE_DENSITIES
    assume(least < structure.density < most)
    distance = structure.distance_matrix + 9 * np.eye(len(kinds))
    assume(distance.min() > 0.6)
    assume(min(structure.lattice.get_lll_reduced_lattice().abc) > 0.6)
    assume(np.abs(3 * coords - np.round(3 * coords)).min() > 1e-3 or np.isin(coords, (0.0, 0.5)).all())
    return structure


@given(spacious_crystals(), st.sampled_from(["crystal.cif", "POSCAR"]))
def test_a_crystal_is_read_as_it_was_written(folder: Path, structure: Structure, name: str) -> None:
    """Site by site, up to the decimals of the format; a POSCAR knows no partial occupancy."""
    assume(name != "POSCAR" or structure.is_ordered)
    path = folder / name
    structure.to(filename=str(path), fmt="cif" if name.endswith("cif") else "poscar")
    read = load_structure(path)
    np.testing.assert_allclose(read.lattice.parameters, structure.lattice.parameters, rtol=CIF_FRACTION)
    assert len(read) == len(structure)
    left = list(range(len(read)))
    for site in structure:
        away = read.frac_coords[left] - site.frac_coords
        away = np.abs(away - np.round(away)).max(1)
        place = left.pop(int(away.argmin()))
        assert away.min() < CIF_FRACTION
        assert read[place].species.almost_equals(site.species, rtol=CIF_FRACTION, atol=CIF_FRACTION)


# No file ends in anything but a result or a refusal.


NAMES = st.sampled_from(
    ["x.xy", "x.xye", "x.dat", "x.csv", "x.cif", "x.pdcif", "x.mcif", "POSCAR", "x.vasp", "x.json", "x"]
)
BYTES = st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf8", "replace")))


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A sound file in which some pieces have been lost, doubled, exchanged for others or cut off."""
    content = draw(st.sampled_from(SOUND))
    for _ in range(draw(st.integers(1, 3))):
        start, length = draw(st.integers(0, len(content))), draw(st.integers(0, 40))
        piece = content[start : start + length]
        fresh = draw(st.one_of(st.just(b""), st.just(2 * piece), st.binary(max_size=8), st.sampled_from(PIECES)))
        content = content[:start] + fresh + content[start + length :]
    return content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content


PIECES = [
    b"nan",
    b"inf",
    b"-1",
    b"1e400",
    b"0",
    b"?",
    b".",
    b"loop_\n",
    b"data_",
    b"'",
    b"\n;\n",
    b"(",
    b"1(5)",
    b"\xff",
]
_TABLE = "\n".join(f"{10 + 0.1 * k:.1f} {k * k % 17}" for k in range(60))
SOUND = [
    f"# wavelength 1.5406\n{_TABLE}\n".encode(),
    ("data_p\n_diffrn_radiation_wavelength 1.5406\nloop_\n_pd_meas_2theta_scan\n_pd_meas_counts_total\n"
     f"{_TABLE}\n").encode(),
    (DATA / "CsCl.cif").read_bytes(),
    b"NaCl\n1.0\n4.0 0 0\n0 4.0 0\n0 0 4.0\nNa Cl\n1 1\ndirect\n0 0 0\n0.5 0.5 0.5\n",
]  # fmt: skip


@given(NAMES, st.one_of(BYTES, spoiled()))
def test_no_file_breaks_the_reading_of_patterns(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.write_bytes(content)
    with suppress(XrdscapeError):
        read = read_pattern(path)
        assert len(read.two_theta_deg) == len(read.intensity) >= FEWEST_POINTS
        assert np.isfinite(read.intensity).all()
        assert (np.diff(read.two_theta_deg) > 0).all()
        assert read.radiation is None or np.isfinite(read.radiation.mean_wavelength_angstrom)


@given(NAMES, st.one_of(BYTES, spoiled()))
def test_no_file_breaks_the_reading_of_crystals(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.write_bytes(content)
    with suppress(XrdscapeError):
        read = load_structure(path)
        assert len(read) > 0
        assert np.isfinite(read.frac_coords).all()
        assert np.isfinite(read.lattice.parameters).all()
        assert read.volume > 0
