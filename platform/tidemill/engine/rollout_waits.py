"""How long one step of a rollout waits for answers and for ratings, and what never comes to an end.

A wait that ends by itself is no problem, however little it shows. One that needs a person each
time, sends good candidates back, or lasts beyond `finish_within` is a problem: it is given with
its numbers and the way out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from math import ceil, inf, isfinite

from tidemill.engine.evidence_rules import deciding_step
from tidemill.engine.ratings_needed import format_days, ratings_needed
from tidemill.engine.service_traffic import ServiceTraffic
from tidemill.engine.step_evidence import RatingEvidence
from tidemill.spec.rollout import RatingQuality, Rollout, RolloutStep


@dataclass(frozen=True)
class RolloutProblem:
    """Why a rollout does not end by itself."""

    path: tuple[str | int, ...]
    """The field of the spec that is to blame."""
    cause: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.cause}; {self.way_out}"


@dataclass(frozen=True)
class StepWait:
    """How long a step waits for something."""

    days: float = 0.0
    problem: RolloutProblem | None = None


def answer_wait(rollout: Rollout, index: int, traffic: ServiceTraffic) -> StepWait:
    """The wait for `min_requests` of the step and of the guardrails, as `on_no_data` ends it."""
    step, rule = rollout.steps[index], rollout.on_no_data
    needs = list(_needed_answers(rollout, step, traffic.requests_per_day))
    if not needs:
        return StepWait()
    days, answers, per_day = max(needs)
    patience = _days(max(rule.after, step.hold))
    if rule.then == "judge_others" or days <= patience:
        return StepWait(min(days, patience))
    cause = (
        f"at {step.percent} %: {answers:,} answers take {format_span(days)} at "
        f"{format_rate(per_day)} a day"
    )
    path = ("steps", index, "min_requests")
    way_out = "lower min_requests, or go on without them by 'on_no_data: {then: judge_others}'"
    if rule.then == "roll_back":
        cause = f"{cause}, and after {format_span(patience)} every candidate goes back"
        return StepWait(patience, RolloutProblem(path, cause, way_out))
    late = days > _days(rollout.finish_within)
    cause = f"{cause}, and {_limit(rollout)}"
    return StepWait(days, RolloutProblem(path, cause, way_out) if late else None)


def rating_wait(rollout: Rollout, index: int, traffic: ServiceTraffic) -> StepWait:
    """The wait for ratings that exclude a loss beyond the margin, and what ends it without them."""
    quality, step = rollout.quality, rollout.steps[index]
    if quality is None or rollout.mode == "shadow":
        return StepWait()
    is_shared = 0 < step.percent < 100
    patience = _days(step.ratings_within) if is_shared else 0.0
    proof = _days_to_proof(step, quality, traffic)
    if index != deciding_step(rollout):
        return StepWait(min(proof, patience))
    patience = max(patience, _days(step.hold))
    if rollout.mode == "ab":
        patience = max(patience, _days_of(quality.expected_ratings, traffic.ratings_per_day))
    if proof <= patience:
        return StepWait(proof)
    return _inconclusive(rollout, index, traffic, proof, patience)


def total_problem(rollout: Rollout, days: float, traffic: ServiceTraffic) -> RolloutProblem | None:
    """Steps that end each, but together too late."""
    if days <= _days(rollout.finish_within):
        return None
    cause = (
        f"the steps take {format_span(days)} at {format_rate(traffic.requests_per_day)} requests "
        f"and {format_rate(traffic.ratings_per_day)} ratings a day, and {_limit(rollout)}"
    )
    return RolloutProblem(("steps",), cause, "shorten the steps, or raise finish_within")


def format_span(days: float) -> str:
    """`about 12 days`; `for ever` where there is no end."""
    return format_days(days) if isfinite(days) else "for ever"


def format_rate(per_day: float) -> str:
    """Two digits that count, and no decimals from ten on."""
    return f"{per_day:,.0f}" if per_day >= 10 else f"{per_day:.2g}"


def _needed_answers(
    rollout: Rollout, step: RolloutStep, per_day: float
) -> Iterator[tuple[float, int, float]]:
    """Days, answers and answers a day, for each arm whose answers a step waits for."""
    is_shadow, share = rollout.mode == "shadow", step.percent / 100
    candidate = per_day if is_shadow else per_day * share
    if not candidate:
        return
    live = per_day if is_shadow else per_day * (1 - share)
    ratios = [limit for limit in rollout.guardrails if limit.max_ratio_to_live is not None]
    limits = [limit for limit in rollout.guardrails if live or limit not in ratios]
    own = max(step.min_requests, *(limit.min_requests for limit in limits), 0)
    yield own / candidate, own, candidate
    if live and ratios:
        others = max(limit.min_requests for limit in ratios)
        yield others / live, others, live


def _days_to_proof(step: RolloutStep, quality: RatingQuality, traffic: ServiceTraffic) -> float:
    needed = _ratings_to_proof(step, quality, traffic)
    return _days_of(needed, traffic.ratings_per_day) if needed else inf


def _ratings_to_proof(
    step: RolloutStep, quality: RatingQuality, traffic: ServiceTraffic
) -> int | None:
    return ratings_needed(
        traffic.variance,
        step.percent,
        margin=quality.margin,
        alpha=quality.alpha,
        expected_ratings=quality.expected_ratings,
    )


def _inconclusive(
    rollout: Rollout, index: int, traffic: ServiceTraffic, proof: float, patience: float
) -> StepWait:
    """What follows where ratings show nothing in the time that the last shared step has."""
    policy, most = rollout.on_inconclusive, _days(rollout.finish_within)
    days = proof if policy == "hold" else patience
    has_person = policy == "ask" and rollout.approval is not None
    ends = policy in ("promote", "hold") or has_person or rollout.mode == "ab"
    if ends and days <= most:
        return StepWait(days)
    span = format_span(patience)
    tails = {"ask": f"after {span} a person is asked each time"}
    tails["rollback"] = f"after {span} even a candidate as good as the live release goes back"
    tail = _limit(rollout) if ends else tails[policy]
    cause = f"{_rating_cause(rollout, index, traffic)}, and {tail}"
    other_steps = sum(_days(step.hold) for step in rollout.steps if step != rollout.steps[index])
    way_out = _rating_way_out(rollout, index, traffic, most - other_steps if ends else patience)
    return StepWait(days, RolloutProblem(("on_inconclusive",), cause, way_out))


def _rating_cause(rollout: Rollout, index: int, traffic: ServiceTraffic) -> str:
    step, quality = rollout.steps[index], rollout.quality
    assert quality is not None
    needed = _ratings_to_proof(step, quality, traffic)
    goal = f"show {quality.metric} within {quality.margin:g}"
    if needed is None:
        return f"at {step.percent} %: no number of ratings can {goal}"
    if rollout.mode == "ab" and rollout.on_inconclusive != "hold":
        needed = min(needed, quality.expected_ratings)
        goal = "end the test"
    span = format_span(_days_of(needed, traffic.ratings_per_day))
    rate = format_rate(traffic.ratings_per_day)
    return f"at {step.percent} %: {needed:,} ratings are needed to {goal}, {span} at {rate} a day"


def _rating_way_out(rollout: Rollout, index: int, traffic: ServiceTraffic, days: float) -> str:
    quality, share = rollout.quality, rollout.steps[index].percent / 100
    assert quality is not None
    ways = ["let the guardrails decide with 'on_inconclusive: promote'"]
    if rollout.on_inconclusive == "ask":
        ways.append("name an 'approval' where a person should always decide")
    ratings = traffic.ratings_per_day * days
    evidence = RatingEvidence().with_step(ratings * (1 - share), ratings * share)
    margin = evidence.half_width(traffic.variance, quality)
    if margin < 0.99:
        ways.append(f"widen the margin to {ceil(margin * 100) / 100:g}")
    return ", or ".join(ways)


def _limit(rollout: Rollout) -> str:
    return f"finish_within is {_days(rollout.finish_within):.3g} days"


def _days_of(count: int, per_day: float) -> float:
    return count / per_day if per_day > 0 else inf


def _days(duration: timedelta) -> float:
    return duration.total_seconds() / 86_400
