"""What so many answers and ratings can show: the smallest error rate and the smallest loss that the
bounds of a rollout tell from nothing.

Ratings of several steps are pooled as `engine.sequential` pools them: a step with `n0` and `n1`
ratings has the weight `n0 n1 / (n0 + n1)`, and `Var(d) = v / W` for the sum `W` of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from tidemill.engine.arm_health import CONFIDENCE
from tidemill.engine.guardrail import ENOUGH
from tidemill.engine.sequential import FEWEST, half_width
from tidemill.spec.rollout import RatingQuality


@dataclass(frozen=True)
class RatingEvidence:
    """Ratings of both arms, over all steps so far."""

    live: float = 0.0
    candidate: float = 0.0
    weight: float = 0.0

    @property
    def ratings(self) -> float:
        """Of both arms together."""
        return self.live + self.candidate

    def with_step(self, live: float, candidate: float) -> RatingEvidence:
        """Another step's ratings beside these; a step of one arm says nothing."""
        if live <= 0 or candidate <= 0:
            return self
        weight = live * candidate / (live + candidate)
        return RatingEvidence(self.live + live, self.candidate + candidate, self.weight + weight)

    def half_width(self, variance: float, quality: RatingQuality) -> float:
        """Of the interval of the difference; infinite with too few ratings in an arm."""
        n = int(self.ratings)
        if min(self.live, self.candidate) < FEWEST:
            return inf
        return half_width(n, variance / self.weight, quality.alpha, quality.expected_ratings)


def visible_loss(evidence: RatingEvidence, variance: float, quality: RatingQuality) -> float | None:
    """The loss of rating, 0 to 1, whose bound lies beyond the margin in half of the cases; None
    where no loss shows."""
    loss = quality.margin + evidence.half_width(variance, quality)
    return loss if loss < 1 else None


def visible_error_rate(limit: float, answers: float) -> float | None:
    """The smallest share of failed answers whose exact lower bound lies above `limit`; None where
    not even all of them would do. A window has at most about `ENOUGH` answers."""
    n = int(min(answers, ENOUGH))
    if n == 0 or limit >= 1:
        return None
    tail, probability = 1.0, (1 - limit) ** n
    for count in range(n + 1):
        if tail <= (1 - CONFIDENCE) / 2:
            return count / n
        tail -= probability
        if count < n:
            probability *= (n - count) / (count + 1) * limit / (1 - limit)
    return None
