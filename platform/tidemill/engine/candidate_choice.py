"""Which candidate of a fine-tune is taken: in the order of cost, by their validation rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidemill.engine.search import Trial, best_trial
from tidemill.engine.statistics import Interval


@dataclass(frozen=True)
class CandidateResult:
    """One candidate of a fine-tune as it was tried."""

    name: str
    interval: Interval | None
    """The metric on the validation rows, with its bounds; None where the training diverged."""
    seconds: float
    """Spent on training and answering."""

    def to_dict(self, *, chosen: bool) -> dict[str, object]:
        """As a record keeps it."""
        interval = self.interval
        return {
            "name": self.name,
            "value": interval.value if interval else None,
            "low": interval.low if interval else None,
            "high": interval.high if interval else None,
            "rows": interval.rows if interval else 0,
            "seconds": round(self.seconds, 1),
            "chosen": chosen,
        }


def expected_cost(parameters: int, *, takes_steps: bool, epochs: float) -> float:
    """Passes of one row through so many parameters: a head needs one pass, a step three (forwards,
    and twice as much backwards) in each epoch."""
    return parameters * (3 * epochs if takes_steps else 1)


def passes(result: CandidateResult, at_least: float | None, better: str) -> bool:
    """True where even the worse bound of a candidate reaches the limit, as a gate would ask."""
    if at_least is None or result.interval is None:
        return False
    if better == "higher":
        return result.interval.low >= at_least
    return result.interval.high <= at_least


def choose_candidate(
    results: Sequence[CandidateResult], at_least: float | None, better: str
) -> CandidateResult | None:
    """The first that passes where a limit is given, else the best, of equal ones the cheapest; None
    where every training diverged. `results` are in the order of cost."""
    first = next((result for result in results if passes(result, at_least, better)), None)
    if first is not None:
        return first
    trials = [
        Trial(result, result.interval.value if result.interval else None, better)
        for result in results
    ]
    best = best_trial(trials)
    return best.candidate if best else None
