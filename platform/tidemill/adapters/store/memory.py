"""The store's twin: artefacts of one process in a folder that goes when it goes."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path

from tidemill.adapters.store.content_store import ArtefactRecord, ContentStore
from tidemill.errors import MissingArtefact


class MemoryStore(ContentStore):
    """Artefacts for as long as the object lives; checks them like the real one."""

    def __init__(self) -> None:
        root = Path(tempfile.mkdtemp(prefix="tidemill-store-"))
        super().__init__(root)
        self._records: dict[str, ArtefactRecord] = {}
        weakref.finalize(self, shutil.rmtree, root, ignore_errors=True)

    def records(self) -> list[ArtefactRecord]:
        """Everything that was put, sorted by name."""
        return sorted(self._records.values(), key=lambda record: record.name)

    def _find(self, digest: str) -> ArtefactRecord | None:
        return self._records.get(digest)

    def _find_by_name(self, name: str) -> ArtefactRecord | None:
        return next((record for record in self._records.values() if record.name == name), None)

    def _keep(self, folder: Path) -> Mapping[str, object]:  # noqa: ARG002 - nothing backs it
        return {}

    def _register(self, record: ArtefactRecord, backing: Mapping[str, object]) -> None:  # noqa: ARG002
        self._records[record.digest] = record

    def _unregister(self, record: ArtefactRecord) -> None:
        del self._records[record.digest]

    def _is_backed(self, record: ArtefactRecord) -> bool:  # noqa: ARG002 - nothing backs it
        return False

    def _restore(self, record: ArtefactRecord) -> None:
        raise MissingArtefact(
            f"the files of {record.kind} {record.digest} are gone from {self.root}; "
            "build it again with `tidemill run`"
        )
