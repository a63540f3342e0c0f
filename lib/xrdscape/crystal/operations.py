"""Symmetry operations of a crystal as exact numbers: from text, as groups, beside a cell and beside one another."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import lcm

import gemmi
import numpy as np
import spglib
from numpy.typing import NDArray

from xrdscape.errors import StructureError

LARGEST_GROUP = 1536
"""Operations at most in a list: 192 of the largest space groups times eight for a doubled cell."""

ROUNDED_TRANSLATION = Fraction(1, 250)
"""Decimal translations this near to a multiple of 1/24 are that multiple, of which 0.33 and 0.17 are the coarsest."""

SAME_LENGTH, SAME_ANGLE_DEG = 5e-3, 0.3
"""Cells that an operation changes by less, relative and in degrees, are taken to have its symmetry: measured cells are
given with their errors. Larger than those of any refinement, smaller than the distortion that an eye would miss."""

_TERM = re.compile(r"([+-]?)(?:(\d+(?:\.\d*)?|\.\d+)(?:/(\d+))?\*?)?([xyz]?)")


@dataclass(frozen=True, eq=False)
class Operations:
    """Distinct symmetry operations, translations within one cell.

    Args:
        rotations: of fractional coordinates, integers [n, 3, 3].
        translations: in units of 1/denominator, integers [n, 3] in [0, denominator).
        denominator: of the translations.
    """

    rotations: NDArray[np.int64]
    translations: NDArray[np.int64]
    denominator: int

    def __len__(self) -> int:
        return len(self.rotations)

    @cached_property
    def as_set(self) -> frozenset[tuple[tuple[int, ...], tuple[Fraction, ...]]]:
        """The operations in no order."""
        shifts = [tuple(Fraction(int(t), self.denominator) for t in row) for row in self.translations]
        turns = [tuple(turn) for turn in self.rotations.reshape(-1, 9).tolist()]
        return frozenset(zip(turns, shifts, strict=True))

    @cached_property
    def number(self) -> int | None:
        """Number of the space group's type in International Tables A, by gemmi or spglib; None where neither knows."""
        group = to_gemmi(self)
        known = gemmi.find_spacegroup_by_ops(group) if group else None
        if known is not None:
            return int(known.number)
        try:
            found = spglib.get_spacegroup_type_from_symmetry(
                self.rotations.astype(np.intc), self.translations / self.denominator
            )
        except Exception:  # spglib raises errors of its own kinds where it does not give None
            return None
        return None if found is None else int(found.number)

    @cached_property
    def characters(self) -> frozenset[tuple[tuple[int, ...], tuple[Fraction, ...]]]:
        """Each rotation with its screw or glide component: what an origin does not change."""
        found = set()
        for rotation, translation in zip(self.rotations, self.translations, strict=True):
            power, total, order = rotation, translation.copy(), 1
            while not np.array_equal(power, np.eye(3, dtype=np.int64)):
                total += power @ translation
                power, order = power @ rotation, order + 1
            screw = tuple(Fraction(int(t), self.denominator * order) % 1 for t in total)
            found.add((tuple(rotation.ravel().tolist()), screw))
        return frozenset(found)

    def shows_on(self, lengths: Sequence[float], angles_deg: Sequence[float]) -> bool:
        """Return whether a cell has the symmetry of the operations."""
        a, cosines = np.array(lengths), np.cos(np.radians(angles_deg))
        metric = np.outer(a, a) * np.array(
            [[1, cosines[2], cosines[1]], [cosines[2], 1, cosines[0]], [cosines[1], cosines[0], 1]]
        )
        turned = self.rotations.swapaxes(1, 2) @ metric @ self.rotations
        long = np.sqrt(np.diagonal(turned, axis1=1, axis2=2))
        angles = [
            np.degrees(np.arccos(np.clip(turned[:, i, j] / (long[:, i] * long[:, j]), -1, 1)))
            for i, j in ((1, 2), (0, 2), (0, 1))
        ]
        apart = np.abs(np.stack(angles, 1) - np.array(angles_deg)).max()
        return bool(np.abs(long / a - 1).max() <= SAME_LENGTH and apart <= SAME_ANGLE_DEG)


def operations_of_list(texts: Iterable[str]) -> Operations:
    """Return the group that a file lists as `x,y,z`.

    Raises:
        StructureError: what cannot be read, is no operation of a crystal, or a list that is not a group.
    """
    texts = list(texts)
    if len(texts) > LARGEST_GROUP:
        raise StructureError(f"lists {len(texts)} symmetry operations: no crystal has more than {LARGEST_GROUP}.")
    found = _operations([_operation(text) for text in texts])
    _refuse_open(found)
    return found


def operations_of_hall(symbol: str) -> Operations | None:
    """Return the group of a Hall symbol, or None where it is not one."""
    try:
        return operations_of_gemmi(gemmi.symops_from_hall(symbol))
    except (RuntimeError, ValueError):
        return None


