"""What the ledger records of rollouts, triggers, approvals and events, as frozen values.

The stores in `tidemill.ports` read and write these; nobody else needs to know their tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime
from typing import Literal

from tidemill.engine.approval import Identity, Method
from tidemill.engine.approval_evidence import ApprovalEvidence
from tidemill.engine.notification import Notification
from tidemill.engine.rollout_state import RolloutState
from tidemill.engine.trigger import TriggerVerdict
from tidemill.spec.rollout import Rollout

RolloutStatus = Literal[
    "requested", "running", "live", "retired", "rolled_back", "superseded", "failed", "ended"
]
OPEN_STATES: tuple[RolloutStatus, ...] = ("requested", "running")
RolloutCommand = Literal["promote", "pause", "rollback"]
DecisionStatus = Literal["needs_approval", "queued", "started", "finished", "failed", "refused"]
"""needs_approval (a person is asked) → queued → started → finished or failed."""
SYNC_TRIGGER = "@sync"
"""Stands where a trigger's name is, for runs that a commit asked for; no spec can be called so."""
SyncStatus = Literal["pending", "refused", "applying", "applied", "superseded"]
"""pending → refused, or applying → applied; superseded where a newer commit came before the end."""


@dataclass(frozen=True)
class RolloutSpec:
    """The Rollout spec that a rollout was requested with, as JSON.

    An older version may have written it. What every rollout is asked for has its default here, and
    `parse` reads all of it.
    """

    fields: Mapping[str, object]
    """As `model_dump(mode="json", by_alias=True)` gives it."""

    @property
    def name(self) -> str:
        """The spec's name; raises KeyError where it has none."""
        return str(self.fields["name"])

    @property
    def driver(self) -> str:
        """What deploys it."""
        return str(self.fields.get("driver", "local"))

    @property
    def is_shadow(self) -> bool:
        """True where the candidate gets copies of requests and answers nobody."""
        return self.fields.get("mode") == "shadow"

    @property
    def keep_versions(self) -> int:
        """Former releases that stay ready for a rollback."""
        return int(str(self.fields.get("keep_versions", 3)))

    def parse(self) -> Rollout:
        """The spec in full; raises pydantic's ValidationError where it is none."""
        return Rollout.model_validate(self.fields)


@dataclass(frozen=True)
class SentCommand:
    """What a person asked of a rollout."""

    action: RolloutCommand
    by: str

    def to_dict(self) -> dict[str, str]:
        """As JSON keeps it."""
        return {"do": self.action, "by": self.by}


@dataclass(frozen=True)
class RolloutRecord:
    """One rollout: which release goes to which service, and how far it is."""

    id: int
    service: str
    release: str
    """Digest of the candidate."""
    previous_release: str | None
    """The release that was live when this one was requested."""
    release_folder: str
    """The release folder of the candidate."""
    spec: RolloutSpec
    """The Rollout spec that it follows."""
    state: RolloutStatus
    percent: float
    """Traffic share of the candidate."""
    rollout_state: RolloutState | None
    """Progress between two analyses; None before the first."""
    reason: str
    """Why it is in this state: the newest decision's reason."""
    awaits_person: bool
    """True where a person has to approve or decide."""
    command: SentCommand | None
    """What a person asked for; None once it is carried out."""
    requested_at: datetime
    step_started_at: datetime | None = None
    finished_at: datetime | None = None

    def to_dict(self) -> dict[str, object]:
        """The columns under their names, as `--json` shows them: without spec and progress."""
        columns = {k: v for k, v in vars(self).items() if k not in ("rollout_state", "spec")}
        return {**columns, "command": self.command.to_dict() if self.command else None}


@dataclass(frozen=True)
class RolloutDecisionRecord:
    """A recorded decision of a rollout, with the numbers that it was made on."""

    id: int
    rollout: int
    """Id of the rollout."""
    decided_at: datetime
    decision: str
    """promote, hold, ask, roll_back, done, …"""
    percent: float
    """Traffic share of the candidate since then."""
    reason: str
    numbers: Mapping[str, object]
    """The evidence, JSON-able."""
    repeats: int
    """How often in a row it was made; it has the newest reason."""

    def to_dict(self) -> dict[str, object]:
        """The columns under their names, as `--json` shows them."""
        return dict(vars(self))


@dataclass(frozen=True)
class RolloutUpdate:
    """A decision and what it changes in a rollout; None leaves a column as it is."""

    decision: str
    reason: str
    state: RolloutStatus | None = None
    percent: float | None = None
    rollout_state: RolloutState | None = None
    awaits_person: bool = False
    is_stalled: bool = False
    """True for a hold that does not end by itself."""
    numbers: Mapping[str, object] = field(default_factory=dict)
    """The evidence the decision was made on, JSON-able."""
    command_done: bool = False


