"""The command line: `xrdscape --help`. Heavy packages are imported by the command that needs them."""

import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xrdscape.errors import XrdscapeError
from xrdscape.paths import crystal_path, from_checkout
from xrdscape.runtime.extras import needs
from xrdscape.runtime.options import LazyDefault
from xrdscape.runtime.outputs import writable, writable_set
from xrdscape.solution.commands import library, solve
from xrdscape.version import __version__

if TYPE_CHECKING:
    from xrdscape.crystal.reading import Crystal
    from xrdscape.patterns.pattern import Pattern
    from xrdscape.patterns.scan import AxisName

PICTURES, REPORTS = (".png", ".svg", ".pdf"), (".cif", ".html", ".json")

RESUMED, KEPT = (
    ("book", "campaign", "artefacts", "landscapes", "dataset", "measured"),
    "what is finished is kept, and the same command goes on from there",
)
"""Commands that go on where they were interrupted, and what they then say; the others leave nothing behind."""


def _instrument(name: str) -> Callable[[], Any]:
    """Return what gives the default of a setting of an instrument."""

    def default() -> Any:
        from xrdscape.diffraction.instrument import Instrument

        return getattr(Instrument(), name)

    return default


def _caglioti() -> tuple[float, float, float]:
    from xrdscape.diffraction.instrument import Instrument

    width = Instrument().width_constants
    return width.u, width.v, width.w


def _setting(name: str) -> Callable[[], Any]:
    """Return what gives the default of a setting of a refinement."""

    def default() -> Any:
        from xrdscape.refinement.settings import Settings

        return getattr(Settings, name)

    return default


class _Commands(click.Group):
    """Shows an error meant for the user as one message on stderr, exit code 2, without a traceback; 130 for Ctrl-C."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except XrdscapeError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            # The notebook's client leaves its cell behind, and Python would report that as an error of its own.
            logging.getLogger("asyncio").disabled = True
            left = KEPT if ctx.invoked_subcommand in RESUMED else "nothing was written"
            click.echo(f"interrupted: {left}", err=True)
            ctx.exit(130)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(__version__, message="xrdscape %(version)s")
def app() -> None:
    """Simulate powder patterns, solve and refine crystals from them, and run the executable paper about it."""


app.add_command(solve)
app.add_command(library)


@app.command()
@click.option("--chapter", metavar="NAME", help="Bring only this chapter up to date.")
@click.option("--force", is_flag=True, help="Execute even what is up to date.")
def book(chapter: str | None, force: bool) -> None:
    """Execute every chapter that is out of date and build the site into _build/html."""
    with needs("book"):
        from xrdscape.book.build import build_book
        from xrdscape.book.pages import Book

    build_book(Book(), chapter=chapter, force=force, say=click.echo)


@app.command()
def chapters() -> None:
    """List the chapters with their parameters, the default values and what they mean."""
    with needs("book"):
        from xrdscape.book.pages import Book, chapter_names
        from xrdscape.book.parameters import chapter_parameters

    for name in chapter_names(Book()):
        click.echo(name)
        for parameter in chapter_parameters(name, Book()).values():
            comment = f"  # {parameter.comment}" if parameter.comment else ""
            click.echo(f"    {parameter.name} = {parameter.default!r}{comment}")


@app.command()
@click.argument("chapter")
@click.option("-p", "--parameter", "pairs", nargs=2, multiple=True, metavar="NAME VALUE",
              help="Set a parameter; may be given several times.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), show_default="CHAPTER.ipynb",
              help="The notebook to write.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace the output where it exists.")
def run(chapter: str, pairs: tuple[tuple[str, str], ...], output: Path | None, force: bool) -> None:
    """Execute one CHAPTER with parameters of your own into a notebook.

    A crystal may be given by a file, whose path is that from the folder where you are.
    """
    with needs("book"):
        from xrdscape.book.pages import Book
        from xrdscape.book.parameters import parse_parameters

    for name, _ in pairs:
        if [n for n, _ in pairs].count(name) > 1:
            raise XrdscapeError(f"parameter {name} is given more than once")
    values = parse_parameters(chapter, dict(pairs), Book())
    target = writable(output or Path(f"{chapter}.ipynb"), (".ipynb",), force)
    shown = ", ".join(f"{name} = {value!r}" for name, value in values.items()) or "its defaults"
    click.echo(f"{chapter}: executing with {shown} ...", err=True)
    with needs("book"):
        from xrdscape.book.execute import run_chapter

    seconds = run_chapter(chapter, values, target.resolve(), Book(), progress=sys.stderr.isatty())
    click.echo(f"executed in {seconds:.1f} s: {target}")


@app.command()
@click.argument("notebook", type=click.Path(path_type=Path))
@click.argument("table", required=False)
def show(notebook: Path, table: str | None) -> None:
    """Print the tables of an executed chapter's NOTEBOOK, or only the TABLE of this label."""
    from xrdscape.book.results import results_text

    click.echo(results_text(notebook, table))


