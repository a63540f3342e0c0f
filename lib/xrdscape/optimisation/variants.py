"""Recipes with one ingredient exchanged, each named by that: what a study of the ingredients compares."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from xrdscape.optimisation.graduated import Narrowing
from xrdscape.optimisation.methods import ATOMS, ATOMS_BY_ENTROPY, GRADUATED, METHODS, Method
from xrdscape.optimisation.rules import PLAIN

UNBLURRED = Narrowing(stages=0, last_steps=GRADUATED.all_steps)
"""The steps of a graduated descent, without its blur."""
PLAIN_RATE = 1e-3
"""Rate of plain steps, which follow the slope: the best of 0.0003, 0.001, 0.01, 0.03, 0.1 and 1 on other starts."""


PLAIN_RATE_OF_ATOMS = 0.3
"""The best of 0.003, 0.01, 0.03, 0.1 and 0.3 on other starts."""
CONSTANT_DEG, HOP, HOP_OF_ATOMS = 10.0, 0.05, 0.1
"""The best width of one blur of 0.5, 1, 2, 5, 10 and 20 degrees, and the best hops of 0.02, 0.05 and 0.1, on other
starts."""


def _but(label: str, narrowing: Narrowing = GRADUATED, **changes: Any) -> Method:
    return replace(METHODS["graduated"], label=label, narrowing=narrowing, **changes)


def _atoms(label: str, narrowing: Narrowing = ATOMS_BY_ENTROPY, **changes: Any) -> Method:
    return replace(METHODS["adam_entropy"], label=label, narrowing=narrowing, **changes)


def _at_once(label: str, ev_per_atom: float) -> Method:
    return replace(METHODS["energy_adam"], label=label, pattern_ev=ev_per_atom)


VARIANTS = MappingProxyType(
    {
        "no_blur": _but("no blur", UNBLURRED),
        "no_blur_plain": _but("no blur, plain steps", replace(UNBLURRED, rate=PLAIN_RATE), rule=PLAIN),
        "plain": _but("plain steps", replace(GRADUATED, rate=PLAIN_RATE), rule=PLAIN),
        "angstrom": _but("angstrom and degrees", replace(GRADUATED, rate=3e-2), cell="angstrom"),
        "narrower": _but("widest blur 5°", replace(GRADUATED, widest_deg=5.0)),
        "narrow": _but("widest blur 10°", replace(GRADUATED, widest_deg=10.0)),
        "wider": _but("widest blur 40°", replace(GRADUATED, widest_deg=40.0)),
        "constant": _but(
            f"one blur of {CONSTANT_DEG:g}°", replace(GRADUATED, widest_deg=CONSTANT_DEG, narrowest_deg=CONSTANT_DEG)
        ),
        "strain_blur": _but("blur along ln d", replace(GRADUATED, axis="log_d")),
        "shorter": _but("a third of the steps", replace(GRADUATED, steps=10, last_steps=67)),
        "finished": _but("last steps Levenberg-Marquardt", replace(GRADUATED, last_steps=1), polish=8),
        "blurred_entropy": _but("entropy for cosine", objective="entropy"),
        "blurred_mse": _but("mean squared error for cosine", objective="mse"),
        "transport": _but("no blur, optimal transport W₁", UNBLURRED, objective="transport", polish=8),
        "squared_transport": _but("no blur, optimal transport W₂²", UNBLURRED, objective="squared_transport", polish=8),
        "triangular": _but("no blur, triangular cross-correlation 3°", UNBLURRED, objective="triangular", polish=8),
        "symmetric": _but("family known: symmetry-adapted", cell="symmetric"),
        "newton": _but(
            "family known: Levenberg-Marquardt",
            replace(GRADUATED, axis="log_d"),
            cell="symmetric",
            newton=2,
            polish=8,
        ),
        "hopping": _but("12 hops", restarts=11, hops=True, spread=HOP),
        "atoms_plain": _atoms("atoms: plain steps", replace(ATOMS_BY_ENTROPY, rate=PLAIN_RATE_OF_ATOMS), rule=PLAIN),
        "atoms_slower": _atoms("atoms: a smaller rate", ATOMS),
        "atoms_cosine": _atoms("atoms: cosine for entropy", objective="cosine"),
        "atoms_mse": _atoms("atoms: mean squared error for entropy", objective="mse"),
        "atoms_cross": _atoms("atoms: cross-correlation for entropy", objective="cross_correlation"),
        "atoms_symmetric": _atoms("atoms: space group known", sites="symmetric"),
        "atoms_hopping": _atoms("atoms: 12 hops", restarts=11, hops=True, spread=HOP_OF_ATOMS),
        "joint_light": _at_once("pattern and CHGNet at once, 0.1 eV/atom", 0.1),
        "joint": _at_once("pattern and CHGNet at once, 1 eV/atom", 1.0),
        "joint_heavy": _at_once("pattern and CHGNet at once, 10 eV/atom", 10.0),
        "energy_hopping": replace(
            METHODS["entropy_alternation"], label="CHGNet and entropy in turn, 12 hops", restarts=11, hops=True
        ),
    }
)
"""Graduated descent, or the descent of atoms, with one ingredient exchanged, each named by that."""
ALL_METHODS = MappingProxyType({**METHODS, **VARIANTS})
BOTH_SIGNALS = tuple(name for name, method in ALL_METHODS.items() if method.moves == "coordinates" and method.relaxed)
"""Those that move atoms by energy and pattern."""
