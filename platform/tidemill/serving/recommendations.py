"""A recommender's request and response: a history of item ids in, ranked items out.

The response's text is JSON: `items` with `id`, `title` and `score` (the probability that the item
comes next), the best first, and `unknown` with the ids of the history that the catalogue does not
have. Those say nothing; where no id is known the most popular items are recommended.
"""

from __future__ import annotations

import json
from typing import Any, cast

from tidemill.answer import Answer
from tidemill.data.histories import read_history
from tidemill.data.item_counts import DEPTH, SHOWN
from tidemill.errors import BadRequest
from tidemill.rows import DatasetRow
from tidemill.runtimes import Reply, Runtime
from tidemill.runtimes.ranking import Ranking

COLUMNS = ("history",)
COUNT = "k"
"""Of a request: how many items are wanted. It is no part of the question."""
MOST_ITEMS = 1000
"""Items that a history may have; the newest say most."""


def history_message(row: DatasetRow) -> dict[str, str]:
    """The request as the one message that the cache goes by; raises BadRequest for no history."""
    history = read_history(row["history"])
    if history is None:
        raise BadRequest("`history` is a list of item ids, oldest first; send [] for a new visitor")
    if len(history) > MOST_ITEMS:
        raise BadRequest(f"`history` has {len(history)} items; send the last {MOST_ITEMS}")
    return {"role": "user", "content": json.dumps([history, _count(row.get(COUNT))])}


def recommend(runtime: Runtime, message: str) -> tuple[Reply, float | None]:
    """The recommendations for the content of a `history_message`, and the best one's score."""
    history, count = json.loads(message)
    ranking = cast(Ranking, runtime)
    ranked, place = ranking.rank([history])[0], ranking.catalogue.place
    items = [
        {"id": item, "title": ranking.catalogue.items[place[item]].title, "score": round(score, 6)}
        for item, score in zip(ranked.ids[:count], ranked.scores, strict=False)
    ]
    unknown = [item for item in dict.fromkeys(history) if item not in place]
    text = json.dumps({"items": items, "unknown": unknown}, ensure_ascii=False)
    best = ranked.scores[0] if ranked.scores else None
    return Reply(text, len(history), 0, ranked.seconds, "stop"), best


def parse_recommendations(text: str) -> Answer:
    """The answer in such a text: its label is the best item."""
    ids = tuple(str(item["id"]) for item in json.loads(text)["items"])
    return Answer(text, label=ids[0] if ids else None, ranking=ids)


def _count(value: Any) -> int:
    """How many items are wanted; 10 where nothing is said."""
    if value is None:
        return SHOWN
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= DEPTH:
        raise BadRequest(f"`k` is a whole number from 1 to {DEPTH}, not {json.dumps(value)}")
    return value