@app.command()
@click.argument("file")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True,
              help="The pattern as two columns of text (.xy).")  # fmt: skip
@click.option("--plot", type=click.Path(path_type=Path), help="Also draw it (.png, .svg or .pdf).")
@click.option("--force", is_flag=True, help="Replace outputs that exist.")
@click.option("--wavelength-angstrom", type=float, cls=LazyDefault, of=_instrument("wavelength_angstrom"),
              help="X-ray wavelength.")  # fmt: skip
@click.option("--two-theta-min-deg", type=float, cls=LazyDefault, of=_instrument("two_theta_min_deg"),
              help="Start of the pattern.")  # fmt: skip
@click.option("--two-theta-max-deg", type=float, cls=LazyDefault, of=_instrument("two_theta_max_deg"),
              help="End of the pattern and of its reflections.")  # fmt: skip
@click.option("--step-deg", type=float, cls=LazyDefault, of=_instrument("step_deg"), help="Step of the grid.")
@click.option("--caglioti", type=(float, float, float), metavar="U V W", cls=LazyDefault, of=_caglioti,
              help="Peak widths, H^2 = U tan^2 + V tan + W in deg^2.")  # fmt: skip
@click.option("--eta", type=float, cls=LazyDefault, of=_instrument("eta"), help="Gaussian fraction of the peak shape.")
@click.option("--taper-deg", type=float, cls=LazyDefault, of=_instrument("taper_deg"),
              help="Fade reflections out this far past the end; 0 cuts them.")  # fmt: skip
@click.option("--anomalous", is_flag=True, help="Add anomalous dispersion f' and f'' at the wavelength.")
def simulate(
    file: str,
    output: Path,
    plot: Path | None,
    force: bool,
    caglioti: tuple[float, float, float] | None,
    **settings: float | bool | None,
) -> None:
    """Simulate the powder pattern of a crystal: a CIF or POSCAR FILE, or the name of a reference structure."""
    writable(output, (".xy",), force)
    if plot:
        writable(plot, PICTURES, force)
    crystal_path(file)
    from xrdscape.crystal.reading import read_crystal
    from xrdscape.diffraction.instrument import Instrument
    from xrdscape.patterns.simulated import simulate as simulate_pattern

    given = _given({**settings, **(dict(zip("UVW", caglioti, strict=True)) if caglioti else {})})
    crystal = read_crystal(file)
    _tell_crystal(crystal)
    pattern = simulate_pattern(crystal, Instrument(**given))
    pattern.to_xy(output, force)
    click.echo(f"{crystal.formula}: {len(pattern.intensity)} points in {output}")
    if plot:
        _draw(pattern, plot)
        click.echo(f"drawing in {plot}")


@app.command()
@click.argument("file")
@click.argument("pattern", type=click.Path(path_type=Path))
@click.option("-o", "--output", metavar="NAME", type=click.Path(path_type=Path), show_default="FILE-snap",
              help="Writes NAME.cif, NAME.html (the report) and NAME.json (its numbers).")  # fmt: skip
@click.option("--plot", type=click.Path(path_type=Path), help="Also draw the patterns (.png, .svg or .pdf).")
@click.option("--force", is_flag=True, help="Replace outputs that exist.")
@click.option("--wavelength-angstrom", "wavelengths", type=float, multiple=True, show_default="that in the file",
              help="X-ray wavelength; give K-alpha 1 and 2 where both are in the beam.")  # fmt: skip
@click.option("--axis", type=click.Choice(["two-theta", "q-angstrom", "q-nm", "d"]),
              show_default="as the file says, else two-theta",
              help="What PATTERN is over: 2theta in deg, Q in 1/angstrom or 1/nm, d in angstrom.")  # fmt: skip
@click.option("--two-theta-range", type=(float, float), metavar="MIN MAX", help="The part of the pattern to use, deg.")
@click.option("--background", type=click.Choice(["auto", "none"]), default="auto", help="What to subtract.")
@click.option("--caglioti", type=(float, float, float), metavar="U V W", show_default="estimated, then fitted",
              help="Peak widths as of `simulate`.")  # fmt: skip
