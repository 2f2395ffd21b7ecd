"""The DVC pointers of a lock: files that `dvc pull` reads to bring the bytes of live releases."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

import yaml

from tidemill.spec.lock import LockedRelease, LockFile

FOLDER = "releases"
"""Folder of the pointers, beside `tidemill.lock`."""
_HEADER = """\
# The live release of this service, written by `tidemill lock`: `dvc pull` brings these bytes.
"""
_IGNORED = """\
# The folders that `dvc pull` fills stay out of Git; the pointers beside them are in it.
/*/
"""


def pointer_file(service: str) -> str:
    """Path of a service's pointer, from the folder of its project."""
    return f"{FOLDER}/{service}.dvc"


def pointer_files(
    lock: LockFile | None, former: Collection[str] = ()
) -> Mapping[str, bytes | None]:
    """Path from the folder of the project → content of each file that the pointers of a lock need.

    A service of `former` that has no live release any more gets None: its pointer is removed.
    Nothing at all where the lock has no live release and had none.
    """
    services = lock.services if lock else {}
    live = {name: entry.live for name, entry in services.items() if entry.live}
    files: dict[str, bytes | None] = {
        pointer_file(name): None for name in former if name not in live
    }
    if live:
        files[f"{FOLDER}/.gitignore"] = _IGNORED.encode()
    return files | {pointer_file(name): pointer(name, release) for name, release in live.items()}


def pointer(service: str, release: LockedRelease) -> bytes:
    """One `.dvc` file with an output for each artefact that the store had when it was locked.

    `dvc pull` puts the artefact `reply-lora/merge` into `releases/SERVICE/reply-lora.merge`. A step
    whose bytes are an asset's own has no output beside it.
    """
    assets = {item.digest for name, item in release.artefacts.items() if "/" not in name}
    outs = [
        {
            "md5": artefact.dvc.md5,
            "size": artefact.dvc.size,
            "nfiles": artefact.dvc.nfiles,
            "hash": "md5",
            "path": str(PurePosixPath(service, name.replace("/", "."))),
            "meta": {"kind": artefact.kind, "digest": artefact.digest},
        }
        for name, artefact in sorted(release.artefacts.items())
        if artefact.dvc and not ("/" in name and artefact.digest in assets)
    ]
    meta = {"service": service, "release": release.release}
    body = yaml.safe_dump({"outs": outs, "meta": meta}, sort_keys=False, width=100)
    return (_HEADER + body).encode()


def content_hashes(lock: LockFile | None) -> frozenset[str]:
    """The DVC hash (`….dir`) of every artefact that the pointers of a lock name."""
    releases = [entry.live for entry in lock.services.values() if entry.live] if lock else []
    return frozenset(
        artefact.dvc.md5
        for release in releases
        for artefact in release.artefacts.values()
        if artefact.dvc
    )
