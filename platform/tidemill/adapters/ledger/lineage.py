"""The ledger's memory of lineage: what came of what, which rows are where, who was answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, Engine, Select, and_, func, literal, or_, select
from sqlalchemy.schema import CreateIndex

from tidemill.adapters.ledger.assets import artefacts, makings, releases
from tidemill.adapters.ledger.base import new_row
from tidemill.adapters.ledger.event_tables import inference, moment
from tidemill.adapters.ledger.lineage_closure import Reach, reach
from tidemill.adapters.ledger.lineage_tables import (
    SPLITS,
    datasets,
    edges,
    held,
    marks,
    number,
    row_id,
    rows,
    subject_number,
    write_edges,
    write_rows,
)
from tidemill.engine.lineage import Direction, Edge, materialisation_edges, release_edges
from tidemill.engine.release_record import ReleaseRecord
from tidemill.ports import Making

CHUNK = 500
HEX_END = "g"
"""Sorts after every hex digit: [x, x + HEX_END) holds what begins with x, by an index."""
SHORTEST_ID = 8
"""Fewest characters that may stand for a response id."""
_CAUGHT_UP = "edges"
Row = dict[str, Any]


class LineageLedger:
    """Questions of `why`, each answered from an index."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._catch_up()

    def reach(self, starts: Iterable[str], direction: Direction) -> AbstractContextManager[Reach]:
        """All that the starts came of, or all that came of them, for as long as the block runs."""
        return reach(self.engine, starts, direction)

    def edges(self, starts: Iterable[str], direction: Direction) -> list[Edge]:
        """Every edge on a way from the starts, sorted."""
        with self.reach(starts, direction) as found:
            return found.edges()

    def named(self, beginning: str) -> list[tuple[str, str]]:
        """(`release` or `artefact`, digest) of all whose digest begins so, at most twenty."""
        found: list[tuple[str, str]] = []
        with self.engine.connect() as connection:
            for what, column in (("release", releases.c.digest), ("artefact", artefacts.c.digest)):
                query = select(column).where(_begins(column, beginning)).order_by(column)
                found += [(what, digest) for digest in connection.scalars(query.limit(20))]
        return found

    def commits(self, beginning: str) -> list[str]:
        """The commits that something was made at and that begin so, at most twenty."""
        column = edges.c.parent
        query = select(column).distinct().where(_begins(column, f"commit:{beginning}"))
        with self.engine.connect() as connection:
            found = connection.scalars(query.order_by(column).limit(20))
            return [node.removeprefix("commit:") for node in found]

    def made_at(self) -> list[str]:
        """Every commit that something was made at."""
        column = edges.c.parent
        query = select(column).distinct().where(_begins(column, "commit:"))
        with self.engine.connect() as connection:
            return [node.removeprefix("commit:") for node in connection.scalars(query)]

    def makings_at(self, sha: str) -> dict[int, Row]:
        """The makings at a commit, by id."""
        query = select(edges.c.child).where(edges.c.parent == f"commit:{sha}")
        with self.engine.connect() as connection:
            nodes = [node for node in connection.scalars(query) if node.startswith("making:")]
        return self.making_rows(int(node.removeprefix("making:")) for node in nodes)

    def artefacts_of(self, kind: str, name: str, project: str | None = None) -> list[str]:
        """Digests of what the specs of this kind and name gave, newest first."""
        wanted = [makings.c.kind == kind, makings.c.name == name]
        wanted += [makings.c.project == project] if project else []
        query = select(makings.c.artefact, func.max(makings.c.id)).where(*wanted)
        query = query.group_by(makings.c.artefact).order_by(func.max(makings.c.id).desc())
        with self.engine.connect() as connection:
            return [digest for digest, _ in connection.execute(query)]

    def models(self, project: str) -> list[str]:
        """Digests of a project's base models, newest first."""
        newest = func.max(makings.c.id).desc()
        query = select(makings.c.artefact).group_by(makings.c.artefact).order_by(newest)
        mine = makings.c.project == project, makings.c.kind == "Model"
        with self.engine.connect() as connection:
            return list(connection.scalars(query.where(*mine)))

    def names(self, kind: str | None = None) -> list[str]:
        """Names of all specs (of a kind) that gave something."""
        query = select(makings.c.name).distinct().order_by(makings.c.name)
        query = query.where(makings.c.kind == kind) if kind else query
        with self.engine.connect() as connection:
            return list(connection.scalars(query))

    def making_rows(self, keys: Iterable[int]) -> dict[int, Row]:
        """Project, name, kind, artefact, started, seconds of makings, by id."""
        names = ("id", "project", "name", "kind", "artefact", "spec_digest", "started", "seconds")
        query = select(*(makings.c[name] for name in names))
        return {row["id"]: row for row in self._by(query, makings.c.id, keys)}

    def makings(self, keys: Iterable[int]) -> dict[int, Making]:
        """Whole records of makings, by id."""
        found = self._by(select(makings), makings.c.id, keys)
        return {row["id"]: Making(**row) for row in found}

    def artefact_rows(self, digests: Iterable[str]) -> dict[str, Row]:
        """Kind, bytes and creation time of artefacts, by digest."""
        query = select(artefacts.c.digest, artefacts.c.kind, artefacts.c.bytes, artefacts.c.created)
        return {row["digest"]: row for row in self._by(query, artefacts.c.digest, digests)}

    def made_by(self, digests: Iterable[str]) -> dict[str, tuple[int, str]]:
        """A making that gave each artefact, and as what: `output` before `step:…`."""
        mine = select(edges.c.child, func.min(edges.c.role + " " + edges.c.parent))
        mine = mine.where(edges.c.parent >= "making:", edges.c.parent < "making;")
        found: dict[str, tuple[int, str]] = {}
        with self.engine.connect() as connection:
            for chunk in _chunks(digests):
                query = mine.where(edges.c.child.in_(chunk)).group_by(edges.c.child)
                for digest, said in connection.execute(query):
                    role, _, making = said.rpartition(" ")
                    found[digest] = int(making.removeprefix("making:")), role
        return found

    # Rows.

    def keep_rows(self, digest: str, given: Sequence[Mapping[str, Any]]) -> None:
        """Remember which rows a dataset holds (`data.origins.read`); again changes nothing."""
        with self.engine.begin() as connection:
            write_rows(connection, digest, given)

    def without_rows(self) -> list[str]:
        """Datasets whose rows the ledger does not know: an older version made them."""
        known = select(datasets.c.digest).where(datasets.c.digest == artefacts.c.digest)
        query = select(artefacts.c.digest).where(artefacts.c.kind == "dataset", ~known.exists())
        with self.engine.connect() as connection:
            return list(connection.scalars(query))

    def row(self, key: str) -> Row | None:
        """Where a row came from: id, source, line, event, place, answer."""
        return next(iter(self._rows(rows.c.row == number(key))), None)

    def rows_like(self, beginning: str) -> list[str]:
        """Ids of rows that begin so, at most twenty."""
        low, high = (number(f"{beginning:{fill}<16}") for fill in "0f")
        query = select(rows.c.row).where(rows.c.row.between(low, high)).order_by(rows.c.row)
        with self.engine.connect() as connection:
            return [row_id(kept) for kept in connection.scalars(query.limit(20))]

    def rows_of(self, what: str, value: str) -> list[Row]:
        """Rows that came of an `event`, of the feedback on an `answer`, or of a `subject`."""
        column = rows.c[what]
        return self._rows(column == (subject_number(value) if what == "subject" else value))

    def holding(self, keys: Iterable[str]) -> list[Row]:
        """(row, dataset, split) for each dataset that holds one of these rows."""
        query = select(held.c.row, datasets.c.digest.label("dataset"), held.c.split)
        query = query.join(datasets, datasets.c.id == held.c.dataset)
        found = self._by(query, held.c.row, map(number, keys))
        return [{**row, "row": row_id(row["row"]), "split": SPLITS[row["split"]]} for row in found]

    def fed(self, digest: str, limit: int) -> tuple[int, list[Row]]:
        """How many of a dataset's rows were feedback, and some of them."""
        of = select(datasets.c.id, datasets.c.from_feedback).where(datasets.c.digest == digest)
        with self.engine.connect() as connection:
            known = connection.execute(of).first()
            if known is None or not known.from_feedback:
                return 0, []
            mine = select(held.c.row).where(held.c.dataset == known.id, held.c.from_feedback)
            keys = list(connection.scalars(mine.limit(limit)))
        return known.from_feedback, self._rows(rows.c.row.in_(keys))

    # Answers.

    def responses(self, beginning: str) -> list[str]:
        """The response of that id, or those whose id begins so, at most twenty."""
        column = inference.c.response_id
        begins = [_begins(column, beginning)] if len(beginning) >= SHORTEST_ID else []
        with self.engine.connect() as connection:
            for where in (column == beginning, *begins):
                query = select(column).distinct().where(where).order_by(column).limit(20)
                if found := list(connection.scalars(query)):
                    return found
        return []

    def near(self, response: str) -> list[str]:
        """Neighbours of an id that is not there which share its beginning."""
        column = inference.c.response_id
        found: list[str] = []
        with self.engine.connect() as connection:
            for query in (
                select(column).where(column > response).order_by(column),
                select(column).where(column < response).order_by(column.desc()),
            ):
                found += connection.scalars(query.limit(1))
        return [one for one in found if one[:SHORTEST_ID] == response[:SHORTEST_ID]]

    def answers(self, where: str, values: Iterable[str], limit: int | None) -> Iterator[Row]:
        """Answers by `release` or `subject`, for each value newest first, at most `limit` each."""
        names = ("response_id", "release", "service", "time", "label", "output")
        query = select(*(inference.c[name] for name in names)).order_by(inference.c.time.desc())
        with self.engine.connect() as connection:
            for value in values:
                mine = query.where(inference.c[where] == value).limit(limit)
                for row in connection.execution_options(yield_per=1000).execute(mine).mappings():
                    yield {**row, "time": moment(row["time"])}

    def count_of_subject(self, subject: str) -> int:
        """How many answers a subject was given."""
        query = select(func.count()).where(inference.c.subject == subject)
        with self.engine.connect() as connection:
            return connection.scalar(query) or 0

    # How.

    def _rows(self, where: Any) -> list[Row]:
        names = ("row", "source", "line", "event", "place", "answer")
        query = select(*(rows.c[name] for name in names)).where(where).order_by(rows.c.row)
        with self.engine.connect() as connection:
            found = connection.execute(query).mappings().all()
        return [{"id": row_id(row["row"]), **{k: row[k] for k in names[1:]}} for row in found]

    def _by(self, query: Select[Any], column: Any, keys: Iterable[Any]) -> list[Row]:
        with self.engine.connect() as connection:
            return [
                dict(row)
                for chunk in _chunks(keys)
                for row in connection.execute(query.where(column.in_(chunk))).mappings()
            ]

    def _catch_up(self) -> None:
        """Once for each ledger: indexes that old ones lack, and edges of what they hold."""
        with self.engine.connect() as connection:
            if connection.scalar(select(literal(1)).where(marks.c.name == _CAUGHT_UP)):
                return
        with self.engine.begin() as connection:
            for index in sorted(inference.indexes, key=lambda index: str(index.name)):
                connection.execute(CreateIndex(index, if_not_exists=True))
            write_edges(connection, _known_edges(connection))
            connection.execute(new_row(connection, marks), {"name": _CAUGHT_UP})


def _known_edges(connection: Connection) -> Iterator[Edge]:
    columns = ("id", "name", "artefact", "steps", "inputs", "spec_digest", "commit")
    for row in connection.execute(select(*(makings.c[name] for name in columns))).mappings():
        yield from materialisation_edges(row["id"], dict(row))
    for record in connection.scalars(select(releases.c.record)):
        yield from release_edges(ReleaseRecord.from_dict(record))


def _begins(column: Any, beginning: str) -> Any:
    return or_(column == beginning, and_(column >= beginning, column < beginning + HEX_END))


def _chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    """Lists short enough for one IN."""
    wanted = list(dict.fromkeys(items))
    for start in range(0, len(wanted), CHUNK):
        yield wanted[start : start + CHUNK]
