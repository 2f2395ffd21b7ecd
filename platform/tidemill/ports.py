"""The seams of the platform: what the inside needs of the outside, as small Protocols.

Each has a real implementation and an in-memory twin in `tidemill.adapters`; one contract suite
runs them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from tidemill.metrics import quantile

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
class Span:
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

    def partitions(self, topic: str) -> Mapping[int, Span]:
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
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Small facts, JSON-able; never part of the digest."""


class Store(Protocol):
    """Artefacts by digest."""

    def put(self, folder: Path, *, kind: str, meta: Mapping[str, Any] | None = None) -> Artefact:
        """Take a finished folder in (moved, not copied, where the file system allows); atomic."""

    def get(self, digest: str) -> Artefact:
        """Its files, checked against the digest; raises MissingArtefact or TamperedArtefact."""

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
    when: datetime
    subject: str
    dirty: bool
    """True where the working tree differs from the commit."""


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


@dataclass(frozen=True)
class ArmHealth:
    """What one arm did since a moment: counts, and latencies in seconds."""

    requests: int = 0
    errors: int = 0
    latency_p50: float | None = None
    latency_p95: float | None = None

    @classmethod
    def measure(cls, requests: int, errors: int, seconds: Sequence[float]) -> ArmHealth:
        """Counts, and p50 and p95 of the latencies `seconds` by the quantile that evaluations use;
        None without latencies."""
        if not seconds:
            return cls(requests, errors)
        return cls(requests, errors, quantile(seconds, 0.5), quantile(seconds, 0.95))


class Deployer(Protocol):
    """Where releases run."""

    def start(self, service: str, release: str, folder: Path) -> Arm:
        """Bring a release up at 0 %, wait until it is ready; raises ServiceError if it is not."""

    def set_traffic(self, service: str, arms: Sequence[Arm], *, shadow: bool = False) -> None:
        """Set the traffic shares, then read them back; takes effect at once. The first arm is the
        live one; under `shadow` the others get copies and answer nobody."""

    def health(self, service: str, since: datetime) -> Mapping[str, ArmHealth]:
        """Requests, errors and latencies of each release since a moment."""

    def stop(self, service: str, release: str) -> None:
        """Take a release down; it must have no traffic."""


@dataclass(frozen=True)
class Making:
    """The record of one asset made once: what went in, what came out, with which tools."""

    project: str
    name: str
    kind: str
    version: str
    """Digest over the spec's digest, its inputs' digests and the frozen offset ranges."""
    spec_digest: str
    artefact: str
    """Digest of the main artefact."""
    steps: Mapping[str, str]
    """Digests of the artefacts on the way, by step."""
    inputs: Mapping[str, str]
    """Digests of the artefacts that went in, by spec name."""
    commit: Mapping[str, Any]
    """sha, author, when, subject, dirty of the specs' commit; empty outside Git."""
    tools: Mapping[str, str]
    """Versions of the packages that can change the bytes."""
    measures: Sequence[Mapping[str, Any]]
    checks: Sequence[Mapping[str, Any]]
    facts: Mapping[str, Any]
    started: datetime
    seconds: float
    peak_bytes: int = 0
    """Largest resident memory of the process while making."""
    run: str = ""
    """The Dagster run."""
    id: int = 0

    @property
    def passed(self) -> bool:
        """True where no blocking check failed."""
        return all(check["passed"] or not check["blocking"] for check in self.checks)


class Records(Protocol):
    """What was made."""

    def latest(self, project: str, name: str) -> Making | None:
        """The newest record of an asset."""

    def by_version(self, project: str, name: str, version: str) -> Making | None:
        """The newest record of this very version."""

    def record(self, making: Making) -> Making:
        """Keep it, with its id."""


OFFSETS_TAG = "tidemill/offsets"
"""Tag of a run: the frozen offsets its datasets take feedback up to, as a JSON object."""
