"""The rooms of the package and the one way that data goes through them: a room imports from those above it alone."""

import ast
import re
from pathlib import Path

import pytest

import xrdscape

PACKAGE = Path(xrdscape.__file__).parent

ROOMS = [
    "version",
    "errors",
    "paths",
    "style",
    "runtime",
    "crystal",
    "diffraction",
    "optimisation",
    "evaluation",
    "patterns",
    "refinement",
    "solution",
    "study",
    "landscape",
    "user_crystal",
    "demonstrations",
    "timing",
    "tables",
    "findings",
    "figures",
    "book",
    "cli",
    "__main__",
]
"""In the order of the way; `__init__` is the public face, which loads what is asked for."""
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE)


def room(path: Path) -> str:
    """The folder or, at the top, the module that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The rooms that a module imports from, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            whole = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in whole if name.startswith("xrdscape.")}
    return found & set(ROOMS)


def test_every_room_has_its_place() -> None:
    assert {room(path) for path in MODULES} == set(ROOMS)


def test_the_map_for_contributors_is_in_the_same_order() -> None:
    text = (Path(__file__).resolve().parents[1] / "CONTRIBUTING.md").read_text(encoding="utf8")
    rows = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == ROOMS[:-1]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_from_those_above_it(path: Path) -> None:
    own = ROOMS.index(room(path))
    back = [name for name in imports(path) if ROOMS.index(name) > own]
    assert not back, f"{path.relative_to(PACKAGE)} imports from {', '.join(back)}, which come later"


def test_no_module_imports_itself_through_others() -> None:
    names = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in MODULES}
    graph = {name: _modules(path, names) - {name} for name, path in names.items()}
    while leaves := [name for name, needs in graph.items() if not needs & set(graph)]:
        for name in leaves:
            del graph[name]
    assert not graph, f"circular imports among {', '.join(sorted(graph))}"


def _modules(path: Path, names: dict[str, Path]) -> set[str]:
    """The modules that a module imports when it is loaded."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf8")).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("xrdscape."):
            base = node.module.removeprefix("xrdscape.")
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found & set(names)
