"""What a walk through the ledger reaches, counted and listed inside the database.

A base model may have led to everything there is: its ten thousand artefacts are not carried over to
be counted here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, func, select, true
from sqlalchemy.schema import CreateTable

from tidemill.adapters.ledger.assets import artefacts, releases
from tidemill.adapters.ledger.base import new_row
from tidemill.adapters.ledger.event_tables import inference
from tidemill.adapters.ledger.lineage_tables import edges
from tidemill.engine.lineage import Direction, Edge

_reached = Table(
    "lineage_reached",
    MetaData(),
    Column("node", String(96), primary_key=True),
    prefixes=["TEMPORARY"],
)
Row = dict[str, Any]


@dataclass(frozen=True)
class Reach:
    """The nodes that were reached, in a table of this connection alone."""

    connection: Connection
    direction: Direction

    def kinds(self) -> dict[str, int]:
        """How many artefacts of each kind, most first."""
        count = func.count()
        query = select(artefacts.c.kind, count).group_by(artefacts.c.kind)
        query = query.join(_reached, _reached.c.node == artefacts.c.digest)
        query = query.order_by(count.desc(), artefacts.c.kind)
        found: dict[str, int] = dict(self.connection.execute(query).all())
        return found

    def artefacts(self, limit: int | None = None) -> list[Row]:
        """Digest, kind, bytes and creation time of artefacts, newest first."""
        return self._listed(artefacts, ("digest", "kind", "bytes", "created"), limit)

    def releases(self, limit: int | None = None) -> list[Row]:
        """Digest, project, service and creation time of releases, newest first."""
        return self._listed(releases, ("digest", "project", "service", "created"), limit)

    def answered(self) -> dict[str, tuple[int, float]]:
        """Of each release that answered: how many answers, and the time of its newest."""
        # One search of the index for each release: half the time of grouping all answers.
        mine = inference.c.release == releases.c.digest
        count = select(func.count()).where(mine).correlate(releases).scalar_subquery()
        newest = select(func.max(inference.c.time)).where(mine).correlate(releases)
        query = select(releases.c.digest, count, newest.scalar_subquery())
        query = query.join(_reached, _reached.c.node == releases.c.digest)
        found = self.connection.execute(query)
        return {release: (n, last) for release, n, last in found if n}

    def edges(self) -> list[Edge]:
        """The edges between what was reached, sorted."""
        near = edges.c.child if self.direction == "back" else edges.c.parent
        query = select(edges).join(_reached, near == _reached.c.node)
        return sorted(Edge(*row) for row in self.connection.execute(query))

    def _listed(self, table: Table, names: Iterable[str], limit: int | None) -> list[Row]:
        query = select(*(table.c[name] for name in names))
        query = query.join(_reached, _reached.c.node == table.c.digest)
        query = query.order_by(table.c.created.desc(), table.c.digest.desc()).limit(limit)
        return [dict(row) for row in self.connection.execute(query).mappings()]


@contextmanager
def reach(engine: Engine, starts: Iterable[str], direction: Direction) -> Iterator[Reach]:
    """Walk from the starts, which count as reached; a cycle ends the walk there."""
    near, far = edges.c.child, edges.c.parent
    if direction == "forward":
        near, far = far, near
    with engine.connect() as connection:
        connection.execute(CreateTable(_reached, if_not_exists=True))
        try:
            given = [{"node": node} for node in dict.fromkeys(starts)]
            if given:
                connection.execute(new_row(connection, _reached), given)
            way = select(_reached.c.node.label("node")).cte("way", recursive=True)
            way = way.union(select(far).join(way, near == way.c.node))
            # SQLite reads a WHERE before ON CONFLICT, or takes ON for a join's.
            walked = select(way.c.node).where(true())
            connection.execute(new_row(connection, _reached).from_select(["node"], walked))
            yield Reach(connection, direction)
        finally:
            connection.rollback()  # and with it the rows of the table; nothing else was written
