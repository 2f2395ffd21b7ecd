"""Which forge holds the specs, and which proposal a job of continuous integration looks at."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tidemill.settings import CiJob, ForgeKind, ForgeSettings

_SCP = re.compile(r"^(?:[^@/]+@)?(?P<host>[^:/]+):(?P<path>[^/].*)$")
_PULL = re.compile(r"^refs/pull/(\d+)/")


@dataclass(frozen=True)
class Address:
    """The address of a Git remote: host and path of the repository, without credentials."""

    host: str
    path: str


def parse(remote: str) -> Address | None:
    """The address of a Git remote (https, ssh, `git@host:path`); None for a folder."""
    if "://" in remote:
        parts = urlsplit(remote)
        if parts.scheme == "file" or not parts.hostname:
            return None
        return Address(parts.hostname.lower(), _path(parts.path))
    match = _SCP.match(remote)
    return Address(match["host"].lower(), _path(match["path"])) if match else None


def _path(path: str) -> str:
    return path.strip("/").removesuffix(".git")


def choose(settings: ForgeSettings, address: Address | None) -> ForgeKind:
    """The kind of forge: by setting, else the CI job's, else by the remote's host."""
    if settings.kind:
        return settings.kind
    names = address.host.split(".") if address else []
    if "github" in names:
        return "github"
    return "gitlab" if "gitlab" in names else "plain"


def proposal_number(job: CiJob) -> str | None:
    """The number of the pull or merge request this job runs for; None outside of one.

    TIDEMILL_PROPOSAL wins; else what GitHub Actions and GitLab CI say of the job.
    """
    if job.pull_request:
        return job.pull_request
    if pull := _PULL.match(job.ref):
        return pull[1]
    if number := _of_event(job.event_path):
        return number
    # A branch pipeline of GitLab names the merge requests of its branch: `group/project!7,…`
    opened = [name for name in job.open_merge_requests.split(",") if name]
    return opened[0].rpartition("!")[2] if len(opened) == 1 else None


def _of_event(path: str) -> str | None:
    """The pull request of an event that does not check one out (pull_request_target, …)."""
    try:
        event: Any = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError):
        return None
    if not isinstance(event, dict):
        return None
    run = event.get("workflow_run") or {}
    pulls = [event.get("pull_request") or {}, *(run.get("pull_requests") or [])]
    if (event.get("issue") or {}).get("pull_request"):
        pulls.append(event["issue"])
    numbers = [str(pull["number"]) for pull in pulls if pull.get("number")]
    return numbers[0] if numbers else None
