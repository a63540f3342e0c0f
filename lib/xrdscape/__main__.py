"""`python -m xrdscape`: the command line."""

from xrdscape.cli import app

app(prog_name="xrdscape")
