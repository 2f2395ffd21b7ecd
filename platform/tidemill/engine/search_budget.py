"""The budget of a search: limits, costs and reserve in calls, tokens, money and seconds.

Every cost is checked before it arises, at its largest possible value, and booked afterwards at its
real value. So a search stops before it would exceed a limit, never after.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tidemill.errors import OverBudget


@dataclass(frozen=True)
class Cost:
    """A cost, real or largest possible."""

    calls: int = 0
    """Answers of a model, ours or the reflection model's."""
    tokens: int = 0
    """Tokens read and written."""
    money: float = 0.0
    """In the currency of the reflection model's price; our own models cost none."""
    seconds: float = 0.0
    """Machine time (sweeps)."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.calls + other.calls,
            self.tokens + other.tokens,
            self.money + other.money,
            self.seconds + other.seconds,
        )


NO_COST = Cost()


@dataclass(frozen=True)
class Limits:
    """Hard limits; None is no limit."""

    calls: int | None = None
    tokens: int | None = None
    money: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class SearchBudget:
    """The limits, the cost so far, and the reserve for the final comparison."""

    limits: Limits
    spent: Cost = NO_COST
    reserved: Cost = NO_COST

    def exceeded_limit(self, cost: Cost) -> str:
        """The limit that a cost of at most `most` would exceed, in words; empty where it fits."""
        after = self.spent + self.reserved + cost
        for name in ("calls", "tokens", "money", "seconds"):
            limit, would = getattr(self.limits, name), getattr(after, name)
            if limit is not None and would > limit:
                spent = getattr(self.spent, name)
                reserved = getattr(self.reserved, name)
                reserve = (
                    f", {_format_limit(reserved)} reserved for the final comparison"
                    if reserved
                    else ""
                )
                return f"{name}: {_format_limit(spent)} of {_format_limit(limit)} spent{reserve}"
        return ""

    def check(self, cost: Cost) -> None:
        """Raise OverBudget where a cost of at most `most` would exceed a limit."""
        limit = self.exceeded_limit(cost)
        if limit:
            raise OverBudget(f"the search budget is exhausted ({limit})")

    def after(self, cost: Cost) -> SearchBudget:
        """The purse after a cost."""
        return replace(self, spent=self.spent + cost)

    def with_reserve(self, cost: Cost) -> SearchBudget:
        """The purse with this much kept back, in place of what was."""
        return replace(self, reserved=cost)


def _format_limit(value: float) -> str:
    return f"{value:,.10g}"
