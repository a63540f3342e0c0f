"""Reading a pattern, whatever its format."""

from dataclasses import replace
from pathlib import Path

from xrdscape.diffraction.radiation import Radiation
from xrdscape.errors import PatternError
from xrdscape.patterns.pattern import Pattern, checked
from xrdscape.patterns.pdcif import read_pdcif
from xrdscape.patterns.text import read_text


def read_pattern(path: str | Path, radiation: Radiation | None = None) -> Pattern:
    """Return the powder pattern over 2theta in a file: columns of text (.xy, .xye, .dat, .csv, ...) or a powder CIF.

    Args:
        path: of the file.
        radiation: instead of that in the file, or because it has none.

    Raises:
        PatternError: for a file that holds no pattern.
    """
    path = Path(path)
    if not path.is_file():
        raise PatternError(
            f"no pattern file called {str(path)!r}. Give the path of a .xy, .xye, .dat, .csv or CIF file."
        )
    try:
        # Words in a header may be in any encoding; numbers are the same in all.
        text = path.read_bytes().decode("utf8", errors="replace")
    except OSError as error:
        raise PatternError(f"{path} cannot be read: {error}.") from error
    if "\0" in text:
        raise PatternError(f"{path} is not text: export the pattern from its program as two columns (.xy).")
    cif = path.suffix.lower() in (".cif", ".pdcif") or _first_word(text).startswith("data_")
    found = read_pdcif(path) if cif else read_text(text, path)
    remark = _radiation_remark(found.radiation, radiation)
    return checked(replace(found, radiation=radiation or found.radiation, remarks=(*found.remarks, *remark)))


def _first_word(text: str) -> str:
    """Return the first line of a text that is not a comment, in small letters."""
    lines = (line.strip() for line in text.splitlines())
    return next((line.lower() for line in lines if line and not line.startswith("#")), "")


def _radiation_remark(found: Radiation | None, given: Radiation | None) -> tuple[str, ...]:
    """Return a sentence on where the wavelength comes from; none where there is no wavelength."""
    if given is None:
        return () if found is None else (f"The wavelength is {_shown(found)}, from the file.",)
    if found is None or found == given:
        return (f"The wavelength is {_shown(given)}, as given.",)
    return (f"The wavelength is {_shown(given)}, as given; the file says {_shown(found)}.",)


def _shown(radiation: Radiation) -> str:
    return " and ".join(f"{line.wavelength_angstrom:g} Å" for line in radiation.lines)
