"""Similarity of two texts by their words, the rare ones counting more: TF-IDF without a model."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from tidemill.data.rows import normalise_text, question_of
from tidemill.rows import DatasetRow

_WORD = re.compile(r"[^\W_]+", re.UNICODE)


def words(text: str) -> frozenset[str]:
    """The words of a text, without case, width or punctuation."""
    return frozenset(_WORD.findall(normalise_text(text)))


def question_text(row: DatasetRow, columns: Sequence[str] = ()) -> str:
    """The question of a row: the named columns where it has any of them, else the likeliest."""
    texts = [row[name] for name in columns if row.get(name) is not None]
    if not texts:
        return question_of(row)
    return "\n".join(value if isinstance(value, str) else json.dumps(value) for value in texts)


def word_weights(rows: int) -> Callable[[int], float]:
    """The weight of a word by how many of the rows hold it: ln(1 + rows / count), above 0.

    Smoothed inverse document frequency (Manning, Raghavan, Schütze 2008, section 6.2.1).
    """
    return lambda count: math.log(1 + max(rows, 1) / max(count, 1))


def cosine(one: Iterable[str], other: Iterable[str], weight: Mapping[str, float]) -> float:
    """Cosine of two sets of words under their weights, from 0 (no word shared) to 1 (the same)."""
    ours, theirs = frozenset(one), frozenset(other)
    norms = (sum(weight[word] ** 2 for word in side) for side in (ours, theirs))
    below = math.sqrt(math.prod(norms))
    shared = sum(weight[word] ** 2 for word in ours & theirs)
    return min(1.0, shared / below) if below else 0.0
