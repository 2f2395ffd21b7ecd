"""ROUGE-L of the texts: F1 of the longest common subsequence of words, averaged over rows."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tidemill.metrics import Scored

VERSION = 1
KIND = "rows"
BETTER = "higher"
RANGE = (0.0, 1.0)
UNIT = ""
NEEDS_REFERENCE = True

_WORD = re.compile(r"\w+")


def score(answers: Sequence[Scored]) -> list[float]:
    """ROUGE-L of each row (Lin 2004, beta = 1); two empty texts are alike."""
    return [_rouge_l(scored.reference.text, scored.answer.text) for scored in answers]


def _rouge_l(wanted: str, given: str) -> float:
    a, b = _WORD.findall(wanted.lower()), _WORD.findall(given.lower())
    if not a or not b:
        return float(a == b)
    return 2 * _common(a, b) / (len(a) + len(b))


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence: dynamic programming, one row kept."""
    before = [0] * (len(b) + 1)
    for word in a:
        row = [0]
        for column, other in enumerate(b):
            longer = max(before[column + 1], row[column])
            row.append(before[column] + 1 if word == other else longer)
        before = row
    return before[-1]
