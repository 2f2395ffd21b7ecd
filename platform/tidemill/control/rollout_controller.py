"""The process that walks releases to their users: looks, decides, acts, and writes it all down.

The ledger says what should be; every tick brings the machine there (processes, traffic shares), so
that a killed controller, model server or gateway costs nothing but the time to come back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from tidemill.adapters.ledger.rollouts import Change, RolloutLedger, Walking
from tidemill.control.approvals import Agreement
from tidemill.control.deployer_choice import Elsewhere, driver, kept, mismatch, no_cluster
from tidemill.control.release_starts import Starts
from tidemill.engine.approval import Identity, refusal
from tidemill.engine.rollout import Advance, advance
from tidemill.engine.rollout_state import RolloutState
from tidemill.engine.sequential import RatingSummary
from tidemill.errors import NeedsApproval, ServiceError, TidemillError
from tidemill.ports import Arm, Clock, Deployer
from tidemill.spec.rollout import Rollout

ATTEMPTS = 3
"""Starts of a candidate before it is given up."""
_NO_FORMER = "there is no former release to go back to"
log = logging.getLogger(__name__)

Ratings = Callable[[Walking, RolloutState, Rollout], RatingSummary]
Tell = Callable[[Literal["step-advanced", "rolled-back"], Walking, Change], None]


def _no_ratings(_walking: Walking, _state: RolloutState, _rollout: Rollout) -> RatingSummary:
    return RatingSummary()


def _leave(_walking: Walking) -> None:
    return


def _quiet(_what: str, _walking: Walking, _change: Change) -> None:
    return


@dataclass
class Controller:
    """Rollouts of every driver, one tick at a time."""

    ledger: RolloutLedger
    deployer: Deployer
    """Where `driver: local` runs."""
    clock: Clock
    ratings: Ratings = _no_ratings
    tell: Tell = _quiet
    elsewhere: Elsewhere = no_cluster
    """Where the other drivers run."""
    agreement: Agreement | None = None
    """What people agreed to; without it only `rollout promote` agrees."""
    forget: Callable[[Walking], None] = _leave
    """Clears away what a former release needed, once it is not kept ready any more."""
    _starts: Starts = field(init=False)
    _looked: dict[int, datetime] = field(default_factory=dict)
    _split: dict[str, Any] = field(default_factory=dict)
    _stopped: set[tuple[str, str]] = field(default_factory=set)
    _forgotten: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._starts = Starts(self.clock)

    def tick(self) -> None:
        """Tend every service; what goes wrong with one does not stop the others."""
        for service in self.ledger.services():
            try:
                self.tend(service)
            except TidemillError as error:
                log.warning("%s: %s", service, error)
            except Exception:
                log.exception("%s: this is a bug", service)

    def tend(self, service: str) -> None:
        """Do what persons asked for, bring the machine where the ledger is, look at rollouts."""
        self._commands(service)
        live = self.ledger.serving(service)
        walking = self._reachable(self._candidate(service), live)
        if live is not None and not isinstance(self._place(live), str):
            arms = [arm for arm in (self._up(live),) if arm]
            self._tend(service, live, walking, arms)
        elif walking is not None and live is None:
            self._tend(service, None, walking, [])

    def close(self) -> None:
        """Let starts that run come to their end."""
        self._starts.close()

    def _tend(
        self, service: str, live: Walking | None, walking: Walking | None, arms: list[Arm]
    ) -> None:
        if walking is not None:
            walking = self._walk(walking, live, arms)
        self._route(service, live, walking, arms)
        self._clear(service)

    def _candidate(self, service: str) -> Walking | None:
        """The newest open rollout; older ones have been overtaken."""
        found = self.ledger.open(service)
        for walking in found[:-1]:
            reason = f"overtaken by {found[-1].release[:19]}"
            self._decide(walking, Change("done", reason, state="superseded", percent=0.0))
        return found[-1] if found else None

    def _reachable(self, walking: Walking | None, live: Walking | None) -> Walking | None:
        """The candidate where its driver can bring it out; else it waits and says why."""
        if walking is None:
            return None
        place = self._place(walking)
        why = place if isinstance(place, str) else mismatch(walking, live)
        if why is None:
            return walking
        if walking.reason != why:
            self._decide(walking, Change("hold", why))
        return None

    def _place(self, walking: Walking) -> Deployer | str:
        """What deploys a rollout, or why nothing does."""
        return self.deployer if driver(walking) == "local" else self.elsewhere(walking.spec)

    def _deployer(self, walking: Walking) -> Deployer:
        place = self._place(walking)
        if isinstance(place, str):
            raise ServiceError(f"{walking.service}: {place}")
        return place

    def _up(self, walking: Walking) -> Arm | None:
        return self._starts.up(walking, self._deployer(walking))

    def _walk(self, walking: Walking, live: Walking | None, arms: list[Arm]) -> Walking | None:
        """One look at a rollout where one is due; the candidate's arm is added to `arms`."""
        if live is None and self._unapproved(walking):
            return walking
        try:
            arm = self._up(walking)
        except ServiceError as error:
            if walking.walk is None or self._starts.failures(walking) >= ATTEMPTS:
                self._decide(walking, Change("roll_back", str(error), "failed", percent=0.0))
                return None
            raise
        if arm is None:
            return walking
        arms.append(arm)
        if live is None:
            reason = "the first release of this service: it is ready, and there is none to compare"
            self._decide(walking, Change("done", reason, state="live", percent=100.0))
            return self.ledger.get(walking.id)
        rollout = Rollout.model_validate(walking.spec)
        now = self.clock.now()
        if not self._due(walking, rollout, now):
            return walking
        state = self._agreed(walking, rollout, self._state(walking, live, now))
        health = self._deployer(walking).health(walking.service, state.since)
        found = advance(rollout, state, health, self.ratings(walking, state, rollout), now)
        change = change_of(found)
        if change.state == "live" and driver(walking) == "local":
            change = replace(change, numbers={**change.numbers, "rollback": self._rehearse(live)})
        self._decide(walking, change)
        return self.ledger.get(walking.id)

    def _due(self, walking: Walking, rollout: Rollout, now: datetime) -> bool:
        looked = self._looked.get(walking.id)
        if looked is not None and now - looked < rollout.interval:
            return False
        self._looked[walking.id] = now
        return True

    def _unapproved(self, walking: Walking) -> bool:
        """True while the first release of a service waits for a person; a later one asks step by
        step."""
        rollout, now = Rollout.model_validate(walking.spec), self.clock.now()
        limit = rollout.approval.before_percent or 0 if rollout.approval else 100
        if limit >= 100:
            return False
        state = self._state(walking, None, now)
        if state.approved_by is None and self._due(walking, rollout, now):
            state = self._agreed(walking, rollout, state)
            if state.approved_by is None:
                who = " or ".join(rollout.approval.by if rollout.approval else ()) or "somebody"
                reason = f"{who} has to approve the first release before it gets traffic"
            else:
                reason = f"approved by {state.approved_by}"
            waits = state.approved_by is None
            decision = "ask" if waits else "hold"
            self._decide(walking, Change(decision, reason, walk=state.record(), waits=waits))
        return state.approved_by is None

    def _agreed(self, walking: Walking, rollout: Rollout, state: RolloutState) -> RolloutState:
        """The state with what people agreed to since the last look."""
        asks = walking.waits or (rollout.approval is not None and state.approved_by is None)
        if self.agreement is None or not asks:
            return state
        try:
            given = self.agreement.given(walking, rollout)
        except TidemillError as error:  # guardrails are looked at all the same
            log.warning("%s: who agreed cannot be read now: %s", walking.service, error)
            return state
        if given and state.approved_by is None:
            state = replace(state, approved_by=given[0].who)
        here = [consent for consent in given if consent.step == state.step >= 0]
        return state.agreed(here[-1].who) if here else state

    def _rehearse(self, former: Walking) -> dict[str, Any]:
        """How long the way back takes: the release that was live stays up and is ready."""
        started = self.clock.now()
        self.deployer.start(former.service, former.release, Path(former.folder))
        seconds = (self.clock.now() - started).total_seconds()
        return {"to": former.release, "seconds": seconds}

    def _state(self, walking: Walking, live: Walking | None, now: datetime) -> RolloutState:
        """Where it stands; with another live release than at the start it begins anew."""
        digest = live.release if live else None
        if walking.walk is not None and walking.walk["live"] == digest:
            return RolloutState.read(walking.walk)
        return RolloutState.begin(walking.release, digest, now)

    def _route(
        self, service: str, live: Walking | None, walking: Walking | None, arms: list[Arm]
    ) -> None:
        """Bring the traffic shares where the ledger is."""
        url = {arm.release: arm.url for arm in arms}
        live = self.ledger.serving(service) if live is None or walking is None else live
        walking = None if walking is None or walking.state != "running" else walking
        if walking is None:
            live = self.ledger.serving(service)
        if live is None or live.release not in url:
            return
        shadow = bool(walking and walking.spec.get("mode") == "shadow")
        percent = walking.percent if walking and not shadow else 0.0
        shares = [Arm(live.release, 100.0 - percent, url[live.release])]
        if walking is not None and walking.release in url:
            shares.append(Arm(walking.release, percent, url[walking.release]))
        if self._split.get(service) != (shares, shadow):
            self._deployer(walking or live).split(service, shares, shadow=shadow)
            self._split[service] = (shares, shadow)

    def _clear(self, service: str) -> None:
        """Stop releases nobody needs, and let go of what is beyond `keep_versions`.

        Of the former releases that are kept ready the newest stays up; the others need their
        folders alone.
        """
        live, retired = self.ledger.serving(service), self.ledger.retired(service)
        ready = kept(live, retired)
        needed = {walking.release for walking in self.ledger.open(service)}
        needed |= {live.release} if live else set()
        spared = needed | {walking.release for walking in ready[:1]}
        for walking in self.ledger.newest(service):
            key = (service, walking.release)
            if walking.release in spared:
                self._stopped.discard(key)
            elif key not in self._stopped and not isinstance(self._place(walking), str):
                self._deployer(walking).stop(*key)
                self._stopped.add(key)
                self._starts.forget(*key)
        needed |= {walking.release for walking in ready}
        for walking in retired:
            if live and walking.release not in needed and walking.id not in self._forgotten:
                self.forget(walking)
                self._forgotten.add(walking.id)

    def _commands(self, service: str) -> None:
        """Do what persons asked for."""
        for walking in [*self.ledger.open(service), self.ledger.serving(service)]:
            if walking is None or not walking.command:
                continue
            do, by = walking.command["do"], walking.command["by"]
            if walking.state == "live":
                self._back(walking, by)
            elif do == "rollback":
                change = Change("roll_back", f"rolled back by {by}", "rolled_back", 0.0)
                self._decide(walking, replace(change, command_done=True))
            elif walking.walk is not None:
                self._told(walking, do, by)

    def _told(self, walking: Walking, do: str, by: str) -> None:
        """Pause, resume or agree."""
        rollout = Rollout.model_validate(walking.spec)
        assert walking.walk is not None
        state = RolloutState.read(walking.walk)
        try:
            if do == "pause":
                state, reason = state.pause(), f"paused by {by}"
            elif state.status == "paused":
                state, reason = state.resume(self.clock.now()), f"resumed by {by}"
            else:
                state, reason = self._promoted(walking, rollout, state, by)
        except NeedsApproval as error:
            reason = str(error)
        self._looked.pop(walking.id, None)
        change = Change("hold", reason, walk=state.record(), command_done=True)
        self._decide(walking, change)

    def _promoted(
        self, walking: Walking, rollout: Rollout, state: RolloutState, by: str
    ) -> tuple[RolloutState, str]:
        """`rollout promote` where a rollout asks: an approval like any other, without a signature.

        Raises NeedsApproval where this person may not.
        """
        identity = Identity(by)
        if self.agreement is None:
            why_not = refusal(identity, rollout.approval, authors=None)
        else:
            why_not = self.agreement.refusal(identity, rollout.approval, walking.release)
        if why_not:
            raise NeedsApproval(why_not)
        if self.agreement is not None:
            self.agreement.promoted(walking, by)
        return state.agreed(by), f"approved by {by}"

    def _back(self, walking: Walking, by: str) -> None:
        """From the live release to the one before."""
        ready = kept(walking, self.ledger.retired(walking.service))
        place = self._place(walking)
        if not ready or isinstance(place, str):
            reason = place if isinstance(place, str) else _NO_FORMER
            self._decide(walking, Change("hold", reason, command_done=True))
            return
        started = self.clock.now()
        former = ready[0]
        arm = place.start(former.service, former.release, Path(former.folder))
        shares = [Arm(arm.release, 100.0, arm.url)]
        place.split(former.service, shares)
        self._split[former.service] = (shares, False)
        now = self.clock.now()
        numbers = {"seconds": (now - started).total_seconds(), "from": walking.release}
        change = Change("roll_back", f"rolled back by {by}", numbers=numbers, percent=100.0)
        self.ledger.revived(former.id, change, now)
        self.ledger.decided(walking.id, Change("roll_back", change.reason, command_done=True), now)
        self.tell("rolled-back", walking, change)

    def _decide(self, walking: Walking, change: Change) -> None:
        self.ledger.decided(walking.id, change, self.clock.now())
        if change.decision != "hold":
            log.info("%s %s: %s", walking.service, walking.release[:19], change.reason)
        if change.decision in ("promote", "done"):
            self.tell("step-advanced", walking, change)
        elif change.decision == "roll_back":
            self.tell("rolled-back", walking, change)


def change_of(found: Advance) -> Change:
    """What a look changes in the ledger."""
    over = {"live": "live", "ended": "ended", "rolled_back": "rolled_back"}
    state: Any = over.get(found.state.status, "running")
    return Change(
        found.decision,
        found.reason,
        state=state,
        percent=float(found.percent),
        walk=found.state.record(),
        waits=found.decision == "ask",
        numbers=found.numbers,
    )
