"""Recommends what most visitors had, whoever asks; what a visitor has had is left out."""

from __future__ import annotations

from tidemill.data.histories import sequences
from tidemill.data.item_counts import count_visits, rank_items
from tidemill.pipeline.baseline_task import BaselineAnswers, BaselineTask

TITLE = "popular items"
ORDER = 60
RANKS = True


def answer(task: BaselineTask) -> BaselineAnswers | None:
    """The same order for everybody; None without training rows or a catalogue."""
    if not (task.train and task.items):
        return None
    visits = sequences([example.row for example in task.train])
    scores = count_visits(visits, {item: place for place, item in enumerate(task.items)})
    answers = [rank_items(scores, example.row["history"], task.items) for example in task.test]
    return BaselineAnswers(answers, f"of {len(visits)} visits")
