"""A shadow's answers beside those that users got: agreement, metrics without labels, and flips.

The live answer is no truth, so nothing here says which of the two is better. Labels are compared as
they are, free texts by their overlap (ROUGE-L with the live answer), as `engine.concordance` does
for the forms of one model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tidemill.catalog import METRICS
from tidemill.engine.concordance import LABEL, Agreement, agree, rows_needed, surely_below
from tidemill.engine.shadow_pair import ReleaseAnswer, ShadowPair
from tidemill.metrics import Scored, is_exact, measure

MAX_FLIPS = 5
AgreementFinding = Literal["agrees", "differs", "inconclusive"]


@dataclass(frozen=True)
class MetricPair:
    """A metric that needs no label, of both releases on the same requests."""

    metric: str
    live: float
    candidate: float


@dataclass(frozen=True)
class ShadowComparison:
    """What the pairs of a step say."""

    pairs: int
    agreement: Agreement
    metrics: tuple[MetricPair, ...]
    flips: tuple[str, ...]
    """Response ids of the first live answers that the candidate did not give."""

    def classify(self, min_agreement: float) -> AgreementFinding:
        """Whether the bounds of the agreement lie on one side of the limit."""
        if surely_below(self.agreement.share, min_agreement):
            return "differs"
        return "agrees" if self.agreement.share.low >= min_agreement else "inconclusive"

    def describe(self, min_agreement: float) -> str:
        """The agreement beside its limit, and how many pairs would decide where they are few."""
        text = f"{self.agreement}, min_agreement is {min_agreement:.1%}"
        needed = rows_needed(self.agreement.share.value, min_agreement)
        is_open = self.classify(min_agreement) == "inconclusive"
        return f"{text}; about {needed:,} pairs would show it" if is_open and needed else text

    def to_dict(self) -> dict[str, object]:
        """JSON. Texts of users are not in it: they are found by the ids, while they are stored."""
        share = self.agreement.share
        return {
            "pairs": self.pairs,
            "basis": self.agreement.basis,
            "agreement": share.value,
            "low": share.low,
            "high": share.high,
            "metrics": {m.metric: {"live": m.live, "candidate": m.candidate} for m in self.metrics},
            "flips": list(self.flips),
        }


def compare_shadow(pairs: Sequence[ShadowPair]) -> ShadowComparison | None:
    """Compare the answers of both releases, oldest pair first; None without pairs."""
    if not pairs:
        return None
    live = [_score(pair.live, pair) for pair in pairs]
    candidate = [_score(pair.candidate, pair) for pair in pairs]
    agreement = agree(live, candidate, LABEL, ())
    flips = [pair.response_id for pair in pairs if _differs(pair, agreement.basis)]
    return ShadowComparison(len(pairs), agreement, tuple(_metrics(pairs)), tuple(flips[:MAX_FLIPS]))


def _score(release: ReleaseAnswer, pair: ShadowPair) -> Scored:
    return Scored(pair.live.answer, release.answer, release.seconds or 0.0, release.tokens_out)


def _differs(pair: ShadowPair, basis: str) -> bool:
    live, candidate = pair.live.answer, pair.candidate.answer
    if basis == LABEL:
        return live.label != candidate.label
    return live.text.split() != candidate.text.split()


def _metrics(pairs: Sequence[ShadowPair]) -> list[MetricPair]:
    """Every metric that judges an answer alone; times only of requests that both generated."""
    timed = [p for p in pairs if p.live.seconds is not None and p.candidate.seconds is not None]
    metrics = []
    for name in METRICS.names():
        module = METRICS.load(name)
        rows = timed if module.KIND in ("quantile", "speed") else pairs
        judges_answers = module.KIND != "size" and not is_exact(module)
        if module.NEEDS_REFERENCE or not judges_answers or not rows:
            continue
        values = [
            measure(name, [_score(getattr(pair, arm), pair) for pair in rows])
            for arm in ("live", "candidate")
        ]
        metrics.append(MetricPair(name, *values))
    return metrics
