"""The commands `xrdscape solve` and `xrdscape library`. Heavy packages are imported when a command runs."""

import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from xrdscape.runtime.options import LazyDefault

if TYPE_CHECKING:
    from tqdm import tqdm

    from xrdscape.solution.solution import Solution

SHOWN = 5
"""Candidates on the screen; the others are in the files."""


def _descents() -> int:
    """Return how many random starts a search makes at most by default."""
    from xrdscape.solution.prototypes import Effort

    return Effort().descents


class _Bars:
    """A bar of progress for each phase of a search, one after the other, on stderr.

    Args:
        shown: whether there are any.
    """

    def __init__(self, shown: bool) -> None:
        self.shown = shown
        self.phase = ""
        self.bar: tqdm[Any] | None = None

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def __call__(self, phase: str, done: int, of: int) -> None:
        """Show that so many steps of a phase are done."""
        if not self.shown:
            return
        if self.bar is None or phase != self.phase or done < self.bar.n:
            from tqdm import tqdm

            self._close()
            self.phase, self.bar = phase, tqdm(total=of, desc=phase, leave=False, file=sys.stderr)
        self.bar.update(done - self.bar.n)

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
        self.bar = None


@click.command()
@click.argument("formula")
@click.argument("pattern", type=click.Path(path_type=Path))
@click.option("-o", "--output", metavar="FOLDER", type=click.Path(path_type=Path), show_default="FORMULA-solved",
              help="Is made: candidates.csv, a CIF of each candidate, report.html, solution.json.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace a folder that holds another solution.")
@click.option(
    "--axis",
    type=click.Choice(["two-theta", "q", "q-angstrom", "q-nm", "d"]),
    show_default="as the file says, else two-theta",
    help="What PATTERN is over: 2theta in deg, Q in 1/angstrom (q for short) or 1/nm, d in angstrom.",
)
@click.option("--wavelength-angstrom", "wavelengths", type=float, multiple=True, show_default="that in the file",
              help="X-ray wavelength; give K-alpha 1 and 2 where both are in the beam. Not needed over Q.")  # fmt: skip
@click.option("--size-angstrom", type=float, show_default="fitted", help="Of the crystallites.")
@click.option("--sigma-inv-angstrom", type=float, show_default="fitted",
              help="Standard deviation over Q of what else smooths the peaks.")  # fmt: skip
@click.option("--convention", type=click.Choice(["paper", "reference-code"]),
              help="For a pattern made as PXRDnet's paper or its code makes them.")  # fmt: skip
@click.option("--without", multiple=True, metavar="FORMULA",
              help="Leave entries of this reduced formula out of the library; may be given several times.")  # fmt: skip
@click.option("--library", "library_file", type=click.Path(path_type=Path), show_default="the one that comes along",
              help="A library of your own, from `xrdscape library add`.")  # fmt: skip
@click.option("--formula-units", type=click.IntRange(1), show_default="several are tried",
              help="How many times FORMULA is in the primitive cell.")  # fmt: skip
@click.option("--candidates", type=click.IntRange(1), default=10, help="How many at most.")
@click.option("--descents", type=click.IntRange(0), cls=LazyDefault, of=_descents,
              help="Random starts at most, where no known arrangement explains the pattern.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the random starts.")
def solve(
    formula: str,
    pattern: Path,
    output: Path | None,
    force: bool,
    axis: str | None,
    wavelengths: tuple[float, ...],
    library_file: Path | None,
    descents: int | None,
    **settings: Any,
) -> None:
    """Search for crystals of a FORMULA that explain a powder PATTERN, from known arrangements of sites.

    FORMULA is what the primitive cell holds, such as "Ba4 Ti4 O12", or one formula unit, such as BaTiO3, of which
    several numbers are tried. PATTERN is a file as of `snap`. Where no candidate explains the pattern, this is said.
    """
    from xrdscape.solution.report import solution_folder

    folder = solution_folder(output or Path(f"{''.join(formula.split()).replace('/', '')}-solved"), force)
    from xrdscape.runtime.threads import use_threads
    from xrdscape.solution.library import load_library
    from xrdscape.solution.prototypes import Effort
    from xrdscape.solution.solve import solve as search

    use_threads(1)
    given = {
        "axis": "q-angstrom" if axis == "q" else axis,
        "wavelength_angstrom": wavelengths or None,
        "effort": Effort() if descents is None else Effort(descents=descents),
        **settings,
    }
    with _Bars(sys.stderr.isatty()) as bars:
        found = search(formula, pattern, library=load_library(library_file), progress=bars, **given)
    for remark in found.data.remarks:
        click.echo(f"note: {remark}", err=True)
    found.write(folder, force)
    click.echo(summary_text(found))
    click.echo(f"in {found.seconds:.1f} s: {folder}/report.html, candidates.csv, CIFs and solution.json")