@click.option("--zero-shift", is_flag=True, help="Refine an offset of the angles, too.")
@click.option("--family", metavar="NAME", cls=LazyDefault, of=_setting("family"),
              help="Crystal family to keep the cell in; auto: that of the starting crystal.")  # fmt: skip
@click.option("--free", is_flag=True, help="Keep the cell in no family.")
@click.option("--atoms", is_flag=True, help="Descend the coordinates, too, at the cell found.")
@click.option("--blur-deg", type=float, cls=LazyDefault, of=_setting("blur_deg"),
              help="Blur of both patterns at the start of a descent.")  # fmt: skip
@click.option("--restarts", type=click.IntRange(0), cls=LazyDefault, of=_setting("restarts"),
              help="Further descents at most, from strained copies, if the first explains too little.")  # fmt: skip
@click.option("--seed", type=int, cls=LazyDefault, of=_setting("seed"), help="Of the strains.")
@click.option("--anomalous", is_flag=True, help="Add anomalous dispersion f' and f'' at the wavelength.")
def snap(
    file: str,
    pattern: Path,
    output: Path | None,
    plot: Path | None,
    force: bool,
    wavelengths: tuple[float, ...],
    axis: "AxisName | None",
    two_theta_range: tuple[float, float] | None,
    background: str,
    caglioti: tuple[float, float, float] | None,
    family: str | None,
    free: bool,
    **settings: Any,
) -> None:
    """Refine a starting crystal against a measured PATTERN: its cell and, if asked, its coordinates.

    FILE is a CIF or POSCAR, or the name of a reference structure; PATTERN is a file of an instrument (.raw, .brml,
    .uxd, .ras, .rasx, .xrdml), of GSAS, a powder CIF, or text in two or three columns (.xy, .xye, .chi, .dat, .csv).
    """
    if free and family:
        raise XrdscapeError("--family and --free exclude each other: give one of them")
    name = output or Path(f"{Path(file).stem}-snap")
    outputs = writable_set(name, REPORTS, force, (file, pattern))
    if plot:
        writable(plot, PICTURES, force)
    crystal_path(file)
    from xrdscape.crystal.reading import read_crystal
    from xrdscape.refinement.figures import write_figure
    from xrdscape.refinement.refine import refine
    from xrdscape.refinement.settings import FREE
    from xrdscape.runtime.threads import use_threads

    use_threads(1)
    given = _given({"family": FREE if free else family, **settings})
    crystal = read_crystal(file)
    _tell_crystal(crystal)
    measured = _measured(pattern, wavelengths, axis, two_theta_range, background == "none", caglioti)
    progress = sys.stderr.isatty()
    done = refine(crystal, measured, say=lambda message: click.echo(message, err=True), progress=progress, **given)
    done.write(name, force)
    if plot:
        write_figure(done, plot)
    for warning in done.warnings:
        click.echo(f"look twice: {warning}")
    click.echo(done.verdict)
    for quantity, before, after in done.comparison:
        click.echo(f"{quantity}: {before} -> {after}")
    written = (*outputs, plot) if plot else outputs
    click.echo(f"in {done.seconds:.1f} s: {', '.join(str(path) for path in written)}")


def _tell_crystal(crystal: "Crystal") -> None:
    """Print what was read of a crystal, and what was assumed."""
    click.echo(f"crystal: {crystal.summary}")
    for remark in crystal.remarks:
        click.echo(f"note: {remark}", err=True)


