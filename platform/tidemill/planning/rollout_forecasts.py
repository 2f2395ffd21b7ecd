"""The forecast of a rollout at the traffic its service had lately, or that its spec expects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidemill.engine.service_traffic import ServiceTraffic, service_traffic
from tidemill.errors import TidemillError
from tidemill.settings import Settings
from tidemill.spec.rollout import Rollout

if TYPE_CHECKING:
    from tidemill.adapters.ledger import Ledger
    from tidemill.engine.rollout_forecast import RolloutForecast
    from tidemill.spec.load import LoadedSpec, Workspace

HISTORY_WINDOW = timedelta(days=28)
"""Requests and ratings of this time say how quickly they come."""


@dataclass(frozen=True)
class ForecastSpec:
    """A Rollout spec with its forecast."""

    rollout: Rollout
    loaded: LoadedSpec
    forecast: RolloutForecast | None
    """None where the traffic is not known."""

    @property
    def metric(self) -> str | None:
        """The rating that judges; None where none does."""
        quality = self.rollout.quality
        return quality.metric if quality and self.rollout.mode != "shadow" else None

    def to_dict(self) -> dict[str, object]:
        """JSON."""
        forecast = self.forecast.to_dict() if self.forecast else None
        return {
            "name": self.rollout.name,
            "service": self.rollout.service,
            "forecast": forecast,
        }


def workspace_forecasts(
    workspace: Workspace, ledger: Ledger | None, now: datetime
) -> Iterator[ForecastSpec]:
    """Of every rollout of a workspace, in the order of its projects."""
    for project in workspace.projects.values():
        for loaded in project.specs.values():
            if isinstance(loaded.spec, Rollout):
                traffic = measured_traffic(loaded.spec, ledger, now)
                yield ForecastSpec(loaded.spec, loaded, forecast_at(loaded.spec, traffic))


def open_ledger(settings: Settings) -> Ledger | None:
    """The ledger of a home; None where none was made, or where it cannot be read now."""
    if not settings.has_ledger:
        return None
    from tidemill.adapters.ledger import Ledger

    try:
        return Ledger.open(settings.ledger_url)
    except TidemillError:
        return None


def forecast_at(rollout: Rollout, traffic: ServiceTraffic | None) -> RolloutForecast | None:
    """The forecast at a traffic; None where that is not known."""
    if traffic is None:
        return None
    from tidemill.engine.rollout_forecast import rollout_forecast  # with numpy

    return rollout_forecast(rollout, traffic)


def measured_traffic(
    rollout: Rollout, ledger: Ledger | None, now: datetime
) -> ServiceTraffic | None:
    """What was measured in the last 28 days; else what the spec expects, if anything."""
    if ledger is None:
        return service_traffic(rollout.traffic, None, None)
    since, metrics = now - HISTORY_WINDOW, ledger.service_metrics
    quality = rollout.quality
    requests = metrics.request_rate(rollout.service, since, now)
    ratings = metrics.rating_rate(rollout.service, quality.metric, since, now) if quality else None
    return service_traffic(rollout.traffic, requests, ratings)
