"""The figures of the book: one function a figure, one style; each takes data and returns a `Figure`.

A name is imported when it is asked for: who draws one figure need not wait for what the others are made of.
"""

from importlib import import_module
from typing import Any

_NAMES = {
    "ablation": ("ablation_figure",),
    "beyond": (
        "cost_figure",
        "failures_figure",
        "smoothing_animation",
        "smoothing_figure",
    ),
    "cases": ("case_figure",),
    "choices": (
        "criteria_figure",
        "differences_figure",
        "open_choices_figure",
    ),
    "correlations": ("correlation_figure",),
    "engine": (
        "contenders_figure",
        "memory_figure",
        "scaling_figure",
        "split_figure",
    ),
    "finite_size": ("size_comparison_figure", "size_profile_figure"),
    "form_factors": ("form_factor_sources_figure",),
    "flatness": ("flatness_figure",),
    "geometry": (
        "lattice_planes_figure",
        "projector_figure",
    ),
    "landscapes": (
        "all_slices_figure",
        "endpoints_figure",
        "energy_slices_figure",
        "minima_figure",
        "readme_figure",
        "trajectories_figure",
    ),
    "match_rates": ("match_rates_figure",),
    "noise": (
        "coordinate_noise_figure",
        "lattice_noise_figure",
        "noised_patterns_figure",
    ),
    "simulator": (
        "edge_figure",
        "form_factor_figure",
        "gradient_figure",
        "lorentz_polarisation_figure",
        "pattern_figure",
        "peak_shape_figure",
        "pymatgen_agreement_figure",
        "width_figure",
    ),
    "steps": (
        "assembly_figure",
        "crossing_figure",
        "pattern_change_figure",
        "structure_factor_figure",
    ),
    "solution": (
        "candidates_figure",
        "classes_figure",
        "library_figure",
        "residual_distribution_figure",
        "systems_figure",
    ),
    "solving": (
        "descent_figure",
        "examples_figure",
        "nano_steps_figure",
    ),
    "structures": ("structures_figure",),
    "style": (
        "BEYOND_STYLE",
        "METHOD_STYLE",
        "PALETTE",
        "WIDTH_IN",
        "MethodStyle",
        "letter_panels",
        "new_figure",
        "use_style",
    ),
    "tolerance": ("artefacts_figure", "tolerance_figure"),
    "user_crystal": ("user_slices_figure",),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
