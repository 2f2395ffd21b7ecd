"""The transitive closure of lineage edges, counted and listed inside the database.

All artefacts may descend from one base model: ten thousand of them are not carried over to be
counted in Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, func, select, true
from sqlalchemy.schema import CreateTable

from tidemill.adapters.ledger.assets import artefacts, releases
from tidemill.adapters.ledger.base import SqlRow, insert_if_missing
from tidemill.adapters.ledger.event_tables import inference
from tidemill.adapters.ledger.lineage_tables import edges
from tidemill.engine.lineage import Direction, Edge

_closure = Table(
    "lineage_closure",
    MetaData(),
    Column("node", String(96), primary_key=True),
    prefixes=["TEMPORARY"],
)


@dataclass(frozen=True)
class LineageClosure:
    """All ancestors or descendants of some nodes, in a temporary table of this connection."""

    connection: Connection
    direction: Direction

    def artefact_counts(self) -> dict[str, int]:
        """How many artefacts of each kind, most first."""
        count = func.count()
        query = select(artefacts.c.kind, count).group_by(artefacts.c.kind)
        query = query.join(_closure, _closure.c.node == artefacts.c.digest)
        query = query.order_by(count.desc(), artefacts.c.kind)
        counts: dict[str, int] = dict(self.connection.execute(query).all())
        return counts

    def artefacts(self, limit: int | None = None) -> list[SqlRow]:
        """Digest, kind, bytes and creation time of artefacts, newest first."""
        return self._list(artefacts, ("digest", "kind", "bytes", "created"), limit)

    def releases(self, limit: int | None = None) -> list[SqlRow]:
        """Digest, project, service and creation time of releases, newest first."""
        return self._list(releases, ("digest", "project", "service", "created"), limit)

    def answer_counts(self) -> dict[str, tuple[int, float]]:
        """By release that answered: the number of answers, and the time of the newest one."""
        # One search of the index for each release: half the time of grouping all answers.
        same = inference.c.release == releases.c.digest
        count = select(func.count()).where(same).correlate(releases).scalar_subquery()
        newest = select(func.max(inference.c.time)).where(same).correlate(releases)
        query = select(releases.c.digest, count, newest.scalar_subquery())
        query = query.join(_closure, _closure.c.node == releases.c.digest)
        counts = self.connection.execute(query)
        return {release: (n, last) for release, n, last in counts if n}

    def edges(self) -> list[Edge]:
        """The edges between the nodes of the closure, sorted."""
        near = edges.c.child if self.direction == "back" else edges.c.parent
        query = select(edges).join(_closure, near == _closure.c.node)
        return sorted(Edge(*row) for row in self.connection.execute(query))

    def _list(self, table: Table, names: Iterable[str], limit: int | None) -> list[SqlRow]:
        query = select(*(table.c[name] for name in names))
        query = query.join(_closure, _closure.c.node == table.c.digest)
        query = query.order_by(table.c.created.desc(), table.c.digest.desc()).limit(limit)
        return [dict(row) for row in self.connection.execute(query).mappings()]


@contextmanager
def lineage_closure(
    engine: Engine, starts: Iterable[str], direction: Direction
) -> Iterator[LineageClosure]:
    """Follow edges from the starts, which are part of the closure; cycles end there."""
    near, far = edges.c.child, edges.c.parent
    if direction == "forward":
        near, far = far, near
    with engine.connect() as connection:
        connection.execute(CreateTable(_closure, if_not_exists=True))
        try:
            first = [{"node": node} for node in dict.fromkeys(starts)]
            if first:
                connection.execute(insert_if_missing(connection, _closure), first)
            path = select(_closure.c.node.label("node")).cte("path", recursive=True)
            path = path.union(select(far).join(path, near == path.c.node))
            # SQLite reads a WHERE before ON CONFLICT, or takes ON for a join's.
            nodes = select(path.c.node).where(true())
            connection.execute(insert_if_missing(connection, _closure).from_select(["node"], nodes))
            yield LineageClosure(connection, direction)
        finally:
            connection.rollback()  # and with it the rows of the table; nothing else was written
