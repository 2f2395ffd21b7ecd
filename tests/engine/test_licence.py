"""The licence chain: what follows from the ingredients, and what does not go together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tidemill.engine.licence import OPEN, SHARE_ALIKE, UNKNOWN, LicensedInput, licence_chain


def of(*licences: str) -> list[LicensedInput]:
    """The first is the base model's, the others are datasets'."""
    return [
        LicensedInput("dataset" if place else "base model", f"part-{place}", licence)
        for place, licence in enumerate(licences)
    ]


@pytest.mark.parametrize(
    ("licences", "wanted"),
    [
        (("Apache-2.0", "CC0-1.0"), "apache-2.0"),
        (("MIT", "CC-BY-4.0"), "mit"),
        (("Apache-2.0", "CC-BY-SA-4.0"), "cc-by-sa-4.0"),
        (("Apache-2.0", "CC-BY-NC-4.0"), "cc-by-nc-4.0"),
        (("gemma", "CC0-1.0"), "gemma"),
        (("Apache-2.0", UNKNOWN), "apache-2.0"),
        ((UNKNOWN, UNKNOWN), UNKNOWN),
        ((), UNKNOWN),
    ],
)
def test_a_release_follows_the_strictest_of_what_it_was_made_from(
    licences: tuple[str, ...], wanted: str
) -> None:
    assert licence_chain(of(*licences)).licence == wanted


def test_what_is_not_stated_is_a_question_and_no_permission() -> None:
    found = licence_chain(of("Apache-2.0", " "))

    assert found.open_questions == ("The licence of dataset 'part-1' is not stated.",)


def test_a_licence_against_derived_works_is_a_conflict() -> None:
    found = licence_chain(of("Apache-2.0", "CC-BY-ND-4.0"))

    assert found.conflicts == (
        "Dataset 'part-1' (CC-BY-ND-4.0) forbids derived works, and a model trained on or from it "
        "may be one.",
    )
    assert found.licence == "cc-by-nd-4.0"


def test_two_licences_that_both_want_to_be_kept_are_a_conflict() -> None:
    found = licence_chain(of("GPL-3.0", "CC-BY-SA-4.0"))

    assert "each require a derived work to carry their own licence" in found.conflicts[0]
    assert licence_chain(of("GPL-3.0", "gpl-3.0")).conflicts == ()


def test_a_stated_licence_is_kept_and_held_against_the_chain() -> None:
    found = licence_chain(of("CC-BY-SA-4.0", "CC-BY-NC-4.0"), stated="MIT")

    assert found.licence == "mit"
    assert [said.split("'")[1] for said in found.conflicts] == ["part-1", "part-0"]
    assert "forbids commercial use, and the release is stated as MIT" in found.conflicts[0]
    assert "keep its licence" in found.conflicts[1]


def test_a_stated_licence_that_fits_is_no_conflict() -> None:
    assert licence_chain(of("CC-BY-SA-4.0", "CC0-1.0"), stated="cc-by-sa-4.0").conflicts == ()
    assert licence_chain(of("MIT", "CC-BY-NC-4.0"), stated="cc-by-nc-4.0").conflicts == ()


@given(some.lists(some.sampled_from(sorted(OPEN)), max_size=5), some.randoms())
def test_open_licences_never_conflict_and_the_model_gives_the_name(
    licences: list[str], random: object
) -> None:
    found = licence_chain(of(*licences))

    assert found.conflicts == ()
    assert found.licence == (licences[0] if licences else UNKNOWN)


@given(some.permutations([*sorted(SHARE_ALIKE)[:3], "mit", "cc-by-nc-4.0"]))
def test_the_order_of_datasets_changes_no_conflict(licences: list[str]) -> None:
    parts = [LicensedInput("dataset", licence, licence) for licence in licences]

    assert len(licence_chain(parts).conflicts) == 3  # each pair of the three that want to be kept
