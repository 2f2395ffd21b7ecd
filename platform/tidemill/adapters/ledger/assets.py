"""The tables of artefacts, materialisations and releases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
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
    Select,
    String,
    Table,
    func,
    insert,
    select,
)

from tidemill.adapters.ledger.base import has_prefix, insert_if_missing, metadata, utc
from tidemill.adapters.ledger.lineage_tables import write_edges
from tidemill.engine.cost import BuildCost
from tidemill.engine.lineage import Edge, materialisation_edges, release_edges
from tidemill.engine.measurement import Check, Measure
from tidemill.engine.release_record import ReleaseRecord, SpecCommit
from tidemill.ports import Artefact, Materialisation

artefacts = Table(
    "artefacts",
    metadata,
    Column("digest", String(80), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("meta", JSON, nullable=False),
    Column("created", DateTime(timezone=True), nullable=False),
)

materialisations = Table(
    "materialisations",
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
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("peak_bytes", BigInteger, nullable=False),
    Column("run_id", String(64), nullable=False),
    Index("materialisations_by_name", "project", "name", "id"),
    Index("materialisations_by_version", "project", "name", "version"),
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


class MaterialisationLedger:
    """The `MaterialisationStore` in SQL, and what `why`, `status` and `plan` read of releases."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def latest(self, project: str, name: str) -> Materialisation | None:
        """The newest materialisation of an asset."""
        return self._first(_of_asset(project, name).order_by(materialisations.c.id.desc()))

    def newest(self) -> list[Materialisation]:
        """The newest materialisation of each asset of all projects."""
        table = materialisations
        newest = select(func.max(table.c.id)).group_by(table.c.project, table.c.name)
        with self.engine.connect() as connection:
            rows = connection.execute(select(table).where(table.c.id.in_(newest))).all()
        return [_from_row(row) for row in rows]

    def by_version(self, project: str, name: str, version: str) -> Materialisation | None:
        """The newest materialisation of an asset with this version."""
        query = _of_asset(project, name).where(materialisations.c.version == version)
        return self._first(query.order_by(materialisations.c.id.desc()))

    def is_built(self, project: str, name: str, version_prefix: str) -> bool:
        """True where an asset has a materialisation whose version has this prefix."""
        query = _of_asset(project, name).where(
            has_prefix(self.engine, materialisations.c.version, version_prefix)
        )
        return self._first(query) is not None

    def by_artefact(self, project: str, name: str, artefact: str) -> Materialisation | None:
        """The newest materialisation of an asset that gave this artefact."""
        query = _of_asset(project, name).where(materialisations.c.artefact == artefact)
        return self._first(query.order_by(materialisations.c.id.desc()))

    def first_with_rows(self, project: str, name: str, rows: str) -> Materialisation | None:
        """The oldest materialisation of a dataset whose rows have this digest."""
        same = materialisations.c.facts["rows_digest"].as_string() == rows
        return self._first(_of_asset(project, name).where(same).order_by(materialisations.c.id))

    def first_build(self, project: str, name: str, artefact: str) -> Materialisation | None:
        """The materialisation that built an artefact under this name; later ones reused it."""
        query = _of_asset(project, name).where(materialisations.c.artefact == artefact)
        return self._first(query.order_by(materialisations.c.id))

    def add(self, materialisation: Materialisation) -> Materialisation:
        """Store a materialisation and give it with its id."""
        values = {**asdict(materialisation), "commit": materialisation.commit.to_dict()}
        values.pop("id")
        with self.engine.begin() as connection:
            key = connection.execute(insert(materialisations).values(**values)).inserted_primary_key
            assert key is not None
            stored = replace(materialisation, id=key[0])
            write_edges(connection, _edges(stored))
        return stored

    def history(self, project: str, *, limit: int = 500) -> Iterator[Materialisation]:
        """Materialisations of a project, newest first."""
        query = select(materialisations).where(materialisations.c.project == project)
        with self.engine.connect() as connection:
            for row in connection.execute(
                query.order_by(materialisations.c.id.desc()).limit(limit)
            ):
                yield _from_row(row)

    def build_costs(self, kinds: Sequence[str], *, limit: int = 2000) -> list[BuildCost]:
        """What building assets of these kinds took, newest first; reused artefacts are left out."""
        names = ("project", "name", "kind", "seconds", "peak_bytes", "facts")
        query = select(*(materialisations.c[name] for name in names))
        query = query.where(
            materialisations.c.kind.in_(list(kinds)), materialisations.c.seconds > 0
        )
        with self.engine.connect() as connection:
            rows = connection.execute(
                query.order_by(materialisations.c.id.desc()).limit(limit)
            ).all()
        complete = (row for row in rows if not row.facts.get("resumed_from"))
        return [
            BuildCost(
                row.project, row.name, row.kind, row.seconds, row.peak_bytes, _row_count(row.facts)
            )
            for row in complete
        ]

    def add_artefacts(self, items: Sequence[Artefact]) -> None:
        """Store artefacts; digests that are there stay as they are."""
        now = datetime.now(UTC)
        rows = [
            {
                "digest": item.digest,
                "kind": item.kind,
                "bytes": item.bytes,
                "meta": dict(item.meta),
                "created": now,
            }
            for item in items
        ]
        if rows:
            with self.engine.begin() as connection:
                connection.execute(insert_if_missing(connection, artefacts), rows)

    def artefact(self, digest: str) -> Mapping[str, object] | None:
        """One artefact's columns: digest, kind, bytes, meta, created."""
        with self.engine.connect() as connection:
            row = connection.execute(select(artefacts).where(artefacts.c.digest == digest)).first()
        return dict(row._mapping) if row else None

    def release(self, digest: str) -> ReleaseRecord | None:
        """The record of one release; a unique prefix of the digest is enough."""
        same = has_prefix(self.engine, releases.c.digest, digest)
        query = select(releases.c.record).where(same).limit(2)
        with self.engine.connect() as connection:
            records = list(connection.scalars(query))
        return ReleaseRecord.from_dict(records[0]) if len(records) == 1 else None

    def releases(self, service: str | None = None) -> list[ReleaseRecord]:
        """Release records, oldest first."""
        query = select(releases.c.record).order_by(releases.c.created)
        if service:
            query = query.where(releases.c.service == service)
        with self.engine.connect() as connection:
            return [ReleaseRecord.from_dict(raw) for raw in connection.scalars(query)]

    def add_release(self, record: ReleaseRecord) -> None:
        """Store a release; the same content again changes nothing."""
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
            write_edges(connection, release_edges(record))

    def _first(self, query: Select[Any]) -> Materialisation | None:
        with self.engine.connect() as connection:
            row = connection.execute(query.limit(1)).first()
        return _from_row(row) if row else None


def _of_asset(project: str, name: str) -> Select[Any]:
    return select(materialisations).filter_by(project=project, name=name)


def _row_count(facts: Mapping[str, object]) -> int | None:
    """How many rows an asset was built from, where its facts say so."""
    count = facts.get("rows_total", facts.get("rows"))
    return count if isinstance(count, int) else None


def _edges(materialisation: Materialisation) -> list[Edge]:
    return materialisation_edges(
        materialisation.id,
        materialisation.name,
        artefact=materialisation.artefact,
        steps=materialisation.steps,
        inputs=materialisation.inputs,
        spec_digest=materialisation.spec_digest,
        sha=materialisation.commit.sha,
    )


def _from_row(row: Row[Any]) -> Materialisation:
    return read_materialisation(row._mapping)


def read_materialisation(columns: Mapping[Any, Any]) -> Materialisation:
    """A materialisation from its columns by name."""
    values = dict(columns)
    values["started_at"] = utc(values["started_at"])
    values["commit"] = SpecCommit.from_dict(values["commit"])
    values["measures"] = tuple(map(Measure.from_dict, values["measures"]))
    values["checks"] = tuple(map(Check.from_dict, values["checks"]))
    return Materialisation(**values)
