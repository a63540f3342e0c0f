"""The worked examples of the page "Run it yourself" do what the page says: its own commands are given, one by one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from xrdscape.book.pages import Book, chapter_path

ROOT = Path(__file__).resolve().parents[1]
PAGE = "run-it-yourself"
TIME = re.compile(r"executed in [\d.]+ s")


def sessions() -> list[list[tuple[str, str]]]:
    """The console sessions of the page: commands, each with the output that stands under it."""
    text = chapter_path(PAGE, Book()).read_text(encoding="utf8")
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    # A command goes on in the next line after a backslash; its output ends where the next command begins.
    return [re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE) for block in blocks]


def test_there_are_three_and_one_of_them_is_of_papermill_itself() -> None:
    told = [" ".join(command for command, _ in session) for session in sessions()]
    assert len(told) == 3
    assert sum("xrdscape run" in commands for commands in told) == 2
    assert sum(commands.count("papermill ") for commands in told) == 1
    assert all(expected for session in sessions() for command, expected in session if "show" in command)


@pytest.mark.parametrize("session", sessions(), ids=lambda session: session[-1][0].split()[-1])
def test_a_session_gives_what_stands_on_the_page(session: list[tuple[str, str]], tmp_path: Path) -> None:
    """In a folder that looks like the repository's and takes the files that the commands write."""
    for name in ("chapters", "data", "lib"):
        (tmp_path / name).symlink_to(ROOT / name)
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": scripts, "PYTHONPATH": str(ROOT / "lib"), "PYTHONIOENCODING": "utf8"}
    for command, expected in session:
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf8"
        )
        assert done.returncode == 0, f"{command}\n{done.stderr[-3000:]}"
        assert TIME.sub("executed", done.stdout) == TIME.sub("executed", expected), command
