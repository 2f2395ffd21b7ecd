"""One label from all that people said of a question: votes weighed by how reliable each person is.

The model is Dawid and Skene's (1979) with one accuracy for each person ("one-coin"): who chooses a
label is right with probability a, and wrong with every other label alike; a thumb says yes or no
about one label. A person's accuracy is how often the others, and the model that `prior` comes from,
agree with them; nobody's own vote speaks for them. What stays unclear is contested.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Source = Literal["reviewer", "file", "person"]
Kind = Literal["label", "up", "down"]
"""A chosen label, or a thumb about the label that was answered."""

ROUNDS = 25
TYPICAL = 0.8
"""Accuracy of a person nobody knows yet, where the crowd shows no other."""
CROWD, PERSON = 20.0, 5.0
"""How many votes the typical accuracy counts for in the crowd's, and the crowd's in a person's."""
FILE, REVIEWER = 0.97, 0.99
"""Accuracy of the project's own files, and of a reviewer: people are measured by both."""
BEST, WORST = 0.95, 0.05
"""No person counts for more or less, however many votes agree."""


@dataclass(frozen=True)
class Vote:
    """What one person said of one question."""

    item: str
    """The question."""
    voter: str
    label: str
    kind: Kind = "label"
    source: Source = "person"
    order: float = 0.0
    """Later is larger; a voter's last vote of an item is the one that counts."""
    weight: float = 1.0
    """0 to 1: how much of a vote this is, for example because it is old."""


@dataclass(frozen=True)
class LabelVerdict:
    """What all votes of one question come to."""

    item: str
    label: str
    """The likeliest label."""
    confidence: float
    """Its probability, 0 to 1."""
    contested: bool
    """True where the confidence is below what was asked for, or nobody said this label: neither
    trained on nor tested on."""
    votes: int
    verified: bool
    """True where a reviewer or a file settled it."""


@dataclass(frozen=True)
class Consensus:
    """The verdicts of all questions, and what was learnt of the people."""

    verdicts: Mapping[str, LabelVerdict]
    accuracy: Mapping[str, float] = field(default_factory=dict)
    """Estimated accuracy by voter."""
    crowd: float = TYPICAL
    """Estimated accuracy of a person nobody knows."""


def settle(
    votes: Iterable[Vote],
    *,
    accept: float,
    labels: Iterable[str] = (),
    prior: Mapping[str, Mapping[str, float]] | None = None,
) -> Consensus:
    """The label of each question, with its probability.

    `accept` is the least probability of a label that is not contested; `labels` are those that
    exist, beside those that were chosen; `prior` gives, by item, probabilities of labels that a
    model found without the item's own votes. The order of the votes
    makes no difference, only their `order` field does.
    """
    by_item = _newest(votes)
    chosen = {vote.label for item in by_item.values() for vote in item}
    problem = _Problem(by_item, sorted({*chosen, *labels}), prior or {})
    accuracy, crowd = problem.accuracies()
    verdicts = {item: problem.verdict(item, accuracy, crowd, accept) for item in by_item}
    return Consensus(verdicts, accuracy, crowd)


def _newest(votes: Iterable[Vote]) -> dict[str, list[Vote]]:
    """The last vote of each voter on each item, in an order of their own."""
    newest: dict[tuple[str, str, str], Vote] = {}
    for vote in sorted(votes, key=lambda v: (v.order, v.label, v.kind)):
        newest[vote.item, vote.source, vote.voter] = vote
    by_item: dict[str, list[Vote]] = defaultdict(list)
    for key in sorted(newest):
        by_item[key[0]].append(newest[key])
    return dict(by_item)


@dataclass(frozen=True)
class _Problem:
    """All votes, by item, and what is known before them."""

    by_item: Mapping[str, Sequence[Vote]]
    labels: Sequence[str]
    prior: Mapping[str, Mapping[str, float]]

    def accuracies(self) -> tuple[dict[str, float], float]:
        """Accuracy by voter and of the crowd, estimated in turns with the labels."""
        accuracy: dict[str, float] = {}
        crowd = TYPICAL
        for _ in range(ROUNDS):
            agreed, counted = self._agreement(accuracy, crowd)
            total = sum(counted.values())
            crowd = _clamp((CROWD * TYPICAL + sum(agreed.values())) / (CROWD + total))
            new = {
                voter: _clamp((PERSON * crowd + agreed[voter]) / (PERSON + counted[voter]))
                for voter in counted
            }
            moved = max((abs(new[v] - accuracy.get(v, crowd)) for v in new), default=0.0)
            accuracy = new
            if moved < 1e-4:
                break
        return accuracy, crowd

    def _agreement(
        self, accuracy: Mapping[str, float], crowd: float
    ) -> tuple[dict[str, float], dict[str, float]]:
        """How much the rest agreed with each voter, and on how many votes there was a rest."""
        agreed: dict[str, float] = defaultdict(float)
        counted: dict[str, float] = defaultdict(float)
        for item, votes in self.by_item.items():
            if len(votes) == 1 and item not in self.prior:
                continue
            for vote in votes:
                if vote.source == "person":
                    others = [other for other in votes if other is not vote]
                    rest = self._posterior(item, others, accuracy, crowd)
                    right = rest.get(vote.label, 0.0)
                    agreed[vote.voter] += right if vote.kind != "down" else 1 - right
                    counted[vote.voter] += 1
        return agreed, counted

    def verdict(
        self, item: str, accuracy: Mapping[str, float], crowd: float, accept: float
    ) -> LabelVerdict:
        """The likeliest label of an item; a reviewer's newest word settles it."""
        votes = self.by_item[item]
        reviews = [vote for vote in votes if vote.source == "reviewer"]
        if reviews:
            last = max(reviews, key=lambda vote: (vote.order, vote.voter))
            return LabelVerdict(item, last.label, 1.0, False, len(votes), True)
        posterior = self._posterior(item, votes, accuracy, crowd)
        label = max(sorted(posterior), key=posterior.__getitem__)
        confidence = posterior[label]
        behind = [vote for vote in votes if vote.label == label and vote.kind != "down"]
        contested = confidence < accept or not behind
        files = any(vote.source == "file" for vote in behind)
        return LabelVerdict(item, label, confidence, contested, len(votes), files)

    def _posterior(
        self, item: str, votes: Sequence[Vote], accuracy: Mapping[str, float], crowd: float
    ) -> dict[str, float]:
        """Probability of each label given these votes of an item."""
        before = self.prior.get(item)
        scores = {
            label: math.log(max(before.get(label, 0.0), 1e-6)) if before else 0.0
            for label in self.labels
        }
        others = max(len(self.labels) - 1, 1)
        for vote in votes:
            right = _VERIFIED.get(vote.source) or accuracy.get(vote.voter, crowd)
            yes, no = _likelihoods(vote.kind, right, others)
            for label in scores:
                scores[label] += vote.weight * math.log(yes if label == vote.label else no)
        top = max(scores.values())
        raised = {label: math.exp(score - top) for label, score in scores.items()}
        total = sum(raised.values())
        return {label: value / total for label, value in raised.items()}


_VERIFIED: Mapping[Source, float] = {"file": FILE, "reviewer": REVIEWER}


def _likelihoods(kind: Kind, right: float, others: int) -> tuple[float, float]:
    """Probability of a vote where its label is the true one, and where another one is. A thumb up
    agrees with a label that the model chose, so it is as much as a choice."""
    if kind == "down":
        return 1 - right, right
    return right, (1 - right) / others


def _clamp(accuracy: float) -> float:
    return min(max(accuracy, WORST), BEST)
