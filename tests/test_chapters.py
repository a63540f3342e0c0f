"""The chapters ask, by default, for what the study has made, and tell a reader what else they can ask for."""

import pytest

from xrdscape.book import Book, chapter_parameters
from xrdscape.study.plan import descent_shards, load_plan
from xrdscape.study.store import store_of

STUDY_CHAPTERS = ("03-optimisation", "04-landscapes", "05-amd", "06-chgnet")


@pytest.mark.parametrize("chapter", STUDY_CHAPTERS)
def test_defaults_are_those_of_the_study(chapter: str) -> None:
    study = load_plan("study")
    asked = {name: p.default for name, p in chapter_parameters(chapter, Book()).items() if hasattr(study, name)}
    assert {"copies", "max_steps", "seed"} <= set(asked)
    assert asked == {name: getattr(study, name) for name in asked}


def test_every_descent_of_the_study_is_recorded() -> None:
    assert {shard.key for shard in descent_shards(load_plan("study"))} <= store_of("study").keys()


@pytest.mark.parametrize("chapter", STUDY_CHAPTERS)
def test_parameters_tell_meaning_and_range(chapter: str) -> None:
    for name, parameter in chapter_parameters(chapter, Book()).items():
        meaning, _, allowed = parameter.comment.partition(";")
        assert meaning.strip(), name
        assert allowed.strip(), name
