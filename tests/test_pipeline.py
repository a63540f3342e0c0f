"""A module imports only from modules to its left in the pipeline (house rule: one way, no circles)."""

import ast
from pathlib import Path

import pytest

import xrdscape

PACKAGE = Path(xrdscape.__file__).parent

# Modules of one row may import each other. A folder stands for all that is in it and has no row of its own.
PIPELINE = [
    ["__init__", "errors", "paths", "provenance", "checkpoint"],
    ["engine.kernels.compiled", "engine.threads"],
    ["engine.structures"],
    ["engine.cell"],
    ["engine.reflections"],
    ["engine.scattering"],
    ["engine.profile"],
    ["engine.kernels.peaks_kernel"],
    ["engine.peaks"],
    ["engine.kernels.lattice_kernel"],
    ["engine.pattern"],
    ["engine.similarity"],
    ["engine.log_axis"],
    ["engine.blur", "engine.transport"],
    ["engine.kernels"],
    ["engine.moving_cell"],
    ["engine.fixed_cell"],
    ["recovery.noise"],
    ["recovery.parameterisation", "recovery.rules", "recovery.descent", "recovery.stride", "recovery.snap"],
    ["recovery.symmetric", "recovery.finish"],
    ["recovery.recover", "recovery.graduated"],
    ["recovery.joint"],
    ["recovery.energy"],
    ["recovery.recipes"],
    ["recovery.variants"],
    ["timing"],
    ["analysis.estimates", "analysis.evaluation"],
    ["analysis"],
    ["study.records"],
    ["study.plan"],
    ["study.shards"],
    ["study.store", "study.progress"],
    ["study"],
    ["measured"],
    ["tables"],
    ["findings"],
    ["figures"],
    ["measured.report"],
    ["book"],
    ["cli", "__main__"],
]
POSITION = {name: place for place, row in enumerate(PIPELINE) for name in row}


def module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def room(name: str) -> str:
    """The name in the pipeline that a module goes by: its own, or that of a folder above it."""
    while name not in POSITION and "." in name:
        name = name.rpartition(".")[0]
    return name


def imported(path: Path) -> set[str]:
    """Modules of the package that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.ImportFrom):
            if node.level > 0:
                pytest.fail(f"{path.name} imports relatively; write the whole name")
            # What is imported may be a module or a name in one.
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    inside = {name.removeprefix("xrdscape.") for name in found if name.startswith("xrdscape.")}
    return {name if room(name) in POSITION else "__init__" for name in inside}


# A folder's own file says what is in it and imports nothing, but for those of figures and book.
FILES = [p for p in sorted(PACKAGE.rglob("*.py")) if p.name != "__init__.py" or room(module(p)) in POSITION]


def test_every_module_has_its_place() -> None:
    assert {
        module(path) for path in FILES if path.name != "__init__.py" and room(module(path)) not in POSITION
    } == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_left(path: Path) -> None:
    here = room(module(path))
    right = {name for name in imported(path) if POSITION[room(name)] > POSITION[here]}
    assert right == set(), f"{here} must not import {', '.join(sorted(right))}"


def test_only_energy_imports_chgnet_and_ase() -> None:
    users = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if {name.split(".")[0] for name in names} & {"chgnet", "ase"}:
                users.add(room(module(path)))
    assert users <= {"recovery.energy"}
