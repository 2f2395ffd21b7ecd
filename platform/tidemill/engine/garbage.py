"""Decides which artefacts and folders of a home nothing needs any more.

An artefact is kept for the first reason that names it; everything without a reason is garbage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class StoredArtefact:
    """One artefact of the store."""

    digest: str
    kind: str
    files: Mapping[str, int]
    """Bytes of each distinct content, by its hash: artefacts share equal files."""

    @property
    def bytes(self) -> int:
        """Bytes of its distinct files."""
        return sum(self.files.values())


@dataclass(frozen=True)
class Need:
    """One reason to keep something."""

    name: str
    """Digest of an artefact, or path of a folder."""
    reason: str
    """A short phrase for people, such as `live release of support-chat`."""


@dataclass(frozen=True)
class StoredFolder:
    """A folder of the home that can be made again: scratch, a release folder, a plan cache."""

    path: str
    bytes: int


@dataclass(frozen=True)
class Collection:
    """What is freed and what is kept, and why."""

    artefacts: tuple[StoredArtefact, ...] = ()
    """To drop, largest first."""
    folders: tuple[StoredFolder, ...] = ()
    """To remove, largest first."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Reason by digest of each artefact that stays."""
    artefact_bytes: int = 0
    """Bytes that dropping the artefacts frees, without the files that a kept artefact shares."""

    @property
    def bytes(self) -> int:
        """All bytes that are freed."""
        return self.artefact_bytes + sum(folder.bytes for folder in self.folders)


def collect(
    artefacts: Iterable[StoredArtefact], folders: Iterable[StoredFolder], needs: Iterable[Need]
) -> Collection:
    """Everything that no need names.

    Dropping it never touches a needed artefact: a file goes only with the last artefact that
    contains it.
    """
    stored = list(artefacts)
    reasons: dict[str, str] = {}
    for need in needs:
        reasons.setdefault(need.name, need.reason)
    garbage = [artefact for artefact in stored if artefact.digest not in reasons]
    shared = {name for item in stored if item.digest in reasons for name in item.files}
    freed = {name: size for item in garbage for name, size in item.files.items()}
    unused = [folder for folder in folders if folder.path not in reasons]
    return Collection(
        artefacts=tuple(sorted(garbage, key=lambda item: (-item.bytes, item.digest))),
        folders=tuple(sorted(unused, key=lambda item: (-item.bytes, item.path))),
        reasons={item.digest: reasons[item.digest] for item in stored if item.digest in reasons},
        artefact_bytes=sum(size for name, size in freed.items() if name not in shared),
    )
