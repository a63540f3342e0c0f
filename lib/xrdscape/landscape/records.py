"""Maps made once: losses and energies over two lattice parameters, with their settings and with what made them.

A map takes seconds to a minute. Those that the book shows by default come with the repository, one file each; any other
is computed when it is asked for. `audit` holds records against points computed anew.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from xrdscape.crystal.structures import load_structure
from xrdscape.errors import RecordError
from xrdscape.landscape.slices import PARAMETER_NAMES, ParameterName, Slice, energy_at, energy_slice, loss_at, xrd_slice
from xrdscape.paths import RECORDS, reference_path
from xrdscape.runtime.checkpoint import replace_file
from xrdscape.runtime.provenance import provenance

FOLDER = RECORDS / "landscapes"

Quantity = Literal["loss", "energy"]
"""The cosine loss of the pattern, or CHGNet's energy in eV/atom."""

ALLOWED: Mapping[Quantity, float] = MappingProxyType({"loss": 1e-9, "energy": 1e-4})
"""Largest difference between a record and the same point computed anew, in the unit of the map.

Losses are in double precision, and sums in another order differ by some 1e-15. CHGNet works in single precision, and
another processor may round otherwise.
"""


@dataclass(frozen=True)
class Map:
    """Ingredients of a map.

    Args:
        quantity: what is tabulated.
        structure: name of a reference structure.
        x_name, y_name: two lattice parameters; the other four and the coordinates keep their values.
        n: values along each axis.
        length_span, angle_span_deg: half the range, as a fraction of a length and in degrees.
    """

    quantity: Quantity
    structure: str
    x_name: ParameterName
    y_name: ParameterName
    n: int
    length_span: float = 0.15
    angle_span_deg: float = 15.0

    @property
    def path(self) -> Path:
        """The file of the record; its name changes with any setting and with the crystal."""
        reference = load_structure(self.structure)
        geometry = reference.lattice.matrix.tolist(), reference.frac_coords.tolist()
        digest = hashlib.sha256((json.dumps(asdict(self), sort_keys=True) + repr(geometry)).encode()).hexdigest()
        label = reference_path(self.structure).stem
        return FOLDER / f"{label}-{self.x_name}-{self.y_name}-{self.quantity}-{digest[:8]}.npz"

    def compute(self) -> Slice:
        """Return the map, computed now."""
        make = xrd_slice if self.quantity == "loss" else energy_slice
        return make(
            load_structure(self.structure),
            self.x_name,
            self.y_name,
            n=self.n,
            length_span=self.length_span,
            angle_span_deg=self.angle_span_deg,
        )

    def values_at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the values at single points of the map [P], computed now."""
        at = loss_at if self.quantity == "loss" else energy_at
        return at(load_structure(self.structure), self.x_name, self.y_name, x, y)


def every_pair(structure: str, n: int, length_span: float, angle_span_deg: float) -> list[Map]:
    """Return the maps of the loss over all 15 pairs of lattice parameters of a reference structure."""
    return [Map("loss", structure, x, y, n, length_span, angle_span_deg) for x, y in combinations(PARAMETER_NAMES, 2)]


def paired(axes: Mapping[str, tuple[ParameterName, ParameterName]], n: int, fine: int) -> tuple[list[Map], list[Map]]:
    """Return the maps of the loss and of the energy over the same two parameters and ranges, for several reference
    structures.

    Args:
        axes: the two lattice parameters of each structure, by its name.
        n: energies along each axis.
        fine: losses along each axis; patterns are cheap and their loss has finer features.
    """
    losses = [Map("loss", structure, x, y, fine) for structure, (x, y) in axes.items()]
    return losses, [Map("energy", structure, x, y, n) for structure, (x, y) in axes.items()]


BOOK_MAPS = (
    *every_pair("U2Ti", 161, 0.15, 15.0),
    Map("loss", "Au2S", "a", "b", 161),
    Map("loss", "Na3MnCoNiO6", "a", "gamma", 161),
    *(each for maps in paired({"U2Ti": ("a", "c")}, 61, 121) for each in maps),
    *(
        each
        for maps in paired({"Au2S": ("a", "b"), "Na3MnCoNiO6": ("a", "gamma"), "Nd(Al2Cu)4": ("a", "c")}, 21, 121)
        for each in maps
    ),
)
"""The maps that the chapters show by default."""


def make_missing(maps: Sequence[Map], progress: bool = True) -> int:
    """Compute and store those maps of which there is no record, one after the other, and return their number.

    Raises:
        RecordError: one cannot be written; those before it are kept.
    """
    missing = [each for each in maps if not each.path.exists()]
    for each in tqdm(missing, desc="Maps", unit="map", disable=not progress):
        _save(each, each.compute())
    return len(missing)


def landscapes(maps: Iterable[Map]) -> list[Slice]:
    """Return maps from their records, or computed now where there is none.

    Raises:
        RecordError: a record cannot be read.
    """
    return [_load(each.path) if each.path.exists() else each.compute() for each in maps]


class MapAudit(NamedTuple):
    """The outcome of computing points of the records of one quantity anew.

    Attributes:
        quantity: of the maps.
        maps: how many of them are recorded.
        points: how many of each map were computed anew.
        largest: the largest difference, in the unit of the maps.
    """

    quantity: Quantity
    maps: int
    points: int
    largest: float


def audit(maps: Iterable[Map], points: int, seed: int) -> list[MapAudit]:
    """Compute random points of recorded maps anew and compare; maps without a record are left out.

    Args:
        points: how many of each map, drawn without replacement.
        seed: of the choice.

    Raises:
        RecordError: a difference beyond what `ALLOWED` says, or a point that has a value in one of the two alone.
    """
    recorded = [each for each in maps if each.path.exists()]
    found = []
    for quantity in ALLOWED:
        rng = np.random.default_rng(seed)
        differences = [_difference(each, points, rng) for each in recorded if each.quantity == quantity]
        if differences:
            found.append(MapAudit(quantity, len(differences), points, max(differences)))
    return found


def _difference(each: Map, points: int, rng: np.random.Generator) -> float:
    """Return the largest difference between a record and some of its points computed anew."""
    landscape = _load(each.path)
    chosen = rng.choice(landscape.value.size, min(points, landscape.value.size), replace=False)
    rows, columns = np.unravel_index(chosen, landscape.value.shape)
    recorded, anew = landscape.value[rows, columns], each.values_at(landscape.x[columns], landscape.y[rows])
    equal = np.isnan(recorded) & np.isnan(anew)
    difference = float(np.where(equal, 0.0, np.abs(recorded - anew)).max())
    if not difference <= ALLOWED[each.quantity]:
        raise RecordError(
            f"{each.path.name}: points computed anew differ by {difference:.2g} from the record, and "
            f"{ALLOWED[each.quantity]:g} is allowed. If other values are meant to come out now, delete the file, and "
            "`xrdscape landscapes` makes it again."
        )
    return difference


def _save(each: Map, landscape: Slice) -> None:
    facts = {
        "structure_name": landscape.structure_name,
        "x_name": landscape.x_name,
        "y_name": landscape.y_name,
        "reference": landscape.reference,
        "label": landscape.label,
    }
    text = json.dumps({"settings": asdict(each), "made_by": provenance(), "slice": facts})

    def write(path: Path) -> None:
        with path.open("wb") as handle:
            np.savez_compressed(handle, x=landscape.x, y=landscape.y, value=landscape.value, facts=np.array(text))

    replace_file(each.path, write)


def _load(path: Path) -> Slice:
    try:
        with np.load(path) as stored:
            facts = json.loads(str(stored["facts"]))["slice"]
            arrays = {name: stored[name] for name in ("x", "y", "value")}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as problem:
        raise RecordError(
            f"{path} cannot be read ({type(problem).__name__}). Delete it, and `xrdscape landscapes` makes it again."
        ) from problem
    return Slice(**{**facts, "reference": tuple(facts["reference"])}, **arrays)
