"""A test row is wrong by its label, and a free text by the first metric that judges rows."""

from __future__ import annotations

from dataclasses import replace

from tests.pipeline.evaluations import answer_all

from tidemill.answer import Answer
from tidemill.pipeline.wrong_rows import wrong_rows


def test_another_label_is_wrong_whatever_the_words() -> None:
    answers = answer_all(40)
    reworded = [replace(a, answer=Answer("Other words.", a.answer.label)) for a in answers]

    assert [row.id for row in wrong_rows(reworded, ["rouge_l"])] == ["row0000", "row0020"]


def test_a_free_text_is_wrong_below_the_middle_of_the_metric() -> None:
    (base,) = answer_all(1, wrong=lambda _: False)
    texts = ("the parcel comes on Monday", "the parcel comes on Friday", "we sell lamps")
    rows = [
        replace(base, id=text, reference=Answer(texts[0]), answer=Answer(text)) for text in texts
    ]

    assert [row.id for row in wrong_rows(rows, ["latency_p95", "rouge_l"])] == ["we sell lamps"]
    assert [row.id for row in wrong_rows(rows, ["gone", "bleu"])] == list(texts[1:])
