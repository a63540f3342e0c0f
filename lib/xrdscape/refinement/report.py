"""Files of a refinement: a CIF, a report in one HTML file, and the numbers as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from xrdscape.crystal import writing
from xrdscape.refinement.figures import path_figure, refinement_figure
from xrdscape.refinement.refinement import Refinement
from xrdscape.runtime.checkpoint import replace_file
from xrdscape.runtime.page import listing, page, picture, table
from xrdscape.runtime.provenance import provenance
from xrdscape.style import styled
from xrdscape.version import __version__

ENDINGS = (".cif", ".html", ".json")

SYMPREC_ANGSTROM = 0.01
"""Within which the refined crystal's symmetry is sought, for its CIF."""

CELL = ("a", "b", "c", "alpha", "beta", "gamma")
CELL_LABELS = ("a (Å)", "b (Å)", "c (Å)", "α (°)", "β (°)", "γ (°)")


def write_report(refinement: Refinement, cif: Path, html: Path, numbers: Path) -> None:
    """Write all of it, once all of it is there, and each file whole or not at all.

    Raises:
        RecordError: for a file that cannot be written.
    """
    texts = {
        cif: cif_text(refinement),
        numbers: json.dumps(numbers_of(refinement), indent=2, ensure_ascii=False) + "\n",
        html: html_text(refinement),
    }
    for path, text in texts.items():
        replace_file(path, partial(Path.write_text, data=text, encoding="utf8"))


def cif_text(refinement: Refinement) -> str:
    """Return the refined model in the setting of the start, with the symmetry found, and where it comes from."""
    refined = refinement.refined
    notes = [
        f"refined by xrdscape {__version__} from {refinement.start_name} against {_pattern_name(refinement)}",
        refinement.verdict,
        f"symmetry found within {SYMPREC_ANGSTROM:g} angstrom: {_space_group(refined)}",
        "standard uncertainties were not determined"
        + ("" if refinement.settings.atoms else "; coordinates are those of the start"),
    ]
    return writing.cif_text(refined, SYMPREC_ANGSTROM, notes)


def _limits(refinement: Refinement) -> list[str]:
    """Return what the simulation leaves out, a sentence each."""
    radiation, anomalous = refinement.pattern.instrument.radiation, refinement.settings.anomalous
    beam = "the beam was unpolarised" if radiation.monochromator_two_theta_deg is None else "the monochromator is ideal"
    limits = [
        "Scattering is kinematic, with one B_iso for all atoms and without absorption"
        f"{'' if anomalous else ', anomalous dispersion'} or preferred orientation; {beam}."
    ]
    if len(radiation.lines) == 1:
        limits.append(
            "If both K-alpha lines were in the beam but only the first is known here, the cell is too small (copper: "
            "by 0.08 %): give both with --wavelength-angstrom."
        )
    return limits


def _pattern_name(refinement: Refinement) -> str:
    return Path(refinement.pattern.origin).name or "a pattern"


def _space_group(crystal: Structure) -> str:
    found = SpacegroupAnalyzer(crystal, symprec=SYMPREC_ANGSTROM)
    return f"{found.get_space_group_symbol()} ({found.get_space_group_number()})"


def numbers_of(refinement: Refinement) -> dict[str, Any]:
    """Return all numbers of the report, for programs."""
    pattern, made, fit = refinement.pattern, provenance(), refinement.refined_fit
    profile = fit.instrument.profile
    return {
        "files": {"crystal": refinement.start_name, "pattern": _pattern_name(refinement)},
        "formula": refinement.refined.composition.reduced_formula,
        "sites": len(refinement.refined),
        "density_g_cm3": round(float(refinement.refined.density), 4),
        "verdict": refinement.verdict,
        "warnings": refinement.warnings,
        "cell": {"before": _cell(refinement.start), "after": _cell(refinement.refined)},
        "residual": {"before": asdict(refinement.before), "after": asdict(refinement.after)},
        "crystal_family": refinement.family,
        "space_group": _space_group(refinement.refined),
        "profile": {
            **asdict(profile.width),
            "eta": profile.eta,
            "b_iso_angstrom2": fit.b_iso,
            "zero_deg": fit.instrument.zero_deg,
        },
        "pattern": {
            "wavelengths_angstrom": [line.wavelength_angstrom for line in pattern.instrument.radiation.lines],
            "first_deg": float(pattern.two_theta_deg[0]),
            "last_deg": float(pattern.two_theta_deg[-1]),
            "step_deg": pattern.instrument.step_deg,
            "points": len(pattern.intensity),
        },
        "settings": asdict(refinement.settings),
        "descents": refinement.descents,
        "seconds": round(refinement.seconds, 2),
        "assumptions": [
            *refinement.remarks,
            *_limits(refinement),
        ],
        "made_by": {name: made[name] for name in ("revision", "packages", "python", "date")},
    }


