"""Examples in docstrings give what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

LIB = Path(__file__).resolve().parents[1] / "lib"
MODULES = [path for path in sorted(LIB.rglob("*.py")) if ">>> " in path.read_text(encoding="utf8")]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_examples_of_a_module(path: Path) -> None:
    name = ".".join(path.relative_to(LIB).with_suffix("").parts).removesuffix(".__init__")
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0
