"""What a shadow answered beside the live release, from the numbers of a rollout's decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidemill.engine.shadow_pair import shadow_response_id
from tidemill.records import RolloutDecisionRecord

if TYPE_CHECKING:
    from tidemill.adapters.ledger import Ledger


@dataclass(frozen=True)
class ShadowFlip:
    """A request that a shadow answered differently."""

    response_id: str
    """Of the answer that the user got."""
    input: Mapping[str, object]
    live: str
    candidate: str
    """Labels where the answers have them, else texts."""


def shadow_sentence(decision: RolloutDecisionRecord) -> str:
    """Agreement and metrics of the pairs that it was made on; empty where it has none."""
    numbers = _numbers(decision)
    if not numbers:
        return ""
    share, low, high = (100 * float(numbers[key]) for key in ("agreement", "low", "high"))
    parts = [
        f"{numbers['pairs']:,} answers beside the live ones: {share:.1f} % the same by "
        f"{numbers['basis']} ({low:.1f} to {high:.1f} %)"
    ]
    for metric, values in numbers["metrics"].items():
        parts.append(f"{metric} {values['live']:.3g} live, {values['candidate']:.3g} shadow")
    return "; ".join(parts)


def shadow_flips(
    ledger: Ledger, decisions: Sequence[RolloutDecisionRecord]
) -> Iterator[ShadowFlip]:
    """The flips of the newest decision whose answers the ledger still has."""
    metrics = ledger.service_metrics
    for response_id in _numbers(decisions[-1]).get("flips", ()) if decisions else ():
        live = metrics.inference_record(response_id)
        copy = metrics.inference_record(shadow_response_id(response_id))
        if live is not None and copy is not None:
            texts = (str(side["label"] or side["output"]) for side in (live, copy))
            yield ShadowFlip(response_id, live["input"], *texts)


def _numbers(decision: RolloutDecisionRecord) -> Mapping[str, Any]:
    numbers = (decision.numbers or {}).get("shadow")
    return numbers if isinstance(numbers, Mapping) else {}
