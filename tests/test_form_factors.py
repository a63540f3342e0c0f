"""Atomic form factors against their formula."""

import math

import numpy as np
import pytest
import torch
from pymatgen.analysis.diffraction.xrd import ATOMIC_SCATTERING_PARAMS
from pymatgen.core import Element
from tolerances import ROUNDING

from xrdscape.diffraction.form_factors import form_factor_table, form_factors
from xrdscape.errors import StructureError

ALL_ELEMENTS = tuple(ATOMIC_SCATTERING_PARAMS)


def test_form_factors_against_the_formula_term_by_term() -> None:
    s = np.linspace(0.0, 1.0, 30)
    values = form_factors(torch.as_tensor(s**2), form_factor_table(ALL_ELEMENTS))
    for row, element in enumerate(ALL_ELEMENTS):
        for column, s_i in enumerate(s):
            tail = sum(a * math.exp(-b * s_i * s_i) for a, b in ATOMIC_SCATTERING_PARAMS[element])
            expected = Element(element).Z - 41.78214 * s_i * s_i * tail
            assert values[row, column] == pytest.approx(expected, rel=ROUNDING, abs=ROUNDING)


def test_form_factor_starts_at_the_electron_count_and_falls() -> None:
    table = form_factor_table(("O", "Ti", "U"))
    values = form_factors(torch.linspace(0, 0.45, 50, dtype=torch.float64) ** 2, table)
    assert values[:, 0].tolist() == [8, 22, 92]
    assert bool((values.diff(dim=1) < 0).all())
    assert bool((values > 0).all())


def test_element_without_form_factor_is_refused_by_name() -> None:
    with pytest.raises(StructureError, match=r"No X-ray form factor is tabulated for Es, Fm\."):
        form_factor_table(("Fe", "Es", "Fm"))
