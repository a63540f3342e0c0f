"""What the files of the ten reference structures say of them."""

import pandas as pd
from pymatgen.io.cif import CifFile

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
        block = next(iter(CifFile.from_file(reference_path(name)).data.values()))
        structure = load_structure(name)
        rows.append(
            {
                "name": name,
                "formula": structure.composition.reduced_formula,
                "source": " ".join(str(block["_xrdscape_source"]).split()),
                "space_group": block["_space_group_name_H-M_alt"],
                "space_group_number": int(block["_space_group_IT_number"]),
                "crystal_family": block["_xrdscape_crystal_family"],
                "n_sites": len(structure),
                "named_in_paper": block["_xrdscape_named_in_paper"] == "yes",
            }
        )
    return pd.DataFrame(rows)
