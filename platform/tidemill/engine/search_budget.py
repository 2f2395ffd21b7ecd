"""What a search may spend and has spent: pure accounting of calls, tokens and money.

Every cost is asked for before it arises, at the most it can be, and settled after at what it was.
So a search stops before it would exceed a limit, never after.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tidemill.errors import OverBudget


@dataclass(frozen=True)
class Cost:
    """What something cost, or may cost at most."""

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


NOTHING = Cost()


@dataclass(frozen=True)
class Limits:
    """Hard limits; None where there is none."""

    calls: int | None = None
    tokens: int | None = None
    money: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Purse:
    """The limits, what was spent, and what is kept for the decision at the end."""

    limits: Limits
    spent: Cost = NOTHING
    kept: Cost = NOTHING

    def lacks(self, most: Cost) -> str:
        """The limit that a cost of at most `most` would exceed, in words; empty where it fits."""
        after = self.spent + self.kept + most
        for name in ("calls", "tokens", "money", "seconds"):
            limit, would = getattr(self.limits, name), getattr(after, name)
            if limit is not None and would > limit:
                had = getattr(self.spent, name)
                kept = getattr(self.kept, name)
                reserve = f", {_said(kept)} kept for the decision" if kept else ""
                return f"{name}: {_said(had)} of {_said(limit)} spent{reserve}"
        return ""

    def ask(self, most: Cost) -> None:
        """Raise OverBudget where a cost of at most `most` would exceed a limit."""
        lack = self.lacks(most)
        if lack:
            raise OverBudget(f"the budget of the search is used up ({lack})")

    def pay(self, cost: Cost) -> Purse:
        """The purse after a cost."""
        return replace(self, spent=self.spent + cost)

    def keep(self, cost: Cost) -> Purse:
        """The purse with this much kept back, in place of what was."""
        return replace(self, kept=cost)


def _said(value: float) -> str:
    return f"{value:,.10g}"
