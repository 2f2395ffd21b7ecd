"""Dropping repeated rows: equal text, and text that shares most of its words in order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tidemill.data.rows import ORIGIN, SPLIT, Dropped, is_review, question_of
from tidemill.errors import MissingExtra
from tidemill.rows import DatasetRow, MutableRow

_WORD = re.compile(r"\w+", re.UNICODE)
_PERMUTATIONS = 64
_RANK = {"test": 0, "validation": 1}
LEAK_REASON = "leaks into test"


@dataclass(frozen=True)
class DeduplicationResult:
    """The remaining rows, the dropped ones with reasons, and the counts of exact and near twins."""

    rows: list[MutableRow]
    dropped: Dropped
    exact: int
    near: int


def apply(rows: Sequence[MutableRow], key: str | None, near: float | None) -> DeduplicationResult:
    """Keep the first of equal rows, and of rows at least `near` alike (Jaccard of word pairs).

    Rows of a fixed test split come before the others, whatever the order: a training row that
    repeats one of them is the one that goes, and the reason is that it leaks.
    """
    order = sorted(range(len(rows)), key=lambda i: (_RANK.get(str(rows[i].get(SPLIT)), 2), i))
    texts = [question_of(row, key) for row in rows]
    twins, exact = _twins(order, texts, near)
    dropped = [
        (rows[i], _reason(rows[i], rows[twins[i]], texts[i] == texts[twins[i]]))
        for i in sorted(twins)
    ]
    remaining = [row for i, row in enumerate(rows) if i not in twins]
    return DeduplicationResult(remaining, dropped, exact, len(twins) - exact)


def twins_of(rows: Sequence[DatasetRow], near: float | None) -> dict[int, int]:
    """Place of each row that asks what an earlier one asks → the place of the first that does."""
    twins, _ = _twins(range(len(rows)), [question_of(row) for row in rows], near)
    return {place: twins.get(first, first) for place, first in twins.items()}


def _twins(
    order: Sequence[int], texts: Sequence[str], near: float | None
) -> tuple[dict[int, int], int]:
    """Place of each row that repeats an earlier one → that one's, and how many are equal."""
    twins = _exact(order, texts)
    exact = len(twins)
    if near is not None and near < 1:
        twins |= _near([i for i in order if i not in twins], texts, near)
    return twins, exact


def _reason(row: MutableRow, twin: MutableRow, equal: bool) -> str:
    location = twin.get(ORIGIN, "another row")
    if twin.get(SPLIT) == "test" and row.get(SPLIT) != "test":
        return f"{LEAK_REASON}: {'the same as' if equal else 'nearly'} {location}"
    return f"{'duplicate' if equal else 'near duplicate'}: of {location}"


def leaks(rows: Sequence[MutableRow]) -> tuple[list[MutableRow], Dropped]:
    """Rows outside a fixed test split that ask what a row inside it asks; a review may judge such a
    row."""
    test_rows = {question_of(row): row for row in rows if row.get(SPLIT) == "test"}
    remaining: list[MutableRow] = []
    dropped: Dropped = []
    for row in rows:
        judges = row.get(SPLIT) == "test" or is_review(row)
        twin = test_rows.get(question_of(row)) if test_rows and not judges else None
        if twin is None:
            remaining.append(row)
        else:
            dropped.append((row, f"{LEAK_REASON}: the same as {twin.get(ORIGIN, 'a test row')}"))
    return remaining, dropped


def _exact(order: Sequence[int], texts: Sequence[str]) -> dict[int, int]:
    first: dict[str, int] = {}
    twins: dict[int, int] = {}
    for index in order:
        if first.setdefault(texts[index], index) != index:
            twins[index] = first[texts[index]]
    return twins


def shingles(text: str) -> frozenset[str]:
    """Pairs of neighbouring words, with the ends marked: order matters, one word alone counts."""
    words = ["^", *_WORD.findall(text), "$"]
    return frozenset(f"{a} {b}" for a, b in pairwise(words))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Shared over all."""
    return len(one & other) / len(one | other)


def _near(order: Sequence[int], texts: Sequence[str], threshold: float) -> dict[int, int]:
    """MinHash finds the candidates, the true similarity decides, the first candidate is named."""
    minhash, lsh = _sketches(threshold)
    sets = {index: shingles(texts[index]) for index in order}
    sketches = minhash.bulk(
        [[shingle.encode() for shingle in sorted(sets[i])] for i in order],
        num_perm=_PERMUTATIONS,
        seed=1,
    )
    rank = {index: n for n, index in enumerate(order)}
    twins: dict[int, int] = {}
    for index, sketch in zip(order, sketches, strict=True):
        for other in sorted(lsh.query(sketch), key=rank.__getitem__):
            if jaccard(sets[index], sets[other]) >= threshold:
                twins[index] = other
                break
        else:
            lsh.insert(index, sketch)
    return twins


def _sketches(threshold: float) -> tuple[Any, Any]:
    try:
        from datasketch import MinHash, MinHashLSH
    except ImportError as error:
        raise MissingExtra("datasketch", "data") from error
    # Misses weigh more than candidates that the true similarity then turns down.
    lsh = MinHashLSH(threshold=max(threshold, 0.05), num_perm=_PERMUTATIONS, weights=(0.1, 0.9))
    return MinHash, lsh
