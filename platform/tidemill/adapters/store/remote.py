"""The DVC repository that holds the specs, and the way of artefacts to the remote it names."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from tidemill import machine
from tidemill.errors import MissingArtefact, MissingExtra, ServiceError

CONFIG = Path(".dvc", "config")


def dvc_root(folder: Path) -> Path | None:
    """The nearest folder at or above this one with a `.dvc/config`; None where there is none.

    Does not look beyond the root of the Git repository, which DVC does not either.
    """
    for parent in (folder.resolve(), *folder.resolve().parents):
        if (parent / CONFIG).is_file():
            return parent
        if (parent / ".git").exists():
            return None
    return None


def default_remote(root: Path) -> str | None:
    """Address of the remote that a DVC repository pushes to by default; None where it has none.

    Settings of the user and of the machine count, as they do for `dvc` itself. Raises ServiceError.
    """
    try:
        machine.quiet_dvc()
        from dvc.config import Config, ConfigError
    except ImportError as error:
        raise MissingExtra("dvc", "data") from error
    try:
        config = Config(str(root / ".dvc"))
    except ConfigError as error:
        raise ServiceError(f"{root / CONFIG}: {error}") from error
    remote = config["remote"].get(config["core"].get("remote"))
    return str(remote["url"]) if remote else None


def push(root: Path, store: Path, hashes: Collection[str]) -> int:
    """Copy artefacts from the cache of a store to the default remote of a DVC repository.

    `hashes` are their DVC hashes (`….dir`). Gives how many files were new at the remote; files that
    are there already are not sent again, so a killed push goes on where it was. Raises
    MissingArtefact where the store does not have one, ServiceError where the remote cannot be used.
    """
    from dvc.exceptions import DvcException
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.transfer import transfer
    from dvc_objects.fs.errors import AuthError, ConfigError, RemoteMissingDepsError

    address = default_remote(root)
    try:
        repository = _open(root, store)
        cache, remote = repository.cache.local, repository.cloud.get_remote_odb()
        _refuse([value for value in hashes if not cache.exists(value)])
        chosen = {HashInfo("md5", value) for value in hashes}
        done = transfer(cache, remote, chosen, shallow=False, validate_status=_refuse_missing)
    except RemoteMissingDepsError as error:
        raise ServiceError(
            f"{root / CONFIG}: DVC has no driver for this remote; pip install 'dvc[s3]' (or gs, "
            "azure, ssh, …)"
        ) from error
    except (DvcException, AuthError, ConfigError, OSError) as error:
        raise ServiceError(
            f"the artefacts could not be pushed to {address}: {error}; see {root / CONFIG}, or "
            "lock with --no-push"
        ) from error
    if done.failed:
        raise ServiceError(
            f"{len(done.failed)} files could not be pushed to {address}; check its space and your "
            f"permissions, or name another remote in {root / CONFIG}"
        )
    return len(done.transferred)


def _refuse_missing(status: Any) -> None:
    _refuse([entry.value for entry in status.missing])


def _refuse(missing: Collection[str]) -> None:
    """Stop before anything is sent where the cache lacks what a pointer names."""
    if missing:
        raise MissingArtefact(
            f"{len(missing)} files of live releases are not in the store's cache, "
            f"{min(missing)} for one; build them again with `tidemill run`"
        )


def _open(root: Path, store: Path) -> Any:
    """A DVC repository over the cache of a store; what DVC notes for itself stays in the store."""
    machine.quiet_dvc()
    from dvc.repo import Repo
    from dvc.scm import SCM
    from dvc_data.hashfile.state import StateNoop

    notes = {"site_cache_dir": str(store / ".dvc" / "tmp" / "site")}
    cache = {"dir": str(store / ".dvc" / "cache")}
    without_git = SCM(str(root), no_scm=True)  # else DVC would write into .gitignore
    repository = Repo(str(root), config={"cache": cache, "core": notes}, scm=without_git)
    repository.cache.local.state = StateNoop()
    return repository
