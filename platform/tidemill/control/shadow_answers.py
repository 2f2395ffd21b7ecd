"""The answers of a shadow beside those that users got, from the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tidemill.engine.rollout_state import RolloutState
from tidemill.engine.shadow_pair import ShadowPair
from tidemill.spec.rollout import Rollout

if TYPE_CHECKING:
    from tidemill.adapters.ledger import Ledger

Pairs = Callable[[RolloutState, Rollout], Sequence[ShadowPair]]
"""What both releases answered in a rollout's present step."""


def no_pairs(_state: RolloutState, _rollout: Rollout) -> Sequence[ShadowPair]:
    """For a controller without a ledger of answers."""
    return ()


def shadow_pairs(ledger: Ledger) -> Pairs:
    """Pairs of the present step; none for a mode that copies no request."""

    def pairs(state: RolloutState, rollout: Rollout) -> Sequence[ShadowPair]:
        if rollout.mode != "shadow" or state.live is None or state.step < 0:
            return ()
        return ledger.service_metrics.shadow_pairs(
            rollout.service, state.live, state.candidate, state.step_started
        )

    return pairs
