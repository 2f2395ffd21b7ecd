"""Texts that mean the same come together, the same way each time."""

from __future__ import annotations

import numpy as np
import pytest

from tidemill.data.text_clusters import NOWHERE, group_vectors, word_vectors

PARCEL = [
    "Where is my parcel?",
    "Is my parcel lost?",
    "When does my parcel come?",
    "My parcel did not come",
]
MONEY = ["I want a refund", "Where is the refund?", "A refund of what I paid", "No refund yet"]
OTHERS = ["Bonjour", "Do you sell umbrellas in green"]
USUAL = [f"{start} {thing}?" for start in ("Where is the", "What is a") for thing in "abcdefghijkl"]


def test_texts_with_the_same_words_are_a_group_and_a_lonely_one_fits_nowhere() -> None:
    labels = group_vectors(word_vectors([*PARCEL, *MONEY, *OTHERS], USUAL))

    assert labels == [0, 0, 0, 0, 1, 1, 1, 1, NOWHERE, NOWHERE]


def test_vectors_of_an_encoder_are_grouped_by_their_direction() -> None:
    draw = np.random.default_rng(0)
    centres = np.eye(8)[:3]
    near = [centre + draw.normal(0, 0.1, 8) for centre in centres for _ in range(5)]
    alone = [np.eye(8)[5], np.eye(8)[6]]

    labels = group_vectors(np.array([*near, *alone]) * 7)

    assert labels == [0] * 5 + [1] * 5 + [2] * 5 + [NOWHERE, NOWHERE]


@pytest.mark.parametrize("texts", [[], ["a b"], ["a b", "a b"]])
def test_fewer_than_three_are_no_group(texts: list[str]) -> None:
    vectors = word_vectors(texts) if texts else np.zeros((0, 1))

    assert group_vectors(vectors) == [NOWHERE] * len(texts)


def test_equal_texts_are_one_group_and_texts_without_words_none() -> None:
    assert group_vectors(word_vectors(["the same text"] * 4)) == [0] * 4
    assert group_vectors(word_vectors(["?", "!", "…"])) == [NOWHERE] * 3
