"""Facts that the files of the ten reference structures give."""

import pandas as pd

from xrdscape.crystal.cif import cif_blocks, file_text
from xrdscape.crystal.structures import load_structure
from xrdscape.paths import REFERENCE_NAMES, reference_path


def reference_facts() -> pd.DataFrame:
    """Return what the CIFs say of the ten structures.

    Returns:
        One row a structure: name, formula, source, space_group, space_group_number, crystal_family, n_sites,
        named_in_paper.
    """
    rows = []
    for name in REFERENCE_NAMES:
        block = cif_blocks(file_text(reference_path(name)))[0][0]
        structure = load_structure(name)
        rows.append(
            {
                "name": name,
                "formula": structure.composition.reduced_formula,
                "source": block.value("_xrdscape_source"),
                "space_group": block.value("_space_group_name_h-m_alt"),
                "space_group_number": int(block.value("_space_group_it_number") or 0),
                "crystal_family": block.value("_xrdscape_crystal_family"),
                "n_sites": len(structure),
                "named_in_paper": block.value("_xrdscape_named_in_paper") == "yes",
            }
        )
    return pd.DataFrame(rows)
