"""Which feedback a dataset is built from: only what somebody asked for."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from tidemill.pipeline.feedback_offsets import frozen_offsets
from tidemill.ports import INFERENCE_TOPIC

NOW = {"said/0": 9, "rated/0": 7}


def current(topic: str) -> Mapping[str, int]:
    return {f"{topic}/0": NOW[f"{topic}/0"], f"{INFERENCE_TOPIC}/0": 20}


def test_a_dataset_that_was_never_built_starts_with_what_has_come() -> None:
    assert frozen_offsets(["said"], None, None, current) == {
        "said/0": 9,
        f"{INFERENCE_TOPIC}/0": 20,
    }


def test_a_dataset_keeps_the_offsets_of_its_last_build() -> None:
    last = {"offsets": {"said/0": 3}, "topics": ["said"]}

    assert frozen_offsets(["said"], None, last, current) == {"said/0": 3}


def test_no_offsets_are_offsets_too() -> None:
    assert frozen_offsets(["said"], None, {"offsets": {}, "topics": ["said"]}, current) == {}
    assert frozen_offsets(["said"], None, {"offsets": {}}, current) == {}  # an older record


def test_a_topic_that_was_not_read_before_starts_with_what_has_come() -> None:
    last = {"offsets": {"said/0": 3}, "topics": ["said"]}
    older = {"offsets": {"said/0": 3}}

    assert frozen_offsets(["said", "rated"], None, last, current)["rated/0"] == 7
    assert frozen_offsets(["said", "rated"], None, older, current)["rated/0"] == 7
    assert frozen_offsets(["said"], None, {"topics": []}, current)["said/0"] == 9


def test_a_trigger_moves_the_topics_that_it_names_and_no_others() -> None:
    last = {"offsets": {"said/0": 3, "rated/0": 2}, "topics": ["said", "rated"]}
    requested = {"said/0": 8, "elsewhere/0": 5}

    assert frozen_offsets(["said", "rated"], requested, last, current) == {
        "said/0": 8,
        "rated/0": 2,
    }


def test_a_trigger_without_a_stream_takes_in_nothing() -> None:
    last = {"offsets": {"said/0": 3}, "topics": ["said"]}

    assert frozen_offsets(["said"], {}, last, current) == {"said/0": 3}


def test_without_feedback_there_is_nothing_to_freeze() -> None:
    assert frozen_offsets([], {"said/0": 8}, {"offsets": {}}, current) == {}


@given(st.dictionaries(st.sampled_from(["said/0", "said/1", "rated/0"]), st.integers(1, 99)))
def test_building_again_changes_nothing(offsets: dict[str, int]) -> None:
    last = {"offsets": offsets, "topics": ["said", "rated"]}

    assert frozen_offsets(["said", "rated"], None, last, current) == offsets
