"""The check on the paper's items sees what is wanting."""

import pytest
from site_items import faults, named

CAPTION = (
    "(The paper's Figure 1.) Share of matches. Sample: 50 distorted copies of each of 10 structures. Published: bars."
)
FIGURE = '<figure id="fig-1"><img src="a.svg"/><figcaption><p><span>{caption}</span></p></figcaption></figure>'
TABLE = '<table id="table-s1"><caption>{caption}</caption><tr><td>1</td></tr></table>'


def figure(caption: str) -> str:
    return FIGURE.format(caption=caption)


def test_sound_items_have_no_fault() -> None:
    assert faults(figure(CAPTION), "fig-1") == []
    caption = "(The paper's Table S1.) Correlations as published, and ours of <b>500</b>\u00a0results a setting."
    assert faults(TABLE.format(caption=caption), "table-s1") == []


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ("<p>Figure 1</p>", "is missing"),
        (figure(CAPTION).replace("fig-1", "fig-s1"), "is missing"),
        (figure(CAPTION).replace("figure", "table"), "is missing"),
        (figure(CAPTION).replace('<img src="a.svg"/>', ""), "has no content"),
        (figure(CAPTION.replace("50 distorted copies of each of 10 structures", "ours")), "does not say how large"),
        (figure(CAPTION.replace("Figure 1.", "Figure S1.")), "is nowhere called by its name"),
        (figure(CAPTION.replace("Published: bars.", "")), "is not compared"),
    ],
)
def test_each_fault_is_seen(html: str, fault: str) -> None:
    found = faults(html, "fig-1")
    assert len(found) == 1
    assert found[0].startswith(fault)


def test_missing_caption_is_seen() -> None:
    assert "has no caption" in faults('<figure id="fig-1"><img src="a.svg"/></figure>', "fig-1")


@pytest.mark.parametrize(
    "sample", ["81 values an axis, no noise", "13 × 13 points", "copy 7, seed 0", "the ten structures", "no noise"]
)
def test_samples_of_all_kinds_are_known(sample: str) -> None:
    assert faults(figure(CAPTION.replace("50 distorted copies of each of 10 structures", sample)), "fig-1") == []


def test_text_of_the_chapter_may_make_the_comparison() -> None:
    plain = figure("Share of matches after descent. Sample: 50 copies.")
    assert len(faults(plain, "fig-1")) == 2
    row = "<table><tr><td>A claim (Section 2, Figs. 1a and S4)</td><td>not reproduced</td></tr></table>"
    assert faults(plain + row, "fig-1") == []
    link = '<p>In <a href="#fig-1">Figure 3.2</a> the paper reports a drop.</p>'
    assert faults(plain + link, "fig-1") == ["is nowhere called by its name in the paper"]
    other = row.replace("1a and S4", "10 and S1")
    assert len(faults(plain + other, "fig-1")) == 2


def test_names_of_items_are_read_from_lists() -> None:
    assert named("Figures 2, 3, S2 and S3; Tables S1 and S2; Section 2.1") == {
        "fig-2", "fig-3", "fig-s2", "fig-s3", "table-s1", "table-s2",
    }  # fmt: skip