def operations_of_gemmi(group: gemmi.GroupOps) -> Operations:
    """Return the operations of a group of gemmi's."""
    den = gemmi.Op.DEN
    pairs = [(np.array(op.rot, dtype=np.int64) // den, tuple(Fraction(t, den) for t in op.tran)) for op in group]
    return _operations(pairs)


def to_gemmi(operations: Operations) -> gemmi.GroupOps | None:
    """Return the operations as a group of gemmi's, or None where its translations of 1/24 cannot hold them."""
    den = gemmi.Op.DEN
    if den % operations.denominator and (operations.translations * den % operations.denominator).any():
        return None
    return gemmi.GroupOps([gemmi.Op(text) for text in operation_texts(operations)])


def operation_texts(operations: Operations) -> list[str]:
    """Return the operations as files list them: `x-y,x,z+1/2`."""
    rows = zip(operations.rotations.tolist(), operations.translations.tolist(), strict=True)
    return [
        ",".join(_component(turn, Fraction(t, operations.denominator)) for turn, t in zip(*pair, strict=True))
        for pair in rows
    ]


def _component(turn: Sequence[int], shift: Fraction) -> str:
    signs = {1: "+", -1: "-"}
    text = "".join(f"{signs.get(n, f'{n:+d}*')}{axis}" for n, axis in zip(turn, "xyz", strict=True) if n)
    return text.removeprefix("+") + (f"+{shift}" if shift else "")


def _operation(text: str) -> tuple[NDArray[np.int64], tuple[Fraction, ...]]:
    """Return the rotation and translation of `x-y,x,z+1/2`, in any of the ways that it is written."""
    plain = re.sub(r"[\s'\"()]", "", text.lower()).replace("\N{MINUS SIGN}", "-").replace(";", ",")
    parts = plain.strip(",").split(",")
    refusal = StructureError(f"lists {text!r} among its symmetry operations, which cannot be read. Mend it.")
    if len(parts) != 3 or len(plain) > 120:
        raise refusal
    rotation, translation = np.zeros((3, 3), dtype=np.int64), [Fraction(0)] * 3
    for row, part in enumerate(parts):
        end = 0
        for term in _TERM.finditer(part):
            sign, value, divisor, axis = term.groups()
            if not term[0]:
                break
            if (end and not sign) or not (value or axis) or (divisor and not int(divisor)):
                raise refusal
            amount = Fraction(value or 1) / int(divisor or 1) * (-1 if sign == "-" else 1)
            if not axis:
                translation[row] += amount if divisor else _rounded(amount)
            elif amount.denominator == 1 and abs(amount) <= 4:
                rotation[row, "xyz".index(axis)] += int(amount)
            else:
                raise refusal
            end = term.end()
        if not part or end != len(part):
            raise refusal
    if abs(round(float(np.linalg.det(rotation)))) != 1 or max(t.denominator for t in translation) > 10_000:
        raise StructureError(f"lists {text!r} among its symmetry operations, which is none of a crystal. Mend it.")
    return rotation, tuple(translation)


def _rounded(shift: Fraction) -> Fraction:
    nearest = Fraction(round(shift * 24), 24)
    return nearest if abs(nearest - shift) <= ROUNDED_TRANSLATION else shift


def _operations(pairs: Sequence[tuple[NDArray[np.int64], tuple[Fraction, ...]]]) -> Operations:
    """Return the distinct operations in their order."""
    den = lcm(*(t.denominator for _, shift in pairs for t in shift))
    if den > 100_000:
        raise StructureError("lists symmetry operations with translations that do not fit together. Write fractions.")
    rows = {(*rotation.ravel().tolist(), *(int(t * den) % den for t in shift)): None for rotation, shift in pairs}
    table = np.array(list(rows), dtype=np.int64)
    return Operations(table[:, :9].reshape(-1, 3, 3), table[:, 9:], den)


def _refuse_open(operations: Operations) -> None:
    """Refuse operations that are not closed under multiplication."""
    rotations, shifts, den = operations.rotations, operations.translations, operations.denominator
    known = {row.tobytes() for row in _rows(rotations, shifts)}
    for place, (rotation, shift) in enumerate(zip(rotations, shifts, strict=True)):
        turns = rotation @ rotations
        if np.abs(turns).max() > 4:
            raise StructureError(f"lists {operation_texts(operations)[place]!r}, which is no operation of a crystal.")
        for other, row in enumerate(_rows(turns, (shifts @ rotation.T + shift) % den)):
            if row.tobytes() not in known:
                texts = operation_texts(operations)
                raise StructureError(
                    f"lists {len(texts)} symmetry operations that are not a group: {texts[place]} after "
                    f"{texts[other]} is not among them. One is missing or wrong: mend the list, or remove it and "
                    "give the space group's symbol."
                )


def _rows(rotations: NDArray[np.int64], shifts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.ascontiguousarray(np.concatenate([rotations.reshape(-1, 9), shifts], axis=1))
