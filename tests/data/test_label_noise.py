"""A model says what it thinks of every label that it can learn, from other questions alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tidemill.data.label_noise import expected_labels
from tidemill.data.rows import FEEDBACK, VOTE, mark_questions
from tidemill.data.votes import Prior, questions
from tidemill.rows import MutableRow

TOPICS = ("card", "transfer")


def encode(texts: Sequence[str]) -> Any:
    """One dimension for each topic that a text names."""
    return np.array([[float(topic in text) for topic in TOPICS] for text in texts])


def opinions(extra: Sequence[MutableRow] = ()) -> tuple[list[MutableRow], Prior]:
    rows = [
        {"text": f"about my {topic}, number {n}", "label": topic}
        for topic in TOPICS
        for n in range(9)
    ]
    rows += extra
    mark_questions(rows, ["text"])
    return rows, expected_labels(rows, questions(rows, None), "label", encode)


def test_a_row_of_a_file_with_the_wrong_label_is_contradicted() -> None:
    wrong = {"text": "the card again", "label": "transfer"}
    rows, prior = opinions([wrong])
    opinion = prior[len(rows) - 1]

    assert set(prior) == set(range(len(rows)))
    assert opinion["card"] > 0.6
    assert sum(opinion.values()) == pytest.approx(1)


def test_a_rare_label_is_not_judged_and_a_review_is_no_label() -> None:
    rare = {"text": "crypto", "label": "crypto", FEEDBACK: True, VOTE: "label"}
    rejected = {"text": "a card that nobody has", FEEDBACK: True, VOTE: "review"}
    rows, prior = opinions([rare, rejected])

    assert set(prior) == set(range(len(rows) - 2))