def _cell(crystal: Structure) -> dict[str, float]:
    cell = dict(zip(CELL, (round(float(p), 6) for p in crystal.lattice.parameters), strict=True))
    return {**cell, "volume": round(crystal.volume, 4)}


def html_text(refinement: Refinement) -> str:
    """Return the report as one page that needs nothing else."""
    numbers = numbers_of(refinement)
    title = f"{numbers['formula']} against {_pattern_name(refinement)}"
    warned = "".join(
        f'<p class="warning"><strong>Look twice.</strong> {escape(text)}</p>' for text in refinement.warnings
    )
    with styled():
        pattern = _pattern_figure(refinement_figure(refinement), len(refinement.pattern.intensity))
        path = picture(
            path_figure(refinement.path),
            "Loss and blur over the steps of the descent",
            "The descent that was taken (a), and the blur of both patterns meanwhile (b).",
        )
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="verdict">{escape(numbers["verdict"])}</p>',
        warned,
        _cell_table(numbers),
        _residual_table(numbers),
        pattern,
        path,
        _profile_table(numbers),
        listing("What was assumed", numbers["assumptions"]),
        table("Settings", ("", "value"), [*_flat(numbers["settings"]), *_flat(numbers["pattern"])]),
        table("Made by", ("", "value"), _flat(_made_by(numbers))),
    ]
    return page(title, parts)


def _made_by(numbers: Mapping[str, Any]) -> dict[str, Any]:
    made = numbers["made_by"]
    return {
        **made["packages"],
        **{name: made[name] for name in ("revision", "python", "date")},
        **{name: numbers[name] for name in ("descents", "seconds")},
    }


def _pattern_figure(figure: Figure, points: int) -> str:
    return picture(
        figure,
        "Measured and simulated pattern, before and after the refinement",
        "The measured pattern with that of the start, scaled to equal area (a), and with that of the refined crystal "
        f"(b), whose reflections are marked; {points} points. The numbers above each panel are those at the scale and "
        "background that fit best.",
    )


def _cell_table(numbers: Mapping[str, Any]) -> str:
    before, after = numbers["cell"]["before"], numbers["cell"]["after"]
    rows = []
    for name, label in zip((*CELL, "volume"), (*CELL_LABELS, "volume (Å³)"), strict=True):
        old, new = before[name], after[name]
        rows.append((label, f"{old:.4f}", f"{new:.4f}", f"{new - old:+.4f}", f"{new / old - 1:+.3%}"))
    return table("Cell (uncertainties not determined)", ("", "start", "refined", "change", "relative"), rows)


def _residual_table(numbers: Mapping[str, Any]) -> str:
    before, after = numbers["residual"]["before"], numbers["residual"]["after"]
    labels = {"cosine": "cosine similarity, without background", "Rwp": "Rwp", "Rp": "Rp",
              "Rwp_net": "Rwp, background subtracted"}  # fmt: skip
    rows = [(label, f"{before[name]:.4f}", f"{after[name]:.4f}") for name, label in labels.items()]
    return table("Agreement", ("", "start", "refined"), rows)


def _profile_table(numbers: Mapping[str, Any]) -> str:
    profile = numbers["profile"]
    widths = [name for name in profile if name in ("U", "V", "W", "size_angstrom")]
    rows = [
        (f"{', '.join(widths)} of the peak widths", ", ".join(f"{profile[name]:.4g}" for name in widths)),
        ("Gaussian fraction η", f"{profile['eta']:.3f}"),
        ("overall B_iso (Å²)", f"{profile['b_iso_angstrom2']:.2f}"),
        ("zero shift (°)", f"{profile['zero_deg']:.4f}"),
        ("crystal family", numbers["crystal_family"] or "free"),
        ("space group found", numbers["space_group"]),
        ("formula", numbers["formula"]),
        ("sites in the cell", str(numbers["sites"])),
        ("density (g/cm³)", f"{numbers['density_g_cm3']:.3f}"),
    ]
    return table("Profile, symmetry and contents", ("", "value"), rows)


def _flat(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, f"{value:.6g}" if isinstance(value, float) else str(value)) for name, value in values.items()]
