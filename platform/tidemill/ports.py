"""The seams of the platform: what the inside needs of the outside, as small Protocols.

Each has a real implementation and an in-memory twin in `tidemill.adapters`; one contract suite
runs them all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from tidemill.engine.arm_health import ArmHealth as ArmHealth
from tidemill.engine.measurement import Check, Measure
from tidemill.engine.notification import Notification
from tidemill.engine.release_record import SpecCommit
from tidemill.engine.trigger import TriggerVerdict
from tidemill.records import (
    IngestResult,
    ReadPosition,
    RolloutRecord,
    RolloutUpdate,
    TriggerDecision,
    TriggerEvaluation,
)
from tidemill.spec.feedback import Feedback
from tidemill.triggers import AnswerRecord, FeedbackSignal

INFERENCE_TOPIC = "tidemill.inference"
LIFECYCLE_TOPIC = "tidemill.lifecycle"


@dataclass(frozen=True)
class Message:
    """One record of a topic; headers carry the CloudEvents attributes in binary mode."""

    topic: str
    value: bytes
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int = 0
    offset: int = -1


@dataclass(frozen=True)
class PartitionRange:
    """What a broker holds of one partition."""

    first: int = 0
    """Offset of its oldest record."""
    end: int = 0
    """Offset after its newest record; some brokers lag behind (Tansu by a batch)."""
    incarnation: str = ""
    """Changes when the topic was deleted or forgotten and made anew; empty where unknown."""


class Bus(Protocol):
    """A log of topics with partitions and offsets (Kafka's model)."""

    def publish(self, messages: Sequence[Message]) -> None:
        """Write and wait until the broker has them; raises `BrokerDown`."""

    def read(
        self, positions: Mapping[tuple[str, int], int], *, limit: int, timeout: float
    ) -> list[Message]:
        """Up to `limit` records from the given (topic, partition) → next offset; waits at most
        `timeout` seconds for the first one. Never commits anything."""

    def partitions(self, topic: str) -> Mapping[int, PartitionRange]:
        """Partitions of a topic and what they hold; creates a topic that is missing."""

    def close(self) -> None:
        """Flush and disconnect."""


@dataclass(frozen=True)
class Artefact:
    """A directory addressed by the hash of its contents."""

    digest: str
    """`sha256:` and 64 hex digits over the sorted (path, sha256, size) of its files."""
    kind: str
    """dataset, prompt, model, adapter, merged, pruned, onnx, int8, int4, engine, report."""
    path: Path
    """Where its files lie, read-only."""
    bytes: int
    meta: Mapping[str, object] = field(default_factory=dict)
    """Small facts, JSON-able; never part of the digest."""


class Store(Protocol):
    """Artefacts by digest."""

    def put(self, folder: Path, *, kind: str, meta: Mapping[str, object] | None = None) -> Artefact:
        """Take a finished folder in (moved, not copied, where the file system allows); atomic."""

    def get(self, digest: str) -> Artefact:
        """Its files, checked against the digest; raises MissingArtefact or TamperedArtefact."""

    def missing(self, digests: Collection[str]) -> set[str]:
        """Those of these artefacts that `get` cannot give here; a quick look, nothing is hashed."""

    def drop(self, digest: str) -> None:
        """Forget it and free its bytes."""


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Now, in UTC, timezone-aware."""


@dataclass(frozen=True)
class Commit:
    """Where the specs stand in Git."""

    sha: str
    author: str
    committed_at: datetime
    subject: str
    dirty: bool
    """True where the working tree differs from the commit."""

    def to_spec_commit(self) -> SpecCommit:
        """As materialisations and releases record it."""
        when = self.committed_at.isoformat()
        return SpecCommit(self.sha, self.author, when, self.subject, self.dirty)


class Repository(Protocol):
    """The Git repository that holds the specs."""

    def head(self) -> Commit | None:
        """The checked-out commit; None outside a repository or before the first commit."""

    def last_change(self, path: Path) -> Commit | None:
        """The last commit that touched a file."""

    def checkout(self, ref: str) -> AbstractContextManager[Path]:
        """A clean, read-only worktree of `ref` for as long as the block runs."""


@dataclass(frozen=True)
class PullRequest:
    """A pull request (GitHub), a merge request (GitLab), or a pushed branch (plain Git)."""

    number: str
    """How the forge names it; the branch on a plain remote."""
    branch: str
    base: str
    state: Literal["open", "merged", "closed"]
    url: str = ""
    author: str = ""
    merged_by: str = ""
    merge_sha: str = ""
    """The commit that brought it onto the base; empty until then."""


class Forge(Protocol):
    """Where people read and merge changes; every call may be repeated without a second effect."""

    def comment(self, number: str, body: str, *, marker: str) -> str:
        """Write the one comment that carries `marker`, or replace it in place; gives its address.
        Raises ServiceError."""

    def open_pull_request(self, branch: str, base: str, title: str, body: str) -> PullRequest:
        """Open a proposal for a pushed branch, or bring the open one up to date."""

    def find_pull_request(self, branch: str) -> PullRequest | None:
        """The newest proposal of a branch."""

    def set_commit_status(
        self, sha: str, state: Literal["pending", "success", "failure"], text: str, *, context: str
    ) -> None:
        """Set the status that people see beside a commit."""


@dataclass(frozen=True)
class Arm:
    """One release of a service and its share of the traffic."""

    release: str
    """Digest of the release."""
    percent: float
    url: str = ""


class Deployer(Protocol):
    """Where releases run."""

    def start(self, service: str, release: str, folder: Path) -> Arm:
        """Bring a release up at 0 %, wait until it is ready; raises ServiceError if it is not."""

    def set_traffic(self, service: str, arms: Sequence[Arm], *, shadow: bool = False) -> None:
        """Set the traffic shares, then read them back; takes effect at once. The first arm is the
        live one; under `shadow` the others get copies and answer nobody."""

    def health(self, service: str, since: datetime) -> Mapping[str, ArmHealth]:
        """Requests, errors, overload and latencies of each release since a moment."""

    def stop(self, service: str, release: str) -> None:
        """Take a release down; it must have no traffic."""


@dataclass(frozen=True)
class Materialisation:
    """The record of one asset made once: what went in, what came out, with which tools."""

    project: str
    name: str
    kind: str
    version: str
    """Digest over the spec's digest, the identities of its inputs (of a dataset its rows), and the
    frozen offset ranges."""
    spec_digest: str
    artefact: str
    """Digest of the main artefact."""
    steps: Mapping[str, str]
    """Digests of the artefacts on the way, by step."""
    inputs: Mapping[str, str]
    """Digests of the artefacts that went in, by spec name."""
    commit: SpecCommit
    """The commit of the specs."""
    tools: Mapping[str, str]
    """Versions of the packages that can change the bytes."""
    measures: tuple[Measure, ...]
    checks: tuple[Check, ...]
    facts: Mapping[str, Any]
    """JSON; each kind of asset has facts of its own, such as `rows`, `offsets` or `hops`."""
    started_at: datetime
    seconds: float
    peak_bytes: int = 0
    """Largest resident memory of the process while making."""
    run_id: str = ""
    """The Dagster run."""
    id: int = 0

    @property
    def has_passed(self) -> bool:
        """True where no blocking check failed."""
        return all(check.passed or not check.blocking for check in self.checks)


class MaterialisationStore(Protocol):
    """What was built."""

    def latest(self, project: str, name: str) -> Materialisation | None:
        """The newest materialisation of an asset."""

    def by_version(self, project: str, name: str, version: str) -> Materialisation | None:
        """The newest materialisation of an asset with this version."""

    def by_artefact(self, project: str, name: str, artefact: str) -> Materialisation | None:
        """The newest materialisation of an asset that gave this artefact."""

    def first_with_rows(self, project: str, name: str, rows: str) -> Materialisation | None:
        """The oldest materialisation of a dataset whose rows have this digest."""

    def add(self, materialisation: Materialisation) -> Materialisation:
        """Store it and give it with its id."""


class RolloutStore(Protocol):
    """Rollouts, as the controller reads and writes them."""

    def services(self) -> list[str]:
        """Names of the services that ever had a rollout."""

    def in_progress(self, service: str | None = None) -> list[RolloutRecord]:
        """Requested and running rollouts, oldest first."""

    def newest(self, service: str | None = None, limit: int = 20) -> list[RolloutRecord]:
        """The last rollouts, newest first."""

    def live_rollout(self, service: str) -> RolloutRecord | None:
        """The rollout whose release is live."""

    def retired_rollouts(self, service: str, limit: int = 20) -> list[RolloutRecord]:
        """Rollouts whose releases were live before, newest first."""

    def get(self, key: int) -> RolloutRecord:
        """One rollout by its id."""

    def record_decision(self, key: int, change: RolloutUpdate, now: datetime) -> None:
        """Write a decision and what it changes, in one transaction."""

    def restore_release(self, key: int, change: RolloutUpdate, now: datetime) -> None:
        """Make a retired release live again; the one that was live is rolled back."""


class TriggerDecisionStore(Protocol):
    """Trigger decisions, as the evaluation of triggers reads and writes them."""

    def history(self, project: str, trigger: str, *, limit: int = 100) -> list[TriggerDecision]:
        """The last decisions of one trigger, newest first."""

    def queued_decisions(self) -> list[TriggerDecision]:
        """Decisions whose run is still to be launched."""

    def running_decisions(self) -> list[TriggerDecision]:
        """Decisions whose run was launched and has not ended as far as the ledger knows."""

    def last_evaluation(self, project: str, trigger: str) -> TriggerEvaluation | None:
        """The newest evaluation of a trigger's conditions."""

    def add(
        self,
        project: str,
        trigger: str,
        verdict: TriggerVerdict,
        offsets: Mapping[str, int],
        assets: Sequence[str],
        now: datetime,
    ) -> TriggerDecision | None:
        """Store a firing or a question to a person; None where another process just did."""

    def record_evaluation(
        self, project: str, trigger: str, verdict: TriggerVerdict, now: datetime
    ) -> None:
        """Store the newest evaluation."""


class EventStore(Protocol):
    """Events, as ingest writes them: rows and offsets in one transaction."""

    def positions(
        self, topic: str, ranges: Mapping[int, PartitionRange], now: datetime
    ) -> list[ReadPosition]:
        """Where to read on, given what the broker holds of each partition."""

    def ingest(
        self,
        records: Sequence[Message],
        positions: Iterable[ReadPosition],
        contracts: Mapping[str, Feedback],
        now: datetime,
    ) -> IngestResult:
        """Take a batch in; raises Overtaken where another process was faster."""

    def expire_unjoined(self, now: datetime) -> int:
        """Quarantine the feedback whose answer did not come in time; gives its number."""

    def uncopied_dead_letters(self, limit: int = 1000) -> list[tuple[int, Message]]:
        """Quarantined events that are not in their dead-letter topic yet, by quarantine id."""

    def mark_copied(self, ids: Sequence[int]) -> None:
        """Mark quarantined events as copied."""


class FeedbackSignals(Protocol):
    """Joined feedback, as triggers read it."""

    def frozen_offsets(self, topic: str) -> Mapping[str, int]:
        """The offsets that hold all feedback joined so far, the inference topic's included."""

    def signals(self, topic: str, beyond: Mapping[str, int] | None = None) -> list[FeedbackSignal]:
        """Joined feedback beyond the frozen offsets, oldest first."""


class AnswerReader(Protocol):
    """Answers of a service, as triggers read them."""

    def answers(self, service: str, since: datetime) -> list[AnswerRecord]:
        """Labels and input lengths, oldest first."""


class TriggerLedger(Protocol):
    """The stores that the evaluation of a trigger needs."""

    @property
    def trigger_decisions(self) -> TriggerDecisionStore:
        """Decisions and evaluations."""

    @property
    def feedback(self) -> FeedbackSignals:
        """What users said."""

    @property
    def service_metrics(self) -> AnswerReader:
        """What the service answered."""

    @property
    def rollouts(self) -> RolloutStore:
        """Which releases serve, and which are on their way."""


class Destination(Protocol):
    """Where people read notifications: a chat channel, a mailbox, a webhook."""

    @property
    def name(self) -> str:
        """How messages and logs call it; without anything secret."""

    def send(self, notification: Notification) -> None:
        """Send one message; raises ServiceError, whose text holds no secret."""
