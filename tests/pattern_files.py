"""Small made-up files of patterns in the formats of instruments, all of one pattern."""

import io
import struct
import zipfile

import numpy as np

ANGLES = np.round(10 + 0.1 * np.arange(101), 1)
COUNTS = np.round(100 + 1000 * np.exp(-(((ANGLES - 15) / 0.3) ** 2)))
LINES = (1.540593, 1.544414)


def rows(text: str = "{x:.1f} {y:.0f}", **more: object) -> str:
    """The pattern, a line a point."""
    pairs = zip(ANGLES, COUNTS, strict=True)
    return "\n".join(text.format(x=x, y=y, s=np.sqrt(y), n=n, **more) for n, (x, y) in enumerate(pairs)) + "\n"


def ras(attenuator: float = 1.0, unit: str = "counts", axis: str = "TwoThetaTheta") -> str:
    head = (
        f'*RAS_DATA_START\n*RAS_HEADER_START\n*HW_XG_WAVE_LENGTH_ALPHA1 "{LINES[0]}"\n'
        f'*HW_XG_WAVE_LENGTH_ALPHA2 "{LINES[1]}"\n*HW_XG_WAVE_LENGTH_UNIT "Angstrom"\n*MEAS_SCAN_AXIS_X "{axis}"\n'
        f'*MEAS_SCAN_UNIT_Y "{unit}"\n*RAS_HEADER_END\n*RAS_INT_START\n'
    )
    body = "".join(f"{x:.4f} {y / attenuator:.4f} {attenuator:.4f}\n" for x, y in zip(ANGLES, COUNTS, strict=True))
    return f"{head}{body}*RAS_INT_END\n*RAS_DATA_END\n"


def rasx(attenuator: float = 1.0, wave: str = "Ka") -> bytes:
    root = (
        '<Root><Data0><ContentHashList Name="Profile0.txt"/><ContentHashList Name="MesurementConditions0.xml"/></Data0>'
        "</Root>"
    )
    conditions = (
        f"<MeasurementConditions><HWConfigurations><XrayGenerator><WaveType>{wave}</WaveType>"
        f"<WavelengthKalpha1>{LINES[0]}</WavelengthKalpha1><WavelengthKalpha2>{LINES[1]}</WavelengthKalpha2>"
        "</XrayGenerator></HWConfigurations><ScanInformation><AxisName>TwoThetaTheta</AxisName>"
        "<IntensityUnit>counts</IntensityUnit></ScanInformation></MeasurementConditions>"
    )
    profile = "".join(f"{x}\t{y / attenuator}\t{attenuator}\n" for x, y in zip(ANGLES, COUNTS, strict=True))
    return archive(
        {"root.xml": root, "Data0/Profile0.txt": "\ufeff" + profile, "Data0/MesurementConditions0.xml": conditions}
    )


