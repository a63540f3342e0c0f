"""CIFs of made-up crystals, as text."""

from collections.abc import Sequence

NAMES = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
CUBIC, HEXAGONAL, MONOCLINIC = (4.0, 4.0, 4.0, 90, 90, 90), (4.0, 4.0, 6.0, 90, 90, 120), (5.1, 6.2, 7.3, 90, 101, 90)


def cif(
    sites: str | Sequence[str] = ("Na1 Na 0 0 0 1", "Cl1 Cl 0.5 0.5 0.5 1"),
    symmetry: str = "loop_\n_space_group_symop_operation_xyz\nx,y,z",
    cell: Sequence[object] = CUBIC,
    more: str = "",
    columns: str = "label type_symbol fract_x fract_y fract_z occupancy",
) -> str:
    """A CIF with rows of `columns`, its symmetry and further items as text."""
    rows = [sites] if isinstance(sites, str) else sites
    lines = ["data_made_up", *(f"_cell_{name} {value}" for name, value in zip(NAMES, cell, strict=True))]
    lines += [symmetry, more, "loop_", *(f"_atom_site_{name}" for name in columns.split()), *rows]
    return "\n".join(lines) + "\n"


def listed(*operations: str) -> str:
    """Operations as a loop."""
    return "\n".join(["loop_", "_space_group_symop_operation_xyz", *(f"'{operation}'" for operation in operations)])


def named(symbol: str) -> str:
    """A Hermann-Mauguin symbol as an item."""
    quote = '"' if "'" in symbol else "'"
    return f"_space_group_name_H-M_alt {quote}{symbol}{quote}"
