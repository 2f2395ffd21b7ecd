"""The lineage queries: what was built from what, which datasets contain a row, which release gave
an answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, Select, and_, func, or_, select

from tidemill.adapters.ledger.assets import (
    artefacts,
    materialisations,
    read_materialisation,
    releases,
)
from tidemill.adapters.ledger.base import SqlRow
from tidemill.adapters.ledger.event_tables import from_timestamp, inference
from tidemill.adapters.ledger.lineage_closure import LineageClosure, lineage_closure
from tidemill.adapters.ledger.lineage_tables import (
    SPLITS,
    dataset_rows,
    datasets,
    edges,
    row_id,
    row_key,
    rows,
    subject_number,
    write_rows,
)
from tidemill.engine.lineage import BUILD, Direction, Edge
from tidemill.ports import Materialisation

if TYPE_CHECKING:
    from tidemill.data.origins import RowOrigin

CHUNK = 500
HEX_END = "g"
"""Sorts after every hex digit: [x, x + HEX_END) contains what starts with x, by an index."""
SHORTEST_ID = 8
"""Fewest characters that may stand for a response id."""


class LineageLedger:
    """The queries of `why`, each answered from an index."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def closure(
        self, starts: Iterable[str], direction: Direction
    ) -> AbstractContextManager[LineageClosure]:
        """All ancestors or all descendants of the starts, while the block runs."""
        return lineage_closure(self.engine, starts, direction)

    def edges(self, starts: Iterable[str], direction: Direction) -> list[Edge]:
        """Every edge on a path from the starts, sorted."""
        with self.closure(starts, direction) as closure:
            return closure.edges()

    def digests_with_prefix(self, prefix: str) -> list[tuple[str, str]]:
        """(`release` or `artefact`, digest) of each digest with the prefix, at most twenty."""
        digests: list[tuple[str, str]] = []
        with self.engine.connect() as connection:
            for kind, column in (("release", releases.c.digest), ("artefact", artefacts.c.digest)):
                query = select(column).where(_starts_with(column, prefix)).order_by(column)
                digests += [(kind, digest) for digest in connection.scalars(query.limit(20))]
        return digests

    def commits_with_prefix(self, prefix: str) -> list[str]:
        """Commits with the prefix that something was built at, at most twenty."""
        column = edges.c.parent
        query = select(column).distinct().where(_starts_with(column, f"commit:{prefix}"))
        with self.engine.connect() as connection:
            nodes = connection.scalars(query.order_by(column).limit(20))
            return [node.removeprefix("commit:") for node in nodes]

    def build_commits(self) -> list[str]:
        """Every commit that something was built at."""
        column = edges.c.parent
        query = select(column).distinct().where(_starts_with(column, "commit:"))
        with self.engine.connect() as connection:
            return [node.removeprefix("commit:") for node in connection.scalars(query)]

    def materialisations_at(self, sha: str) -> dict[int, SqlRow]:
        """The materialisations at a commit, by id: columns as `materialisation_rows` gives them."""
        query = select(edges.c.child).where(edges.c.parent == f"commit:{sha}")
        with self.engine.connect() as connection:
            nodes = [node for node in connection.scalars(query) if node.startswith(BUILD)]
        return self.materialisation_rows(int(node.removeprefix(BUILD)) for node in nodes)

    def artefacts_of(self, kind: str, name: str, project: str | None = None) -> list[str]:
        """Digests that specs of this kind and name gave, newest first."""
        table, newest = materialisations, func.max(materialisations.c.id).desc()
        query = select(table.c.artefact).filter_by(kind=kind, name=name)
        query = query.filter_by(project=project) if project else query
        with self.engine.connect() as connection:
            return list(connection.scalars(query.group_by(table.c.artefact).order_by(newest)))

    def base_models(self, project: str) -> list[str]:
        """Digests of a project's base models, newest first."""
        table, newest = materialisations, func.max(materialisations.c.id).desc()
        query = select(table.c.artefact).filter_by(project=project, kind="Model")
        with self.engine.connect() as connection:
            return list(connection.scalars(query.group_by(table.c.artefact).order_by(newest)))

    def names(self, kind: str | None = None) -> list[str]:
        """Names of all specs (of a kind) that were built, sorted."""
        query = select(materialisations.c.name).distinct().order_by(materialisations.c.name)
        query = query.where(materialisations.c.kind == kind) if kind else query
        with self.engine.connect() as connection:
            return list(connection.scalars(query))

    def materialisation_rows(self, keys: Iterable[int]) -> dict[int, SqlRow]:
        """Project, name, kind, artefact, spec digest, start and seconds of materialisations, by
        id."""
        names = ("id", "project", "name", "kind", "artefact", "spec_digest", "started_at")
        query = select(*(materialisations.c[name] for name in (*names, "seconds")))
        return {row["id"]: row for row in self._by_key(query, materialisations.c.id, keys)}

    def materialisations(self, keys: Iterable[int]) -> dict[int, Materialisation]:
        """Materialisations with all their columns, by id."""
        rows = self._by_key(select(materialisations), materialisations.c.id, keys)
        return {row["id"]: read_materialisation(row) for row in rows}

    def artefact_rows(self, digests: Iterable[str]) -> dict[str, SqlRow]:
        """Kind, bytes and creation time of artefacts, by digest."""
        query = select(artefacts.c.digest, artefacts.c.kind, artefacts.c.bytes, artefacts.c.created)
        return {row["digest"]: row for row in self._by_key(query, artefacts.c.digest, digests)}

    def builds_of(self, digests: Iterable[str]) -> dict[str, tuple[int, str]]:
        """The materialisation that gave each artefact, and its role: `output` before `step:…`."""
        first = select(edges.c.child, func.min(edges.c.role + " " + edges.c.parent))
        first = first.where(edges.c.parent >= BUILD, edges.c.parent < f"{BUILD[:-1]};")
        builds: dict[str, tuple[int, str]] = {}
        with self.engine.connect() as connection:
            for chunk in _chunks(digests):
                query = first.where(edges.c.child.in_(chunk)).group_by(edges.c.child)
                for digest, role_and_node in connection.execute(query):
                    role, _, node = role_and_node.rpartition(" ")
                    builds[digest] = int(node.removeprefix(BUILD)), role
        return builds

    # Rows.

    def add_dataset_rows(self, digest: str, origins: Sequence[RowOrigin]) -> None:
        """Store which rows a dataset contains, as `data.origins.read` gives them; a second time
        changes nothing."""
        with self.engine.begin() as connection:
            write_rows(connection, digest, origins)

    def datasets_without_rows(self) -> list[str]:
        """Digests of datasets whose rows are not stored: an artefact was recorded, and the process
        ended before its rows were."""
        stored = select(datasets.c.digest).where(datasets.c.digest == artefacts.c.digest)
        query = select(artefacts.c.digest).where(artefacts.c.kind == "dataset", ~stored.exists())
        with self.engine.connect() as connection:
            return list(connection.scalars(query))

    def row_origin(self, key: str) -> SqlRow | None:
        """Where a row came from: id, source, line, event, place, answer; None if unknown."""
        return next(iter(self._rows(rows.c.row == row_key(key))), None)

    def rows_with_prefix(self, prefix: str) -> list[str]:
        """Ids of rows with the prefix, at most twenty."""
        low, high = (row_key(f"{prefix:{fill}<16}") for fill in "0f")
        query = select(rows.c.row).where(rows.c.row.between(low, high)).order_by(rows.c.row)
        with self.engine.connect() as connection:
            return [row_id(key) for key in connection.scalars(query.limit(20))]

    def rows_from(self, source: str, value: str) -> list[SqlRow]:
        """Rows that came from an `event`, from the feedback on an `answer`, or from a `subject`."""
        column = rows.c["response_id" if source == "answer" else source]
        return self._rows(column == (subject_number(value) if source == "subject" else value))

    def datasets_with_rows(self, keys: Iterable[str]) -> list[SqlRow]:
        """(row, dataset, split) for each dataset that contains one of these rows."""
        query = select(dataset_rows.c.row, datasets.c.digest.label("dataset"), dataset_rows.c.split)
        query = query.join(datasets, datasets.c.id == dataset_rows.c.dataset)
        contents = self._by_key(query, dataset_rows.c.row, map(row_key, keys))
        return [
            {**row, "row": row_id(row["row"]), "split": SPLITS[row["split"]]} for row in contents
        ]

    def feedback_rows(self, digest: str, limit: int) -> tuple[int, list[SqlRow]]:
        """How many of a dataset's rows came from feedback, and at most `limit` of them."""
        stored = select(datasets.c.id, datasets.c.from_feedback).filter_by(digest=digest)
        with self.engine.connect() as connection:
            dataset = connection.execute(stored).first()
            if dataset is None or not dataset.from_feedback:
                return 0, []
            contents = select(dataset_rows.c.row).filter_by(dataset=dataset.id)
            contents = contents.where(dataset_rows.c.from_feedback).limit(limit)
            keys = list(connection.scalars(contents))
        return dataset.from_feedback, self._rows(rows.c.row.in_(keys))

    # Answers.

    def responses_with_prefix(self, prefix: str) -> list[str]:
        """The response with that id, else those whose id has the prefix, at most twenty."""
        column = inference.c.response_id
        longer = [_starts_with(column, prefix)] if len(prefix) >= SHORTEST_ID else []
        with self.engine.connect() as connection:
            for condition in (column == prefix, *longer):
                query = select(column).distinct().where(condition).order_by(column).limit(20)
                if ids := list(connection.scalars(query)):
                    return ids
        return []

    def similar_response_ids(self, response: str) -> list[str]:
        """The neighbours of an unknown id, as far as they share its first characters."""
        column = inference.c.response_id
        neighbours: list[str] = []
        with self.engine.connect() as connection:
            for query in (
                select(column).where(column > response).order_by(column),
                select(column).where(column < response).order_by(column.desc()),
            ):
                neighbours += connection.scalars(query.limit(1))
        return [key for key in neighbours if key[:SHORTEST_ID] == response[:SHORTEST_ID]]

    def answers(self, column: str, values: Iterable[str], limit: int | None) -> Iterator[SqlRow]:
        """Answers by `release` or `subject`, for each value newest first, at most `limit` each."""
        names = ("response_id", "release", "service", "time", "label", "output")
        query = select(*(inference.c[name] for name in names)).order_by(inference.c.time.desc())
        with self.engine.connect() as connection:
            for value in values:
                newest = query.where(inference.c[column] == value).limit(limit)
                streaming = connection.execution_options(yield_per=1000)
                for row in streaming.execute(newest).mappings():
                    yield {**row, "time": from_timestamp(row["time"])}

    def count_of_subject(self, subject: str) -> int:
        """How many answers a subject was given."""
        query = select(func.count()).where(inference.c.subject == subject)
        with self.engine.connect() as connection:
            return connection.scalar(query) or 0

    # How.

    def _rows(self, where: Any) -> list[SqlRow]:
        columns = (
            *(rows.c[name] for name in ("source", "line", "event")),
            rows.c.feedback_offset.label("place"),
            rows.c.response_id.label("answer"),
        )
        query = select(rows.c.row.label("id"), *columns).where(where).order_by(rows.c.row)
        with self.engine.connect() as connection:
            origins = connection.execute(query).mappings().all()
        return [{**origin, "id": row_id(origin["id"])} for origin in origins]

    def _by_key(self, query: Select[Any], column: Any, keys: Iterable[Any]) -> list[SqlRow]:
        with self.engine.connect() as connection:
            return [
                dict(row)
                for chunk in _chunks(keys)
                for row in connection.execute(query.where(column.in_(chunk))).mappings()
            ]


def _starts_with(column: Any, prefix: str) -> Any:
    return or_(column == prefix, and_(column >= prefix, column < prefix + HEX_END))


def _chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    """Lists short enough for one IN."""
    distinct = list(dict.fromkeys(items))
    for start in range(0, len(distinct), CHUNK):
        yield distinct[start : start + CHUNK]
