"""Records of structure solution made by hand: three crystals whose numbers can be counted on fingers."""

import numpy as np
import pandas as pd

NAN = float("nan")
CRYSTALS = (
    # formula, group, sites, free coordinates, solved, R_wp^2, loose, strict, rms
    ("NaCl", 225, 2, 0, True, [0.0, 0.5], [1, 0], [1, 0], [0.01, NAN]),
    ("TiO2", 136, 6, 1, True, [0.05, 0.3], [0, 0], [0, 0], [NAN, NAN]),
    ("CaCO3", 2, 10, 12, False, [0.4, 0.2, 0.3], [0, 1, 1], [0, 0, 1], [NAN, 0.2, 0.1]),
    ("H2O", 14, 12, 9, False, [], [], [], []),
)


def made_solutions(
    method: str = "solve", noise: str = "strict", structure: str = "paper", sizes: tuple[float, ...] = (10.0, 100.0)
) -> pd.DataFrame:
    """Records of one setting at some sizes; all sizes alike."""
    rows = []
    for size in sizes:
        for copy, (formula, group, sites, free, solved, residuals, loose, strict, rms) in enumerate(CRYSTALS):
            count = len(residuals)
            rows.append({
                "structure": structure, "noise": noise, "level": size, "copy": copy, "method": method, "seed": 0,
                "shard": f"{structure}{noise}{method}", "seconds": float(copy + 1), "crystal": f"made-{copy}",
                "formula": formula, "space_group": group, "sites": sites, "free_coords": free, "fits": 60,
                "solved": solved, "r_nano": np.linspace(0.001, 0.01, count), "r_wp_squared": np.array(residuals, float),
                "loose": np.array(loose, float), "strict": np.array(strict, float), "rms": np.array(rms, float),
                "contact": np.ones(count), "parameters": np.full(count, 3.0), "origins": "r" * count,
                "prototypes": " ".join(["made"] * count), "first_group": group if count else 0,
                "first_lattice": np.array([4.0, 4, 4, 90, 90, 90] if count else []),
                "first_coords": np.array([0.0, 0, 0, 0.5, 0.5, 0.5] if count else []),
                "first_numbers": np.array([11.0, 17.0] if count else []),
            })  # fmt: skip
    return pd.DataFrame(rows)
