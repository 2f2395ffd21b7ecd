"""What a planned rollout would do to the traffic of its service, and what its steps can see."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from tidemill.engine.first_release import missing_baseline
from tidemill.engine.ratings_needed import RatingRate, StepEstimate, step_estimates
from tidemill.engine.spec_snapshot import SpecSnapshot
from tidemill.planning.rollout_forecasts import HISTORY_WINDOW, forecast_at, measured_traffic
from tidemill.spec.rollout import RatingQuality, Rollout

if TYPE_CHECKING:
    from tidemill.adapters.ledger import Ledger
    from tidemill.engine.rollout_forecast import RolloutForecast


@dataclass(frozen=True)
class TrafficStep:
    """One step of a rollout."""

    percent: int
    hold: str
    """ISO 8601 duration."""
    min_requests: int
    ratings_within: str
    """Likewise."""


@dataclass(frozen=True)
class QualityLimit:
    """How users' ratings judge the candidate, see `spec.rollout.Quality`."""

    metric: str
    margin: float
    alpha: float
    expected_ratings: int


@dataclass(frozen=True)
class PlannedTraffic:
    """What a rollout would do to the traffic of its service."""

    project: str
    name: str
    service: str
    mode: str
    steps: tuple[TrafficStep, ...]
    quality: QualityLimit | None
    ratings: RatingRate | None
    """How quickly ratings came lately; None where that is not known."""
    waits: tuple[StepEstimate, ...]
    blocked: str | None = None
    """Why the rollout cannot start as it is, with the way out; None where it can."""
    forecast: RolloutForecast | None = None
    """What each step sees and by when; None where the traffic is not known."""

    @property
    def cannot_finish(self) -> bool:
        """True where the rollout does not end by itself at the known traffic."""
        return self.forecast is not None and self.forecast.problem is not None

    def to_dict(self) -> dict[str, object]:
        """JSON."""
        pace = self.ratings
        return {
            **asdict(self),
            "forecast": self.forecast.to_dict() if self.forecast else None,
            "ratings": {**asdict(pace), "per_day": pace.per_day} if pace else None,
        }


def planned_traffic(rollout: SpecSnapshot, ledger: Ledger | None, now: datetime) -> PlannedTraffic:
    """What a rollout of the planned specs would do, at the traffic of its service."""
    fields = rollout.fields
    quality = QualityLimit(**fields["quality"]) if fields.get("quality") else None
    pace = None
    if ledger is not None and quality:
        since = now - HISTORY_WINDOW
        pace = ledger.service_metrics.rating_rate(fields["service"], quality.metric, since, now)
    spec = Rollout.model_validate({k: v for k, v in fields.items() if not k.startswith("@")})
    traffic = PlannedTraffic(
        project=rollout.project,
        name=rollout.name,
        service=fields["service"],
        mode=fields["mode"],
        steps=tuple(TrafficStep(**step.model_dump(mode="json")) for step in spec.steps),
        quality=quality,
        ratings=pace,
        waits=step_estimates(_percents(rollout), _judged_by_ratings(rollout), pace),
        forecast=forecast_at(spec, measured_traffic(spec, ledger, now)),
    )
    live = ledger.rollouts.live_release(traffic.service) if ledger is not None else None
    return replace(traffic, blocked=missing_baseline(traffic)) if live is None else traffic


def _percents(rollout: SpecSnapshot) -> list[int]:
    return [step["percent"] for step in rollout.fields["steps"]]


def _judged_by_ratings(rollout: SpecSnapshot) -> RatingQuality | None:
    """What ratings have to show; None where none count, as nobody sees a shadow's answers."""
    fields = rollout.fields
    quality = fields["quality"] if fields["mode"] != "shadow" else None
    return RatingQuality(**quality) if quality else None
