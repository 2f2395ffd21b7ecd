"""Base class of encoder classifiers: batches of similar length, results in input order."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from tidemill.form import ModelForm
from tidemill.runtimes import LabelScores, Messages, Reply, unsupported


class Classifier(ABC):
    """A `Runtime` that labels texts; what runs it gives the probabilities of a batch."""

    def __init__(self, form: ModelForm, *, batch: int) -> None:
        self.form, self.batch = form, batch

    @abstractmethod
    def _probabilities(self, texts: list[str]) -> list[list[float]]:
        """The probability of every label, for each of at most `batch` texts."""

    def classify(self, texts: Sequence[str]) -> list[LabelScores]:
        """One `Scores` per text, in their order."""
        results: dict[int, LabelScores] = {}
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), self.batch):
            places = order[start : start + self.batch]
            begun = time.perf_counter()
            rows = self._probabilities([texts[i] for i in places])
            share = (time.perf_counter() - begun) / len(places)
            for index, row in zip(places, rows, strict=True):
                results[index] = scores(self.form.labels, row, share)
        return [results[index] for index in range(len(texts))]

    def answer(
        self, conversations: Sequence[Messages], *, max_tokens: int, stop: Sequence[str] = ()
    ) -> list[Reply]:
        """Not what a classifier does."""
        raise unsupported("answer", self.form)

    def stream(
        self, messages: Messages, *, max_tokens: int, stop: Sequence[str] = ()
    ) -> Iterator[str | Reply]:
        """Not what a classifier does."""
        raise unsupported("stream", self.form)


def scores(labels: Sequence[str], probabilities: Sequence[float], seconds: float) -> LabelScores:
    """The best label and the probability of every one; ties go to the first label."""
    best = max(range(len(labels)), key=lambda i: probabilities[i])
    every = dict(zip(labels, map(float, probabilities), strict=True))
    return LabelScores(labels[best], every[labels[best]], every, seconds)
