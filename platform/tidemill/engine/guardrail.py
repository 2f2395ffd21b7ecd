"""Guardrails: limits on dense signals (errors, latency) that are looked at again and again.

A limit is beyond reach only where the bound of the candidate's signal says so, never its point: for
`max_ratio_to_live` its lower bound has to exceed the ratio times the live arm's upper bound. Both
arms are measured over the same time, and latencies on the same kind of work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from math import inf
from typing import Literal

from tidemill.engine.arm_health import CONFIDENCE, WORKS, ArmHealth, Estimate
from tidemill.engine.statistics import clopper_pearson
from tidemill.spec.rollout import Guardrail

Outcome = Literal["beyond", "unclear", "within", "no data", "too early", "not applicable"]
"""`unclear`: the value is beyond the limit, and the answers are too few to show it, or the live arm
is beyond it as well."""
ENOUGH = 400
"""Answers of an arm after which a limit that cannot be shown to be exceeded counts as kept, and
after which a guardrail's window ends: on as many, a p95 that is twice the limit is seen."""
_WORST_FIRST: tuple[Outcome, ...] = ("beyond", "unclear", "within", "no data")


@dataclass(frozen=True)
class GuardrailReading:
    """One guardrail at one look."""

    name: str
    outcome: Outcome
    value: float | None = None
    limit: float | None = None
    """What the value was compared with: of a ratio, the live arm's upper bound times the ratio
    where it is exceeded, else the live arm's value times the ratio."""
    low: float | None = None
    """The candidate's lower bound."""
    strikes: int = 0
    """Looks in a row beyond the limit, this one included."""
    broken: bool = False
    """True where the strikes reached the guardrail's `failure_limit`."""
    requests: int = 0
    """Answers of the candidate that carry the signal."""
    note: str = ""
    """Which data is missing, or what the live arm has to do with it."""

    @property
    def wait(self) -> str:
        """What a guardrail without a judgement waits for."""
        if self.outcome == "too early":
            return f"'{self.name}' is not judged before its initial delay is over"
        return f"'{self.name}' has too little data to be judged: {self.note}"

    def __str__(self) -> str:
        note = f" ({self.note})" if self.note else ""
        if self.value is None or self.limit is None:
            return f"{self.name}: {self.outcome}{note}"
        if self.outcome == "beyond":
            bound = f"at least {self.low:.4g} over {self.requests} answers"
            return f"{self.name}: {self.value:.4g} > {self.limit:.4g} ({bound}){note}"
        if self.value <= self.limit:
            return f"{self.name}: {self.value:.4g} <= {self.limit:.4g}{note}"
        seen = f"{self.value:.4g} is not clearly > {self.limit:.4g} over {self.requests} answers"
        return f"{self.name}: {seen}{note}"


@dataclass(frozen=True)
class GuardrailWindow:
    """What a look goes by."""

    candidate: ArmHealth | None
    live: ArmHealth | None
    """None where the live arm is silent."""
    no_comparison: str
    """Why nothing is compared with a live arm; empty where both arms have traffic."""
    elapsed: timedelta
    """Time since the step's start."""
    strikes: Mapping[str, int] = field(default_factory=dict)


def guardrail_name(guardrail: Guardrail) -> str:
    """`latency_p95 at most 0.8`: how decisions call a guardrail."""
    if guardrail.at_most is not None:
        return f"{guardrail.signal} at most {guardrail.at_most:g}"
    return f"{guardrail.signal} at most {guardrail.max_ratio_to_live:g} times live"


def signal(name: str, health: ArmHealth | None) -> float | None:
    """The value of a signal; None where no answer carries it."""
    estimates = signal_estimates(name, health)
    return next(iter(estimates.values())).value if estimates else None


def signal_estimates(name: str, health: ArmHealth | None) -> dict[str, Estimate]:
    """The signal with its bounds, by kind of work; rates have one kind, 'all'."""
    if health is None:
        return {}
    if name == "error_rate":
        return {"all": _rate(health.errors, health.requests)} if health.requests else {}
    if name == "overload_rate":
        total = health.requests + health.overloaded
        return {"all": _rate(health.overloaded, total)} if total else {}
    works = {work: getattr(health, work) for work in WORKS}
    quantile = name.removeprefix("latency_")
    return {work: getattr(found, quantile) for work, found in works.items() if found}