def _measured(
    path: Path,
    wavelengths: tuple[float, ...],
    axis: "AxisName | None",
    between_deg: tuple[float, float] | None,
    no_background: bool,
    caglioti: tuple[float, float, float] | None,
) -> "Pattern":
    """Return the pattern in a file as the options of `snap` describe it."""
    from xrdscape.diffraction.profile import PeakProfile
    from xrdscape.diffraction.radiation import Radiation
    from xrdscape.diffraction.widths import CagliotiWidth
    from xrdscape.patterns.reading import read_pattern
    from xrdscape.refinement.prepared import ETA

    # K-alpha 1, the stronger one, is the shorter.
    pattern = read_pattern(path, Radiation.of(*sorted(wavelengths)) if wavelengths else None, axis)
    if between_deg:
        pattern = pattern.between(*between_deg)
    if caglioti:
        pattern = replace(pattern, profile=PeakProfile(CagliotiWidth(*caglioti), ETA))
    return replace(pattern, has_background=False) if no_background else pattern


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given: the library knows the defaults of the others."""
    return {name: value for name, value in options.items() if value is not None}


_PLANS_FILE = click.option("--plans", type=click.Path(path_type=Path), help="A file of plans of your own.",
                           show_default="data/plans.yaml")  # fmt: skip


@app.command()
@click.argument("plan", default="study")
@_PLANS_FILE
@click.option("--workers", type=click.IntRange(1), show_default="one a core", help="Processes on this machine.")
@click.option(
    "--scheduler", metavar="ADDRESS", help="Use the workers of this dask scheduler (or scheduler file) instead."
)
@click.option("--only", type=click.Choice(["descents", "relaxations"]), help="Leave out the others.")
@click.option("--structure", "structures", multiple=True, metavar="NAME", help="Only this; may be given several times.")
def campaign(
    plan: str,
    plans: Path | None,
    workers: int | None,
    scheduler: str | None,
    only: str | None,
    structures: tuple[str, ...],
) -> None:
    """Compute and store what is missing of a PLAN; interrupt it and go on whenever you like."""
    with needs("study"):
        from xrdscape.study.campaign import run as run_campaign
        from xrdscape.study.plan import any_plan, jobs
        from xrdscape.study.records import CHGNET
        from xrdscape.study.status import status_text
        from xrdscape.study.store import store_of

    settings, store = any_plan(plan, plans), store_of(plan)
    unknown = [name for name in structures if name not in settings.structures]
    if unknown:
        raise XrdscapeError(
            f"plan {plan} has no structure {', '.join(unknown)}; it has {', '.join(settings.structures)}"
        )
    chosen = [
        job
        for job in jobs(settings)
        if (not structures or job.structure in structures)
        and (only is None or (job.method == CHGNET) == (only == "relaxations"))
    ]
    if scheduler:
        # If it is lost, one sentence says so; dask's own account is pages long.
        logging.disable(logging.CRITICAL)
    run_campaign(chosen, store, workers, scheduler, title=plan)
    click.echo(status_text(jobs(settings), store))


@app.command()
@click.option("--workers", type=click.IntRange(1), show_default="one a core", help="Processes on this machine.")
@click.option("--structure", "structures", multiple=True, metavar="NAME", help="Only this; may be given several times.")
@click.option("--copies", type=click.IntRange(1), show_default="those of the book",
              help="Realisations of the noise of each crystal.")  # fmt: skip
def artefacts(workers: int | None, structures: tuple[str, ...], copies: int | None) -> None:
    """Compute and store what is missing of the recoveries from patterns with artefacts; resumes where it was left."""
    with needs("study"):
        from xrdscape.paths import REFERENCE_NAMES
        from xrdscape.study.campaign import run as run_campaign
        from xrdscape.study.jobs.artefact import COPIES, STORE, artefact_jobs
        from xrdscape.study.store import store_of

    jobs, store = artefact_jobs(structures or REFERENCE_NAMES, copies or COPIES), store_of(STORE)
    run_campaign(jobs, store, workers, title=STORE)
    click.echo(f"{sum(job.starts for job in jobs):,} descents from {len(jobs):,} targets are recorded")


@app.command()
@click.argument("source", required=False)
@click.option("-o", "--output", metavar="FOLDER", type=click.Path(path_type=Path), show_default="_build/dataset",
              help="The data set; with --download the tables.")  # fmt: skip
@click.option("--size-angstrom", "sizes", type=float, multiple=True, default=(10.0, 100.0),
              help="Of the crystallites; may be given several times.")  # fmt: skip
@click.option("--convention", "conventions", type=click.Choice(["paper", "reference-code"]), multiple=True,
              default=("reference-code",), help="PXRDnet's paper or its code; both may be given.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the Gaussians' widths and the noise.")
@click.option("--no-noise", is_flag=True, help="Add no noise.")
@click.option("--shard", type=click.IntRange(1), default=200, help="Crystals of one file.")
@click.option("--workers", type=click.IntRange(1), show_default="one a core", help="Processes on this machine.")
@click.option("--scheduler", metavar="ADDRESS", help="Use the workers of this dask scheduler instead.")
@click.option("--download", is_flag=True, help="Fetch the tables of MP-20 instead: sources for data sets.")
def dataset(
    source: str | None, output: Path | None, workers: int | None, scheduler: str | None, download: bool, **settings: Any
) -> None:
    """Build a data set of nanocrystals' patterns; resumes where it was left.

    SOURCE is a folder of CIFs, a table (.csv, .csv.gz) with the columns material_id and cif, or `references`, the ten
    structures of the study. Without one it is a sample of MP-20. The folder's manifest.json tells what it holds.
    """
    with needs("study"):
        from xrdscape.study import crystal_sources, nano_dataset

    if download:
        crystal_sources.download_mp20(output or crystal_sources.MP20_FOLDER, say=click.echo)
        return
    crystals = crystal_sources.crystal_source(source or from_checkout(crystal_sources.CARRIED))
    wanted = nano_dataset.DatasetSettings(
        settings["sizes"], settings["conventions"], settings["seed"], not settings["no_noise"], settings["shard"]
    )
    folder = output or nano_dataset.FOLDER
    click.echo(nano_dataset.summary_text(nano_dataset.build_dataset(crystals, folder, wanted, workers, scheduler)))
    click.echo(f"in {folder}")


@app.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True,
              help="The table to write (.csv); goes on with one that exists.")  # fmt: skip
def measured(folder: Path, output: Path) -> None:
    """Solve the measured patterns in a FOLDER of powder CIFs from their formulas, and judge by the crystals in them.

    Each file holds a pattern and the crystal that was refined against it. The search sees the pattern and the contents
    of the primitive cell, and has a library without the compound.
    """
    writable(output, (".csv",), force=True)
    with needs("study"):
        from xrdscape.runtime.threads import use_threads
        from xrdscape.study.measured import measured_outcomes

    use_threads(1)
    outcomes = measured_outcomes(folder, output, say=lambda message: click.echo(message, err=True))
    found = outcomes.groupby("way").agg(
        files=("file", "size"), found=("loose_rank", lambda ranks: int((ranks > 0).sum())),
        r_wp_squared=("r_wp_squared", "mean"),
    )  # fmt: skip
    click.echo(found.to_string(float_format="%.3f"))
    click.echo(f"in {output}")


@app.command()
def landscapes() -> None:
    """Compute and store those maps of losses and energies that the chapters show and that are not recorded yet."""
    from xrdscape.landscape.records import BOOK_MAPS, FOLDER, make_missing

    made = make_missing(BOOK_MAPS)
    click.echo(f"{made} maps made, {len(BOOK_MAPS)} in {FOLDER}")


@app.command()
@click.argument("plan", default="study")
@_PLANS_FILE
def status(plan: str, plans: Path | None) -> None:
    """Tell how far a PLAN is, setting by setting, and whether a run is under way; `artefacts` names that command's."""
    with needs("study"):
        from xrdscape.study.jobs.artefact import STORE, artefact_jobs
        from xrdscape.study.plan import any_plan, jobs
        from xrdscape.study.status import status_text
        from xrdscape.study.store import store_of

    every = artefact_jobs() if plan == STORE and plans is None else jobs(any_plan(plan, plans))
    click.echo(status_text(every, store_of(plan)))


