"""One turn at a time for each service: a firing, its run, its rollout and their approvals.

While a turn is under way, every trigger of the service waits. What comes in meanwhile makes one
more turn after it: feedback that a turn has built from is used for each trigger whose assets that
turn built as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

TurnState = Literal["needs_approval", "queued", "started", "finished", "failed", "refused"]
_BUILT: tuple[TurnState, ...] = ("queued", "started", "finished")


@dataclass(frozen=True)
class Turn:
    """A turn of a service, as another trigger of that service sees it."""

    name: str
    """How messages call it, such as `the run of 'nightly'`."""
    state: TurnState
    decided_at: datetime
    offsets: Mapping[str, int]
    """Frozen: `topic/partition` → first offset that does not belong."""
    builds_all: bool = False
    """True where it builds everything that the other trigger builds."""


@dataclass(frozen=True)
class OtherTurns:
    """The turns that other triggers, commits and people give the services of one trigger."""

    turns: Sequence[Turn] = ()
    obstacle: str = ""
    """What else has to end first, such as a rollout; empty where nothing has to."""

    @property
    def under_way(self) -> str:
        """Why the trigger has to wait for them; empty where it need not."""
        for turn in self.turns:
            moment = f"of {turn.decided_at:%Y-%m-%d %H:%M} UTC"
            if turn.state in ("queued", "started"):
                return f"{turn.name} {moment} is still under way"
            if turn.state == "needs_approval":
                return f"{turn.name} {moment} waits for an approval"
        return self.obstacle

    @property
    def last_turn(self) -> datetime | None:
        """When the newest turn that built everything of the trigger was decided."""
        return max((turn.decided_at for turn in self._built), default=None)

    def used_offsets(self, topic: str, own: Mapping[str, int] | None) -> dict[str, int]:
        """The offsets up to which the feedback of a topic has been used: by the trigger's own last
        decision, and by turns that built everything of it from that topic."""
        used = dict(own or {})
        for turn in self._built:
            if any(partition.rpartition("/")[0] == topic for partition in turn.offsets):
                for partition, offset in turn.offsets.items():
                    used[partition] = max(offset, used.get(partition, 0))
        return used

    @property
    def _built(self) -> list[Turn]:
        return [turn for turn in self.turns if turn.builds_all and turn.state in _BUILT]
