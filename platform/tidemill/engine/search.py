"""The decision of a search: which rows may be looked at when, which candidate leads, is it better.

Candidates are ranked on rows of the train split. The leader, and it alone, is compared with what
there is now on held-out rows that no choice has looked at.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from tidemill.catalog import METRICS
from tidemill.data.rows import hash_fraction
from tidemill.engine.estimate import estimate, gain
from tidemill.engine.statistics import Interval
from tidemill.metrics import Scored

ALPHA = 0.05
"""How often a search over prompts that are all alike may propose one, however often it is run."""
FEWEST = 6
"""Deciding rows below which no result can be told from luck: even 5 of 5 comes one time in 32."""
SWAPS = 4000
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Parts:
    """The rows of a search; no question stands in two of them."""

    pool: tuple[Row, ...]
    """May be shown as examples, and asked to find out which are worth showing."""
    dev: tuple[Row, ...]
    """Rank the candidates."""
    deciding: tuple[Row, ...]
    """Decide once, at the end."""
    left_out: int
    """Rows of the train split whose question is a deciding one, or was asked before."""


def divide(
    train: Sequence[tuple[str, Row]],
    deciding: Sequence[tuple[str, Row]],
    *,
    rank_on: int,
    decide_on: int,
    seed: int,
) -> Parts:
    """Rows with their questions, divided by a hash of the question.

    A row of `train` whose question any row of `deciding` asks takes no part, whether that row is
    among the `decide_on` that decide or not.
    """
    asked = {question for question, _ in deciding}
    fresh = {question: row for question, row in reversed(train) if question not in asked}
    order = sorted(fresh, key=lambda question: hash_fraction("rank", str(seed), question))
    wanted = min(rank_on, len(order) // 2) if len(order) > 1 else len(order)
    places = {question: place for place, (question, _) in reversed(list(enumerate(train)))}
    dev = sorted(order[:wanted], key=places.__getitem__)
    pool = sorted(order[wanted:], key=places.__getitem__)
    last = dict(reversed(deciding))
    chosen = set(sorted(last, key=lambda question: hash_fraction("decide", question))[:decide_on])
    return Parts(
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


def leader(trials: Sequence[Trial]) -> Trial | None:
    """The best trial; of equal ones the earliest, so that what there is now wins a tie."""
    valued = [trial for trial in trials if trial.value is not None and isfinite(trial.value)]
    sign = 1 if not valued or valued[0].better == "higher" else -1
    return max(valued, key=lambda trial: sign * (trial.value or 0.0), default=None)


def confidence(look: int, alpha: float = ALPHA) -> float:
    """Confidence of the `look`-th comparison (from 1) on the same deciding rows.

    The first has one-sided level alpha/2, the n-th alpha/(2 n (n-1)): whoever asks again and again,
    with other seeds or methods, is told of a gain that is none with probability alpha at most.
    """
    level = alpha / 2 if look <= 1 else alpha / (2 * look * (look - 1))
    return 1 - 2 * level


@dataclass(frozen=True)
class Decision:
    """Whether the leader is better than what there is now."""

    proposes: bool
    reason: str
    gain: Interval
    """Paired; more is better, whatever the metric."""
    present: Interval
    leader: Interval
    chance: float
    """How often swapping the two answers of each row at random gives as large a gain."""
    confidence: float
    look: int


def decide(
    metric: str,
    present: Sequence[Scored],
    candidate: Sequence[Scored],
    *,
    look: int = 1,
    clusters: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> Decision:
    """Compare two sequences of answers to the same rows in the same order.

    A gain counts when the lower bound of its paired interval is above zero and a swap test agrees:
    with few rows the bootstrap alone finds gains where there are none too often.
    """
    sure = confidence(look)
    with_ = {"confidence": sure, "seed": seed, "clusters": clusters}
    found = gain(metric, candidate, present, **with_)  # type: ignore[arg-type]
    before, after = (
        estimate(metric, answers, **with_)  # type: ignore[arg-type]
        for answers in (present, candidate)
    )
    chance = swap_test(metric, candidate, present, clusters=clusters, seed=seed)
    level = (1 - sure) / 2
    reason = ""
    if len(present) < FEWEST:
        reason = f"{len(present)} deciding rows cannot tell a gain from luck; {FEWEST} are needed"
    elif not found.low > 0:
        reason = "the interval of the gain does not lie above zero"
    elif chance > level:
        reason = f"as large a gain comes by chance with probability {chance:.3g}"
    return Decision(not reason, reason or "better", found, before, after, chance, sure, look)


def swap_test(
    metric: str,
    candidate: Sequence[Scored],
    present: Sequence[Scored],
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
    one, two = (
        np.asarray(module.statistics(a) if sums else module.score(a), dtype=np.float64)
        for a in (candidate, present)
    )
    groups = _groups(clusters, len(one))
    count = int(groups.max()) + 1 if len(groups) else 0
    if count == 0 or np.array_equal(one, two):
        return 1.0
    drawn = np.random.default_rng(seed).random((swaps, count)) < 0.5
    swapped = np.concatenate([np.zeros((1, count), bool), drawn])[:, groups].astype(np.float64)
    a, b = one.reshape(len(one), -1), two.reshape(len(two), -1)
    first, second = (1 - swapped) @ a + swapped @ b, (1 - swapped) @ b + swapped @ a
    values = module.combine(first) - module.combine(second) if sums else (first - second)[:, 0]
    gains = values if module.BETTER == "higher" else -values
    reached = gains[1:] >= gains[0] - 1e-9
    return float((1 + reached.sum()) / (1 + swaps))


def _groups(clusters: Sequence[Hashable] | None, n: int) -> np.ndarray[Any, Any]:
    if clusters is None:
        return np.arange(n)
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(cluster, len(seen)) for cluster in clusters], dtype=np.intp)


@dataclass(frozen=True)
class Flips:
    """Places of the rows where the two differ in value, each way."""

    better: tuple[int, ...]
    worse: tuple[int, ...]


def flips(metric: str, present: Sequence[Scored], candidate: Sequence[Scored]) -> Flips:
    """Rows the candidate answers better or worse; none for a metric that has no value per row."""
    module = METRICS.load(metric)
    if module.KIND not in ("proportion", "rows"):
        metric, module = "accuracy", METRICS.load("accuracy")
    before, after = module.score(present), module.score(candidate)
    sign = 1 if module.BETTER == "higher" else -1
    apart = [sign * (new - old) for old, new in zip(before, after, strict=True)]
    order = sorted(range(len(apart)), key=lambda place: (-abs(apart[place]), place))
    return Flips(
        tuple(place for place in order if apart[place] > 0),
        tuple(place for place in order if apart[place] < 0),
    )
