"""When a rollout ends by itself at a service's traffic, and what each step can see by then.

The rules of `tidemill.engine.rollout_rules` are read forwards: a step lasts its `hold`, waits for
answers as `on_no_data` says, and for ratings as `ratings_within` and `on_inconclusive` say. Times
are those of a candidate that is as good as the live release.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from math import isfinite

from tidemill.engine.concordance import detectable
from tidemill.engine.rollout_waits import RolloutProblem, answer_wait, rating_wait, total_problem
from tidemill.engine.service_traffic import ServiceTraffic
from tidemill.engine.shadow_pair import MAX_PAIRS
from tidemill.engine.step_evidence import RatingEvidence, visible_error_rate, visible_loss
from tidemill.spec.rollout import Rollout, RolloutStep

_ENDLESS = ("days", "answers")


@dataclass(frozen=True)
class StepForecast:
    """One step, or the watch, at its end."""

    percent: int
    days: float
    """Until it ends by itself; infinite where it never does."""
    answers: float
    """Of the candidate in this time."""
    ratings: float
    """Of both arms since the first step; in a watch with those of the former release before it."""
    visible_errors: float | None
    """Share of failed answers that breaks the tightest limit; None where there is none."""
    visible_loss: float | None
    """Loss of rating that rolls back in half of the cases; None where no loss shows."""
    visible_agreement: float | None = None
    """Of a shadow: the largest agreement that is surely below `min_agreement`; None where none."""


@dataclass(frozen=True)
class RolloutForecast:
    """A rollout at a traffic."""

    traffic: ServiceTraffic
    steps: tuple[StepForecast, ...]
    watch: StepForecast | None
    """None where nothing is watched."""
    problem: RolloutProblem | None
    """Why it never ends by itself, or too late; None where it ends."""

    @property
    def days(self) -> float:
        """From the first step to the last one's end."""
        return sum(step.days for step in self.steps)

    def to_dict(self) -> dict[str, object]:
        """JSON; a time without an end is null."""
        steps = [asdict(step) for step in self.steps]
        for step, values in zip(self.steps, steps, strict=True):
            values |= {name: None for name in _ENDLESS if not isfinite(getattr(step, name))}
        return {
            "traffic": asdict(self.traffic),
            "steps": steps,
            "watch": asdict(self.watch) if self.watch else None,
            "problem": asdict(self.problem) if self.problem else None,
            "days": self.days if isfinite(self.days) else None,
        }


def rollout_forecast(rollout: Rollout, traffic: ServiceTraffic | None) -> RolloutForecast | None:
    """The forecast of every step; None where the traffic is not known."""
    if traffic is None:
        return None
    count = 1 if rollout.mode == "ab" else len(rollout.steps)
    steps: list[StepForecast] = []
    problems: list[RolloutProblem | None] = []
    evidence = RatingEvidence()
    for index, step in enumerate(rollout.steps[:count]):
        waits = (answer_wait(rollout, index, traffic), rating_wait(rollout, index, traffic))
        problems += [wait.problem for wait in waits]
        days = max(in_days(step.hold), *(wait.days for wait in waits))
        evidence = _with_ratings(evidence, rollout, step, traffic.ratings_per_day * days)
        steps.append(_step(rollout, step, traffic, days, evidence))
    total = sum(step.days for step in steps)
    step_problem = next((problem for problem in problems if problem is not None), None)
    problem = step_problem or total_problem(rollout, total, traffic)
    return RolloutForecast(traffic, tuple(steps), _watch(rollout, traffic, evidence), problem)


def in_days(duration: timedelta) -> float:
    """A duration in days."""
    return duration.total_seconds() / 86_400


def _with_ratings(
    evidence: RatingEvidence, rollout: Rollout, step: RolloutStep, ratings: float
) -> RatingEvidence:
    if rollout.mode == "shadow" or not isfinite(ratings):
        return evidence
    share = step.percent / 100
    return evidence.with_step(ratings * (1 - share), ratings * share)


def _step(
    rollout: Rollout,
    step: RolloutStep,
    traffic: ServiceTraffic,
    days: float,
    evidence: RatingEvidence,
) -> StepForecast:
    share = 1.0 if rollout.mode == "shadow" else step.percent / 100
    answers = traffic.requests_per_day * share * days if share else 0.0
    return StepForecast(
        step.percent,
        days,
        answers,
        evidence.ratings,
        _visible_errors(rollout, answers),
        _visible_loss(rollout, traffic, evidence),
        _visible_agreement(rollout, answers),
    )


def _watch(
    rollout: Rollout, traffic: ServiceTraffic, evidence: RatingEvidence
) -> StepForecast | None:
    """The release at all traffic, beside the former one in as long a time before the rollout."""
    days = in_days(rollout.watch)
    if not days or rollout.mode == "shadow":
        return None
    ratings = traffic.ratings_per_day * days
    evidence = evidence.with_step(ratings, ratings)
    everybody = RolloutStep(percent=100)
    return _step(rollout, everybody, traffic, days, evidence)


def _visible_errors(rollout: Rollout, answers: float) -> float | None:
    limits = [
        limit.at_most
        for limit in rollout.guardrails
        if limit.signal == "error_rate" and limit.at_most is not None
        if answers >= limit.min_requests
    ]
    return visible_error_rate(min(limits), answers) if limits else None


def _visible_agreement(rollout: Rollout, answers: float) -> float | None:
    if rollout.min_agreement is None:
        return None
    return detectable(int(min(answers, MAX_PAIRS)), rollout.min_agreement)


def _visible_loss(
    rollout: Rollout, traffic: ServiceTraffic, evidence: RatingEvidence
) -> float | None:
    if rollout.quality is None or not evidence.ratings:
        return None
    return visible_loss(evidence, traffic.variance, rollout.quality)