@app.command()
@click.argument("plan", default="study")
@click.option("--sample", type=click.IntRange(1), default=10, help="How many records to make again.")
@click.option("--seed", default=0, help="Of the choice.")
def audit(plan: str, sample: int, seed: int) -> None:
    """Make random records of a PLAN again, from their seeds alone, and compare.

    Exit code 1 if a record does not hold: its start or its own judgement differs or, made on this model of processor
    with these packages, its end. Records from elsewhere may end elsewhere; too many of them fail, too.
    """
    from xrdscape.runtime.threads import use_threads

    with needs("study"):
        from xrdscape.study.audit import audit as audit_store
        from xrdscape.study.audit import elsewhere_allowed, passes
        from xrdscape.study.store import store_of

    use_threads(1)
    verdicts = []
    for row in audit_store(store_of(plan), sample, seed):
        verdicts.append(row["verdict"])
        named = " ".join(f"{row[name]}" for name in ("structure", "noise", "level", "copy", "method"))
        click.echo(f"{named}: {row['verdict']} {row['difference']}".rstrip())
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
    click.echo(f"{len(verdicts)} records made again: {counts}")
    if "elsewhere" in verdicts:
        click.echo(
            "elsewhere: made on another processor or with other packages, and another end after another rounding; "
            f"of {len(verdicts)} so many may: {elsewhere_allowed(len(verdicts), plan)}"
        )
    if not passes(verdicts, plan):
        sys.exit(1)


def _draw(pattern: "Pattern", picture: Path) -> None:
    from xrdscape.style import TWO_THETA, new_figure, styled

    with styled():
        figure = new_figure(2.8)
        ax = pattern.plot(figure.subplots())
        ax.set(title=pattern.origin, xlabel=TWO_THETA, ylabel="Intensity")
        figure.savefig(picture)
