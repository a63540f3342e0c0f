"""The figures of the book: one function a figure, one style; each takes data and returns a `Figure`."""

from xrdscape.figures.ablation import ablation_figure
from xrdscape.figures.beyond import cost_figure, failures_figure, smoothing_animation, smoothing_figure
from xrdscape.figures.choices import criteria_figure, differences_figure, open_choices_figure
from xrdscape.figures.engine import contenders_figure, memory_figure, scaling_figure, split_figure
from xrdscape.figures.flatness import flatness_figure
from xrdscape.figures.flaws import flawed_patterns_figure, flaws_figure
from xrdscape.figures.geometry import lattice_planes_figure, projector_figure
from xrdscape.figures.landscapes import (
    all_slices_figure,
    endpoints_figure,
    energy_slices_figure,
    minima_figure,
    readme_figure,
    trajectories_figure,
)
from xrdscape.figures.noise import coordinate_noise_figure, lattice_noise_figure, noised_patterns_figure
from xrdscape.figures.own import own_slices_figure
from xrdscape.figures.results import case_figure, correlation_figure, match_rates_figure, structures_figure
from xrdscape.figures.simulator import (
    edge_figure,
    form_factor_figure,
    gradient_figure,
    lorentz_polarisation_figure,
    pattern_figure,
    peak_shape_figure,
    pymatgen_agreement_figure,
    width_figure,
)
from xrdscape.figures.steps import (
    assembly_figure,
    crossing_figure,
    pattern_change_figure,
    structure_factor_figure,
)
from xrdscape.figures.style import (
    BEYOND_STYLE,
    METHOD_STYLE,
    PALETTE,
    WIDTH_IN,
    MethodStyle,
    letter_panels,
    new_figure,
    use_style,
)

__all__ = [
    "BEYOND_STYLE",
    "METHOD_STYLE",
    "PALETTE",
    "WIDTH_IN",
    "MethodStyle",
    "ablation_figure",
    "all_slices_figure",
    "assembly_figure",
    "case_figure",
    "contenders_figure",
    "coordinate_noise_figure",
    "correlation_figure",
    "cost_figure",
    "criteria_figure",
    "crossing_figure",
    "differences_figure",
    "edge_figure",
    "endpoints_figure",
    "energy_slices_figure",
    "failures_figure",
    "flatness_figure",
    "flawed_patterns_figure",
    "flaws_figure",
    "form_factor_figure",
    "gradient_figure",
    "lattice_noise_figure",
    "lattice_planes_figure",
    "letter_panels",
    "lorentz_polarisation_figure",
    "match_rates_figure",
    "memory_figure",
    "minima_figure",
    "new_figure",
    "noised_patterns_figure",
    "open_choices_figure",
    "own_slices_figure",
    "pattern_change_figure",
    "pattern_figure",
    "peak_shape_figure",
    "projector_figure",
    "pymatgen_agreement_figure",
    "readme_figure",
    "scaling_figure",
    "smoothing_animation",
    "smoothing_figure",
    "split_figure",
    "structure_factor_figure",
    "structures_figure",
    "trajectories_figure",
    "use_style",
    "width_figure",
]
