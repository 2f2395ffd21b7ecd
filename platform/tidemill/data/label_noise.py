"""A model's opinion of labels that people gave, from questions other than the one it judges.

Confident learning (Northcutt, Jiang and Chuang 2021) with a linear classifier on sentence
embeddings: fitted on four fifths of the questions, asked about the last fifth, five times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tidemill.data.rows import FEEDBACK, VOTE, hash_fraction, question_of
from tidemill.data.votes import Prior, Question
from tidemill.errors import MissingExtra
from tidemill.rows import MutableRow

FOLDS = 5
TRUST = 0.7
"""Share of its opinion; the rest is spread over all labels, so that no label is ruled out."""
FEWEST = 4
"""Questions of a label from which it can be learnt; a rarer one may be new and is not judged."""
Encode = Callable[[Sequence[str]], Any]
"""Texts → float array (texts, size), each row of length one."""


def expected_labels(
    rows: Sequence[MutableRow], asked: Sequence[Question], label: str, encode: Encode
) -> Prior:
    """Probability of each label for each question whose label can be learnt, by the place of its
    first row."""
    judged = [_said(rows, question, label) for question in asked]
    counts = Counter(said for said in judged if said is not None)
    learnable = {name for name, count in counts.items() if count >= FEWEST}
    usable = [n for n, said in enumerate(judged) if said in learnable]
    if len(learnable) < 2:
        return {}
    texts = [question_of(rows[asked[n].places[0]]) for n in usable]
    probabilities = _out_of_fold(encode(texts), [str(judged[n]) for n in usable], texts)
    names, prior = sorted(counts), {}
    for n, found in zip(usable, probabilities, strict=True):
        floor = (1 - TRUST) / len(names)
        opinion = {name: TRUST * found.get(name, 0.0) + floor for name in names}
        prior[asked[n].places[0]] = opinion
    return prior


def _said(rows: Sequence[MutableRow], question: Question, label: str) -> str | None:
    """The label that most rows of a question name; of a file where there is one."""
    members = [rows[i] for i in question.places if rows[i].get(VOTE) not in ("down", "review")]
    files = [row for row in members if not row.get(FEEDBACK)]
    counts = Counter(str(row.get(label)) for row in files or members)
    return min(counts, key=lambda name: (-counts[name], name)) if counts else None


def _out_of_fold(
    embeddings: Any, labels: Sequence[str], texts: Sequence[str]
) -> list[dict[str, float]]:
    """Probabilities by label for each text, by a classifier that has not seen it."""
    try:
        import numpy as np
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtra("scikit-learn", "train") from error
    fold = np.array([int(hash_fraction("fold", text) * FOLDS) for text in texts])
    target = np.array(labels)
    found: list[dict[str, float]] = [{} for _ in texts]
    for number in range(FOLDS):
        inside = fold != number
        places = np.flatnonzero(~inside)
        if not len(places) or len(set(target[inside])) < 2:
            continue
        model = LogisticRegression(C=10.0, max_iter=1000).fit(embeddings[inside], target[inside])
        for place, row in zip(places, model.predict_proba(embeddings[places]), strict=True):
            found[place] = dict(zip(map(str, model.classes_), map(float, row), strict=True))
    return found
