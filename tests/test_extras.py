"""What the light install does, and what it says where an extra is missing: the extras' packages cannot be imported."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from xrdscape.errors import ExtraError
from xrdscape.runtime.extras import needs

PROJECT = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text())["project"]

HIDE = """
from importlib.machinery import PathFinder

found = PathFinder.find_spec

def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in {hidden} else found(name, path, target)

PathFinder.find_spec = find_spec
"""
API = """
from xrdscape.crystal.structures import load_structure
from xrdscape.patterns.simulated import simulate
from xrdscape.errors import ExtraError
from xrdscape.evaluation.matching import emd, matches
from xrdscape.optimisation.energy import energies, relax

crystal = load_structure("U2Ti")
assert matches(crystal, crystal) and len(simulate(crystal).intensity) == 9000
for call in (lambda: energies([crystal]), lambda: relax(crystal, "lattice"), lambda: emd(crystal, crystal)):
    try:
        call()
    except ExtraError as error:
        print(error)
"""


def installed_with(lines: Iterable[str]) -> set[str]:
    """The packages of some requirements and all that these require here."""
    found: set[str] = set()
    waiting = [Requirement(line) for line in lines]
    while waiting:
        asked = waiting.pop()
        name = canonicalize_name(asked.name)
        if name in found or (asked.marker and not asked.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        try:
            waiting += [Requirement(line) for line in requires(name) or []]
        except PackageNotFoundError:
            continue
    return found


def hidden_modules() -> set[str]:
    """What can be imported here and could not be after the light install."""
    light = installed_with(PROJECT["dependencies"])
    return {
        module
        for module, owners in packages_distributions().items()
        if not {canonicalize_name(owner) for owner in owners} & {*light, "xrdscape"}
    }


@pytest.fixture(scope="module")
def hide() -> str:
    hidden = hidden_modules()
    assert {"chgnet", "ase", "dask", "pyarrow", "yaml", "sklearn", "jupytext", "IPython"} <= hidden
    assert not {"torch", "numba", "pymatgen", "pandas", "matplotlib"} & hidden
    return HIDE.format(hidden=hidden)


def light(hide: str, code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", hide + code], cwd=folder, capture_output=True, text=True)


def command(*words: str) -> str:
    return f"from xrdscape.cli import app\napp({list(words)!r})"


def test_a_pattern_is_simulated_and_a_crystal_refined(hide: str, tmp_path: Path) -> None:
    for words in (["simulate", "U2Ti", "-o", "p.xy", "--plot", "p.png"], ["snap", "U2Ti", "p.xy", "-o", "out"]):
        done = light(hide, command(*words), tmp_path)
        assert done.returncode == 0, done.stderr
    made_by = json.loads((tmp_path / "out.json").read_text())["made_by"]["packages"]
    assert "torch" in made_by
    assert (tmp_path / "p.png").exists()


def test_an_energy_says_what_to_install(hide: str, tmp_path: Path) -> None:
    done = light(hide, API, tmp_path)
    assert done.returncode == 0, done.stderr
    assert [re.sub(r".*\[(.*)\].*", r"\1", line) for line in done.stdout.splitlines()] == ["energies"] * 2 + ["study"]


@pytest.mark.parametrize(
    ("words", "extra"),
    [(["book"], "book"), (["chapters"], "book"), (["run", "01-simulator"], "book"), (["status"], "study"),
     (["campaign", "small"], "study")],
    ids=lambda value: value[0] if isinstance(value, list) else value,
)  # fmt: skip
def test_a_command_says_what_to_install(hide: str, tmp_path: Path, words: list[str], extra: str) -> None:
    done = light(hide, command(*words), tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the package ")
    assert done.stderr.rstrip().endswith(f'pip install "xrdscape[{extra}]"')


def test_a_fault_of_the_package_itself_is_no_missing_extra() -> None:
    with pytest.raises(ModuleNotFoundError, match="xrdscape"), needs("book"):
        import xrdscape.no_such_room  # noqa: F401
    with (
        pytest.raises(ExtraError, match=r'the package no_such_package is not installed.*"xrdscape\[study\]"'),
        needs("study"),
    ):
        import no_such_package.part  # noqa: F401
