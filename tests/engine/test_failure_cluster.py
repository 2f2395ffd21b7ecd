"""Clusters have a name, a size, an order and a trend."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tidemill.answer import Answer
from tidemill.engine.failure import Failure
from tidemill.engine.failure_cluster import (
    NOWHERE,
    FailureCluster,
    TrafficWeeks,
    build_clusters,
    distinctive_words,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WEEKS = TrafficWeeks(NOW, (100, 100, 100))
PARCEL = ["Where is my parcel?", "My parcel is late", "Is the parcel lost?"]
MONEY = ["Where is my refund?", "My refund is late"]


def failed(question: str, number: int = 0, **fields: Any) -> Failure:
    about: dict[str, Any] = {
        "answered": Answer("card", "card"),
        "expected": Answer("track", "track"),
        "reasons": ("corrected",),
        "agreement": "agreed",
        "release": "r",
        "subject": f"u{number}",
        "time": NOW - timedelta(days=1),
    }
    return Failure(f"r{number}", question, {"text": question}, **about | fields)


def build(questions: list[str], labels: list[int], **fields: Any) -> tuple[FailureCluster, ...]:
    failures = [failed(question, n, **fields) for n, question in enumerate(questions)]
    return build_clusters(failures, labels, WEEKS)


def test_the_largest_comes_first_and_what_fits_nowhere_last() -> None:
    clusters = build([*MONEY, *PARCEL, "Hm?", "x", "y", "z"], [7, 7, 2, 2, 2, -1, -1, -1, -1])

    assert [(c.number, c.name.split(",")[0], len(c.failures)) for c in clusters] == [
        (1, "parcel", 3), (2, "refund", 2), (0, NOWHERE, 4),
    ]  # fmt: skip
    assert [round(c.share, 3) for c in clusters] == [0.333, 0.222, 0.444]


def test_a_name_is_of_words_that_the_others_do_not_have() -> None:
    names = distinctive_words({0: PARCEL, 1: MONEY})

    assert (names[0][0], names[1][0]) == ("parcel", "refund")
    assert "late" not in names[0]  # one of its texts has it, and the other group too


def test_words_that_are_common_where_nothing_goes_wrong_name_no_cluster() -> None:
    asked = ["my parcel is here", "my parcel is gone", "my parcel is late"]
    failures = [failed(question, n) for n, question in enumerate(asked)]
    usual = [f"is my {thing} good" for thing in ("lamp", "chair", "desk", "sofa")]

    (cluster,) = build_clusters(failures, [0, 0, 0], WEEKS, usual)

    assert cluster.words[0] == "parcel"


def test_a_group_without_a_shared_word_is_named_all_the_same() -> None:
    assert distinctive_words({0: ["one apple", "two pears"]})[0] == ("apple", "one", "pears")


def test_the_commonest_mistake_goes_by_labels_and_by_words_where_the_label_is_right() -> None:
    (labels,) = build(PARCEL, [0, 0, 0])
    (words,) = build(
        PARCEL, [0, 0, 0], answered=Answer("No.", "card"), expected=Answer("Yes.", "card")
    )
    (unknown,) = build(PARCEL, [0, 0, 0], expected=None)

    assert labels.mistake is not None
    assert (labels.mistake.answered, labels.mistake.expected, labels.mistake.count) == (
        "card", "track", 3,
    )  # fmt: skip
    assert words.mistake is not None
    assert (words.mistake.answered, words.mistake.expected) == ("No.", "Yes.")
    assert unknown.mistake is None


def test_a_week_counts_people_and_no_test_rows() -> None:
    old = NOW - timedelta(days=20)
    failures = [
        failed("Where is my parcel?", 1, subject="ann"),
        failed("Where is my parcel?", 2, subject="ann"),
        failed("Where is my parcel?", 3, subject="bob", time=old),
        failed("Where is my parcel?", 4, subject="", time=old),
        failed("Where is my parcel?", 5, subject="", agreement="test row", time=None),
    ]
    (cluster,) = build_clusters(failures, [0] * 5, WEEKS)

    assert cluster.weeks == (2, 0, 1)
    assert (cluster.people, cluster.test_rows) == (3, 1)
    assert cluster.failures[-1].is_test_row
    assert cluster.trend is None


def test_the_end_of_the_last_week_belongs_to_it() -> None:
    assert [WEEKS.index(NOW - timedelta(days=days)) for days in (0, 6, 7, 20, 21)] == [
        2, 2, 1, 0, -1,
    ]  # fmt: skip
