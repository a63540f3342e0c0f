"""Curves of the equations that the simulator is made of: form factors, Lorentz-polarisation, widths, peak shapes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from pymatgen.core import Element

from xrdscape.diffraction.form_factors import form_factor_table, form_factors
from xrdscape.diffraction.instrument import PAPER_INSTRUMENT, Instrument
from xrdscape.diffraction.lorentz_polarisation import lorentz_polarisation
from xrdscape.diffraction.profile import pseudo_voigt


def form_factor_curves(elements: Sequence[str], instrument: Instrument | None = None) -> pd.DataFrame:
    """Return the form factors of elements to a little beyond the largest s that the range of an instrument reaches.

    Returns:
        DataFrame indexed by s (1/angstrom): a column an element, the heaviest first; electrons.
    """
    ordered = tuple(sorted(set(elements), key=lambda symbol: -Element(symbol).Z))
    end = (instrument or PAPER_INSTRUMENT).max_reciprocal_length / 2
    s = torch.linspace(0, 1.3 * end, 200, dtype=torch.float64)
    factors = form_factors(s**2, form_factor_table(ordered)).numpy()
    return pd.DataFrame(factors.T, index=pd.Index(s.numpy(), name="s"), columns=list(ordered))


def lorentz_polarisation_curve() -> pd.DataFrame:
    """Return the Lorentz-polarisation factor and its part by polarisation: two_theta_deg, product, polarisation."""
    two_theta_deg = np.linspace(5, 175, 500)
    theta = np.radians(two_theta_deg / 2)
    product = lorentz_polarisation(torch.from_numpy(np.sin(theta) ** 2)).numpy()
    return pd.DataFrame(
        {"two_theta_deg": two_theta_deg, "product": product, "polarisation": 1 + np.cos(2 * theta) ** 2}
    )


def width_curve(instrument: Instrument | None = None) -> pd.DataFrame:
    """Return the full width at half maximum over the range of an instrument, with the three terms of its square.

    Returns:
        DataFrame: two_theta_deg, fwhm_deg, and the terms W, V and U of Caglioti's law (deg^2).
    """
    instrument = instrument or PAPER_INSTRUMENT
    two_theta = torch.linspace(instrument.two_theta_min_deg, instrument.two_theta_max_deg, 300, dtype=torch.float64)
    tangent, law = torch.tan(torch.deg2rad(two_theta) / 2), instrument.caglioti
    columns = {
        "two_theta_deg": two_theta,
        "fwhm_deg": instrument.fwhm_deg(two_theta),
        "W": law.W + 0 * tangent,
        "V": law.V * tangent,
        "U": law.U * tangent**2,
    }
    return pd.DataFrame({name: values.numpy() for name, values in columns.items()})


def peak_shape_curves(
    two_theta_deg: float, half_range_deg: float, instrument: Instrument | None = None
) -> pd.DataFrame:
    """Return the peak of an instrument at one angle beside a Gaussian and a Lorentzian of the same width and height.

    Returns:
        DataFrame: offset_deg, gaussian, lorentzian, pseudo_voigt (height 1).
    """
    instrument = instrument or PAPER_INSTRUMENT
    offset = torch.linspace(-half_range_deg, half_range_deg, 2001, dtype=torch.float64)
    width = instrument.fwhm_deg(torch.tensor(two_theta_deg, dtype=torch.float64)).expand_as(offset)
    fractions = {"gaussian": 1.0, "lorentzian": 0.0, "pseudo_voigt": instrument.eta}
    heights = {name: pseudo_voigt(offset, width, eta).numpy() for name, eta in fractions.items()}
    return pd.DataFrame({"offset_deg": offset.numpy(), **heights})
