"""Approvals at the edge: who asks, who wrote the change, who agreed, and what they saw."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tidemill.adapters.git import history, signed_statements
from tidemill.adapters.git.history import MergeCommit
from tidemill.adapters.git.signatures import TrustedSigners
from tidemill.adapters.ledger import Ledger
from tidemill.engine.approval import Identity, normalise_principal, refusal_reason
from tidemill.engine.approval_evidence import ApprovalEvidence
from tidemill.errors import NeedsApproval, SpecError, TidemillError
from tidemill.ports import Clock, Forge
from tidemill.records import Approval, RolloutRecord, TriggerDecision
from tidemill.settings import Settings
from tidemill.spec.lock import BRANCH as LOCK_BRANCH
from tidemill.spec.lock import FILE, parse_lock
from tidemill.spec.rollout import Rollout
from tidemill.spec.trigger import ApprovalRule


@dataclass(frozen=True)
class Agreement:
    """What people agreed to, and whether they may."""

    ledger: Ledger
    settings: Settings
    clock: Clock
    forge: Callable[[], Forge] | None = None
    """Says who merged where a squashed merge does not; None: nobody is asked."""

    @property
    def signers(self) -> TrustedSigners:
        """The keys that count."""
        return TrustedSigners.read(self.settings)

    def refusal(
        self,
        identity: Identity,
        approval: ApprovalRule | None,
        release: str | None,
        *,
        given: Iterable[Approval] = (),
    ) -> str | None:
        """Why this person may not agree to a release (or, without one, to a trigger's run)."""
        strict = approval is not None and approval.not_by_author
        login = (
            identity.method == "merge" and "@" not in identity.principal
        )  # names no author of Git's
        authors = self.authors(release) if strict and not login else None if strict else ()
        return refusal_reason(
            identity,
            approval,
            authors=authors,
            earlier_principals=[consent.principal for consent in given],
            signatures=self.settings.signatures == "require",
        )

    def authors(self, release: str | None) -> frozenset[str] | None:
        """Who wrote what a release brings that the live one does not have; None: nobody knows."""
        record = self.ledger.materialisations.release(release) if release else None
        if record is None or not record.commit.sha or record.commit.dirty:
            return None
        live = self.ledger.rollouts.live_release(record.service)
        before = self.ledger.materialisations.release(live) if live and live != release else None
        since = before.commit.sha if before else ""
        folder = self.settings.specs / record.project
        tree = folder if folder.is_dir() else self.settings.specs
        names = history.authors(self.settings.specs, since, record.commit.sha, tree)
        return None if names is None else names | {record.commit.author}

    def valid_approvals(self, walking: RolloutRecord, rollout: Rollout) -> list[Approval]:
        """Approvals of a rollout's release that count now, a merged lock's among them."""
        stored = [
            c for c in self.ledger.approvals.of_subject(walking.release) if c.method != "merge"
        ]
        approvals = [*stored, *self._merge_approvals(walking)]
        return [c for c in approvals if self._counts(c, rollout.approval, walking.release)]

    def may_take(
        self, decided: TriggerDecision, identity: Identity, approval: ApprovalRule | None
    ) -> None:
        """Raise NeedsApproval where this person may not agree to what a trigger wants to run."""
        strict = approval is not None and approval.not_by_author
        authors = self._unbuilt(decided) if strict else ()
        why_not = refusal_reason(
            identity, approval, authors=authors, signatures=self.settings.signatures == "require"
        )
        if why_not:
            raise NeedsApproval(why_not)

    def once(self, consent: Approval) -> tuple[Approval, bool]:
        """`agree`, or what this person said before, word for word as it was; True where it is new.

        So `tidemill approve` may be killed and run again.
        """
        for earlier in self.ledger.approvals.of_subject(consent.subject):
            same = (earlier.step, earlier.method) == (consent.step, consent.method)
            if (
                same
                and normalise_principal(earlier.principal) == normalise_principal(consent.principal)
                and self._holds(earlier)
            ):
                return earlier, False
        return self.agree(consent), True

    def agree(self, consent: Approval) -> Approval:
        """Sign what was seen where a key is set, and keep the approval."""
        content = {
            "approves": consent.subject,
            "kind": consent.kind,
            "name": consent.name,
            "note": consent.note,
            "saw": consent.evidence.content,
            "who": consent.principal,
        }
        statement = json.dumps(content, sort_keys=True, ensure_ascii=False, indent=1) + "\n"
        if consent.method == "signed":
            signature = signed_statements.sign(self.settings.specs, statement.encode())
            key = signed_statements.verify(
                statement.encode(), signature, consent.principal, self.signers
            )
            consent = replace(consent, signature=signature, fingerprint=key)
        return self.ledger.approvals.add(replace(consent, statement=statement))

    def approve_by_promote(self, walking: RolloutRecord, by: str) -> Approval:
        """Keep what `rollout promote` said."""
        return self.agree(self.of_rollout(walking, Identity(by), "rollout promote"))

    def of_rollout(self, walking: RolloutRecord, identity: Identity, note: str) -> Approval:
        """An approval of a rollout's release as it stands now."""
        step = walking.rollout_state.step if walking.rollout_state else -1
        evidence = self.rollout_evidence(walking)
        return self._consent(
            identity, "release", walking.release, walking.service, evidence, note, step
        )

    def of_decision(self, decided: TriggerDecision, identity: Identity, note: str) -> Approval:
        """An approval of what a trigger wants to run."""
        evidence = ApprovalEvidence.of_decision(
            decided.reason, decided.numbers, decided.offsets, decided.assets
        )
        return self._consent(identity, "decision", decided.key, decided.trigger, evidence, note)

    def rollout_evidence(self, walking: RolloutRecord) -> ApprovalEvidence:
        """What a person is shown of a rollout now."""
        record = self.ledger.materialisations.release(walking.release)
        evidence = (
            ApprovalEvidence.of_release(record)
            if record
            else ApprovalEvidence.of_unrecorded_release(walking.release)
        )
        return evidence.with_rollout(
            walking.reason, walking.percent, awaits_person=walking.awaits_person
        )

    def person(self) -> Identity:
        """Who sits here; `agree` puts the fingerprint in the place of the key, or refuses."""
        identity = signed_statements.local_identity(self.settings.specs)
        key = signed_statements.signing_key(self.settings.specs, self.signers)
        return replace(identity, method="signed", fingerprint=key) if key else identity

    def _unbuilt(self, decided: TriggerDecision) -> frozenset[str] | None:
        """Authors of the commits since what a trigger runs was made last."""
        newest_builds = [
            self.ledger.materialisations.latest(decided.project, name) for name in decided.assets
        ]
        since = next((m.commit.sha for m in newest_builds if m and m.commit.sha), "")
        folder = self.settings.specs / decided.project
        return history.authors(self.settings.specs, since, "HEAD", folder)

    def _counts(self, consent: Approval, approval: ApprovalRule | None, release: str) -> bool:
        if self.refusal(consent.identity, approval, release) is not None:
            return False
        return self.settings.signatures != "require" or self._holds(consent)

    def _holds(self, consent: Approval) -> bool:
        """A row of the ledger is no proof: the signature is, of this very subject."""
        if consent.method != "signed":
            return True
        try:
            statement = consent.statement.encode()
            fits = json.loads(consent.statement).get("approves") == consent.subject
            key = signed_statements.verify(
                statement, consent.signature, consent.principal, self.signers
            )
            return fits and key == consent.fingerprint
        except (NeedsApproval, ValueError):
            return False

    def _merge_approvals(self, walking: RolloutRecord) -> list[Approval]:
        """Whoever merged a lock that wants the release, while the branch still says so.

        Read from Git at every look, and kept in the ledger for `why`: a row alone proves nothing.
        """
        specs, record = self.settings.specs, self.ledger.materialisations.release(walking.release)
        path = specs / record.project / FILE if record else specs / FILE

        def names(content: bytes | None) -> bool:
            return wanted_release(content, path, walking.service) == walking.release

        if record is None or not names(history.file_at(specs, "HEAD", path)):
            return []
        merge = history.find_merge_commit(specs, path, names)
        author = self._merger(merge) if merge else None
        if merge is None or author is None:
            return []
        evidence = ApprovalEvidence.of_release(record).with_merge(merge.sha)
        consent = self._consent(author, "release", walking.release, walking.service, evidence)
        statement = f"merged as {merge.sha}"
        return [self.ledger.approvals.add(replace(consent, statement=statement))]

    def _consent(
        self,
        identity: Identity,
        kind: Literal["release", "decision"],
        subject: str,
        name: str,
        evidence: ApprovalEvidence,
        note: str = "",
        step: int = -1,
    ) -> Approval:
        return Approval(
            kind=kind,
            subject=subject,
            name=name,
            principal=identity.principal,
            method=identity.method,
            approved_at=self.clock.now(),
            display_name=identity.name,
            fingerprint=identity.fingerprint,
            note=note,
            evidence=evidence,
            step=step,
        )

    def _merger(self, found: MergeCommit) -> Identity | None:
        """Who merged: the author of a merge commit, else whom the forge names; None: nobody knows.

        A fast-forward keeps the proposer's commit as it was, and with it no name but theirs.
        """
        if found.is_merge:
            signed = signed_statements.commit_signer(self.settings.specs, found.sha, self.signers)
            return signed or Identity(found.address, "merge", found.name)
        if self.forge is None:
            return None
        try:
            proposal = self.forge().find_pull_request(LOCK_BRANCH)
        except TidemillError:  # it is asked again at the next look
            return None
        if proposal is None or proposal.merge_sha != found.sha or not proposal.merged_by:
            return None
        return Identity(normalise_principal(proposal.merged_by), "merge", proposal.merged_by)


def wanted_release(content: bytes | None, path: Path, service: str) -> str | None:
    """The release that a lock asks people to agree to; None where it cannot be read."""
    try:
        entry = parse_lock(content, path).services.get(service) if content else None
    except SpecError:
        return None
    return entry.wanted.release if entry and entry.wanted else None


def format_evidence(evidence: ApprovalEvidence) -> Sequence[str]:
    """The figures and gates of a release as lines for a person."""
    lines = [
        f"{m.metric:<16} {m.value:.4g} ({m.low:.4g} to {m.high:.4g}), {m.rows} rows"
        for m in evidence.measures
    ]
    return [*lines, *evidence.gates]