@dataclass(frozen=True)
class TriggerDecision:
    """A firing on its way to a run, with what it was decided on."""

    key: str
    """Unique; the Dagster run key, so that one decision never starts two runs."""
    project: str
    trigger: str
    decided_at: datetime
    state: DecisionStatus
    reason: str
    numbers: Mapping[str, object]
    offsets: Mapping[str, int]
    """Frozen: `topic/partition` → first offset that does not belong."""
    assets: tuple[str, ...]
    """Names of the assets to build."""
    run_id: str = ""
    answered_by: str = ""
    """Who approved or refused."""
    message: str = ""


@dataclass(frozen=True)
class TriggerEvaluation:
    """The newest evaluation of a trigger's conditions."""

    first_at: datetime
    """The first evaluation ever; schedules count from here."""
    evaluated_at: datetime
    verdict: TriggerVerdict


@dataclass(frozen=True)
class Approval:
    """A recorded approval of a release or a trigger decision, with its signature and the figures
    that were shown."""

    kind: Literal["release", "decision"]
    subject: str
    """Digest of the release, or key of the trigger decision."""
    name: str
    """The service, or the trigger."""
    principal: str
    """E-mail address, or the principal that the signature was verified for."""
    method: Method
    approved_at: datetime
    display_name: str = ""
    """What Git calls the person."""
    fingerprint: str = ""
    """Of the key that signed."""
    statement: str = ""
    """What was signed, word for word."""
    signature: str = ""
    note: str = ""
    evidence: ApprovalEvidence = field(default_factory=ApprovalEvidence)
    """What was shown at that moment: figures, report digest, reason."""
    step: int = -1
    """The rollout's step at that moment; -1 before the first, and for decisions."""
    id: int = 0

    def to_dict(self) -> dict[str, object]:
        """The facts of an approval under the keys of `--json`."""
        names = ("kind", "subject", "name", "step", "note", "statement", "signature")
        return {
            **{name: getattr(self, name) for name in names},
            "who": self.principal,
            "how": self.method,
            "called": self.display_name,
            "key": self.fingerprint,
            "saw": self.evidence.content,
            "at": self.approved_at,
        }

    @property
    def identity(self) -> Identity:
        """The person, as `tidemill.engine.approval` compares them."""
        return Identity(self.principal, self.method, self.display_name, self.fingerprint)


@dataclass(frozen=True)
class ReadPosition:
    """Where ingest reads on in one partition."""

    topic: str
    partition: int
    next_offset: int
    """Kafka's offset of the next record to read."""
    base_offset: int
    """Records of earlier incarnations of the topic; the ledger's offset is this plus Kafka's."""
    incarnation: str
    topic_recreated: bool = False
    """True where the broker lost what it had, and reading begins anew."""
    lost_records: int = 0
    """Records the broker's retention deleted before they were read."""


@dataclass(frozen=True)
class IngestResult:
    """Counts of one ingested batch."""

    records: int = 0
    inserted: int = 0
    duplicates: int = 0
    quarantined: int = 0
    joined: int = 0
    """Feedback that found its answer; a little high where a batch also held duplicates."""

    def __add__(self, other: IngestResult) -> IngestResult:
        return IngestResult(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class RatingTotals:
    """What one subject's ratings of one release add up to; ratings lie in 0..1."""

    release: str
    subject: str
    """Empty for all anonymous ratings together."""
    ratings: int
    total: float


@dataclass(frozen=True)
class SyncRecord:
    """One arrival of a commit at the tip of the followed branch; a commit that comes back after
    another one has a second."""

    id: int
    commit: str
    branch: str
    author: str
    subject: str
    state: SyncStatus
    refusal: str
    """Which kind of reason refused it; empty where none did."""
    reason: str
    signer: str
    """Who signed it and with which key; empty where it was not checked."""
    plan: Sequence[Mapping[str, object]]
    """`project`, `name`, `kind`, `state`, `reason` of each asset that is not reused."""
    arrived_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class RemotePoll:
    """The last poll of the followed remote."""

    remote: str
    """Its address, without a password."""
    branch: str
    error: str
    """Why it did not answer; empty where it did."""
    polled_at: datetime


NotificationStatus = Literal["queued", "sent", "failed", "expired"]
"""queued → sent, failed (the attempts were used up) or expired (nobody sent it in time)."""


@dataclass(frozen=True)
class NotificationRecord:
    """A notification on its way to its destinations."""

    id: int
    key: str
    """The id of the event that it tells of: an event is told once."""
    notification: Notification
    state: NotificationStatus
    created_at: datetime
    delivered: tuple[str, ...] = ()
    """Names of the destinations that have it."""
    error: str = ""
    """Why the last attempt failed, without secrets; empty where none did."""

    def to_dict(self) -> dict[str, object]:
        """The facts of a notification under the keys of `--json`."""
        names = ("key", "state", "created_at", "error")
        values = {name: getattr(self, name) for name in names}
        parts = ("topic", "subject", "body", "command")
        return {**values, **{name: getattr(self.notification, name) for name in parts}}
