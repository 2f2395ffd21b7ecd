"""Gives the answer of the most similar training row: by the frozen encoder, else by TF-IDF."""

from __future__ import annotations

from typing import Any

from tidemill.errors import MissingExtra
from tidemill.pipeline.baseline_task import BaselineAnswers, BaselineTask

TITLE = "nearest labelled neighbour"
ORDER = 30
_BLOCK = 256
_WORDS: dict[str, Any] = {"ngram_range": (1, 2), "token_pattern": r"(?u)\w+"}


def answer(task: BaselineTask) -> BaselineAnswers | None:
    """The nearest row's answer, the first of equals; None without training rows."""
    if not task.train:
        return None
    if task.encoder:
        train, test, note = task.vectors(task.train), task.vectors(task.test), task.encoder.name
    else:
        train, test, note = *_tfidf(task), "TF-IDF"
    nearest: list[int] = []
    for start in range(0, len(task.test), _BLOCK):
        similarity = test[start : start + _BLOCK] @ train.T
        dense = similarity if task.encoder else similarity.toarray()
        nearest += dense.argmax(axis=1).tolist()
    return BaselineAnswers([task.train[place].answer for place in nearest], note)


def _tfidf(task: BaselineTask) -> tuple[Any, Any]:
    """Sparse rows of length one over words and pairs of words (smoothed idf, sublinear tf)."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError:
        raise MissingExtra("scikit-learn", "train") from None
    words = TfidfVectorizer(sublinear_tf=True, **_WORDS)
    train = words.fit_transform([example.question for example in task.train])
    return train, words.transform([example.question for example in task.test])