@lru_cache(maxsize=256)  # a look asks for the same rate several times
def _rate(count: int, total: int) -> Estimate:
    # The exact interval: Wilson's lower bound of a rare error is too high too often.
    found = clopper_pearson(count, total, CONFIDENCE)
    return Estimate(found.value, found.low, found.high, total)


def read_guardrail(guardrail: Guardrail, window: GuardrailWindow) -> GuardrailReading:
    """Compare the candidate's signal with the limit; only a judged look moves the strikes."""
    name = guardrail_name(guardrail)
    strikes = window.strikes.get(name, 0)
    if guardrail.max_ratio_to_live is not None and window.no_comparison:
        return GuardrailReading(name, "not applicable", note=window.no_comparison)
    if window.elapsed < guardrail.initial_delay:
        return GuardrailReading(name, "too early", strikes=strikes)
    candidates = signal_estimates(guardrail.signal, window.candidate)
    live = {} if window.no_comparison else signal_estimates(guardrail.signal, window.live)
    readings = [
        _compare(guardrail, candidate, live.get(work), strikes)
        for work, candidate in candidates.items()
    ]
    readings = readings or [_no_data(guardrail, "candidate", 0, strikes)]
    return min(readings, key=lambda reading: _WORST_FIRST.index(reading.outcome))


def _compare(
    guardrail: Guardrail, candidate: Estimate, live: Estimate | None, strikes: int
) -> GuardrailReading:
    """The reading of one kind of work."""
    if candidate.answers < guardrail.min_requests:
        return _no_data(guardrail, "candidate", candidate.answers, strikes)
    has_live = live is not None and live.answers >= guardrail.min_requests
    if guardrail.max_ratio_to_live is not None and not has_live:
        return _no_data(guardrail, "live", live.answers if live else 0, strikes)
    limit, bound, note = _limits(guardrail, candidate, live if has_live else None)
    name, n = guardrail_name(guardrail), candidate.answers
    if candidate.low > bound:
        strikes += 1
        broken = strikes >= guardrail.failure_limit
        return GuardrailReading(
            name, "beyond", candidate.value, bound, candidate.low, strikes, broken, n, note
        )
    compared = [candidate, live] if live and guardrail.max_ratio_to_live else [candidate]
    few = candidate.value > limit and any(one.answers < ENOUGH for one in compared)
    outcome: Outcome = "unclear" if few or note else "within"
    strikes = strikes if outcome == "unclear" else 0
    return GuardrailReading(
        name, outcome, candidate.value, limit, candidate.low, strikes, requests=n, note=note
    )


def _limits(
    guardrail: Guardrail, candidate: Estimate, live: Estimate | None
) -> tuple[float, float, str]:
    """The limit for the value, the one for the bound, and what the live arm has to do with it.

    Where both arms exceed an absolute limit in the same time, the cause is common to both: only
    where the candidate is clearly worse than the live arm is it the candidate's.
    """
    ratio, at_most = guardrail.max_ratio_to_live, guardrail.at_most
    if ratio is not None and live is not None:
        return ratio * live.value, inf if live.high is None else ratio * live.high, ""
    assert at_most is not None
    if live is None or live.value <= at_most or candidate.value <= at_most:
        return at_most, at_most, ""
    high = inf if live.high is None else live.high
    return live.value, high, f"live exceeds {at_most:g} as well"


def _no_data(guardrail: Guardrail, arm: str, answers: int, strikes: int) -> GuardrailReading:
    kind = "generated answers" if guardrail.signal.startswith("latency") else "answers"
    note = f"{answers} of {guardrail.min_requests} {kind} of the {arm} release"
    return GuardrailReading(
        guardrail_name(guardrail), "no data", strikes=strikes, requests=answers, note=note
    )
