"""Artefacts in DVC's cache: one pointer `<kind>-<digest>.dvc` each, so `dvc push`, `dvc pull` and
`dvc get` work on them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import redirect_stdout, suppress
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

import yaml

from tidemill import machine
from tidemill.adapters.store.content_store import (
    ArtefactRecord,
    ContentStore,
    record_from_dict,
    record_to_dict,
    short_hex,
    storage_errors,
    write_atomically,
)
from tidemill.errors import MissingArtefact, MissingExtra

_CONFIG = """\
# Artefacts of Tidemill. `dvc remote add -d NAME URL` here, then `dvc push` and `dvc pull`.
[core]
    no_scm = True
    analytics = False
[cache]
    type = "reflink,hardlink,symlink,copy"
"""
_IGNORE = "# Folders on their way in.\n.arriving-*\n"


class DvcStore(ContentStore):
    """A DVC repository without Git at `root`, its artefacts below `root/artefacts`."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        with storage_errors(root):
            for path, text in ((".dvc/config", _CONFIG), (".dvcignore", _IGNORE)):
                if not (root / path).exists():
                    write_atomically(root / path, text)

    def records(self) -> list[ArtefactRecord]:
        """Everything that was put, sorted by name."""
        return [_read(path) for path in sorted(self.artefacts.glob("*.dvc"))]

    def dvc_pointer(self, digest: str) -> Mapping[str, object] | None:
        """md5, size and nfiles of an artefact's entry in DVC; None where it is not known here."""
        record = self._find(digest)
        if record is None:
            return None
        out = yaml.safe_load(self._pointer(record).read_text())["outs"][0]
        return {key: out[key] for key in ("md5", "size", "nfiles")}

    def _find(self, digest: str) -> ArtefactRecord | None:
        for path in self.artefacts.glob(f"*-{short_hex(digest)}.dvc"):
            record = _read(path)
            if record.digest == digest:
                return record
        return None

    def _find_by_name(self, name: str) -> ArtefactRecord | None:
        path = self.artefacts / f"{name}.dvc"
        return _read(path) if path.exists() else None

    def _keep(self, folder: Path) -> Mapping[str, object]:
        """The bytes go into the cache first; the pointer that names them is written last."""
        from dvc_data.hashfile.build import build
        from dvc_data.hashfile.transfer import transfer

        cache = self._repo.cache.local
        staging, meta, tree = build(cache, str(folder), cache.fs, "md5")
        self._drop_corrupt(cache, tree)
        done = transfer(staging, cache, {tree.hash_info}, shallow=False, hardlink=True)
        if done.failed:
            raise OSError(
                f"DVC could not write to its cache at {cache.path}: the disk may be full, or the "
                "folder not writable"
            )
        sizes = {"size": meta.size, "nfiles": meta.nfiles}
        return {"md5": tree.hash_info.value, **sizes, "hash": "md5"}

    def _register(self, record: ArtefactRecord, backing: Mapping[str, object]) -> None:
        data = {"outs": [{**backing, "path": record.name}], "meta": record_to_dict(record)}
        write_atomically(self._pointer(record), yaml.safe_dump(data, sort_keys=False))

    def _unregister(self, record: ArtefactRecord) -> None:
        self._pointer(record).unlink(missing_ok=True)

    def _restore(self, record: ArtefactRecord) -> None:
        from dvc.exceptions import CheckoutError, DvcException

        try:
            self._repo.checkout(targets=[str(self._pointer(record))], force=True)
        except (CheckoutError, DvcException) as error:
            raise MissingArtefact(
                f"the files of {record.kind} {record.digest} are not here; fetch them with "
                f"`cd {self.root} && dvc pull artefacts/{record.name}.dvc`, "
                "or build them again with `tidemill run`"
            ) from error

    def _is_backed(self, record: ArtefactRecord) -> bool:
        """True where the cache has the list of its files; DVC writes that last."""
        md5: str = yaml.safe_load(self._pointer(record).read_text())["outs"][0]["md5"]
        return (self.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).exists()

    def _sweep(self) -> None:
        """Cache files that no pointer names any more; while `dvc` itself runs, the next time."""
        from dvc.lock import LockError

        # It reports on stdout, which belongs to our caller.
        with suppress(LockError), redirect_stdout(StringIO()):
            self._repo.gc(workspace=True)

    def _pointer(self, record: ArtefactRecord) -> Path:
        return self.artefacts / f"{record.name}.dvc"

    @staticmethod
    def _drop_corrupt(cache: Any, tree: Any) -> None:
        """DVC trusts read-only cache files; one that was tampered with must not back new bytes."""
        for _, _, info in tree:
            cached = Path(cache.oid_to_path(info.value))
            if cached.exists() and _md5(cached) != info.value:
                cached.unlink()

    @cached_property
    def _repo(self) -> Any:
        try:
            machine.quiet_dvc()
            from dvc.repo import Repo
            from dvc_data.hashfile.state import StateNoop
        except ImportError as error:
            raise MissingExtra("dvc", "data") from error
        notes = {"site_cache_dir": str(self.root / ".dvc" / "tmp" / "site")}
        repo = Repo(str(self.root), config={"core": notes})  # not in a folder of all users
        # DVC's own table of stats takes a lock that a second process would wait for, for nothing.
        repo.cache.local.state = StateNoop()
        return repo


def _read(path: Path) -> ArtefactRecord:
    loaded = yaml.safe_load(path.read_text())
    return record_from_dict(path.stem, loaded["meta"])


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
