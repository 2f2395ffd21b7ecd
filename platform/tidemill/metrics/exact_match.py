"""Share of rows answered exactly as wanted, label and text, but for case and white space."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.metrics import Answer, Scored

VERSION = 1
KIND = "proportion"
BETTER = "higher"
RANGE = (0.0, 1.0)
UNIT = ""
NEEDS_REFERENCE = True


def score(answers: Sequence[Scored]) -> list[float]:
    """1 for a row that matches, 0 for one that does not."""
    return [float(_plain(scored.reference) == _plain(scored.answer)) for scored in answers]


def _plain(answer: Answer) -> tuple[str, str]:
    label = answer.label or ""
    return " ".join(label.split()).casefold(), " ".join(answer.text.split()).casefold()
