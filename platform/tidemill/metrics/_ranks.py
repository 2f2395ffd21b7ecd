"""Where the wanted item stands in a ranking."""

from __future__ import annotations

from tidemill.metrics import Scored

DEPTH = 10
"""Places that a visitor sees."""


def place_of(scored: Scored) -> int | None:
    """The place of the wanted item, 1 for the best; None where the ranking does not have it. An
    answer without a ranking is one of a single item."""
    wanted = scored.reference.label or scored.reference.text
    ranking = scored.answer.ranking or (scored.answer.label or scored.answer.text,)
    return ranking.index(wanted) + 1 if wanted in ranking else None
