"""The process that walks releases to their users: it asks `advance`, acts, and writes it all down.

What happens to a rollout is decided in `engine/rollout.py` (looks) and in
`engine/rollout_commands.py` (persons, newer releases, failed starts); here it is carried out. The
ledger says what should be; every tick brings the machine there (processes, traffic shares), so that
a killed controller, model server or gateway costs nothing but the time to come back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from tidemill.control.approvals import Agreement
from tidemill.control.deployer_choice import (
    Elsewhere,
    mismatch,
    no_cluster,
    retired_limit,
    rollback_targets,
)
from tidemill.control.release_starts import Starts
from tidemill.control.rollout_events import Tell
from tidemill.control.rollout_updates import change_of, unwatched
from tidemill.control.shadow_answers import Pairs, no_pairs
from tidemill.engine.approval import Identity, refusal_reason
from tidemill.engine.rollout import Advance, advance
from tidemill.engine.rollout_commands import STARTING, Command, give_up_start, hold, obey, supersede
from tidemill.engine.rollout_state import RolloutState
from tidemill.engine.sequential import RatingSummary
from tidemill.errors import ServiceError, TidemillError
from tidemill.ports import Arm, Clock, Deployer, RolloutStore
from tidemill.records import RolloutRecord, RolloutUpdate
from tidemill.spec.rollout import Rollout

_NO_FORMER = "no previous release to roll back to"
log = logging.getLogger(__name__)

Ratings = Callable[[RolloutRecord, RolloutState, Rollout], RatingSummary]


def _no_ratings(_row: RolloutRecord, _state: RolloutState, _rollout: Rollout) -> RatingSummary:
    return RatingSummary()


def _leave(_row: RolloutRecord) -> None:
    return


def _quiet(_row: RolloutRecord, _change: RolloutUpdate) -> None:
    return


@dataclass(kw_only=True)
class Controller:
    """Rollouts of every driver, one tick at a time."""

    ledger: RolloutStore
    deployer: Deployer
    """Where `driver: local` runs."""
    clock: Clock
    ratings: Ratings = _no_ratings
    pairs: Pairs = no_pairs
    """What a shadow and the live release answered in this step."""
    tell: Tell = _quiet
    elsewhere: Elsewhere = no_cluster
    """Where the other drivers run."""
    agreement: Agreement | None = None
    """What people agreed to; without it only `rollout promote` agrees."""
    forget: Callable[[RolloutRecord], None] = _leave
    """Clears away what a former release needed, once it is not kept ready any more."""
    _starts: Starts = field(init=False)
    _analysed_at: dict[int, datetime] = field(default_factory=dict)
    _traffic: dict[str, tuple[list[Arm], bool]] = field(default_factory=dict)
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
        live = self.ledger.live_rollout(service)
        if self._run_commands(service, live):
            live = self.ledger.live_rollout(service)
        candidate = self._deployable(self._candidate(service, live), live)
        arms: list[Arm] = []
        if live is not None:
            if isinstance(self._place(live), str):
                return
            arms += self._start(live)
            if self._watch(live):  # another release is live now: the next tick begins with it
                return
        elif candidate is None:
            return
        if candidate is not None:
            candidate = self._analyse(candidate, live, arms)
        self._set_traffic(service, candidate, arms)
        self._stop_unused(service)

    def close(self) -> None:
        """Let starts that run come to their end."""
        self._starts.close()

    def _candidate(self, service: str, live: RolloutRecord | None) -> RolloutRecord | None:
        """The newest open rollout; older ones have been overtaken."""
        rows = self.ledger.in_progress(service)
        for row in rows[:-1]:
            self._record(row, supersede(self._state(row, live), rows[-1].release))
        return rows[-1] if rows else None

    def _deployable(
        self, row: RolloutRecord | None, live: RolloutRecord | None
    ) -> RolloutRecord | None:
        """The candidate where its driver can bring it out; else it waits and says why."""
        if row is None:
            return None
        deployer = self._place(row)
        reason = deployer if isinstance(deployer, str) else mismatch(row, live)
        if reason is None:
            return row
        if row.reason != reason:
            self._record(row, hold(self._state(row, live), row.percent, reason, stalled=True))
        return None

    def _place(self, row: RolloutRecord) -> Deployer | str:
        """What deploys a rollout, or why nothing does."""
        return self.deployer if row.spec.driver == "local" else self.elsewhere(row.spec)

    def _deployer(self, row: RolloutRecord) -> Deployer:
        deployer = self._place(row)
        if isinstance(deployer, str):
            raise ServiceError(f"{row.service}: {deployer}")
        return deployer

    def _start(self, row: RolloutRecord) -> list[Arm]:
        """The release's arm; none while it comes up."""
        arm = self._starts.up(row, self._deployer(row))
        return [arm] if arm else []

    def _watch(self, live: RolloutRecord) -> bool:
        """Look at a live release that is watched still; True where it went back to the one
        before."""
        if live.rollout_state is None or live.rollout_state.status != "watched":
            return False
        rollout = live.spec.parse()
        if not self._is_due(live, rollout):
            return False
        state = self._with_approvals(live, rollout, live.rollout_state)
        decision = self._look(live, rollout, state)
        if decision.decision == "roll_back":
            return self._restore_former(live, decision)
        self._record_look(live, decision)
        return False

    def _analyse(
        self, row: RolloutRecord, live: RolloutRecord | None, arms: list[Arm]
    ) -> RolloutRecord:
        """Do what `advance` says where a look is due; the candidate's arm is added to `arms`.

        A rollout is looked at before its release starts: one that has to wait takes no memory, and
        on a cluster a first release that starts has the traffic.
        """
        rollout, state = row.spec.parse(), self._state(row, live)
        due, decision = self._is_due(row, rollout), None
        if due:
            state = self._with_approvals(row, rollout, state)
        if state.step < 0:
            if not due:
                return row
            decision = self._look(row, rollout, state)
            if decision.state.step < 0:
                return self._record_look(row, decision)
        try:
            started = self._start(row)
        except ServiceError as error:
            end = give_up_start(state, self._starts.failures(row), str(error))
            if end is None:
                raise
            return self._record(row, end)
        arms += started
        if not started and decision is not None and row.reason != STARTING:
            return self._record(row, hold(state, row.percent, STARTING))
        if not started or not due:
            return row
        decision = decision or self._look(row, rollout, state)
        return self._record_look(row, self._with_rehearsal(row, live, decision))

    def _look(self, row: RolloutRecord, rollout: Rollout, state: RolloutState) -> Advance:
        """What `advance` says now. Nothing is asked of the arms before the first step."""
        begun = state.step >= 0
        health = self._deployer(row).health(row.service, state.since) if begun else {}
        answers = self.ratings(row, state, rollout), self.clock.now(), self.pairs(state, rollout)
        return advance(rollout, state, health, *answers)

    def _is_due(self, row: RolloutRecord, rollout: Rollout) -> bool:
        last = self._analysed_at.get(row.id)
        return last is None or self.clock.now() - last >= rollout.interval

    def _with_approvals(
        self, row: RolloutRecord, rollout: Rollout, state: RolloutState
    ) -> RolloutState:
        """The state with what people agreed to since the last look."""
        asks = row.awaits_person or (rollout.approval is not None and state.approved_by is None)
        if self.agreement is None or not asks:
            return state
        try:
            approvals = self.agreement.valid_approvals(row, rollout)
        except TidemillError as error:  # guardrails are looked at all the same
            log.warning("%s: approvals cannot be read: %s", row.service, error)
            return state
        if approvals and state.approved_by is None:
            state = replace(state, approved_by=approvals[0].principal)
        in_step = [approval for approval in approvals if approval.step == state.step >= 0]
        return state.approve(in_step[-1].principal) if in_step else state

    def _with_rehearsal(
        self, row: RolloutRecord, live: RolloutRecord | None, decision: Advance
    ) -> Advance:
        """With the seconds that the way back takes: the release that was live stays up and is
        ready."""
        promoted = decision.state.status in ("live", "watched")
        if live is None or not promoted or row.spec.driver != "local":
            return decision
        began = self.clock.now()
        self.deployer.start(live.service, live.release, Path(live.release_folder))
        seconds = (self.clock.now() - began).total_seconds()
        rollback = {"to": live.release, "seconds": seconds}
        return replace(decision, numbers={**decision.numbers, "rollback": rollback})

    def _state(self, row: RolloutRecord, live: RolloutRecord | None) -> RolloutState:
        """Where it stands; with another live release than at the start it begins anew."""
        digest = live.release if live else None
        if row.rollout_state is not None and row.rollout_state.live == digest:
            return row.rollout_state
        return RolloutState.begin(row.release, digest, self.clock.now())

    def _set_traffic(self, service: str, candidate: RolloutRecord | None, arms: list[Arm]) -> None:
        """Bring the traffic shares where the ledger is."""
        url = {arm.release: arm.url for arm in arms}
        live = self.ledger.live_rollout(service)
        if live is None or live.release not in url:
            return
        running = candidate if candidate is not None and candidate.state == "running" else None
        shares = [Arm(live.release, 100.0, url[live.release])]
        shadow = running is not None and running.spec.is_shadow
        if running is not None and running.release in url:
            percent = 0.0 if shadow else running.percent
            shares = [
                replace(shares[0], percent=100.0 - percent),
                Arm(running.release, percent, url[running.release]),
            ]
        if self._traffic.get(service) != (shares, shadow):
            self._deployer(running or live).set_traffic(service, shares, shadow=shadow)
            self._traffic[service] = (shares, shadow)

    def _stop_unused(self, service: str) -> None:
        """Stop releases nobody needs, and let go of what is beyond `keep_versions`.

        Of the former releases that are kept ready the newest stays up; the others need their
        folders alone.
        """
        live = self.ledger.live_rollout(service)
        retired = self.ledger.retired_rollouts(service, retired_limit(live))
        ready = rollback_targets(live, retired)
        needed = {row.release for row in self.ledger.in_progress(service)}
        needed |= {live.release} if live else set()
        spared = needed | {row.release for row in ready[:1]}
        for row in self.ledger.newest(service):
            key = (service, row.release)
            if row.release in spared:
                self._stopped.discard(key)
            elif key not in self._stopped and not isinstance(self._place(row), str):
                self._deployer(row).stop(*key)
                self._stopped.add(key)
                self._starts.forget(*key)
        needed |= {row.release for row in ready}
        for row in retired:
            if live and row.release not in needed and row.id not in self._forgotten:
                self.forget(row)
                self._forgotten.add(row.id)

    def _run_commands(self, service: str, live: RolloutRecord | None) -> bool:
        """Do what persons asked for; True where there was something to do."""
        rows = [row for row in (*self.ledger.in_progress(service), live) if row and row.command]
        for row in rows:
            assert row.command is not None
            command, by = row.command.action, row.command.by
            if row.state == "live" and command == "rollback":
                self._restore_former(row, self._rolled_back_by(row, by))
            else:
                self._run_command(row, live, command, by)
        return bool(rows)

    def _run_command(
        self, row: RolloutRecord, live: RolloutRecord | None, command: Command, by: str
    ) -> None:
        """Pause, resume, approve or roll back a candidate, or accept a watched live release.

        `rollout promote` where a rollout asks is an approval like any other, without a signature.
        """
        state = row.rollout_state or self._state(row, live)
        approves = command == "promote" and state.status != "paused"
        why_not = self._refusal(row, by) if approves else None
        if approves and why_not is None and self.agreement is not None:
            self.agreement.approve_by_promote(row, by)
        now = self.clock.now()
        decision = obey(state, command, by, row.percent, now, refusal=why_not)
        self._record(row, decision, command_done=True)
        self._analysed_at.pop(row.id, None)

    def _refusal(self, row: RolloutRecord, by: str) -> str | None:
        """Why this person may not approve; None where they may."""
        identity, approval = Identity(by), row.spec.parse().approval
        if self.agreement is None:
            return refusal_reason(identity, approval, authors=None)
        return self.agreement.refusal(identity, approval, row.release)

    def _rolled_back_by(self, live: RolloutRecord, by: str) -> Advance:
        """The end of a live release that a person takes back."""
        state = live.rollout_state or self._state(live, None)
        return obey(state, "rollback", by, live.percent, self.clock.now())

    def _restore_former(self, live: RolloutRecord, decision: Advance) -> bool:
        """Go from the live release to the one before, as `decision` says; False where there is
        none: then the traffic stays, and a person is asked what a watch cannot do."""
        retired = self.ledger.retired_rollouts(live.service, retired_limit(live))
        ready = rollback_targets(live, retired)
        deployer = self._place(live)
        if not ready or isinstance(deployer, str):
            self._stay(live, decision, deployer if isinstance(deployer, str) else _NO_FORMER)
            return False
        began = self.clock.now()
        former = ready[0]
        arm = deployer.start(former.service, former.release, Path(former.release_folder))
        shares = [Arm(arm.release, 100.0, arm.url)]
        deployer.set_traffic(former.service, shares)
        self._traffic[former.service] = (shares, False)
        now = self.clock.now()
        numbers = {"seconds": (now - began).total_seconds(), "from": live.release}
        restored = RolloutUpdate(
            "roll_back",
            decision.reason,
            percent=100.0,
            rollout_state=unwatched(former.rollout_state),
            numbers=numbers,
        )
        self.ledger.restore_release(former.id, restored, now)
        change = change_of(decision, live.state, command_done=live.command is not None)
        self.ledger.record_decision(live.id, change, now)
        log.info("%s %s: %s", live.service, live.release[:19], decision.reason)
        self.tell(live, restored)
        return True

    def _stay(self, live: RolloutRecord, decision: Advance, why_not: str) -> None:
        """The live release cannot go back."""
        by_person = live.command is not None
        change = RolloutUpdate(
            "hold" if by_person else "ask",
            why_not if by_person else f"{decision.reason}; {why_not}",
            awaits_person=live.awaits_person if by_person else True,
            numbers=decision.numbers,
            command_done=by_person,
        )
        self._analysed_at[live.id] = self.clock.now()
        self.ledger.record_decision(live.id, change, self.clock.now())
        self.tell(live, change)

    def _record(
        self, row: RolloutRecord, decision: Advance, *, command_done: bool = False
    ) -> RolloutRecord:
        """Write a decision down and tell of it; gives the row as it is then."""
        change = change_of(decision, row.state, command_done=command_done)
        self.ledger.record_decision(row.id, change, self.clock.now())
        if change.decision != "hold":
            log.info("%s %s: %s", row.service, row.release[:19], change.reason)
        self.tell(row, change)
        return self.ledger.get(row.id)

    def _record_look(self, row: RolloutRecord, decision: Advance) -> RolloutRecord:
        """The same, and the next look is due an interval from now."""
        self._analysed_at[row.id] = self.clock.now()
        return self._record(row, decision)
