"""Failures that mean the same: their name, their size, their order, and how they change."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log

from tidemill.answer import Answer
from tidemill.data.similar_rows import words
from tidemill.engine.failure import Failure
from tidemill.engine.weekly_trend import WeeklyTrend, weekly_trend

NOWHERE = "fits nowhere"
"""The name of the group of failures that are like no others."""
WEEK = timedelta(days=7)
_BACKGROUND = -2
_NAMED_BY = 3
"""Words in a name."""


@dataclass(frozen=True)
class WrongAnswer:
    """The commonest mistake of a cluster."""

    answered: str
    expected: str
    count: int


@dataclass(frozen=True)
class FailureCluster:
    """Failures that mean the same."""

    number: int
    """1 for the largest; 0 for those that fit nowhere."""
    words: tuple[str, ...]
    """The most distinctive first; empty for those that fit nowhere."""
    mistake: WrongAnswer | None
    failures: tuple[Failure, ...]
    """Newest first, test rows last."""
    share: float
    """Of all failures."""
    weeks: tuple[int, ...]
    """People who met it, by week, oldest first."""
    trend: WeeklyTrend | None
    """None where there are too few to say."""

    @property
    def name(self) -> str:
        """`courier, parcel, porter`, or `fits nowhere`."""
        return ", ".join(self.words) or NOWHERE

    @property
    def test_rows(self) -> int:
        """How many of its failures are rows of the evaluation."""
        return sum(failure.is_test_row for failure in self.failures)

    @property
    def people(self) -> int:
        """Different users among its failures; an anonymous answer counts as a person."""
        return _people(self.failures)


@dataclass(frozen=True)
class TrafficWeeks:
    """The weeks that a trend looks at."""

    until: datetime
    """The end of the last one."""
    answered: tuple[int, ...]
    """People who were answered in each, oldest first."""

    def index(self, moment: datetime) -> int:
        """The week of a moment; negative before the first one."""
        return len(self.answered) - 1 - max(0, (self.until - moment) // WEEK)


def build_clusters(
    failures: Sequence[Failure],
    labels: Sequence[int],
    weeks: TrafficWeeks,
    background: Sequence[str] = (),
) -> tuple[FailureCluster, ...]:
    """The clusters, largest first, what fits nowhere last.

    `labels` has the group of each failure; those below 0 fit nowhere. Words that are common in the
    `background`, other questions of the service, name no cluster.
    """
    groups: dict[int, list[Failure]] = defaultdict(list)
    for failure, label in zip(failures, labels, strict=True):
        groups[max(label, -1)].append(failure)
    texts: dict[int, Sequence[str]] = {n: [f.question for f in groups[n]] for n in groups}
    names = distinctive_words({**texts, _BACKGROUND: background} if background else texts)
    order = sorted(groups, key=lambda n: (n < 0, -len(groups[n]), names[n]))
    return tuple(
        _cluster(0 if n < 0 else rank, () if n < 0 else names[n], groups[n], len(failures), weeks)
        for rank, n in enumerate(order, start=1)
    )


def distinctive_words(
    groups: Mapping[int, Sequence[str]], count: int = _NAMED_BY
) -> dict[int, tuple[str, ...]]:
    """The words that tell each group of texts from the others, the most telling first.

    Class-based TF-IDF (Grootendorst 2022): the share of a word in the group, times the logarithm
    of one plus the mean length of a group over the word's frequency in all. A word that only one
    text of a group has does not name it, unless no word is shared.
    """
    texts = {n: [words(text) for text in group] for n, group in groups.items()}
    counts = {n: Counter(word for text in group for word in text) for n, group in texts.items()}
    everywhere = sum(counts.values(), Counter[str]())
    length = everywhere.total() / max(len(groups), 1)

    def telling(n: int) -> tuple[str, ...]:
        shared = [word for word, times in counts[n].items() if times > 1] or list(counts[n])
        weight = {w: counts[n][w] * log(1 + length / everywhere[w]) for w in shared}
        return tuple(sorted(weight, key=lambda word: (-weight[word], word))[:count])

    return {n: telling(n) for n in groups}


def _cluster(
    number: int,
    name: tuple[str, ...],
    group: Sequence[Failure],
    total: int,
    weeks: TrafficWeeks,
) -> FailureCluster:
    ordered = sorted(group, key=lambda f: (-f.time.timestamp() if f.time else 0.0, f.id))
    counts = _weekly_people(group, weeks)
    return FailureCluster(
        number=number,
        words=name,
        mistake=_commonest_mistake(group),
        failures=tuple(ordered),
        share=len(group) / total,
        weeks=counts,
        trend=weekly_trend(counts, weeks.answered),
    )


def _commonest_mistake(group: Sequence[Failure]) -> WrongAnswer | None:
    pairs = Counter(
        answer_pair(failure.answered, failure.expected)
        for failure in group
        if failure.expected is not None
    )
    if not pairs:
        return None
    answered, expected = min(pairs, key=lambda pair: (-pairs[pair], pair))
    return WrongAnswer(answered, expected, pairs[answered, expected])


def answer_pair(answered: Answer, expected: Answer) -> tuple[str, str]:
    """Both answers in short: their labels where those differ, else their texts."""
    if answered.label and expected.label and answered.label != expected.label:
        return answered.label, expected.label
    return answered.text, expected.text


def _weekly_people(group: Sequence[Failure], weeks: TrafficWeeks) -> tuple[int, ...]:
    by_week: dict[int, list[Failure]] = defaultdict(list)
    for failure in group:
        if failure.time is not None:
            by_week[weeks.index(failure.time)].append(failure)
    return tuple(_people(by_week[n]) for n in range(len(weeks.answered)))


def _people(failures: Sequence[Failure]) -> int:
    users = [failure for failure in failures if not failure.is_test_row]
    named = {failure.subject for failure in users if failure.subject}
    return len(named) + sum(not failure.subject for failure in users)
