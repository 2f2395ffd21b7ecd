"""Recommends items of a catalogue for a visitor's history; the visits of others say which."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tidemill.data.catalogue import FILE, Catalogue
from tidemill.data.item_counts import rank_items
from tidemill.errors import ArtefactError
from tidemill.form import ModelForm
from tidemill.runtimes import LabelScores, Messages, RankedItems, Reply, Resolve, unsupported
from tidemill.runtimes.item_files import load_scorer
from tidemill.runtimes.item_scores import ItemScorer


def open(folder: Path, form: ModelForm, resolve: Resolve) -> Ranking:  # noqa: A001
    """Load catalogue and visits; raises ArtefactError where they do not fit together."""
    catalogue, scorer = Catalogue.read(folder / FILE), load_scorer(folder)
    if not scorer.memory.visits.size == len(catalogue.items) == len(form.labels):
        raise ArtefactError(f"{folder}: its visits are of another catalogue; train it again")
    return Ranking(form, catalogue, scorer)


class Ranking:
    """A `Ranker` that holds everything in memory; an answer takes milliseconds."""

    def __init__(self, form: ModelForm, catalogue: Catalogue, scorer: ItemScorer) -> None:
        self.form, self.catalogue, self.scorer = form, catalogue, scorer

    def rank(self, histories: Sequence[Sequence[str]]) -> list[RankedItems]:
        """The best items for each history, in order. Unknown ids say nothing; where no id is known,
        popular items come first. What is in the history is left out."""
        return [self._rank(history) for history in histories]

    def classify(self, texts: Sequence[str]) -> list[LabelScores]:
        """Not what a recommender does."""
        raise unsupported("classify", self.form)

    def answer(
        self, conversations: Sequence[Messages], *, max_tokens: int, stop: Sequence[str] = ()
    ) -> list[Reply]:
        """Not what a recommender does."""
        raise unsupported("answer", self.form)

    def stream(
        self, messages: Messages, *, max_tokens: int, stop: Sequence[str] = ()
    ) -> Iterator[str | Reply]:
        """Not what a recommender does."""
        raise unsupported("stream", self.form)

    def close(self) -> None:
        """Nothing is held open."""

    def _rank(self, history: Sequence[str]) -> RankedItems:
        started = time.perf_counter()
        scores = self.scorer.probabilities(self.catalogue.places(history))
        ranking = rank_items(scores, history, self.form.labels).ranking
        best = tuple(float(scores[place]) for place in self.catalogue.places(ranking))
        return RankedItems(ranking, best, time.perf_counter() - started)
