"""Rollouts as `tidemill rollout status` shows them: decisions, and what the steps can see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from tidemill.cli._forecast_text import due_line, forecast_lines, unknown_traffic_line
from tidemill.planning.rollout_forecasts import forecast_at, measured_traffic
from tidemill.report.shadow_answers import ShadowFlip, shadow_flips, shadow_sentence
from tidemill.terminal.amounts import format_value

if TYPE_CHECKING:
    from tidemill.adapters.ledger import Ledger
    from tidemill.engine.rollout_forecast import RolloutForecast
    from tidemill.records import RolloutDecisionRecord, RolloutRecord


@dataclass(frozen=True)
class RolloutReport:
    """A rollout with its decisions, and its forecast while it is under way."""

    record: RolloutRecord
    decisions: tuple[RolloutDecisionRecord, ...]
    is_active: bool
    """True where it is not over: it moves, waits, or is watched."""
    metric: str | None = None
    """The rating that judges it."""
    forecast: RolloutForecast | None = None
    """None where it is over, or the traffic is not known."""
    flips: tuple[ShadowFlip, ...] = ()
    """The first requests that a shadow answered differently, as far as they are stored."""

    def to_dict(self) -> dict[str, object]:
        """JSON."""
        return {
            **self.record.to_dict(),
            "decisions": [decision.to_dict() for decision in self.decisions],
            "forecast": self.forecast.to_dict() if self.forecast else None,
            "flips": [asdict(flip) for flip in self.flips],
        }


def rollout_reports(ledger: Ledger, service: str | None, now: datetime) -> list[RolloutReport]:
    """The newest rollouts of one service or of all."""
    return [_report(ledger, record, now) for record in ledger.rollouts.newest(service)]


def rollout_lines(report: RolloutReport) -> Iterator[str]:
    """Its release and state, each decision with its reason, and what comes."""
    record = report.record
    yield f"{record.service} {record.release[7:19]}: {record.state}, {record.percent:g} %"
    for step in report.decisions:
        repeats = f" ({step.repeats} times)" if step.repeats > 1 else ""
        moment = step.decided_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        yield f"  {moment}  {step.decision:<9} {step.reason}{repeats}"
    yield from (f"  {line}" for line in _shadow_lines(report))
    if report.is_active:
        yield from (f"  {line}" for line in _forecast_lines(report))


def _report(ledger: Ledger, record: RolloutRecord, now: datetime) -> RolloutReport:
    decisions = tuple(ledger.rollouts.decisions(record.id))
    flips = tuple(shadow_flips(ledger, decisions))
    is_active = record.rollout_state is not None and record.rollout_state.status in _ACTIVE
    try:
        rollout = record.spec.parse()
    except ValidationError:  # an older version wrote it
        return RolloutReport(record, decisions, is_active=False)
    if not is_active:
        return RolloutReport(record, decisions, is_active, flips=flips)
    metric = rollout.quality.metric if rollout.quality and rollout.mode != "shadow" else None
    forecast = forecast_at(rollout, measured_traffic(rollout, ledger, now))
    return RolloutReport(record, decisions, is_active, metric, forecast, flips)


def _shadow_lines(report: RolloutReport) -> Iterator[str]:
    """What a shadow answered beside the live release, with the first answers that differ."""
    traffic = [text for step in report.decisions[-1:] if (text := shadow_sentence(step))]
    yield from traffic
    for flip in report.flips:
        question, live, shadow = map(format_value, (flip.input, flip.live, flip.candidate))
        yield f"  {flip.response_id}  {question}: {live} → {shadow}"


def _forecast_lines(report: RolloutReport) -> list[str]:
    if report.forecast is None:
        return [unknown_traffic_line([report.record.service])]
    state = report.record.rollout_state
    assert state is not None
    lines = forecast_lines(report.forecast, report.metric)
    if state.status == "watched":
        return lines
    return [*lines[:-1], due_line(report.forecast, state.step, state.step_started)]


_ACTIVE = ("running", "paused", "watched")
