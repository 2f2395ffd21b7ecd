"""The ledger's memory of what was made and what was released."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Engine,
    Float,
    Index,
    Integer,
    Row,
    String,
    Table,
    func,
    insert,
    select,
)

from tidemill.adapters.ledger.base import metadata, utc
from tidemill.adapters.ledger.lineage_tables import write_edges
from tidemill.engine.cost import BuildCost
from tidemill.engine.lineage import of_making, of_release
from tidemill.engine.release_record import ReleaseRecord
from tidemill.ports import Artefact, Making

artefacts = Table(
    "artefacts",
    metadata,
    Column("digest", String(80), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("meta", JSON, nullable=False),
    Column("created", DateTime(timezone=True), nullable=False),
)

makings = Table(
    "makings",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("project", String(80), nullable=False),
    Column("name", String(80), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("version", String(80), nullable=False),
    Column("spec_digest", String(80), nullable=False),
    Column("artefact", String(80), nullable=False),
    *(Column(key, JSON, nullable=False) for key in ("steps", "inputs", "commit", "tools")),
    *(Column(key, JSON, nullable=False) for key in ("measures", "checks", "facts")),
    Column("started", DateTime(timezone=True), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("peak_bytes", BigInteger, nullable=False),
    Column("run", String(64), nullable=False),
    Index("makings_by_name", "project", "name", "id"),
    Index("makings_by_version", "project", "name", "version"),
)

releases = Table(
    "releases",
    metadata,
    Column("digest", String(80), primary_key=True),
    Column("project", String(80), nullable=False),
    Column("service", String(80), nullable=False, index=True),
    Column("record", JSON, nullable=False),
    Column("created", DateTime(timezone=True), nullable=False, index=True),
)


class AssetLedger:
    """Artefacts, makings and releases (the `Records` port, and what `why` and `status` read)."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def latest(self, project: str, name: str) -> Making | None:
        """The newest record of an asset."""
        return self._newest(makings.c.project == project, makings.c.name == name)

    def newest(self) -> list[Making]:
        """The newest record of each asset of all projects."""
        newest = select(func.max(makings.c.id)).group_by(makings.c.project, makings.c.name)
        with self.engine.connect() as connection:
            rows = connection.execute(select(makings).where(makings.c.id.in_(newest))).all()
        return [_making(row) for row in rows]

    def by_version(self, project: str, name: str, version: str) -> Making | None:
        """The newest record of this very version."""
        return self._newest(
            makings.c.project == project, makings.c.name == name, makings.c.version == version
        )

    def by_artefact(self, project: str, name: str, artefact: str) -> Making | None:
        """The newest record that gave these very bytes."""
        return self._newest(
            makings.c.project == project, makings.c.name == name, makings.c.artefact == artefact
        )

    def origin(self, project: str, name: str, artefact: str) -> Making | None:
        """The record of the run that made an artefact under this name; later ones reused it."""
        query = select(makings).where(
            makings.c.project == project, makings.c.name == name, makings.c.artefact == artefact
        )
        with self.engine.connect() as connection:
            row = connection.execute(query.order_by(makings.c.id).limit(1)).first()
        return _making(row) if row else None

    def record(self, making: Making) -> Making:
        """Keep it, with its id."""
        values = asdict(making)
        values.pop("id")
        with self.engine.begin() as connection:
            key = connection.execute(insert(makings).values(**values)).inserted_primary_key
            assert key is not None
            write_edges(connection, of_making(key[0], values))
        return Making(**{**values, "id": key[0]})

    def history(self, project: str, *, limit: int = 500) -> Iterator[Making]:
        """Records of a project, newest first."""
        query = select(makings).where(makings.c.project == project)
        with self.engine.connect() as connection:
            for row in connection.execute(query.order_by(makings.c.id.desc()).limit(limit)):
                yield _making(row)

    def past(self, kinds: Sequence[str], *, limit: int = 2000) -> list[BuildCost]:
        """What making assets of these kinds took, newest first; reused artefacts are left out."""
        names = ("project", "name", "kind", "seconds", "peak_bytes", "facts")
        query = select(*(makings.c[name] for name in names))
        query = query.where(makings.c.kind.in_(list(kinds)), makings.c.seconds > 0)
        with self.engine.connect() as connection:
            rows = connection.execute(query.order_by(makings.c.id.desc()).limit(limit)).all()
        whole = (row for row in rows if not row.facts.get("resumed_from"))
        return [
            BuildCost(
                row.project, row.name, row.kind, row.seconds, row.peak_bytes, _rows(row.facts)
            )
            for row in whole
        ]

    def keep(self, made: Sequence[Artefact]) -> None:
        """Remember artefacts; known digests are left as they are."""
        now = datetime.now(UTC)
        with self.engine.begin() as connection:
            known = set(
                connection.scalars(
                    select(artefacts.c.digest).where(
                        artefacts.c.digest.in_([item.digest for item in made])
                    )
                )
            )
            for item in {item.digest: item for item in made if item.digest not in known}.values():
                connection.execute(
                    insert(artefacts).values(
                        digest=item.digest,
                        kind=item.kind,
                        bytes=item.bytes,
                        meta=dict(item.meta),
                        created=now,
                    )
                )

    def artefact(self, digest: str) -> Mapping[str, Any] | None:
        """What is known of one artefact: digest, kind, bytes, meta, created."""
        with self.engine.connect() as connection:
            row = connection.execute(select(artefacts).where(artefacts.c.digest == digest)).first()
        return dict(row._mapping) if row else None

    def release(self, digest: str) -> ReleaseRecord | None:
        """The record of one release; a unique beginning of the digest is enough."""
        query = select(releases.c.record).where(releases.c.digest.startswith(digest)).limit(2)
        with self.engine.connect() as connection:
            found = list(connection.scalars(query))
        return ReleaseRecord.from_dict(found[0]) if len(found) == 1 else None

    def releases(self, service: str | None = None) -> list[ReleaseRecord]:
        """Release records, oldest first."""
        query = select(releases.c.record).order_by(releases.c.created)
        if service:
            query = query.where(releases.c.service == service)
        with self.engine.connect() as connection:
            return [ReleaseRecord.from_dict(raw) for raw in connection.scalars(query)]

    def add_release(self, record: ReleaseRecord) -> None:
        """Keep a release; the same content again changes nothing."""
        if self.release(record.digest):
            return
        with self.engine.begin() as connection:
            connection.execute(
                insert(releases).values(
                    digest=record.digest,
                    project=record.project,
                    service=record.service,
                    record=record.to_dict(),
                    created=datetime.now(UTC),
                )
            )
            write_edges(connection, of_release(record))

    def _newest(self, *where: Any) -> Making | None:
        query = select(makings).where(*where).order_by(makings.c.id.desc()).limit(1)
        with self.engine.connect() as connection:
            row = connection.execute(query).first()
        return _making(row) if row else None


def _rows(facts: Mapping[str, Any]) -> int | None:
    """How many rows an asset was made of, where its facts say so."""
    found = facts.get("rows_total", facts.get("rows"))
    return found if isinstance(found, int) else None


def _making(row: Row[Any]) -> Making:
    values = dict(row._mapping)
    return Making(**{**values, "started": utc(values["started"])})
