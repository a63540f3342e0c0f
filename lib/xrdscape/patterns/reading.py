"""Reading a pattern, whatever its format."""

from collections.abc import Sequence
from pathlib import Path

from xrdscape.errors import PatternError
from xrdscape.patterns.measured import Measured, checked
from xrdscape.patterns.pdcif import read_pdcif
from xrdscape.patterns.text import read_text


def read_pattern(path: Path, wavelengths_angstrom: Sequence[float] = ()) -> Measured:
    """Read a powder pattern over 2theta: columns of text (.xy, .xye, .dat, .csv, ...) or a powder CIF.

    Args:
        path: of the file.
        wavelengths_angstrom: instead of those in the file, or because it has none; of two, the first is
            twice as strong.

    Raises:
        PatternError: for a file that holds no pattern, and when no wavelength is known.
    """
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
    return checked(read_pdcif(path) if cif else read_text(text, path), path, wavelengths_angstrom)


def _first_word(text: str) -> str:
    lines = (line.strip() for line in text.splitlines())
    return next((line.lower() for line in lines if line and not line.startswith("#")), "")
