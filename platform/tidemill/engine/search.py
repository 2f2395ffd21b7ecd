"""Decides a search: which rows rank and which decide, which candidate leads, and is it better.

Candidates are ranked on rows of the train split. The leader alone is compared with the current
setting, on held-out rows that no choice has used.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil, isfinite
from typing import Any

import numpy as np

from tidemill.catalog import METRICS
from tidemill.data.rows import hash_fraction
from tidemill.engine.estimate import estimate, gain
from tidemill.engine.statistics import Interval
from tidemill.metrics import Scored

ALPHA = 0.05
"""Probability that a search over equal prompts proposes one, however often it is run."""
FEWEST = 6
"""Fewest deciding rows: with fewer, chance explains any result (5 of 5 comes one time in 32)."""
SWAPS, MOST_SWAPS = 4000, 50_000
Row = Mapping[str, object]


@dataclass(frozen=True)
class SearchRows:
    """The rows of a search; no question stands in two of them."""

    example_pool: tuple[Row, ...]
    """Rows that may become examples in the prompt, and that choose among them."""
    ranking: tuple[Row, ...]
    """Rows that rank the candidates."""
    deciding: tuple[Row, ...]
    """Rows that decide once, at the end."""
    excluded: int
    """Number of rows of the train split whose question is a deciding one, or a repetition."""


def divide_rows(
    train: Sequence[tuple[str, Row]],
    deciding: Sequence[tuple[str, Row]],
    *,
    rank_on: int,
    decide_on: int,
    seed: int,
) -> SearchRows:
    """Rows with their questions, divided by a hash of the question.

    A row of `train` whose question any row of `deciding` asks takes no part, whether that row is
    among the `decide_on` that decide or not.
    """
    deciding_questions = {question for question, _ in deciding}
    fresh = {
        question: row for question, row in reversed(train) if question not in deciding_questions
    }
    order = sorted(fresh, key=lambda question: hash_fraction("rank", str(seed), question))
    ranking_count = min(rank_on, len(order) // 2) if len(order) > 1 else len(order)
    positions = {question: position for position, (question, _) in reversed(list(enumerate(train)))}
    dev = sorted(order[:ranking_count], key=positions.__getitem__)
    pool = sorted(order[ranking_count:], key=positions.__getitem__)
    last = dict(reversed(deciding))
    chosen = set(sorted(last, key=lambda question: hash_fraction("decide", question))[:decide_on])
    return SearchRows(
        tuple(fresh[question] for question in pool),
        tuple(fresh[question] for question in dev),
        tuple(row for question, row in last.items() if question in chosen)[::-1],
        len(train) - len(fresh),
    )


@dataclass(frozen=True)
class Trial:
    """A candidate and its value on the ranking rows; None where the model could not take it."""

    candidate: Any
    value: float | None
    better: str = "higher"


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """The best trial; of equal ones the earliest, so that the current setting wins a tie."""
    valued = [trial for trial in trials if trial.value is not None and isfinite(trial.value)]
    sign = 1 if not valued or valued[0].better == "higher" else -1
    return max(valued, key=lambda trial: sign * (trial.value or 0.0), default=None)


def comparison_confidence(comparison: int, alpha: float = ALPHA) -> float:
    """Confidence of the `comparison`-th comparison (from 1) on the same deciding rows.

    The first has one-sided level alpha/2, the n-th alpha/(2 n (n-1)): over any number of
    comparisons, with other seeds or methods, a false gain has probability alpha at most.
    """
    level = alpha / 2 if comparison <= 1 else alpha / (2 * comparison * (comparison - 1))
    return 1 - 2 * level


@dataclass(frozen=True)
class SearchDecision:
    """The result of comparing the leader with the current setting."""

    is_better: bool
    reason: str
    gain: Interval
    """Paired; more is better, whatever the metric."""
    current: Interval
    leader: Interval
    p_value: float
    """How often swapping the two answers of each row at random gives as large a gain."""
    confidence: float
    comparison: int
    """Ordinal of the comparison on the same deciding rows, from 1."""

    def to_dict(self) -> dict[str, object]:
        """The JSON form of a search report."""
        return {
            "proposes": self.is_better,
            "reason": self.reason,
            "gain": asdict(self.gain),
            "present": asdict(self.current),
            "leader": asdict(self.leader),
            "chance": self.p_value,
            "confidence": self.confidence,
            "look": self.comparison,
        }


def decide(
    metric: str,
    current: Sequence[Scored],
    candidate: Sequence[Scored],
    *,
    comparison: int = 1,
    clusters: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> SearchDecision:
    """Compare two sequences of answers to the same rows in the same order.

    A gain counts when the lower bound of its paired interval is above zero and a swap test agrees:
    with few rows the bootstrap alone finds gains where there are none too often.
    """
    sure = comparison_confidence(comparison)
    with_ = {"confidence": sure, "seed": seed, "clusters": clusters}
    improvement = gain(metric, candidate, current, **with_)  # type: ignore[arg-type]
    before, after = (
        estimate(metric, answers, **with_)  # type: ignore[arg-type]
        for answers in (current, candidate)
    )
    level = (1 - sure) / 2
    swaps = min(MOST_SWAPS, max(SWAPS, ceil(4 / level)))
    chance = swap_test(metric, candidate, current, clusters=clusters, seed=seed, swaps=swaps)
    reason = ""
    if len(current) < FEWEST:
        reason = f"{len(current)} comparison rows are too few; {FEWEST} are needed"
    elif not improvement.low > 0:
        reason = "the confidence interval of the gain includes zero"
    elif chance > level:
        reason = f"permutation test p = {chance:.3g}"
    return SearchDecision(
        not reason, reason or "better", improvement, before, after, chance, sure, comparison
    )


def swap_test(
    metric: str,
    candidate: Sequence[Scored],
    current: Sequence[Scored],
    *,
    clusters: Sequence[Hashable] | None = None,
    seed: int = 0,
    swaps: int = SWAPS,
) -> float:
    """One-sided p of the gain under random swaps within rows (Noreen 1989, approximate
    randomisation); exact in level for any number of rows and any metric of answers.

    Whole clusters are swapped together. 1 where nothing differs.
    """
    module = METRICS.load(metric)
    sums = module.KIND in ("corpus", "speed")
    first_values, second_values = (
        np.asarray(module.statistics(a) if sums else module.score(a), dtype=np.float64)
        for a in (candidate, current)
    )
    groups = _groups(clusters, len(first_values))
    count = int(groups.max()) + 1 if len(groups) else 0
    if count == 0 or np.array_equal(first_values, second_values):
        return 1.0
    drawn = np.random.default_rng(seed).random((swaps, count)) < 0.5
    swapped = np.concatenate([np.zeros((1, count), bool), drawn])[:, groups].astype(np.float64)
    a, b = (
        first_values.reshape(len(first_values), -1),
        second_values.reshape(len(second_values), -1),
    )
    first, second = (1 - swapped) @ a + swapped @ b, (1 - swapped) @ b + swapped @ a
    values = module.combine(first) - module.combine(second) if sums else (first - second)[:, 0]
    gains = values if module.BETTER == "higher" else -values
    reached = gains[1:] >= gains[0] - 1e-9
    return float((1 + reached.sum()) / (1 + swaps))


def _groups(clusters: Sequence[Hashable] | None, n: int) -> np.ndarray[Any, Any]:
    if clusters is None:
        return np.arange(n)
    numbers: dict[Hashable, int] = {}
    return np.array(
        [numbers.setdefault(cluster, len(numbers)) for cluster in clusters], dtype=np.intp
    )


@dataclass(frozen=True)
class AnswerChanges:
    """Indices of the rows that the candidate answers better, and worse, largest change first."""

    better: tuple[int, ...]
    worse: tuple[int, ...]


def answer_changes(
    metric: str, current: Sequence[Scored], candidate: Sequence[Scored]
) -> AnswerChanges:
    """Rows the candidate answers better or worse; none for a metric that has no value per row."""
    module = METRICS.load(metric)
    if module.KIND not in ("proportion", "rows"):
        metric, module = "accuracy", METRICS.load("accuracy")
    before, after = module.score(current), module.score(candidate)
    sign = 1 if module.BETTER == "higher" else -1
    apart = [sign * (new - old) for old, new in zip(before, after, strict=True)]
    order = sorted(range(len(apart)), key=lambda row: (-abs(apart[row]), row))
    return AnswerChanges(
        tuple(row for row in order if apart[row] > 0),
        tuple(row for row in order if apart[row] < 0),
    )
