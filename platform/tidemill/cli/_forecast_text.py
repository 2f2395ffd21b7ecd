"""The sentences of a rollout's forecast, which plan, validate, init and rollout status share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tidemill.amounts import format_number
from tidemill.engine.ratings_needed import format_days

if TYPE_CHECKING:
    from tidemill.engine.rollout_forecast import RolloutForecast, StepForecast


def forecast_lines(forecast: RolloutForecast, metric: str | None) -> list[str]:
    """The traffic, each step with what it sees and by when, the watch, and the end."""
    traffic = forecast.traffic
    ratings = f"{_per_day(traffic.ratings_per_day)} ratings"
    source = "measured" if traffic.is_measured else "expected"
    lines = [f"{source}: {_per_day(traffic.requests_per_day)} requests and {ratings} a day"]
    for step in forecast.steps:
        rated = metric if step.percent < 100 else None
        lines.append(f"at {step.percent} %: {_span(step.days)}{_sights(step, rated)}")
    if forecast.watch:
        lines.append(f"watch: {_span(forecast.watch.days)}{_sights(forecast.watch, metric)}")
    if forecast.problem:
        return [*lines, problem_line(forecast)]
    return [*lines, f"the last step is over after {_span(forecast.days)}"]


def problem_line(forecast: RolloutForecast) -> str:
    """Why it does not end by itself, with the way out; empty where it does."""
    return f"cannot finish: {forecast.problem}" if forecast.problem else ""


def due_line(forecast: RolloutForecast, step: int, step_started: datetime) -> str:
    """When the steps from this one on are over; empty where they never are."""
    if forecast.problem:
        return problem_line(forecast)
    days = sum(item.days for item in forecast.steps[max(step, 0) :])
    moment = (step_started + timedelta(days=days)).astimezone(UTC)
    return f"the last step is over about {moment:%Y-%m-%d %H:%M} UTC"


def unknown_traffic_line(services: Sequence[str]) -> str:
    """What is said of services that have measured nothing and whose specs expect nothing."""
    rest = f" and {len(services) - 3} more" if len(services) > 3 else ""
    names = ", ".join(services[:3])
    return (
        f"{names}{rest}: how long a rollout takes is unknown without a day of traffic; say what "
        "you expect by 'traffic: {requests_per_day: 100, rating_rate: 0.05}'"
    )


def _sights(step: StepForecast, metric: str | None) -> str:
    parts = list(_sight_parts(step, metric)) if step.answers else []
    return f"; {', '.join(parts)}" if parts else ""


def _sight_parts(step: StepForecast, metric: str | None) -> Iterator[str]:
    if step.visible_errors is not None:
        yield f"{step.answers:,.0f} answers show an error rate of {100 * step.visible_errors:.2g} %"
    else:
        yield f"{step.answers:,.0f} answers"
    if step.visible_agreement is not None:
        yield f"they show an agreement of {100 * step.visible_agreement:.1f} % to be too low"
    if metric and step.ratings:
        loss = step.visible_loss
        sight = f"a loss of {loss:.2f}" if loss is not None else "no loss"
        yield f"{step.ratings:,.0f} {metric} ratings show {sight}"


def _span(days: float) -> str:
    return format_days(days) if days != float("inf") else "for ever"


def _per_day(rate: float) -> str:
    return format_number(rate)
