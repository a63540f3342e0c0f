"""Hermann-Mauguin symbols in the ways that files write them, and the settings of the space groups that they name."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

import gemmi
import spglib

DOUBLE_GLIDES = {39: 2, 41: 2, 64: 3, 67: 3, 68: 3}
"""Space groups whose symbol has an `e` since 1992, and how many planes or axes it names."""

_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆", "0123456")
_EXTENSIONS = {"1": "1", "2": "2", "h": "H", "r": "R", "s": "1", "z": "2", "o1": "1", "o2": "2"}
_NUMBERED = re.compile(r"[(\[,#]?\s*(?:no\.?\s*|#\s*|\()(\d{1,3})\s*[)\]]?\s*$", re.IGNORECASE)
_MARKED = re.compile(r":\s*(-?[a-z0-9][a-z0-9-]*)\s*$|\s(o[12]|[hrsz])\s*$|(?<=[a-z0-9])([hrsz])\s*$", re.IGNORECASE)
_SPOKEN = re.compile(
    r"[,(]?\s*(?:origin\s*(?:choice)?\s*(?P<origin>[12])|"
    r"(?P<axes>[hr])(?:hombohedral|exagonal|hombo?h?\.?|ex\.?)(?:\s+(?:axes|setting))?|"
    r"unique(?:\s+axis)?\s*(?P<unique>[abc])|(?P<axis>[abc])[\s-]*(?:axis\s+)?unique)\s*\)?$",
    re.IGNORECASE,
)

# Full symbols to short ones, without spaces: axes that planes imply are left out.
_FULL = (
    (r"([pabcfi])(?:21|2)/([mnabcde])(?:21|2)/([mnabcde])(?:21|2)/([mnabcde])", r"\1\2\3\4"),
    (r"([pcfi])(4[123]?)/([mnabcde])(?:21|2)/([mnabcd])(?:21|2)/([mnabcd])", r"\1\2/\3\4\5"),
    (r"p(6[1-5]?)/m2/([mc])2/([mc])", r"p\1/m\2\3"),
    (r"p-312/([mc])", r"p-31\1"),
    (r"p-32/([mc])1", r"p-3\g<1>1"),
    (r"r-32/([mc])", r"r-3\1"),
    (r"([pfi])(?:4[123]?|21|2)/([mnabcd])-32/([mncd])", r"\1\2-3\3"),
    (r"([pfi])(?:21|2)/([mnabcd])-3", r"\1\2-3"),
    # Before 1983 the cubic symbols left out the bar.
    (r"([pfi])([mnadc])3([mncd]?)", r"\1\2-3\3"),
)


@dataclass(frozen=True)
class Symbol:
    """A Hermann-Mauguin symbol, taken apart.

    Args:
        name: without spaces and mark, in lower case.
        mark: of an origin or of axes, as gemmi's `ext`: "1", "2", "H", "R"; or a qualifier as "b2" or "b"; or empty.
        number: that of International Tables, where the text carries it.
    """

    name: str
    mark: str = ""
    number: int | None = None


def parsed_symbol(text: str) -> Symbol:
    """Take a symbol apart, whichever way its subscripts, bars, spaces and marks are written.

    >>> parsed_symbol("F d -3 m Z"), parsed_symbol("P 2~1~/c")
    (Symbol(name='fd-3m', mark='2', number=None), Symbol(name='p21/c', mark='', number=None))
    """
    text = unicodedata.normalize("NFD", text).translate(_SUBSCRIPTS)
    text = re.sub(r"(\d)[\u0304\u0305]", r"-\1", text).replace("\N{MINUS SIGN}", "-")
    text = re.sub(r"</?(?:sub|i|em|b)>|\\bar|\\overline|\\=|sub(?=\d)", lambda found: _bar(found[0]), text)
    text = re.sub(r"(?<=\d)\s*\((\d)\)", r"\1", re.sub(r"[_~$\\{}'\"^]", "", text)).strip()
    number, mark = None, ""
    if found := _NUMBERED.search(text):
        number, text = int(found[1]), text[: found.start()].strip()
    if found := _SPOKEN.search(text):
        said = next(part for part in found.groups() if part)
        mark, text = said.upper() if found["axes"] else said.lower(), text[: found.start()].strip()
    elif found := _MARKED.search(text):
        said = next(part for part in found.groups() if part).lower()
        mark, text = _EXTENSIONS.get(said, said), text[: found.start()].strip()
    name = re.sub(r"\s", "", text).lower()
    if name.startswith("h") and name[1:2] in "-3":
        name, mark = "r" + name[1:], mark or "H"
    return Symbol(_short(re.sub(r"([1346])-", r"-\1", name)), mark, number)


def _bar(said: str) -> str:
    return "-" if said.startswith("\\") else ""


def _short(name: str) -> str:
    for full, short in _FULL:
        if re.fullmatch(full, name):
            return re.sub(full, short, name)
    return name


def settings(symbol: Symbol) -> tuple[gemmi.SpaceGroup, ...]:
    """Return the settings that a symbol can mean: those of both origins or of other axes where it leaves them open."""
    named = _by_name().get(symbol.name, ())
    if symbol.mark in ("a", "b", "c"):
        named = tuple(group for group in named if unique_axis(group) == symbol.mark)
    elif symbol.mark and (any(map(extension, named)) or symbol.mark not in "12HR"):
        named = tuple(group for group in named if symbol.mark in (extension(group), group.qualifier))
    if symbol.number:
        named = tuple(group for group in named if group.number == symbol.number)
    return named


def settings_of_number(number: int) -> tuple[gemmi.SpaceGroup, ...]:
    """Return the standard settings of a space group: of both origins, both kinds of axes, or each unique axis."""
    groups = [group for group in gemmi.spacegroup_table() if group.number == number]
    if 2 < number < 16:
        return tuple(next(group for group in groups if unique_axis(group) == axis) for axis in "bca")
    return tuple(group for group in groups if group.hm == groups[0].hm)


@cache
def _schoenflies() -> dict[str, int]:
    types = [spglib.get_spacegroup_type(hall) for hall in range(1, 531)]
    return {_letters(found.schoenflies): int(found.number) for found in types if found is not None}


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def number_of_schoenflies(text: str) -> int | None:
    """Return the number of the space group that a Schoenflies symbol names, or None.

    >>> number_of_schoenflies("D_2h^16"), number_of_schoenflies("Oh.5"), number_of_schoenflies("x")
    (62, 225, None)
    """
    return _schoenflies().get(_letters(text))


def unique_axis(group: gemmi.SpaceGroup) -> str:
    """Return the unique axis of a monoclinic setting."""
    return str(group.monoclinic_unique_axis())


def extension(group: gemmi.SpaceGroup) -> str:
    """Return the mark of a setting's origin or axes, or nothing."""
    return str(group.ext).strip("\0 ")


@cache
def _by_name() -> dict[str, tuple[gemmi.SpaceGroup, ...]]:
    found: dict[str, list[gemmi.SpaceGroup]] = {}
    for group in gemmi.spacegroup_table():
        for name in dict.fromkeys(_names(group)):
            alike = found.setdefault(name, [])
            # An `e` stands for either of two planes: the standard symbol names the first.
            if "e" not in name or not alike or alike[0].hm == group.hm:
                alike.append(group)
    return {name: tuple(groups) for name, groups in found.items()}


def _names(group: gemmi.SpaceGroup) -> list[str]:
    """Return the names of a setting in lower case without spaces: in full, and without the 1 of monoclinic axes."""
    parts = group.hm.lower().split()
    names = ["".join(parts)]
    if 2 < group.number < 16 and parts.count("1") == 2:
        names.append("".join(part for part in parts if part != "1"))
    if group.number in DOUBLE_GLIDES and parts[0] in "abc":
        parts["abc".index(parts[0]) + 1] = "e"
        names.append("".join(parts))
    return names
