"""How many requests and ratings a service gets in a day: measured where it has answered for a day,
else as its rollout's spec expects."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.engine.ratings_needed import WIDEST, RatingRate
from tidemill.spec.rollout import ExpectedTraffic


@dataclass(frozen=True)
class RequestRate:
    """Answers of a service so far; copies for a shadow are not among them."""

    requests: int
    days: float
    """Time since the first of them."""

    @property
    def per_day(self) -> float:
        """How many a day; less than a day counts as a day."""
        return self.requests / max(1.0, self.days)


@dataclass(frozen=True)
class ServiceTraffic:
    """What arrives in a day."""

    requests_per_day: float
    ratings_per_day: float
    """Of all releases together."""
    variance: float = WIDEST
    """Of a rating in 0..1; the largest there is where none has come yet."""
    is_measured: bool = True
    """False for the figures of a spec."""


def service_traffic(
    expected: ExpectedTraffic | None, requests: RequestRate | None, ratings: RatingRate | None
) -> ServiceTraffic | None:
    """Measured requests count from a day on: a first hour is no rate. None where nothing is known.

    A service that was never rated gets the share of ratings that the spec expects.
    """
    is_measured = requests is not None and requests.days >= 1
    if requests is not None and is_measured:
        per_day = requests.per_day
    elif expected is not None:
        per_day = expected.requests_per_day
    else:
        return None
    if is_measured and ratings is not None and ratings.ratings:
        return ServiceTraffic(per_day, ratings.per_day, min(ratings.variance, WIDEST))
    rate = expected.rating_rate if expected is not None else 0.0
    return ServiceTraffic(per_day, per_day * rate, is_measured=is_measured)
