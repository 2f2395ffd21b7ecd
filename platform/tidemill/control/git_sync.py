"""Follows a branch: fetches, judges each new commit, makes it current, and asks for its runs.

The ledger says how far a commit has come (`seen → refused`, or `applying → applied`). Each step may
be repeated, so that a sync that was killed anywhere ends in the same state when it runs again:

    fetch → worktree → signatures, specs, plan, budget → [applying] → link switched → former
    releases asked for → runs asked for (each under a key of its own) → told → [applied]

A commit that is refused changes nothing of all that: the link and what is live stay.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from tidemill.adapters.git.mirror import FETCH_SECONDS, Mirror
from tidemill.adapters.git.worktrees import Worktrees, prepare_current
from tidemill.adapters.ledger import lease_owner
from tidemill.control.commit_checks import Examined, Examiner
from tidemill.control.lifecycle_events import announce
from tidemill.control.restore_release import restore
from tidemill.engine.plan import PlanEntry
from tidemill.engine.sync import assets_to_build
from tidemill.errors import ServiceError, TidemillError
from tidemill.home import Home
from tidemill.ports import Forge
from tidemill.progress import Progress, no_progress
from tidemill.records import SyncRecord, TriggerDecision
from tidemill.settings import Settings

LEASE = "sync"
CONTEXT = "tidemill/sync"
"""How the status beside a commit is called."""
KEPT_TREES = 3
KEPT_FOR = timedelta(days=2)
"""Worktrees of applied commits stay this long: a long run may still read them."""
log = logging.getLogger("tidemill.sync")

Came = Literal["in-sync", "applied", "refused", "unreachable", "busy"]
_CODES = {"in-sync": 0, "applied": 2, "refused": 1, "unreachable": 1, "busy": 1}


@dataclass(frozen=True)
class Outcome:
    """What one look came to."""

    came: Came
    reason: str
    sync: SyncRecord | None = None
    items: Sequence[PlanEntry] = field(default=(), repr=False)
    news: bool = True
    """False where a look before came to the very same."""

    @property
    def code(self) -> int:
        """The exit code of `tidemill sync --once`."""
        over_budget = self.sync is not None and self.sync.refusal == "over-budget"
        return 3 if self.came == "refused" and over_budget else _CODES[self.came]


@dataclass(frozen=True)
class Follower:
    """Keeps one home at the tip of its branch."""

    home: Home
    forge: Callable[[Settings], Forge] | None = None
    """Opens the forge that shows a status beside each commit."""
    say: Progress = no_progress
    timeout: float = FETCH_SECONDS
    tell: Callable[..., None] = announce

    @cached_property
    def mirror(self) -> Mirror:
        """The copy of the remote; raises ServiceError where none is configured."""
        settings = self.home.settings
        if settings.git_remote is None:
            raise ServiceError("no remote configured; set TIDEMILL_GIT_REMOTE, or use --remote")
        folder = settings.git_home / "mirror.git"
        return Mirror(folder, settings.git_remote, settings.git_branch, timeout=self.timeout)

    @cached_property
    def trees(self) -> Worktrees:
        """The worktrees."""
        return Worktrees(self.home.settings.git_home / "trees", self.mirror)

    def look(self, wait: timedelta = timedelta(0)) -> Outcome:
        """Bring the home to the tip of the branch, as far as the tip may be followed.

        One at a time: another one that works is waited for. Raises TidemillError only for what is
        wrong with this home; the remote's and the commit's faults are outcomes.
        """
        leases = self.home.ledger.leases
        lease_owner.free_dead_lease(leases, LEASE, self.home.clock.now())
        prepare_current(self.home.settings)
        with leases.hold(LEASE, lease_owner.current_owner(), wait=wait) as acquired:
            if not acquired:
                return Outcome("busy", "another sync is running for this home")
            return self._look()

    def specs(self, sync: SyncRecord) -> Path:
        """Where the projects of a commit lie."""
        return self.trees.folder / sync.commit / self.home.settings.git_folder

    def pending(self, sync: SyncRecord) -> list[TriggerDecision]:
        """Runs of a commit that have not come to their end."""
        decisions = self.home.ledger.trigger_decisions.sync_requests(_key(sync))
        return [decided for decided in decisions if decided.state in ("queued", "started")]

    def _look(self) -> Outcome:
        syncs, now = self.home.ledger.syncs, self.home.clock.now
        try:
            tip = self.mirror.fetch()
            sync = syncs.record_arrival(self.mirror.commit(tip), self.mirror.branch, now())
            outcome = self._follow(sync)
            trouble = ""
        except ServiceError as error:
            trouble = str(error)
            last = syncs.last_poll()
            outcome = Outcome("unreachable", trouble, news=not last or last.error != trouble)
        syncs.record_poll(self.mirror.remote_without_password, self.mirror.branch, trouble, now())
        return outcome

    def _follow(self, sync: SyncRecord) -> Outcome:
        if sync.state == "applied":
            if self.trees.current_commit() != sync.commit:  # somebody took the folder away
                self.trees.add(sync.commit)
                self.trees.make_current(sync.commit)
            return Outcome("in-sync", f"{sync.commit[:10]} is applied", sync, news=False)
        self.say(f"{sync.commit[:10]} {sync.subject}: judging")
        applied = self.home.ledger.syncs.applied_commits()
        before = applied[0].commit if applied else None
        examiner = Examiner(self.home, self.mirror, self.trees)
        examined = examiner.examine(sync.commit, before)
        # One that was being applied when its sync was killed was accepted; it is carried through.
        if examined.judgement.refusal and sync.state != "applying":
            return self._refuse(sync, examined)
        return self._apply(sync, examiner, examined, before)

    def _refuse(self, sync: SyncRecord, examined: Examined) -> Outcome:
        reason = examined.judgement.reason
        news = (sync.state, sync.reason) != ("refused", reason)
        if news:
            refused = replace(sync, reason=reason, refusal=str(examined.judgement.refusal))
            self._publish("commit-refused", refused, "failure")
        sync = self.home.ledger.syncs.set_state(
            sync.id,
            "refused",
            self.home.clock.now(),
            reason,
            refusal=examined.judgement.refusal,
            signer=examined.signer,
            plan=_entries_to_dicts(examined.items),
        )
        return Outcome("refused", reason, sync, examined.items, news)

    def _apply(
        self, sync: SyncRecord, examiner: Examiner, examined: Examined, before: str | None
    ) -> Outcome:
        syncs, clock = self.home.ledger.syncs, self.home.clock
        if sync.state != "applying":
            details = {
                "refusal": "",
                "signer": examined.signer,
                "plan": _entries_to_dicts(examined.items),
            }
            sync = syncs.set_state(sync.id, "applying", clock.now(), "", **details)
        self.trees.add(sync.commit)
        self.trees.make_current(sync.commit)
        restored = self._restore(sync, examiner, examined.items)
        # Planned anew: what was restored, or made since the plan, need not be made.
        items, _ = examiner.plan(examiner.workspace(sync.commit), before)
        requested = self._ask(sync, assets_to_build(items, restored))
        reason = self._summary(sync, examined, before, restored, requested)
        self._publish("commit-applied", replace(sync, reason=reason), "success")
        sync = syncs.set_state(sync.id, "applied", clock.now(), reason)
        self._prune()
        return Outcome("applied", reason, sync, examined.items)

    def _restore(
        self, sync: SyncRecord, examiner: Examiner, items: Sequence[PlanEntry]
    ) -> dict[str, str]:
        """Rollouts whose former release is asked for, with its digest."""
        home = self.home.with_specs(examiner.specs(sync.commit))
        by = f"commit {sync.commit[:10]}"
        restored = {}
        for item in items:
            if item.is_rebuilt and item.kind == "Rollout":
                digest = restore(home, item.project, item.name, by)
                if digest is not None:
                    restored[item.key] = digest
        return restored

    def _ask(
        self, sync: SyncRecord, asked: dict[str, tuple[str, ...]]
    ) -> dict[str, tuple[str, ...]]:
        """Leave a run for each project in which something has to be made."""
        decisions, now = self.home.ledger.trigger_decisions, self.home.clock.now()
        for project, names in asked.items():
            reason = f"commit {sync.commit[:10]}: {sync.subject}"
            decisions.request_run(_key(sync) + project, project, reason, names, now)
        decisions.withdraw_requests(
            _key(sync), f"commit {sync.commit[:10]} came before it started", now
        )
        return asked

    def _summary(
        self,
        sync: SyncRecord,
        examined: Examined,
        before: str | None,
        restored: dict[str, str],
        asked: dict[str, tuple[str, ...]],
    ) -> str:
        parts = [f"builds {', '.join(names)} of {project}" for project, names in asked.items()]
        parts += [f"brings release {d[7:19]} of {key} back" for key, d in restored.items()]
        for item in examined.items:
            if item.state == "removed" and item.kind == "Rollout":
                service = examined.former[item.key].fields.get("service", "")
                if self.home.ledger.rollouts.live_release(service):
                    parts.append(f"{item.key} was removed from Git; '{service}' stays live")
        if (
            before
            and self.mirror.has_commit(before)
            and not self.mirror.is_descendant(sync.commit, before)
        ):
            cut = " (or the remote's history is cut off)" if self.mirror.is_shallow else ""
            parts.append(f"the branch was rewritten: {before[:10]} is not in it{cut}")
        return "; ".join(parts) or "nothing to build"

    def _publish(self, what: Any, sync: SyncRecord, state: Literal["success", "failure"]) -> None:
        """Tell the lifecycle topic and the forge; neither may stop the work. Before the ledger says
        that it is done, so that one that was killed in between tells it again, not never."""
        names = ("commit", "reason", "author", "refusal")
        key = f"sync/{sync.id}/{what}/{hashlib.sha256(sync.reason.encode()).hexdigest()[:16]}"
        facts = {name: getattr(sync, name) for name in names}
        self.tell(self.home, what, "git", sync.branch, key=key, **facts)
        if self.forge is None:
            return
        try:
            # At the mirror, whose `origin` is the remote: a refused commit may have no worktree.
            forge = self.forge(self.home.settings.with_specs(self.mirror.folder))
            forge.set_commit_status(sync.commit, state, sync.reason, context=CONTEXT)
        except TidemillError as error:
            log.warning("the status beside %s could not be set: %s", sync.commit[:10], error)

    def _prune(self) -> None:
        now = self.home.clock.now()
        applied = self.home.ledger.syncs.applied_commits(limit=1000)
        keep = {
            sync.commit
            for index, sync in enumerate(applied)
            if index < KEPT_TREES or now - sync.updated_at < KEPT_FOR or self.pending(sync)
        }
        self.trees.prune(keep)
        self.mirror.repack()


def follower(settings: Settings, **more: Any) -> Follower:
    """What follows the remote of these settings."""
    from tidemill.adapters.forge import open_forge

    return Follower(Home(settings.with_applied_specs), **{"forge": open_forge, **more})


def _key(sync: SyncRecord) -> str:
    """Beginning of the keys of a commit's runs."""
    return f"@git/{sync.id}/"


def _entries_to_dicts(items: Sequence[PlanEntry]) -> list[dict[str, str]]:
    names = ("project", "name", "kind", "state", "reason")
    return [
        {name: str(getattr(item, name)) for name in names}
        for item in items
        if item.state != "reused"
    ]
