"""pyproject.toml, the lock, environment.yml and the files of the project agree with each other."""

import doctest
import re
import tomllib
from pathlib import Path

import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from xrdscape import __version__

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def bounds(lines: list[str]) -> dict[str, str]:
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(r.name): str(r.specifier) for r in requirements}


def locked() -> dict[str, list[Requirement]]:
    """Every pinned version; a package may be pinned more than once, for different interpreters."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [Requirement(line.rstrip("\\ ")) for line in lines if re.match(r"[a-zA-Z0-9]", line)]
    found: dict[str, list[Requirement]] = {}
    for pin in [*pins, torch_pin()]:
        found.setdefault(canonicalize_name(pin.name), []).append(pin)
    return found


def torch_pin() -> Requirement:
    lines = (ROOT / "requirements" / "torch.txt").read_text().splitlines()
    (pin,) = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return pin


def test_environment_file_has_the_bounds_of_the_project() -> None:
    content = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [item["pip"] for item in content["dependencies"] if isinstance(item, dict)]
    assert bounds(pip) == bounds(PROJECT["dependencies"] + EXTRAS["lab"])


def test_environment_file_has_a_supported_python() -> None:
    content = yaml.safe_load((ROOT / "environment.yml").read_text())
    (python,) = [item for item in content["dependencies"] if str(item).startswith("python=")]
    assert python.removeprefix("python=") in Requirement(f"python{PROJECT['requires-python']}").specifier


def test_locked_versions_satisfy_the_project() -> None:
    pins = locked()
    for name, specifier in bounds(PROJECT["dependencies"] + EXTRAS["lab"] + EXTRAS["dev"]).items():
        assert name in pins, f"{name} is not locked: run `make lock`"
        for pin in pins[name]:
            (version,) = [s.version for s in pin.specifier]
            assert version in Requirement(f"x{specifier}").specifier, f"{name} {version} is outside {specifier}"


def test_lock_installs_one_version_of_each_package_here() -> None:
    for name, pins in locked().items():
        here = [pin for pin in pins if not pin.marker or pin.marker.evaluate(dict(default_environment()))]
        assert len(here) <= 1, name


def test_lock_is_hashed_and_free_of_cuda() -> None:
    text = (ROOT / "requirements.lock").read_text()
    pins = [line for line in text.splitlines() if re.match(r"[a-zA-Z0-9]", line)]
    assert text.count("--hash=sha256:") >= len(pins)
    assert all(line.endswith("\\") for line in pins)
    # nvidia-ml-py3 is a small pure-Python reader of device memory, which chgnet asks for.
    names = [Requirement(line.rstrip("\\ ")).name for line in pins]
    cuda = [n for n in names if n.startswith(("nvidia-", "cuda-", "triton")) and n != "nvidia-ml-py3"]
    assert cuda == []
    assert "torch" not in names


def test_torch_version_is_named_once() -> None:
    (version,) = [s.version for s in torch_pin().specifier]
    files = [ROOT / name for name in ("Makefile", "pyproject.toml", "environment.yml", ".ci/run", "requirements.lock")]
    assert [path.name for path in files if f"torch=={version}" in path.read_text()] == []


def test_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert PROJECT["version"] == __version__ == citation["version"]
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_readme_example_gives_what_it_says() -> None:
    result = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert result.attempted > 0
    assert result.failed == 0


def test_files_that_the_readme_links_exist() -> None:
    text = (ROOT / "README.md").read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target
