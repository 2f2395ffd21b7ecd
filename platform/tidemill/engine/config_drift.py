"""Config drift: differences between the desired state (Git), the recorded state (the ledger) and
the observed state (the traffic) of a service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from tidemill.engine.service_status import ServiceStatus

Kind = Literal[
    "lock unreadable",
    "lock missing",
    "lock behind",
    "lock edited",
    "lock stray",
    "pointer behind",
    "specs ahead",
    "live differs",
    "live down",
    "artefact missing",
    "artefact tampered",
]
LOCK_DRIFTS: tuple[Kind, ...] = (
    "lock unreadable",
    "lock missing",
    "lock behind",
    "lock edited",
    "lock stray",
    "pointer behind",
)
"""The kinds that `tidemill lock` repairs."""
_LOCK = "`tidemill lock --commit`, or --open-pr"


@dataclass(frozen=True)
class ConfigDrift:
    """One difference between the three states, with its cause and the way out."""

    kind: Kind
    service: str
    cause: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.cause}; {self.way_out}"


def config_drifts(status: ServiceStatus) -> tuple[ConfigDrift, ...]:
    """Every difference of one service; empty where the three states agree."""
    differences = (
        *_of_lock(status),
        *_of_specs(status),
        *_of_traffic(status),
        *_of_artefacts(status),
    )
    return tuple(
        ConfigDrift(kind, status.service, cause, way_out) for kind, cause, way_out in differences
    )


_Found = Iterator[tuple[Kind, str, str]]


def _of_lock(status: ServiceStatus) -> _Found:
    desired, live = status.desired, status.recorded.release
    if desired.error:
        yield "lock unreadable", desired.error, f"fix it, or write it again with {_LOCK}"
    elif not desired.commit:
        return
    elif desired.release is None and live is not None:
        yield (
            "lock missing",
            f"by the ledger {short_digest(live)} is live, but Git has no lock file for it",
            _LOCK,
        )
    elif desired.release is not None and live is None:
        locked = short_digest(desired.release)
        cause = f"the lock file names {locked} as live, but the ledger has no live release"
        yield "lock stray", cause, f"run the Rollout, or remove it with {_LOCK}"
    elif desired.release != live:
        locked = short_digest(desired.release)
        cause = f"the lock file names {locked}, but {short_digest(live)} is live"
        yield "lock behind", cause, _LOCK
    elif desired.lock_edited and live is not None:
        cause = f"the lock file and the ledger differ about {short_digest(live)}"
        yield "lock edited", cause, _LOCK
    if desired.pointer_behind:
        cause = f"releases/{status.service}.dvc does not name the artefacts of the lock"
        yield "pointer behind", cause, _LOCK


def _of_specs(status: ServiceStatus) -> _Found:
    now, then = status.desired.specs, status.recorded.specs
    if now is None or status.recorded.release is None:
        return
    ahead = sorted(name for name, digest in then.items() if now.get(name) != digest)
    if ahead:
        gone = [name for name in ahead if name not in now]
        names = ", ".join(f"{name} (removed)" if name in gone else name for name in ahead)
        cause = f"{names} changed since release {short_digest(status.recorded.release)}"
        yield "specs ahead", cause, f"`tidemill run {status.project}`, or revert the change"


def _of_traffic(status: ServiceStatus) -> _Found:
    observed, recorded = status.observed, _some(status.recorded.shares)
    if observed.shares is None:
        return
    served = _some(observed.shares)
    if served != recorded:
        cause = f"traffic is {_format_shares(served)}, the ledger says {_format_shares(recorded)}"
        yield "live differs", cause, "the running controller repairs it (`tidemill up`)"
    for release in observed.stopped_releases:
        cause = f"{short_digest(release)} should serve traffic but is not running"
        yield "live down", cause, "the running controller starts it (`tidemill up`)"


def _of_artefacts(status: ServiceStatus) -> _Found:
    way_out = "run `dvc pull` in the store, or rebuild it with `tidemill run`"
    for name, state in sorted(status.damaged_artefacts.items()):
        if state == "missing":
            yield "artefact missing", f"the bytes of '{name}' are not in the store", way_out
        else:
            yield "artefact tampered", f"the bytes of '{name}' do not match their digest", way_out


def short_digest(release: str | None) -> str:
    """The first twelve hex digits of a digest; `nothing` for None."""
    return release.removeprefix("sha256:")[:12] if release else "nothing"


def _some(shares: Mapping[str, float]) -> dict[str, float]:
    """Releases with traffic; one that is up at 0 % is no difference."""
    return {release: percent for release, percent in shares.items() if percent > 0}


def _format_shares(shares: Mapping[str, float]) -> str:
    parts = [
        f"{short_digest(release)} at {percent:g} %" for release, percent in sorted(shares.items())
    ]
    return ", ".join(parts) or "nothing"
