"""Recommends what visitors had together with the items of the history.

Cosine of the co-occurrence in visits (Linden, Smith and York 2003), summed over the history, of
which an older item counts less.
"""

from __future__ import annotations

from collections.abc import Callable

from tidemill.answer import Answer
from tidemill.data.histories import sequences
from tidemill.data.item_counts import count_pairs, count_visits, rank_items, recency_weights
from tidemill.metrics import Scored, measure
from tidemill.pipeline.baseline_task import BaselineAnswers, BaselineTask, LabelledExample

TITLE = "item to item"
ORDER = 70
RANKS = True
DECAYS = (1.0, 0.9, 0.8, 0.6)
"""Weight of an item against the one after it; the validation rows choose."""
_TIES = 1e-6


def answer(task: BaselineTask) -> BaselineAnswers | None:
    """Popular items break ties and fill up; None without training rows or a catalogue."""
    if not (task.train and task.items):
        return None
    visits = sequences([example.row for example in task.train])
    recommend = _recommender(visits, task.items)
    decay = max(DECAYS, key=lambda decay: _gain(task, recommend, decay))
    answers = [recommend(example, decay) for example in task.test]
    return BaselineAnswers(answers, f"decay {decay:g}, of {len(visits)} visits")


def _recommender(
    visits: list[list[str]], items: tuple[str, ...]
) -> Callable[[LabelledExample, float], Answer]:
    place = {item: number for number, item in enumerate(items)}
    counts = count_visits(visits, place)
    cosine = count_pairs(visits, place).cosine(counts)
    popular = _TIES * counts / max(counts.sum(), 1)

    def recommend(example: LabelledExample, decay: float) -> Answer:
        history = example.row["history"]
        places = [place[item] for item in history if item in place]
        scores = cosine.weighted_sum(places, recency_weights(len(places), decay))
        return rank_items(scores + popular, history, items)

    return recommend


def _gain(
    task: BaselineTask, recommend: Callable[[LabelledExample, float], Answer], decay: float
) -> float:
    """nDCG@10 on the validation rows; 0 without any."""
    rows = [Scored(example.answer, recommend(example, decay)) for example in task.validation]
    return measure("ndcg_at_10", rows) if rows else 0.0
