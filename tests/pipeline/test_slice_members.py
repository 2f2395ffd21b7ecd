"""A slice names its rows by a file, and a gate names the slice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.pipeline.evaluations import Place, answer_all

from tidemill.errors import DataError
from tidemill.pipeline.slice_members import slice_members
from tidemill.spec.evaluation import Slice

FILE = "slices/refunds.jsonl"
SLICE = {"name": "refunds", "rows_file": FILE}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "slices").mkdir()
    return Place(tmp_path)


def write(place: Place, *lines: object) -> None:
    (place.tmp / FILE).write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def test_rows_are_named_by_id_and_by_what_they_ask_whatever_the_case(place: Place) -> None:
    answers = answer_all(12)
    asked = {"text": "  REQUEST 5 about   refund "}
    write(place, {"id": "row0001"}, {"question": asked, "wanted": "refund"}, {"id": "gone"})

    (members,) = slice_members([Slice.model_validate(SLICE)], answers, place.tmp)

    assert members.ids == {"row0001", "row0005"}
    assert [answer.id for answer in members.of(answers)] == ["row0001", "row0005"]


def test_all_columns_of_a_question_have_to_match(place: Place) -> None:
    text = "request 5 about refund"
    write(place, {"question": {"text": text, "label": "goodbye"}}, {"question": {"other": text}})

    (members,) = slice_members([Slice.model_validate(SLICE)], answer_all(12), place.tmp)

    assert members.ids == set()


def test_a_gate_on_such_a_slice_judges_its_rows_alone(place: Place) -> None:
    write(place, *({"id": f"row{n:04}"} for n in range(0, 120, 20)))  # the wrong ones
    gate = {"type": "at_least", "metric": "accuracy", "value": 0.5}

    built = place.conclude(answer_all(), slices=[SLICE], gates=[gate, {**gate, "slice": "refunds"}])

    whole, part = built.checks[0], built.checks[1]
    assert (whole.passed, part.passed) == (True, False)
    assert part.message.startswith("accuracy 0.00 (0.00–0.39) on slice 'refunds'")


def test_a_fall_of_its_rows_below_the_live_release_is_forgetting(place: Place) -> None:
    write(place, *({"id": f"row{n:04}"} for n in range(1, 81, 2)))
    rules = {"baseline": {"type": "live", "service": "support"}, "gates": [], "slices": [SLICE]}
    live = place.conclude(answer_all(160, wrong=lambda _: False), **rules).artefact

    built = place.conclude(answer_all(160, wrong=lambda i: i < 80 and i % 4 == 1), live, **rules)

    assert "slice 'refunds' fell from accuracy 1.00 to 0.50" in built.checks[0].message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"id": "a"}\n{"ids": ["b"]}\n', ":2: names no row; write "),
        ("id: a\n", ":1: is not JSON; write "),
        ('["a"]\n', ":1: is no JSON object; write "),
        (None, ": cannot be read: No such file or directory; check the file"),
    ],
)
def test_a_file_that_names_no_rows_stops_the_evaluation(
    place: Place, content: str | None, message: str
) -> None:
    if content is not None:
        (place.tmp / FILE).write_text(content)

    with pytest.raises(DataError) as refusal:
        slice_members([Slice.model_validate(SLICE)], [], place.tmp)

    assert str(refusal.value).startswith(f"{FILE}{message}")
