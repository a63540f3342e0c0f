"""A module imports only from modules to its left in the pipeline (house rule: one way, no circles)."""

import ast
from pathlib import Path

import pytest

import xrdscape

PACKAGE = Path(xrdscape.__file__).parent

# Modules of one row belong to one room and may import each other, and so do `name` and `name_part`.
PIPELINE = [
    ["__init__", "compiled", "errors", "paths", "provenance", "threads"],
    ["structures"],
    ["cell"],
    ["reflections"],
    ["scattering"],
    ["profile"],
    ["peaks"],
    ["lattice_kernel"],
    ["pattern"],
    ["similarity"],
    ["shift_kernel"],
    ["loss_kernel", "sites_kernel", "fixed_kernel", "stride_kernel"],
    ["moving_cell"],
    ["fixed_cell"],
    ["noise"],
    ["checkpoint", "parameterisation", "descent", "stride", "snap"],
    ["timing"],
    ["estimates", "evaluation"],
    ["energy"],
    ["landscape", "relief"],
    ["records"],
    ["plan"],
    ["shards"],
    ["store", "progress"],
    ["campaign", "status", "audit", "pilot", "sensitivity"],
    ["derivation", "published", "tables"],
    ["figures"],
    ["book"],
    ["cli", "__main__"],
]
POSITION = {name: place for place, row in enumerate(PIPELINE) for name in row}


def room(name: str) -> str:
    """The name in the pipeline that a module goes by."""
    return name if name in POSITION else name.partition("_")[0]


def module(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Rooms of the package that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.ImportFrom) and node.level > 0:
            pytest.fail(f"{path.name} imports relatively; write the whole name")
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom) and node.module == "xrdscape":
            names = [f"xrdscape.{alias.name}" for alias in node.names]
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("xrdscape.")}
    return {name if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists() else "__init__" for name in found}


FILES = sorted(PACKAGE.rglob("*.py"))


def test_every_module_has_its_place() -> None:
    assert {module(path) for path in FILES if room(module(path)) not in POSITION} == set()


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
    assert users <= {"energy"}
