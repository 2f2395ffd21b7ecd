"""The process that walks releases to their users: looks, decides, acts, and writes it all down.

The ledger says what should be; every tick brings the machine there (processes, traffic shares), so
that a killed controller, model server or gateway costs nothing but the time to come back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from tidemill.adapters.ledger.rollouts import Change, RolloutLedger, Walking
from tidemill.engine.rollout import Advance, advance
from tidemill.engine.sequential import RatingSummary
from tidemill.engine.walk import RolloutState
from tidemill.errors import NeedsApproval, ServiceError, TidemillError
from tidemill.ports import Arm, Clock, Deployer
from tidemill.spec.rollout import Rollout

PATIENCE = 0.3
"""Seconds a tick waits for a release to come up; then it looks again at the next tick."""
ATTEMPTS = 3
"""Starts of a candidate before it is given up."""
log = logging.getLogger(__name__)

Ratings = Callable[[Walking, RolloutState, Rollout], RatingSummary]
Tell = Callable[[Literal["step-advanced", "rolled-back"], Walking, Change], None]


def _no_ratings(_walking: Walking, _state: RolloutState, _rollout: Rollout) -> RatingSummary:
    return RatingSummary()


def _quiet(_what: str, _walking: Walking, _change: Change) -> None:
    return


@dataclass
class Attempt:
    """Bringing one release up."""

    future: Future[Arm] | None = None
    failures: int = 0
    again: datetime | None = None


@dataclass
class Controller:
    """Rollouts of the local driver, one tick at a time."""

    ledger: RolloutLedger
    deployer: Deployer
    clock: Clock
    ratings: Ratings = _no_ratings
    tell: Tell = _quiet
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4))
    _attempts: dict[tuple[str, str], Attempt] = field(default_factory=dict)
    _looked: dict[int, datetime] = field(default_factory=dict)
    _split: dict[str, Any] = field(default_factory=dict)
    _stopped: set[tuple[str, str]] = field(default_factory=set)

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
        walking = self._candidate(service)
        live = self.ledger.serving(service)
        arms = [arm for arm in (self._up(live) if live else None,) if arm]
        if walking is not None:
            walking = self._walk(walking, live, arms)
        self._route(service, live, walking, arms)
        self._clear(service)

    def close(self) -> None:
        """Let starts that run come to their end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _candidate(self, service: str) -> Walking | None:
        """The newest open rollout; older ones have been overtaken."""
        found = self.ledger.open(service)
        for walking in found[:-1]:
            reason = f"overtaken by {found[-1].release[:19]}"
            self._decide(walking, Change("done", reason, state="superseded", percent=0.0))
        return found[-1] if found else None

    def _walk(self, walking: Walking, live: Walking | None, arms: list[Arm]) -> Walking | None:
        """One look at a rollout where one is due; the candidate's arm is added to `arms`."""
        try:
            arm = self._up(walking)
        except ServiceError as error:
            if walking.walk is None or self._attempt(walking).failures >= ATTEMPTS:
                self._decide(walking, Change("roll_back", str(error), "failed", percent=0.0))
                return None
            raise
        if arm is None:
            return walking
        arms.append(arm)
        now = self.clock.now()
        if live is None:
            reason = "the first release of this service: it is ready, and there is none to compare"
            self._decide(walking, Change("done", reason, state="live", percent=100.0))
            return self.ledger.get(walking.id)
        rollout = Rollout.model_validate(walking.spec)
        looked = self._looked.get(walking.id)
        if looked is not None and now - looked < rollout.interval:
            return walking
        self._looked[walking.id] = now
        state = self._state(walking, live, now)
        health = self.deployer.health(walking.service, state.since)
        found = advance(rollout, state, health, self.ratings(walking, state, rollout), now)
        change = change_of(found)
        if change.state == "live":
            change = replace(change, numbers={**change.numbers, "rollback": self._rehearse(live)})
        self._decide(walking, change)
        return self.ledger.get(walking.id)

    def _rehearse(self, former: Walking) -> dict[str, Any]:
        """How long the way back takes: the release that was live stays up and is ready."""
        started = self.clock.now()
        self.deployer.start(former.service, former.release, Path(former.folder))
        seconds = (self.clock.now() - started).total_seconds()
        return {"to": former.release, "seconds": seconds}

    def _state(self, walking: Walking, live: Walking, now: datetime) -> RolloutState:
        """Where it stands; with another live release than at the start it begins anew."""
        if walking.walk is not None and walking.walk["live"] == live.release:
            return RolloutState.read(walking.walk)
        return RolloutState.begin(walking.release, live.release, now)

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
            self.deployer.split(service, shares, shadow=shadow)
            self._split[service] = (shares, shadow)

    def _clear(self, service: str) -> None:
        """Stop releases nobody needs; the last one that was live stays up for a rollback."""
        spared = {walking.release for walking in self.ledger.open(service)}
        spared |= {walking.release for walking in self.ledger.retired(service)[:1]}
        live = self.ledger.serving(service)
        spared |= {live.release} if live else set()
        for walking in self.ledger.newest(service):
            key = (service, walking.release)
            if walking.release in spared:
                self._stopped.discard(key)
            elif key not in self._stopped:
                self.deployer.stop(*key)
                self._stopped.add(key)
                self._attempts.pop(key, None)

    def _up(self, walking: Walking) -> Arm | None:
        """The arm once it is ready, None while it comes up; raises where it cannot."""
        attempt = self._attempt(walking)
        now = self.clock.now()
        if attempt.future is None:
            if attempt.again is not None and now < attempt.again:
                return None
            attempt.future = self._pool.submit(
                self.deployer.start, walking.service, walking.release, Path(walking.folder)
            )
        if not wait([attempt.future], PATIENCE).done:
            return None
        future, attempt.future = attempt.future, None
        try:
            arm = future.result()
        except ServiceError:
            attempt.failures += 1
            attempt.again = now + timedelta(seconds=min(30, 2**attempt.failures))
            raise
        attempt.failures, attempt.again = 0, None
        return arm

    def _attempt(self, walking: Walking) -> Attempt:
        return self._attempts.setdefault((walking.service, walking.release), Attempt())

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
                state, reason = state.approve(by, rollout.approval), f"approved by {by}"
        except NeedsApproval as error:
            reason = str(error)
        self._looked.pop(walking.id, None)
        change = Change("hold", reason, walk=state.record(), command_done=True)
        self._decide(walking, change)

    def _back(self, walking: Walking, by: str) -> None:
        """From the live release to the one before."""
        retired = self.ledger.retired(walking.service)
        if not retired:
            reason = "there is no former release to go back to"
            self._decide(walking, Change("hold", reason, command_done=True))
            return
        started = self.clock.now()
        former = retired[0]
        arm = self.deployer.start(former.service, former.release, Path(former.folder))
        shares = [Arm(arm.release, 100.0, arm.url)]
        self.deployer.split(former.service, shares)
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
