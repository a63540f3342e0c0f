"""What a refinement leaves behind: a CIF, a report in one HTML file, and the numbers as JSON."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from xrdscape.crystal import writing
from xrdscape.crystal.reading import Crystal
from xrdscape.figures.measured import path_figure, refinement_figure, tick_positions
from xrdscape.figures.style import use_style
from xrdscape.patterns.prepare import Prepared
from xrdscape.refinement.refine import Refinement, Settings
from xrdscape.refinement.residual import foreign_peaks, hump, verdict, warnings_of
from xrdscape.runtime.checkpoint import replace_file
from xrdscape.runtime.provenance import provenance

SYMPREC_ANGSTROM = 0.01
"""Within which the refined crystal's symmetry is sought, for its CIF."""

CELL = ("a", "b", "c", "alpha", "beta", "gamma")
SHORT = ("cosine", "Rwp", "Rp")
CELL_LABELS = ("a (Å)", "b (Å)", "c (Å)", "α (°)", "β (°)", "γ (°)")

ALWAYS = (
    "Scattering is kinematic, with one thermal parameter for all atoms and without absorption, anomalous dispersion or "
    "preferred orientation; the beam was unpolarised.",
    "If both K-alpha lines were in the beam but only the first is known here, the cell is too small (copper: by "
    "0.08 %): give both with --wavelength-angstrom.",
)

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; } caption { text-align: left; font-weight: 600; }
th, td { padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; } figure { margin: 1.5rem 0; } svg { width: 100%; height: auto; }
figcaption { font-size: .9rem; color: #444; } .verdict { border-left: .3rem solid #0072B2; padding: .5rem 1rem; }
.warning { border-left: .3rem solid #D55E00; padding: .5rem 1rem; } h1, li, p { overflow-wrap: anywhere; }
figure { overflow-x: auto; } svg { min-width: 34rem; }
@media (max-width: 32rem) {
  body { margin: 1rem auto; } h1 { font-size: 1.4rem; } table { font-size: .85rem; }
  th, td { padding-right: .5rem; } figcaption { position: sticky; left: 0; }
}
"""


@dataclass(frozen=True)
class Report:
    """A refinement and what belongs to it.

    Args:
        crystal, pattern: names of the files.
        prepared: the pattern.
        settings: of the refinement.
        refinement: its outcome.
        read: the start as its file gives it, with what reading it assumed; None where it is no file's.
    """

    crystal: str
    pattern: str
    prepared: Prepared
    settings: Settings
    refinement: Refinement
    read: Crystal | None = None

    @property
    def warnings(self) -> list[str]:
        done = self.refinement
        lines = len(tick_positions(self.prepared, done))
        fit = done.end_fit
        return warnings_of(done.start, done.end, lines, foreign_peaks(self.prepared, fit), hump(self.prepared, fit))

    @property
    def verdict(self) -> str:
        return verdict(self.refinement.after)

    @property
    def comparison(self) -> list[tuple[str, str, str]]:
        """Cell and agreement in short: name, before, after."""
        done = self.refinement
        cells = (" ".join(f"{value:.4f}" for value in crystal.lattice.parameters) for crystal in (done.start, done.end))
        told = [(name, f"{getattr(done.before, name):.4f}", f"{getattr(done.after, name):.4f}") for name in SHORT]
        return [("cell", *cells), *told]  # type: ignore[list-item]

    @property
    def assumptions(self) -> tuple[str, ...]:
        read = (f"The start: {self.read.summary}.", *self.read.remarks) if self.read else ()
        return *read, *self.refinement.remarks, *ALWAYS


def write_report(report: Report, cif: Path, html: Path, numbers: Path, plot: Path | None = None) -> None:
    """Write all of it, once all of it is there, and each file whole or not at all.

    Raises:
        RecordError: for a file that cannot be written.
    """
    use_style()
    pattern = refinement_figure(report.prepared, report.refinement)
    texts = {
        cif: cif_text(report),
        numbers: json.dumps(numbers_of(report), indent=2, ensure_ascii=False) + "\n",
        html: html_text(report, pattern),
    }
    for path, text in texts.items():
        replace_file(path, partial(Path.write_text, data=text, encoding="utf8"))
    if plot:
        replace_file(plot, partial(pattern.savefig, format=plot.suffix[1:]))


def cif_text(report: Report) -> str:
    """The refined crystal in the setting of the start, with the symmetry found, and where it comes from."""
    done = report.refinement
    notes = [
        f"refined by xrdscape {provenance()['packages']['xrdscape']} from {report.crystal} against {report.pattern}",
        verdict(done.after),
        f"symmetry found within {SYMPREC_ANGSTROM:g} angstrom: {_space_group(done.end)}",
        "standard uncertainties were not determined"
        + ("" if report.settings.atoms else "; coordinates are those of the start"),
    ]
    return writing.cif_text(done.end, SYMPREC_ANGSTROM, notes)


def _space_group(crystal: Structure) -> str:
    found = SpacegroupAnalyzer(crystal, symprec=SYMPREC_ANGSTROM)
    return f"{found.get_space_group_symbol()} ({found.get_space_group_number()})"


def numbers_of(report: Report) -> dict[str, Any]:
    """All numbers of the report, for programs."""
    done, instrument, made = report.refinement, report.prepared.instrument, provenance()
    shape = done.end_fit.shape
    return {
        "files": {"crystal": report.crystal, "pattern": report.pattern},
        "formula": done.end.composition.reduced_formula,
        "sites": len(done.end),
        "density_g_cm3": round(float(done.end.density), 4),
        "verdict": verdict(done.after),
        "warnings": report.warnings,
        "cell": {"before": _cell(done.start), "after": _cell(done.end)},
        "residual": {"before": asdict(done.before), "after": asdict(done.after)},
        "crystal_family": done.family,
        "space_group": _space_group(done.end),
        "profile": {
            **asdict(shape.profile.width),
            "eta": shape.profile.eta,
            "b_iso_angstrom2": shape.b_iso,
            "zero_deg": shape.zero_deg,
        },
        "pattern": {
            "wavelengths_angstrom": [line.wavelength_angstrom for line in instrument.radiation.lines],
            "first_deg": float(report.prepared.two_theta_deg[0]),
            "last_deg": float(report.prepared.two_theta_deg[-1]),
            "step_deg": instrument.step_deg,
            "points": len(report.prepared.intensity),
        },
        "settings": asdict(report.settings),
        "tries": done.tries,
        "seconds": round(done.seconds, 2),
        "assumptions": list(report.assumptions),
        "made_by": {name: made[name] for name in ("revision", "packages", "python", "date")},
    }


def _cell(crystal: Structure) -> dict[str, float]:
    cell = dict(zip(CELL, (round(float(p), 6) for p in crystal.lattice.parameters), strict=True))
    return {**cell, "volume": round(crystal.volume, 4)}


def html_text(report: Report, pattern: Figure) -> str:
    """The report as one page that needs nothing else."""
    done, numbers = report.refinement, numbers_of(report)
    title = f"{numbers['formula']} against {report.pattern}"
    warned = "".join(f'<p class="warning"><strong>Look twice.</strong> {escape(text)}</p>' for text in report.warnings)
    shown = _figure(
        pattern,
        "Measured and simulated pattern, before and after the refinement",
        "The measured pattern with that of the start, scaled to equal area (a), and with that of the refined crystal "
        f"(b), whose reflections are marked; {len(report.prepared.intensity)} points. The numbers above each panel are "
        "those at the scale and background that fit best.",
    )
    path = _figure(
        path_figure(done.path),
        "Loss and blur over the steps of the descent",
        "The descent that was taken (a), and the blur of both patterns meanwhile (b).",
    )
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="verdict">{escape(numbers["verdict"])}</p>',
        *(warned, _cell_table(numbers), _residual_table(numbers), shown, path),
        *(_profile_table(numbers), _list("What was assumed", report.assumptions)),
        _table("Settings", ("", "value"), [*_flat(numbers["settings"]), *_flat(numbers["pattern"])]),
        _table("Made by", ("", "value"), [*_flat(numbers["made_by"]["packages"]), *_flat({
            "revision": numbers["made_by"]["revision"], "python": numbers["made_by"]["python"],
            "date": numbers["made_by"]["date"], "descents": numbers["tries"], "seconds": numbers["seconds"]})]),
    ]  # fmt: skip
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n'
    )


def _cell_table(numbers: Mapping[str, Any]) -> str:
    before, after = numbers["cell"]["before"], numbers["cell"]["after"]
    rows = []
    for name, label in zip((*CELL, "volume"), (*CELL_LABELS, "volume (Å³)"), strict=True):
        old, new = before[name], after[name]
        rows.append((label, f"{old:.4f}", f"{new:.4f}", f"{new - old:+.4f}", f"{new / old - 1:+.3%}"))
    return _table("Cell (uncertainties not determined)", ("", "start", "refined", "change", "relative"), rows)


def _residual_table(numbers: Mapping[str, Any]) -> str:
    before, after = numbers["residual"]["before"], numbers["residual"]["after"]
    labels = {"cosine": "cosine similarity, without background", "Rwp": "Rwp", "Rp": "Rp",
              "Rwp_net": "Rwp, background subtracted"}  # fmt: skip
    rows = [(label, f"{before[name]:.4f}", f"{after[name]:.4f}") for name, label in labels.items()]
    return _table("Agreement", ("", "start", "refined"), rows)


def _profile_table(numbers: Mapping[str, Any]) -> str:
    profile = numbers["profile"]
    rows = [
        ("U, V, W (deg²)", ", ".join(f"{profile[name]:.4g}" for name in "UVW")),
        ("Gaussian fraction η", f"{profile['eta']:.3f}"),
        ("overall B (Å²)", f"{profile['b_iso_angstrom2']:.2f}"),
        ("zero shift (°)", f"{profile['zero_deg']:.4f}"),
        ("crystal family", numbers["crystal_family"] or "free"),
        ("space group found", numbers["space_group"]),
        ("formula", numbers["formula"]),
        ("sites in the cell", str(numbers["sites"])),
        ("density (g/cm³)", f"{numbers['density_g_cm3']:.3f}"),
    ]
    return _table("Profile, symmetry and contents", ("", "value"), rows)


def _flat(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, f"{value:.6g}" if isinstance(value, float) else str(value)) for name, value in values.items()]


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><tr>{top}</tr>{body}</table>"


def _list(title: str, items: Sequence[str]) -> str:
    return f"<h2>{escape(title)}</h2><ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def _figure(figure: Figure, alternative: str, caption: str) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    label = f'role="img" aria-label="{escape(alternative, quote=True)}"'
    return f"<figure>{svg.replace('<svg', f'<svg {label}', 1)}<figcaption>{escape(caption)}</figcaption></figure>"
