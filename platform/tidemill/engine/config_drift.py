"""Where Git, the ledger and what is served do not say the same of a service, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

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
OF_THE_LOCK: tuple[Kind, ...] = (
    "lock unreadable",
    "lock missing",
    "lock behind",
    "lock edited",
    "lock stray",
    "pointer behind",
)
"""What `tidemill lock` mends."""
_LOCK = "`tidemill lock --commit`, or --open-pr"


@dataclass(frozen=True)
class GitSide:
    """What the checked-out commit says of a service."""

    commit: str = ""
    """Empty outside Git."""
    release: str | None = None
    """The release that the lock calls live."""
    wanted: str | None = None
    """The release that the lock asks people to agree to."""
    trouble: str = ""
    """Why the lock cannot be read."""
    edited: bool = False
    """True where the lock names the live release but says other things of it than the ledger."""
    pointer_behind: bool = False
    """True where the DVC pointer beside the lock names other artefacts than the lock does."""
    specs: Mapping[str, str] | None = None
    """Spec digests at that commit, by name; None where the specs cannot be used."""


@dataclass(frozen=True)
class LedgerSide:
    """What the ledger says of a service."""

    release: str | None = None
    """The live release."""
    specs: Mapping[str, str] = field(default_factory=dict)
    """Digest of each spec that the live release was made by."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Percent of the traffic each release is to have."""


@dataclass(frozen=True)
class LiveSide:
    """What is really served."""

    shares: Mapping[str, float] | None = None
    """Percent of the traffic by release; None where it cannot be seen from here."""
    why: str = ""
    """Why it cannot be seen."""
    down: tuple[str, ...] = ()
    """Releases that are to answer and do not run."""


@dataclass(frozen=True)
class Standing:
    """One service from all three sides."""

    project: str
    service: str
    git: GitSide = GitSide()
    ledger: LedgerSide = LedgerSide()
    live: LiveSide = LiveSide()
    damaged: Mapping[str, Literal["missing", "tampered"]] = field(default_factory=dict)
    """Artefacts of the live release whose bytes are not what they were."""


@dataclass(frozen=True)
class Drift:
    """One way in which the sides differ."""

    kind: Kind
    service: str
    cause: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.cause}; {self.way_out}"


def drifts(standing: Standing) -> tuple[Drift, ...]:
    """Every drift of one service; none where all three sides say the same."""
    found = (
        *_of_lock(standing),
        *_of_specs(standing),
        *_of_traffic(standing),
        *_of_artefacts(standing),
    )
    return tuple(Drift(kind, standing.service, cause, way_out) for kind, cause, way_out in found)


_Found = Iterator[tuple[Kind, str, str]]


def _of_lock(standing: Standing) -> _Found:
    git, live = standing.git, standing.ledger.release
    if git.trouble:
        yield "lock unreadable", git.trouble, f"mend it, or write it anew with {_LOCK}"
    elif not git.commit:
        return
    elif git.release is None and live is not None:
        yield "lock missing", f"{short(live)} is live and no lock in Git says so", _LOCK
    elif git.release is not None and live is None:
        cause = f"the lock calls {short(git.release)} live, the ledger has no live release"
        yield "lock stray", cause, f"run the Rollout, or take it out with {_LOCK}"
    elif git.release != live:
        cause = f"the lock says {short(git.release)}, {short(live)} is live"
        yield "lock behind", cause, _LOCK
    elif git.edited and live is not None:
        cause = f"the lock says other things of {short(live)} than the ledger"
        yield "lock edited", cause, _LOCK
    if git.pointer_behind:
        cause = f"releases/{standing.service}.dvc does not name the artefacts of the lock"
        yield "pointer behind", cause, _LOCK


def _of_specs(standing: Standing) -> _Found:
    now, then = standing.git.specs, standing.ledger.specs
    if now is None or standing.ledger.release is None:
        return
    ahead = sorted(name for name, digest in then.items() if now.get(name) != digest)
    if ahead:
        gone = [name for name in ahead if name not in now]
        said = ", ".join(f"{name} (removed)" if name in gone else name for name in ahead)
        cause = f"{said} changed since {short(standing.ledger.release)} was made"
        yield "specs ahead", cause, f"`tidemill run {standing.project}`, or revert the change"


def _of_traffic(standing: Standing) -> _Found:
    live, wanted = standing.live, _some(standing.ledger.shares)
    if live.shares is None:
        return
    served = _some(live.shares)
    if served != wanted:
        cause = f"{_said(served)} is served, the ledger says {_said(wanted)}"
        yield "live differs", cause, "the controller mends it while it runs (`tidemill up`)"
    for release in live.down:
        cause = f"{short(release)} is to answer and does not run"
        yield "live down", cause, "the controller starts it while it runs (`tidemill up`)"


def _of_artefacts(standing: Standing) -> _Found:
    way_out = "`dvc pull` in the store, or make it again with `tidemill run`"
    for name, state in sorted(standing.damaged.items()):
        if state == "missing":
            yield "artefact missing", f"the bytes of '{name}' are not in the store", way_out
        else:
            yield "artefact tampered", f"the bytes of '{name}' are not what was made", way_out


def short(release: str | None) -> str:
    """The first twelve digits of a release, as people read it."""
    return release.removeprefix("sha256:")[:12] if release else "nothing"


def _some(shares: Mapping[str, float]) -> dict[str, float]:
    """Releases with traffic; one that is up at 0 % is no difference."""
    return {release: percent for release, percent in shares.items() if percent > 0}


def _said(shares: Mapping[str, float]) -> str:
    parts = [f"{short(release)} at {percent:g} %" for release, percent in sorted(shares.items())]
    return ", ".join(parts) or "nothing"
