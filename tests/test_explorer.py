"""The explorer carries the records it is given; what it does with them in a browser is tested in test_site.py."""

import json
import re

import numpy as np
import pytest
from made_up import COPIES, STRUCTURES, made_up_records

from xrdscape.book.explorer import BIN, DIGITS, explorer_data, results_explorer
from xrdscape.crystal.structures import load_structure
from xrdscape.diffraction.instrument import PAPER_INSTRUMENT
from xrdscape.errors import RecordError
from xrdscape.figures.correlations import CORRELATION_PANELS
from xrdscape.patterns.simulated import simulate


@pytest.fixture(scope="module")
def records():
    records = made_up_records()
    return records[records["noise"] == "lattice"]


def test_every_result_of_the_level_is_a_point(records):
    data = explorer_data(records[records["level"] == 0.1])
    assert tuple(data["methods"]) == CORRELATION_PANELS
    assert set(data["crystals"]) == set(STRUCTURES)
    for name, method in data["methods"].items():
        columns = method["results"]
        assert {len(column) for column in columns.values()} == {len(STRUCTURES) * COPIES}
        assert set(columns["match"]) == ({1} if name == "cosine_constrained" else {0})
    cosine = data["methods"]["cosine"]["results"]
    assert sorted(set(cosine["similarity"])) == [0.6, 0.7, 0.8]
    assert sorted(set(cosine["emd"])) == [0.3, 0.4, 0.5]


def test_results_are_drawn_with_their_own_cell_and_pattern(records):
    data = explorer_data(records[records["level"] == 0.1])
    reference = data["crystals"]["U2Ti"]
    structure = load_structure("U2Ti")
    lengths = np.linalg.norm(np.reshape(reference["matrix"], (3, 3)), axis=1)
    assert lengths == pytest.approx(structure.lattice.abc, abs=2e-3)
    assert set(reference["symbols"]) == set(reference["elements"]) == {"U", "Ti"}
    # The made-up descents all end in the truth.
    results = data["methods"]["entropy"]["results"]
    own = [i for i, name in enumerate(results["crystal"]) if name == "U2Ti"]
    assert all(
        results["matrix"][i] == reference["matrix"] and results["pattern"][i] == reference["pattern"] for i in own
    )
    pattern = simulate(structure, PAPER_INSTRUMENT).intensity
    shown = np.array([DIGITS.index(digit) for digit in reference["pattern"]]) / (len(DIGITS) - 1)
    assert shown == pytest.approx(pattern.reshape(-1, BIN).max(1) / pattern.max(), abs=0.5 / 63 + 1e-9)


def test_explorer_is_one_piece_of_html(records):
    html = results_explorer(records, level=0.05).data
    data = json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', html, re.DOTALL).group(1))
    assert set(data["methods"]["mse"]["results"]["match"]) == {1}
    assert not re.search(r"(src|href)=", html)


def test_level_without_records_is_refused(records):
    with pytest.raises(RecordError, match=r"no records at lattice noise 0.2; put this level into the plan"):
        results_explorer(records, level=0.2)