def archive(members: dict[str, str]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as opened:
        for name, text in members.items():
            opened.writestr(name, text)
    return whole.getvalue()


def brml() -> bytes:
    tube = "".join(
        f'<WaveLength{name} Unit="Å" Value="{value}"/>'
        for name, value in (("Alpha1", LINES[0]), ("Alpha2", LINES[1]), ("Ratio", 0.5))
    )
    data = "".join(f"<Datum>1,1,{x},{x / 2},{y}</Datum>" for x, y in zip(ANGLES, COUNTS, strict=True))
    raw = (
        '<RawData xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><FixedInformation><Tube>'
        f'{tube}</Tube></FixedInformation><DataRoutes><DataRoute RouteFlag="Final"><ScanInformation/><DataViews>'
        '<RawDataView Start="0" Length="2" xsi:type="FixedRawDataView"/>'
        '<RawDataView Start="2" Length="2" xsi:type="VaryingRawDataView"><Varying>'
        '<FieldDefinitions AxisId="TwoTheta"/><FieldDefinitions AxisId="Theta"/></Varying></RawDataView>'
        '<RawDataView Start="4" Length="1" xsi:type="RecordedRawDataView"/></DataViews>'
        f"{data}</DataRoute></DataRoutes></RawData>"
    )
    container = (
        "<DataContainer><RawDataReferenceList><string>Experiment0/RawData0.xml</string></RawDataReferenceList>"
        "</DataContainer>"
    )
    return archive({"Experiment0/DataContainer.xml": container, "Experiment0/RawData0.xml": raw})


def raw3(lines: tuple[float, float] = LINES) -> bytes:
    head = bytearray(712)
    head[:8], head[12:16] = b"RAW1.01\0", struct.pack("<I", 1)
    struct.pack_into("<5d", head, 616, sum(lines) / 2, *lines, 1.39222, 0.5)
    scan = bytearray(304)
    struct.pack_into("<2I", scan, 0, len(scan), len(ANGLES))
    struct.pack_into("<2d", scan, 8, ANGLES[0] / 2, ANGLES[0])
    struct.pack_into("<d", scan, 176, 0.1)
    struct.pack_into("<3I", scan, 248, 0, 4, 0)
    return bytes(head + scan) + COUNTS.astype("<f4").tobytes()


def raw4() -> bytes:
    source = bytearray(120)
    struct.pack_into("<2I", source, 0, 30, len(source))
    struct.pack_into("<5d", source, 72, sum(LINES) / 2, *LINES, 1.39222, 0.5)
    scan = bytearray(160)
    scan[32:46] = b"Locked Coupled"
    struct.pack_into("<2dI", scan, 72, ANGLES[0], 0.1, len(ANGLES))
    struct.pack_into("<2I", scan, 136, 4, 0)
    return b"RAW4.00".ljust(61, b"\0") + bytes(source + scan) + COUNTS.astype("<f4").tobytes()


def xrdml(intended: str = "K-Alpha", points: str = "", kind: str = "intensities") -> str:
    values = " ".join(f"{y:.0f}" for y in COUNTS)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<xrdMeasurements xmlns="http://www.xrdml.com/XRDMeasurement/1.5"><xrdMeasurement>'
        f'<usedWavelength intended="{intended}"><kAlpha1 unit="Angstrom">{LINES[0]}</kAlpha1>'
        f'<kAlpha2 unit="Angstrom">{LINES[1]}</kAlpha2><kBeta unit="Angstrom">1.39225</kBeta>'
        "<ratioKAlpha2KAlpha1>0.5</ratioKAlpha2KAlpha1></usedWavelength>"
        '<scan scanAxis="Gonio"><dataPoints><positions axis="2Theta" unit="deg"><startPosition>10.0</startPosition>'
        f"<endPosition>20.0</endPosition></positions>{points}"
        f'<{kind} unit="counts">{values}</{kind}></dataPoints></scan></xrdMeasurement></xrdMeasurements>'
    )


def uxd(marker: str = "_2THETACOUNTS") -> str:
    wavelengths = f"_WL1={LINES[0]}\n_WL2={LINES[1]}\n_WLRATIO=0.5\n"
    head = f"; (Data for Range number 1)\n_FILEVERSION=2\n{wavelengths}_START=10\n_STEPSIZE=0.1\n"
    body = rows() if marker.startswith("_2THETA") else " ".join(f"{y:.0f}" for y in COUNTS) + "\n"
    return f"{head}{marker}\n{body}"


def gsas(style: str) -> str:
    count = len(COUNTS)
    head = f"a sample, wavelength = {LINES[0]} A\nBANK 1 {count} {count} CONST 1000.0 10.0 0 0 {style}\n"
    if style == "FXYE":
        return head + "".join(f"{100 * x:.2f} {y:.1f} {np.sqrt(y):.4f}\n" for x, y in zip(ANGLES, COUNTS, strict=True))
    values = [v for y in COUNTS for v in ((y, np.sqrt(y)) if style == "ESD" else (y,))]
    each = 10
    lines = [values[place : place + each] for place in range(0, len(values), each)]
    return head + "\n".join("".join(f"{value:8.2f}" for value in line) for line in lines) + "\n"
