"""Guardrails: limits on dense signals (errors, latency) that are looked at again and again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, Protocol

from tidemill.spec.rollout import Guardrail

Outcome = Literal["within", "beyond", "no data", "too early", "not applicable"]


class HealthLike(Protocol):
    """What one arm did in a stretch of time; `tidemill.ports.ArmHealth` is one."""

    @property
    def requests(self) -> int:
        """Number of requests."""

    @property
    def errors(self) -> int:
        """Number of requests that failed."""

    @property
    def latency_p50(self) -> float | None:
        """Median seconds of a request; None where no latency is known."""

    @property
    def latency_p95(self) -> float | None:
        """95th percentile of the seconds of a request; None where no latency is known."""


@dataclass(frozen=True)
class GuardrailReading:
    """One guardrail at one look."""

    name: str
    outcome: Outcome
    value: float | None = None
    limit: float | None = None
    strikes: int = 0
    """Looks in a row beyond the limit, this one included."""
    broken: bool = False
    """True where the strikes reached the guardrail's `failure_limit`."""
    requests: int = 0

    def __str__(self) -> str:
        if self.value is None or self.limit is None:
            return f"{self.name}: {self.outcome}"
        sign = ">" if self.outcome == "beyond" else "<="
        return f"{self.name}: {self.value:.4g} {sign} {self.limit:.4g}"


@dataclass(frozen=True)
class GuardrailWindow:
    """What a look goes by."""

    candidate: HealthLike | None
    live: HealthLike | None
    """None where the live arm is silent."""
    no_live_release: bool
    """True where there is no live release at all."""
    elapsed: timedelta
    """Time since the step's start."""
    last_live_signals: Mapping[str, float] = field(default_factory=dict)
    """The live arm's last signals, for the steps in which it has no traffic."""
    strikes: Mapping[str, int] = field(default_factory=dict)


def guardrail_name(guardrail: Guardrail) -> str:
    """`latency_p95 at most 0.8`: how decisions call a guardrail."""
    if guardrail.at_most is not None:
        return f"{guardrail.signal} at most {guardrail.at_most:g}"
    return f"{guardrail.signal} at most {guardrail.max_ratio_to_live:g} times live"


def signal(name: str, health: HealthLike | None, least: int = 1) -> float | None:
    """The value of a signal; None where fewer than `least` answers carry it."""
    if health is None or health.requests < max(least, 1):
        return None
    if name == "error_rate":
        return health.errors / health.requests
    value: float | None = getattr(health, name)
    return value


def read_guardrail(guardrail: Guardrail, window: GuardrailWindow) -> GuardrailReading:
    """Compare the candidate's signal with the limit; without data the strikes stay as they were."""
    name = guardrail_name(guardrail)
    strikes = window.strikes.get(name, 0)
    if guardrail.max_ratio_to_live is not None and window.no_live_release:
        return GuardrailReading(name, "not applicable")
    if window.elapsed < guardrail.initial_delay:
        return GuardrailReading(name, "too early", strikes=strikes)
    value = signal(guardrail.signal, window.candidate, guardrail.min_requests)
    limit = _limit(guardrail, window)
    requests = window.candidate.requests if window.candidate else 0
    if value is None or limit is None:
        return GuardrailReading(name, "no data", value, limit, strikes, requests=requests)
    if value <= limit:
        return GuardrailReading(name, "within", value, limit, 0, requests=requests)
    strikes += 1
    broken = strikes >= guardrail.failure_limit
    return GuardrailReading(name, "beyond", value, limit, strikes, broken, requests)


def _limit(guardrail: Guardrail, window: GuardrailWindow) -> float | None:
    if guardrail.max_ratio_to_live is None:
        return guardrail.at_most
    live = signal(guardrail.signal, window.live, guardrail.min_requests)
    if live is None:
        live = window.last_live_signals.get(guardrail.signal)
    return None if live is None else live * guardrail.max_ratio_to_live
