"""Reading patterns from files of every kind: right values, or one message that says what to do."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pattern_files import ANGLES, COUNTS, LINES, archive, brml, gsas, ras, rasx, raw3, raw4, rows, uxd, xrdml

from xrdscape.crystal.structures import load_structure
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.radiation import Radiation
from xrdscape.errors import PatternError
from xrdscape.patterns.pattern import Pattern
from xrdscape.patterns.reading import read_pattern
from xrdscape.patterns.simulated import simulate
from xrdscape.refinement.prepared import prepare
from xrdscape.refinement.refine import refine

Read = Callable[..., Pattern]
CU = Radiation.of(1.5406)
WAVE = "# wavelength = 1.5406 A\n"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_content(content: str | bytes, name: str = "a.xy", **options: object) -> Pattern:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_pattern(path, **options)

    return read_content


def message(read: Read, content: str | bytes, name: str = "a.xy", **options: object) -> str:
    with pytest.raises(PatternError) as caught:
        read(content, name, **options)
    return str(caught.value)


def assert_same(found: Pattern, factor: float = 1.0) -> None:
    np.testing.assert_allclose(found.two_theta_deg, ANGLES, atol=1e-6)
    np.testing.assert_allclose(found.intensity, factor * COUNTS, rtol=1e-6)


def lines(found: Pattern) -> list[tuple[float, float]]:
    assert found.radiation is not None
    return [(line.wavelength_angstrom, round(line.weight, 4)) for line in found.radiation.lines]


DOUBLET = [(LINES[0], 0.6667), (LINES[1], 0.3333)]

# Wavelengths.


@pytest.mark.parametrize(
    ("header", "wavelength"),
    [
        ("# wavelength = 0.15406 nm", 1.5406),
        ("# Wavelength: 1.5406e-10 m", 1.5406),
        ("# wavelength 154.06 pm", 1.5406),
        ("; λ [nm] = 0.15406", 1.5406),
        ("Wavelength (A): 1.5418", 1.5418),
        ("Wellenlänge: 1,5406 Å", 1.5406),
        ("! longueur d'onde : 0,70930 Å", 0.7093),
        ("# X-ray wavelength used was 0.4137 angstroms", 0.4137),
        ("# Energy: 8.0478 keV", 1.54060),
        ("# Photon energy (keV) = 20", 0.61992),
        ("# energy 8047.8 eV", 1.54060),
        ("_WL1=1.540600", 1.5406),
        ("Wavelength,1.5406,A", 1.5406),
        ("Wavelength: Cu Kα1 1.5406 Å", 1.5406),
        ("Cu Kα radiation (λ = 1.5418 Å)", 1.5418),
        ("# Monochromator wavelength in A = 0.82", 0.82),
        ("# lambda_mean: 1.5418 A", 1.5418),
        ("# wavelength ≈ 1.5406 Å", 1.5406),
        ("# Wavelength 1.5374 kX", 1.54059),
        ("# Raman laser 532 nm; X-ray wavelength 1.5406 A", 1.5406),
    ],
)
def test_a_labelled_wavelength_is_read_with_its_unit(read: Read, header: str, wavelength: float) -> None:
    found = read(f"a sample\n{header}\n{rows()}")
    assert lines(found) == [(pytest.approx(wavelength, abs=2e-5), 1.0)]
    assert any(header.split()[-1].strip("#;! ") in remark for remark in found.remarks)
    assert_same(found)


@pytest.mark.parametrize(
    "header",
    [
        "3.5 % doped, lambda scan 2.5 mm",
        "# lambda = 2.5 mm",
        "# wavelength spread = 0.05",
        "# energy threshold = 4 keV",
        "# Anode: Cu",
        "alpha phase 1.5 %",
        "# a = 4.05 alpha = 90.0",
        "# detector distance 1.5406 m",
        "# deposition energy 10 keV",
        "# thermal conductivity lambda = 1.5",
        "# laser wavelength: 532 nm",
    ],
)
def test_numbers_that_are_no_wavelength_are_not_taken_for_one(read: Read, header: str) -> None:
    found = read(f"{header}\n{rows()}")
    assert found.radiation is None
    assert_same(found)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("# wavelength 15.406", "15.406 angstrom, which is not one of X-ray diffraction"),
        ("# wavelength = 0.15406", "has no unit, and seems to be in nm"),
        ("# wavelength=1.5418\n# lambda=0.71", "different lines give 1.5418 angstrom"),
        ("# wavelength: 2.5 m", "which is not one of X-ray diffraction"),
    ],
)
def test_a_wavelength_that_makes_no_sense_is_refused_unless_it_is_given(read: Read, header: str, words: str) -> None:
    told = message(read, f"{header}\n{rows()}")
    assert words in told
    assert "Give it with --wavelength-angstrom" in told
    assert read(f"{header}\n{rows()}", radiation=CU).radiation == CU


@pytest.mark.parametrize(
    ("header", "weights"),
    [
        ("# K-Alpha1 wavelength,1.540593\n# K-Alpha2 wavelength,1.544414\n# Ratio K-Alpha2/K-Alpha1,0.25", (0.8, 0.2)),
        ("# lambda2 = 1.544414\n# lambda1 = 1.540593", (0.6667, 0.3333)),
        ("# wavelength: 1.540593, 1.544414", (0.6667, 0.3333)),
        ("# KAlpha1 = 1.540593 KAlpha2 = 1.544414 KBeta = 1.39222", (0.6667, 0.3333)),
        ("# lambda 1.540593 1.544414 0.5", (0.6667, 0.3333)),
        ("# lambda 1.544414 1.540593", (0.6667, 0.3333)),
        ("_WL1=1.544414\n_WL2=1.540593\n_WLRATIO=0.5", (0.6667, 0.3333)),
        ("# lambda1 = 1.540593, lambda2 = 1.544414, ratio 25 %", (0.8, 0.2)),
        ("# lambda1 = 1.540593, lambda2 = 1.544414, I2/I1 = 0.25", (0.8, 0.2)),
    ],
)
def test_doublets_in_a_header(read: Read, header: str, weights: tuple[float, float]) -> None:
    found = read(f"{header}\n{rows()}")
    assert lines(found) == [(LINES[0], weights[0]), (LINES[1], weights[1])]
    assert any("weights of the two lines" in remark for remark in found.remarks)


# Axes.


def over(axis: str, wavelength: float = 1.5406) -> list[float]:
    sine = np.sin(np.radians(ANGLES) / 2)
    q = 4 * math.pi * sine / wavelength
    return {"q": q, "q_nm": 10 * q, "d": 2 * math.pi / q, "d_nm": 0.2 * math.pi / q}[axis].tolist()


def table(head: str, axis: str, text: str = "{p:.7f} {y:.0f}\n") -> str:
    return head + "".join(text.format(p=p, y=y, s=math.sqrt(y)) for p, y in zip(over(axis), COUNTS, strict=True))


@pytest.mark.parametrize(
    ("head", "axis"),
    [
        ("#  q_nm^-1  I\n", "q_nm"),
        ("# q_A^-1 I\n", "q"),
        ("Q (1/A), Intensity\n", "q"),
        ("Q [nm⁻¹]\tcounts\n", "q_nm"),
        ("Q(Å-1);I\n", "q"),
        ("# x-axis: Q (inverse nanometres)\n", "q_nm"),
        ("# unit: q_A^-1\n", "q"),
        ("scattering vector / 1/nm  intensity\n", "q_nm"),
        ("d  I\n", "d"),
        ("d-spacing (Å)  Intensity\n", "d"),
        ("d [nm]  Intensity\n", "d_nm"),
        ("d in nm\n", "d_nm"),
        ("# Q in nm-1\n", "q_nm"),
        ("# q: 1/A\n", "q"),
        ("# q (nm$^{-1}$) I\n", "q_nm"),
    ],
)
def test_axes_of_the_header(read: Read, head: str, axis: str) -> None:
    text = {",": "{p:.7f},{y:.0f}\n", "\t": "{p:.7f}\t{y:.0f}\n", ";": "{p:.7f};{y:.0f}\n"}
    between = next((mark for mark in text if mark in head), "")
    found = read(WAVE + table(head, axis, text.get(between, "{p:.7f} {y:.0f}\n")))
    np.testing.assert_allclose(found.two_theta_deg, ANGLES, atol=1e-4)
    np.testing.assert_allclose(found.intensity, COUNTS)
    assert any(remark.startswith("The positions are ") for remark in found.remarks)


@pytest.mark.parametrize(("axis", "name"), [("q", "q-angstrom"), ("q_nm", "q-nm"), ("d", "d")])
def test_axes_by_option(read: Read, axis: str, name: str) -> None:
    found = read(table("", axis), radiation=CU, axis=name)
    np.testing.assert_allclose(found.two_theta_deg, ANGLES, atol=1e-4)
    np.testing.assert_allclose(found.intensity, COUNTS)
    assert "needs the wavelength" in message(read, table("", axis), axis=name)


def test_an_axis_that_is_asked_for_overrules_the_header(read: Read) -> None:
    assert_same(read(f"{WAVE}# Q  I\n{rows()}", axis="two-theta"))


@pytest.mark.usefixtures("unchecked")
def test_an_axis_that_there_is_not_is_refused(read: Read) -> None:
    assert "unknown axis 'theta'" in message(read, rows(), axis="theta")


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("# Q I\n", "has no unit"),
        ("theta,intensity\n", "is none of 2theta in degrees, Q and d"),
        ("Time-of-flight I\n", "is none of 2theta"),
        ("# 2th_rad I\n", "is none of 2theta"),
        ("# r_mm I\n", "is none of 2theta"),
        *((f"# {name} I\n", "is none of 2theta") for name in ("2θ/rad", "th", "s", "1/d", "d*", "time", "r")),
        ("Angle (theta)  I\n", "is none of 2theta"),
        ("Bragg angle,I\n", "is none of 2theta"),
        ("two theta in radians,I\n", "is none of 2theta"),
        ("# x-axis: Q (1/A)\n# x-axis: d (A)\n", "names several axes"),
    ],
)
def test_other_axes_are_refused(read: Read, head: str, words: str) -> None:
    body = rows("{x:.1f},{y:.0f}") if "," in head else rows()
    told = message(read, WAVE + head + body)
    assert words in told
    assert "--axis" in told


@pytest.mark.parametrize(
    ("axis", "words"),
    [("q", "too coarse for a powder pattern"), ("q_nm", "even if it is Q in 1/nm"), ("d", "even if it is d")],
)
def test_what_cannot_be_two_theta_is_not_taken_for_it(read: Read, axis: str, words: str) -> None:
    told = message(read, WAVE + table("", axis))
    assert words in told
    assert "--axis" in told


def test_a_line_on_the_scan_names_no_columns(read: Read) -> None:
    assert_same(read(f"{WAVE}# Scan axis,2Theta-Omega\n{rows()}"))


def test_q_beyond_the_wavelength_is_refused(read: Read) -> None:
    assert "cannot be reached" not in message(read, f"{WAVE}# q_A^-1 I\n{rows()}")
    assert "not all of it can be reached with 1.5406 angstrom" in message(read, f"{WAVE}# q_A^-1 I\n{rows()}")


# Columns.


@pytest.mark.parametrize(
    "text",
    [
        rows("{x:.4f}\t{y:,.0f}").replace("\t", "\t3,"),
        rows('{x:.4f},"3,{y:.0f}"'),
        rows("{x:.4f};3 {y:.0f}"),
        rows("{x:.4f}\t3’{y:.0f}"),
    ],
)
def test_separators_of_thousands(read: Read, text: str) -> None:
    small = np.minimum(COUNTS, 999)
    text = text.replace("1,100", "999")
    for y in np.unique(COUNTS[COUNTS > 999]):
        text = text.replace(f"{y:,.0f}", "999").replace(f"{y:.0f}", "999")
    found = read(WAVE + text)
    np.testing.assert_allclose(found.intensity, 3000 + small)
    assert found.sigma is None


@pytest.mark.parametrize(
    "text",
    [
        rows("{x:.1f};{y:.0f}").replace(".", ","),
        rows("{x:.1f}\t{y:.3f}").replace(".", ","),
        rows("{x:.1f} {y:.3f}").replace(".", ","),
        rows("{x:.1f}, {y:.3f}"),
        rows("{x:.1f},{y:.3f},"),
        rows("  {x:.1f}   {y:.3f}  "),
        rows("{x:.3E}  {y:.6E}").replace("E", "D"),
        rows('"{x:.1f}","{y:.0f}"'),
        rows("{x:.1f} {y:.0f}").replace("\n", "\r\n"),
        rows("{x:.1f} {y:.0f}").replace("\n", "\r"),
        rows("{x:.1f} {y:.0f}").replace("\n", "\n# a remark\n"),
        "".join(f"{line}\n" for line in reversed(rows().splitlines())),
    ],
)
def test_ways_to_write_numbers(read: Read, text: str) -> None:
    assert_same(read(WAVE.replace("\n", text[len(text.rstrip("\r\n")) :] or "\n") + text))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252"])
def test_encodings(read: Read, encoding: str) -> None:
    found = read(f"Größe\nWellenlänge = 1,5406 Å\n{rows()}".encode(encoding))
    assert_same(found)
    assert lines(found) == [(1.5406, 1.0)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (rows("{x:.1f},{y:.0f}").replace(".", ","), "commas seem to stand both for decimals and between columns"),
        (rows("{n},{y:.0f}").replace(",", "\t3,").replace("\t3,1100", "\t3,999"), "may be of decimals or of thousands"),
        (rows("{x:.1f} 3 {n:03d}"), "seems to be the thousands"),
        (rows("{x:.1f} {y:.0f}").replace("10.5 ", "10,5 "), "points and commas"),
        (rows("{x:.1f} 1 2 {y:.0f}"), "4 columns of numbers in a line and no line above them that names"),
        (rows("{y:.0f}"), "1 column of numbers"),
        (rows("{n} {x:.1f} {y:.0f}"), "the second column rises or falls all the way"),
        (rows() + "scan 2\n" + rows(), "line 103: expected 2theta, intensity"),
        (rows() + rows(), "the angles must rise from line to line"),
        ("10.0 5\n10.1 6\nbroken line\n" + rows(), "line 4: expected 2theta, intensity"),
    ],
)
def test_columns_that_could_be_misread_are_refused(read: Read, text: str, words: str) -> None:
    if words == "may be of decimals or of thousands":
        text = "".join(f"{n}\t3,{100 + n}\n" for n in range(10, 111))
    assert words in message(read, WAVE + text)


def test_points_that_may_be_of_thousands_are_refused(read: Read) -> None:
    text = "".join(f"{x:.1f} {y:,.0f}\n".replace(" 1,", " 1.") for x, y in zip(ANGLES, COUNTS, strict=True))
    assert "the point of '1.100' in column 2" in message(read, text)
    assert "may be of decimals or of thousands" in message(read, text)


def test_a_title_of_numbers_one_step_off(read: Read) -> None:
    assert_same(read(f"{WAVE}9 7777\n{rows()}"))


def test_numbers_of_a_title_are_no_pattern(read: Read) -> None:
    for title in ("2023 05\n", "1 1\n2023 05\n", "101\n", "5 2023\n"):
        found = read(title + WAVE + rows()) if title == "101\n" else read(title + rows(), radiation=CU)
        assert_same(found)
    assert any("stood apart; it was taken for a title" in remark for remark in found.remarks)


def test_columns_by_name(read: Read) -> None:
    head = "# No, d, 2theta (deg), Icalc, Iobs, background, esd\n"
    text = head + rows("{n},5.0,{x:.1f},7,{y:.0f},3,{s:.5f}")
    found = read(WAVE + text)
    assert_same(found)
    np.testing.assert_allclose(found.sigma, np.sqrt(COUNTS), atol=1e-5)
    assert "Columns that were left out: 'No', 'd', 'Icalc', 'background'." in found.remarks


def test_a_named_attenuator_is_a_factor(read: Read) -> None:
    assert_same(read(f"{WAVE}2theta;intensity;attenuator\n" + rows("{x:.1f};{y:.0f};2")), 2)


@pytest.mark.parametrize("name", ["esd", "sigma(I)", "Std. uncertainty", "I_err", "Fehler", "+/-", "e", "stddev"])
def test_uncertainties_by_name(read: Read, name: str) -> None:
    found = read(f"{WAVE}2theta\tI\t{name}\n" + rows("{x:.1f}\t{y:.0f}\t2.5"))
    assert found.sigma == pytest.approx(2.5)


def test_uncertainties_by_behaviour(read: Read) -> None:
    found = read(WAVE + rows("{x:.1f} {y:.0f} {s:.2f}"))
    np.testing.assert_allclose(found.sigma, np.sqrt(COUNTS), atol=0.01)
    assert any("follows the square root" in remark for remark in found.remarks)
    assert read(WAVE + rows("{x:.1f} {y:.0f} 2.5"), "a.xye").sigma == pytest.approx(2.5)


@pytest.mark.parametrize(
    "text",
    [
        rows("{x:.1f} {y:.0f} {y:.1f}"),
        rows("{x:.1f} {y:.0f} 100"),
        rows("{x:.1f} {y:.0f} 1.0"),
        rows("{x:.1f} {y:.0f} {x}"),
    ],
)
def test_other_third_columns_are_left_out_with_a_word(read: Read, text: str) -> None:
    found = read(WAVE + text)
    assert found.sigma is None
    assert_same(found)
    assert any("The third column was left out" in remark for remark in found.remarks)


@pytest.mark.parametrize(
    "third",
    [COUNTS, 1 / COUNTS, ANGLES, np.where(COUNTS > 500, 10, 1), 1.5406 / 2 / np.sin(np.radians(ANGLES) / 2)],
    ids=["calculated", "weights", "rising", "attenuator", "falling"],
)
def test_third_columns_of_xye_files_that_are_no_uncertainties(read: Read, third: np.ndarray) -> None:
    text = "".join(f"{x:.1f} {y:.0f} {z:.7g}\n" for x, y, z in zip(ANGLES, COUNTS, third, strict=True))
    assert read(WAVE + text, "a.xye").sigma is None


@pytest.mark.parametrize("name", ["sigma^2", "error (%)", "rel. esd", "σ²"])
def test_squares_and_shares_are_no_uncertainties(read: Read, name: str) -> None:
    found = read(f"{WAVE}2theta\tI\t{name}\n" + rows("{x:.1f}\t{y:.0f}\t2.5"))
    assert found.sigma is None
    assert f"Columns that were left out: {name!r}." in found.remarks


def test_order_of_angles(read: Read) -> None:
    rounded = "".join(f"{10.001 + 0.05 * n:.1f} {y:.0f}\n" for n, y in enumerate(COUNTS))
    found = read(WAVE + rounded)
    assert len(found.two_theta_deg) == len(COUNTS)
    np.testing.assert_allclose(found.two_theta_deg, 10 + 0.05 * np.arange(len(COUNTS)), atol=0.05)
    assert any("are rounded" in remark for remark in found.remarks)
    pairs = zip(ANGLES, COUNTS, strict=True)
    twice = read(WAVE + "".join(f"{2 * x:.1f} {y - 9:.0f}\n{2 * x:.1f} {y + 9:.0f}\n" for x, y in pairs))
    np.testing.assert_allclose(twice.intensity, COUNTS)
    assert any("were taken once, with the mean" in remark for remark in twice.remarks)
    negative = read(WAVE + "".join(f"{x - 15:.1f} {y:.0f}\n" for x, y in zip(ANGLES, COUNTS, strict=True)))
    assert negative.two_theta_deg[0] == 0
    assert any("Angles below 0, at 50 points" in remark for remark in negative.remarks)


def test_intensities_alone_with_a_start_a_step_and_an_end(read: Read) -> None:
    tens = "\n".join(" ".join(f"{y:.0f}" for y in COUNTS[at : at + 10]) for at in range(0, len(COUNTS), 10))
    found = read(f"10.0 0.1 20.0 a sample\n{tens}\n", "a.dat", radiation=CU)
    assert_same(found)
    assert any("intensities alone" in remark for remark in found.remarks)
    assert_same(read(f"*START = 10.0\n*STOP = 20.0\n*STEP = 0.1\n{tens}\n", "a.asc", radiation=CU))
    assert_same(read("Start,10.0\nStep size,0.1\nEnd,20.0\n" + rows("{y:.0f}"), "a.csv", radiation=CU))


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "a.raw", "it is empty"),
        (bytes(range(256)) * 9, "a.raw", "is not text, nor a format of an instrument that can be read"),
        (b"RAW_1.06" + bytes(900), "a.raw", "is not text, nor a format"),
        (b"RAW " + bytes(900), "a.raw", "cannot be read as a Bruker RAW file"),
        (raw3()[:900], "a.raw", "cannot be read as a Bruker RAW file"),
        (archive({"x": "y"}), "a.zip", "is an archive that holds no pattern"),
        (rasx()[:300], "a.rasx", "is an archive that holds no pattern, or is damaged"),
        (ras(axis="Omega"), "a.ras", "cannot be read as a Rigaku RAS file"),
        (ras(5.0).replace(" 5.0000", " x", 1), "a.ras", "does not hold a factor above 0 for each point"),
        (gsas("FXYE").replace("CONST 1000.0 10.0 0 0", "SLOG 1000.0 10.0 0"), "a.gsas", "SLOG"),
        ("<html><body>Not found</body></html>", "a.xy", "holds no numbers"),
        ("# 2theta I\n", "a.xy", "holds no numbers"),
        (f"# Source: neutron reactor\n{rows()}", "a.xy", "only X-ray patterns"),
        (f"D2B neutron diffractometer\n{rows()}", "a.xy", "only X-ray patterns"),
    ],
)
def test_what_cannot_be_read_is_one_message(read: Read, content: str | bytes, name: str, words: str) -> None:
    assert words in message(read, content, name)


def test_a_quote_that_nothing_closes_is_one_message(read: Read) -> None:
    text = rows("{x:.1f};{y:.0f}").replace("15.0;", '"15.0;')
    assert "is no number" in message(read, WAVE + text) or "number of columns changes" in message(read, WAVE + text)


def test_an_unknown_encoding_of_xrdml(read: Read) -> None:
    assert_same(read(xrdml().replace("UTF-8", "UTF-x"), "a.xrdml"))


def test_a_folder_is_no_pattern(tmp_path: Path) -> None:
    with pytest.raises(PatternError, match="it is a folder"):
        read_pattern(tmp_path)


# Files of instruments.


@pytest.mark.parametrize(
    ("content", "name"),
    [(ras(), "a.ras"), (rasx(), "a.rasx"), (brml(), "a.brml"), (raw3(), "a.raw"), (raw4(), "a.RAW"),
     (xrdml(), "a.xrdml"), (uxd(), "a.uxd"), (uxd("_COUNTS"), "a.txt"), (uxd("_2THETACPS"), "a.dat"),
     (ras().replace("\n", "\r\n"), "a.txt"), (xrdml().encode("utf-16"), "b.xrdml")],
)  # fmt: skip
def test_files_of_instruments(read: Read, content: str | bytes, name: str) -> None:
    found = read(content, name)
    assert_same(found)
    assert lines(found) == DOUBLET
    assert found.sigma is None
    assert any("counts per second" in remark for remark in found.remarks) == (name == "a.dat")


def test_lines_that_a_monochromator_leaves(read: Read) -> None:
    assert lines(read(xrdml("K-Alpha 1"), "a.xrdml")) == [(LINES[0], 1.0)]
    assert lines(read(xrdml("K-Beta"), "a.xrdml")) == [(1.39225, 1.0)]
    assert lines(read(rasx(wave="Ka1"), "a.rasx")) == [(LINES[0], 1.0)]
    assert read(raw3((0.0, 0.0)), "a.raw").radiation is None


@pytest.mark.parametrize(("content", "name"), [(ras(5.0), "a.ras"), (rasx(5.0), "a.rasx")])
def test_attenuators_are_factors(read: Read, content: str | bytes, name: str) -> None:
    found = read(content, name)
    assert_same(found)
    np.testing.assert_allclose(found.sigma, np.sqrt(5 * COUNTS), rtol=1e-4)
    assert any("factors of the attenuator" in remark for remark in found.remarks)
    assert read(ras(5.0, "cps"), "a.ras").sigma is None


def test_attenuators_and_times_of_xrdml(read: Read) -> None:
    factors = f"<beamAttenuationFactors>{'2 ' * 101}</beamAttenuationFactors>"
    found = read(xrdml(points=factors, kind="counts"), "a.xrdml")
    assert_same(found, 2)
    np.testing.assert_allclose(found.sigma, 2 * np.sqrt(COUNTS))
    times = f'<countingTimes unit="seconds">{"1 " * 50}{"3 " * 51}</countingTimes>'
    found = read(xrdml(points=times, kind="counts"), "a.xrdml")
    assert found.intensity[0] / found.intensity[-1] == pytest.approx(3)
    assert any("Counting times differ, 1 to 3 s" in remark for remark in found.remarks)


def test_wavelengths_of_xrdml_in_nm(read: Read) -> None:
    text = xrdml()
    for line in LINES:
        text = text.replace(str(line), f"{line / 10:.7f}")
    assert "seems to be in nm" in message(read, text, "a.xrdml")
    assert lines(read(text.replace('unit="Angstrom"', 'unit="nm"'), "a.xrdml")) == DOUBLET


def test_the_first_of_several_scans_is_read_with_a_word(read: Read) -> None:
    found = read(ras() + ras(), "a.ras")
    assert_same(found)
    assert "The file holds several scans; the first was read." in found.remarks


@pytest.mark.parametrize("start", ["", " 1"])
def test_counters_of_gsas(read: Read, start: str) -> None:
    fields = [f"{start:2s}{y:6.0f}" for y in COUNTS]
    body = "\n".join("".join(fields[place : place + 10]) for place in range(0, len(fields), 10))
    head = f"a sample\nBANK 1 {len(COUNTS)} 11 CONST 1000.0 10.0 0 0 STD\n"
    assert_same(read(f"{head}{body}\n", "a.gsa"))
    if start:
        joined = body.replace(" 1  ", " 199")
        assert "counts alone, or of counters" in message(read, f"{head}{joined}\n", "a.gsa")


def test_a_bank_of_gsas_in_degrees_is_refused(read: Read) -> None:
    text = gsas("FXYE").replace("CONST 1000.0", "CONST 10.0")
    assert "begins at 0.1 deg, and the points at 10" in message(read, text, "a.gsa")


@pytest.mark.parametrize("style", ["STD", "ESD", "FXYE"])
def test_banks_of_gsas(read: Read, style: str) -> None:
    found = read(gsas(style), "a.fxye")
    assert_same(found)
    assert lines(found) == [(LINES[0], 1.0)]
    if style == "STD":
        assert found.sigma is None
    else:
        np.testing.assert_allclose(found.sigma, np.sqrt(COUNTS), atol=0.01)


def test_chi_files(read: Read) -> None:
    body = rows("  {x:.5f}  {y:.3f}")
    assert_same(read(f"image.tif\n2-Theta Angle (Degrees)\nIntensity\n       101\n{body}", "a.chi"))
    text = table("image.tif\nQ (Inverse Nanometres)\nIntensity\n 101\n", "q_nm")
    assert_same(read(text.replace("Q (Inv", "Q (inv"), "a.chi", radiation=CU))
    told = message(read, f"image.tif\nRadial distance (mm)\nIntensity\n 101\n{body}", "a.chi")
    assert "is none of 2theta" in told


def test_a_csv_of_an_instrument(read: Read) -> None:
    head = (
        "[Measurement conditions]\nSample identification,Sample 2.5\nAnode material,Cu\nK-Alpha1 wavelength,1.540593\n"
        "K-Alpha2 wavelength,1.544414\nRatio K-Alpha2/K-Alpha1,0.5\nScan range,10.0,20.0\n[Scan points]\n"
        "Angle,Intensity\n"
    )
    found = read(head + rows("{x:.4f},{y:.0f}"), "a.csv")
    assert_same(found)
    assert lines(found) == DOUBLET


# Powder CIFs.


def cif(more: str = "", names: str = "_pd_meas_2theta_scan\n_pd_meas_counts_total", body: str | None = None) -> str:
    return f"data_x\n{more}\nloop_\n{names}\n{body or rows()}"


LOOP = "loop_\n_diffrn_radiation_wavelength_id\n_diffrn_radiation_wavelength\n_diffrn_radiation_wavelength_wt\n"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (f"{LOOP}1 1.544414 0.5\n2 1.540593 1.0", DOUBLET),
        (f"{LOOP}1 1.5406 1.0\n2 1.5444 0.0", [(1.5406, 1.0)]),
        (f"{LOOP}1 1.544414 ?\n2 1.540593 ?", DOUBLET),
        ("_diffrn_radiation_wavelength 1.5406(2)", [(1.5406, 1.0)]),
        ("_Diffrn_Radiation_Wavelength 1.5406", [(1.5406, 1.0)]),
    ],
)
def test_wavelengths_of_a_powder_cif(read: Read, more: str, expected: list[tuple[float, float]]) -> None:
    found = read(cif(more), "a.cif")
    assert lines(found) == expected
    assert_same(found)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("_diffrn_radiation_wavelength 0.015", "not one of X-ray diffraction"),
        (f"{LOOP}1 1.54 ?\n2 1.39 ?\n3 1.5444 ?", "3 wavelengths without their weights"),
        ("_diffrn_source 'nuclear reactor, thermal neutrons'", "was measured with nuclear reactor"),
        ("_diffrn_radiation_probe electron", "was measured with electron"),
        ("_diffrn_measurement_device_type 'D2B at ILL'", "was measured with D2B"),
        ("_diffrn_radiation_wavelength 0.15406", "should be in angstrom and seems to be in nm"),
        ("_diffrn_source_type 'spallation source'", "was measured with spallation"),
    ],
)
def test_radiation_of_a_powder_cif_that_is_refused(read: Read, more: str, words: str) -> None:
    assert words in message(read, cif(more), "a.cif")


def test_a_synchrotron_is_a_source_of_x_rays(read: Read) -> None:
    assert_same(read(cif("_diffrn_source 'synchrotron, electron storage ring'"), "a.cif"))


def test_unequal_counting_times_of_a_powder_cif(read: Read) -> None:
    times = np.where(ANGLES < 15, 1.0, 3.0)
    body = "".join(f"{x:.1f} {y * t:.0f} {t:g}\n" for x, y, t in zip(ANGLES, COUNTS, times, strict=True))
    names = "_pd_meas_2theta_scan\n_pd_meas_counts_total\n_pd_meas_step_count_time"
    found = read(cif(names=names, body=body), "a.cif")
    assert_same(found, times.mean())
    np.testing.assert_allclose(found.sigma, times.mean() * np.sqrt(COUNTS / times), rtol=1e-3)
    assert any("Counting times differ, 1 to 3 s" in remark for remark in found.remarks)
    scaled = names.replace("counts", "intensity")
    np.testing.assert_allclose(read(cif(names=scaled, body=body), "a.cif").intensity, COUNTS * times)


def test_offsets_of_a_powder_cif(read: Read) -> None:
    shifted = "".join(f"{x + 0.2:.2f} {y:.0f}\n" for x, y in zip(ANGLES, COUNTS, strict=True))
    found = read(cif("_pd_calib_2theta_offset -0.2", body=shifted), "a.cif")
    assert_same(found)
    assert any("_pd_calib_2theta_offset of the file added, -0.2°" in remark for remark in found.remarks)
    corrected = "_pd_proc_2theta_corrected\n_pd_meas_counts_total"
    assert_same(read(cif("_pd_calib_2theta_offset -0.2", corrected), "a.cif"))
    points = "loop_\n_pd_calib_2theta_off_point\n_pd_calib_2theta_offset\n10 0.0\n20 0.1"
    assert read(cif(points), "a.cif").two_theta_deg[-1] == pytest.approx(20.1)
    ranges = (
        "loop_\n_pd_calib_2theta_off_min\n_pd_calib_2theta_off_max\n_pd_calib_2theta_offset\n10 12 0.01\n12.1 20 0.02"
    )
    assert np.ptp(read(cif(ranges), "a.cif").two_theta_deg - ANGLES) == pytest.approx(0.01)


def test_excluded_regions_of_a_powder_cif(read: Read) -> None:
    found = read(cif("_pd_proc_info_excluded_regions 'from 11.95 to 12.55 deg, beam dump'"), "a.cif")
    assert len(found.two_theta_deg) == len(ANGLES) - 6
    assert any("excludes were left out: 11.95 to 12.55°" in remark for remark in found.remarks)
    vague = read(cif("_pd_proc_info_excluded_regions 'the 2 first peaks'"), "a.cif")
    assert_same(vague)
    assert any("were not understood" in remark for remark in vague.remarks)


@pytest.mark.parametrize(
    ("tag", "axis", "name"), [("_pd_proc_d_spacing", "d", "d"), ("_pd_proc_recip_len_Q", "q", "q-angstrom")]
)
def test_other_axes_of_a_powder_cif(read: Read, tag: str, axis: str, name: str) -> None:
    body = table("", axis)
    found = read(cif("_diffrn_radiation_wavelength 1.5406", f"{tag}\n_pd_meas_counts_total", body), "a.cif")
    np.testing.assert_allclose(found.two_theta_deg, ANGLES, atol=1e-4)


def test_times_of_flight_and_broken_cifs_are_refused(read: Read) -> None:
    assert "times of flight" in message(read, cif("", "_pd_meas_time_of_flight\n_pd_meas_counts_total"), "a.cif")
    assert "is not a CIF that can be read" in message(read, "data_x\nloop_\n_a\n_b\n1 2 3\n", "a.cif")


def test_the_first_of_several_profiles_is_read_with_a_word(read: Read) -> None:
    found = read(cif() + "\n" + cif().replace("data_x", "data_y"), "a.cif")
    assert "The file holds 2 measured profiles; the first, 'x', was read." in found.remarks


# Ranges, gaps and very many points.


def test_ranges() -> None:
    pattern = Pattern(ANGLES, COUNTS, radiation=CU)
    for ends, words in [
        ((30.0, 40.0), "there is no pattern"),
        ((15.0, 11.0), "from a smaller angle to a larger one"),
        ((math.nan, 11.0), "from a smaller angle to a larger one"),
    ]:
        with pytest.raises(PatternError, match=words):
            pattern.between(*ends)
    with pytest.raises(PatternError, match=r"has 3 points, too few for a pattern \(at least 50\): .* or a wider range"):
        prepare(pattern.between(11.0, 11.2))


def many(points: int) -> Pattern:
    angle = np.linspace(10, 110, points)
    peaks = sum(3000 * np.exp(-(((angle - place) / 0.06) ** 2)) for place in (20, 31, 45.3, 56, 77))
    counts = np.random.default_rng(0).poisson(100 + peaks).astype(float)
    return Pattern(angle, counts, radiation=CU, sigma=np.sqrt(counts + 1))


def test_a_million_points_are_binned_with_a_word() -> None:
    prepared = prepare(many(1_000_000))
    assert len(prepared.intensity) == 20_000
    assert any("neighbours each were averaged" in remark for remark in prepared.remarks)
    highest = prepared.two_theta_deg[prepared.intensity.argmax()]
    assert min(abs(highest - place) for place in (20, 31, 45.3, 56, 77)) < 0.02
    # The mean of 50 counts is known seven times better than one of them.
    assert np.median(prepared.sigma) == pytest.approx(np.sqrt(101 / 50), rel=0.05)


def test_narrow_peaks_keep_their_points() -> None:
    angle = np.linspace(10, 60, 100_000)
    peaks = sum(3000 * np.exp(-(((angle - place) / 0.002) ** 2)) for place in (20, 31, 45.3))
    prepared = prepare(Pattern(angle, 10 + peaks, radiation=CU))
    assert len(prepared.intensity) > 90_000


def test_what_was_not_measured_has_no_weight() -> None:
    pattern = many(5000)
    gap = (pattern.two_theta_deg > 60) & (pattern.two_theta_deg < 70)
    left = Pattern(pattern.two_theta_deg[~gap], pattern.intensity[~gap], pattern.sigma[~gap], CU)
    prepared = prepare(left)
    inside = (prepared.two_theta_deg > 60.1) & (prepared.two_theta_deg < 69.9)
    assert (prepared.sigma[inside] > 1e6).all()
    assert (prepared.sigma[~inside] < 1e3).sum() > 4000
    assert any("nothing was measured" in remark for remark in prepared.remarks)


@pytest.mark.parametrize("atoms", [False, True])
def test_a_cell_is_found_past_a_gap(atoms: bool) -> None:
    """Its strongest line is missing, and two thirds of the way along so is a sixth of the range."""
    reference = load_structure("BPO4")
    whole = simulate(reference, Instrument(two_theta_min_deg=15, step_deg=0.02, U=0.01, V=0.0, W=0.01))
    angle, strongest = whole.two_theta_deg, whole.two_theta_deg[whole.intensity.argmax()]
    kept = (abs(angle - strongest) > 1) & ~((angle > 60) & (angle < 72))
    pattern = Pattern(angle[kept], whole.intensity[kept], radiation=CU, has_background=False)
    assert prepare(pattern).weights is not None
    start = reference.copy()
    start.apply_strain([0.02, 0.02, -0.02])
    done = refine(start, pattern, restarts=0, atoms=atoms)
    np.testing.assert_allclose(done.refined.lattice.abc, reference.lattice.abc, rtol=1e-4)