def summary_text(found: "Solution") -> str:
    """Return the verdict on a search and its first candidates, a line each."""
    from xrdscape.solution.facts import facts_of
    from xrdscape.solution.wording import percent

    lines = [found.verdict]
    for fact in facts_of(found)[:SHOWN]:
        lines.append(
            f"{fact.rank}. {fact.formula}, {fact.space_group}: {percent(fact.r_nano)} unexplained, "
            f"{fact.volume_angstrom3:.1f} angstrom^3, from {fact.prototype_formula} ({fact.prototype}), {fact.file}"
        )
    more = len(found.candidates) - SHOWN
    return "\n".join([*lines, f"and {more} more"] if more > 0 else lines)


_LIBRARY_FILE = click.option("--library", "library_file", type=click.Path(path_type=Path),
                             show_default="the one that comes along", help="A library of your own.")  # fmt: skip


@click.group(invoke_without_command=True)
@click.pass_context
def library(context: click.Context) -> None:
    """Show the library of known structures that `solve` searches, look into it, or add to it."""
    if context.invoked_subcommand is None:
        context.invoke(show)


@library.command()
@_LIBRARY_FILE
def show(library_file: Path | None = None) -> None:
    """Print what is in the library: entries by source with terms, by crystal system, arrangements of sites."""
    from xrdscape.solution.catalogue import library_text
    from xrdscape.solution.library import load_library

    click.echo(library_text(load_library(library_file)))


@library.command()
@click.option("--formula", help="Reduced, such as BaTiO3.")
@click.option("--elements", metavar="A,B,...", help="Entries that hold all of these.")
@click.option("--group", type=click.IntRange(1, 230), help="Number of the space group.")
@click.option("--limit", type=click.IntRange(1), default=20, help="Entries shown.")
@_LIBRARY_FILE
def find(
    formula: str | None, elements: str | None, group: int | None, limit: int, library_file: Path | None
) -> None:  # fmt: skip
    """Print a table of entries: id, source, formula, space group, Wyckoff letters, volume of the primitive cell."""
    from xrdscape.solution.catalogue import entries_text
    from xrdscape.solution.library import load_library

    found = load_library(library_file)
    if formula:
        found = found.of_formula(formula)
    if elements:
        found = found.of_elements(elements.replace(",", " ").split())
    if group:
        found = found.of_group(group)
    click.echo(entries_text(found, limit))


@library.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The new library (.npz).")
@click.option("--force", is_flag=True, help="Replace the output where it exists.")
@_LIBRARY_FILE
def add(paths: tuple[Path, ...], output: Path, force: bool, library_file: Path | None) -> None:
    """Put crystals of your own beside the known structures, in a library for `solve --library`.

    PATHS are folders of CIFs, files of crystals, or tables (.csv, .csv.gz) with the columns material_id and cif, as
    MP-20 has them. What cannot be used, such as disordered crystals, is left out and named on stderr.
    """
    from xrdscape.runtime.outputs import writable

    writable(output, (".npz",), force)
    from tqdm import tqdm

    from xrdscape.solution.adding import grown, listed_crystals, write_library
    from xrdscape.solution.library import load_library

    listed = listed_crystals(paths)
    bar = tqdm(listed, "crystals", leave=False, disable=not sys.stderr.isatty())
    found = grown(load_library(library_file), bar)
    write_library(found.library, output)
    for refused in found.refused:
        click.echo(f"left out: {refused.name}: {refused.reason}", err=True)
    left = f"; {len(found.refused)} left out" if found.refused else ""
    click.echo(f"{found.added:,} crystals added to {len(found.library) - found.added:,}{left}: {output}")
