"""Finds the rows of a dataset that are nearest to a text, from an index beside the ledger.

One SQLite file with full-text search for each dataset, made when the dataset is made or when it is
first asked for. It is a cache: it may be deleted at any time, and goes with what it was made of.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from tidemill.data import SPLITS
from tidemill.data.origins import RowOrigin
from tidemill.data.similar_rows import cosine, question_text, word_weights, words
from tidemill.errors import TidemillError
from tidemill.rows import DatasetRow

CANDIDATES = 200
"""Rows that share the rarest words and are then compared in full."""
RAREST = 12
"""Words of the text that candidates are looked up by; common ones would match every row."""
_MAKE = "CREATE VIRTUAL TABLE rows USING fts5(text, row UNINDEXED, {options})"
_OPTIONS = "tokenize='unicode61 remove_diacritics 0', detail=none"


class SimilarRow(RowOrigin):
    """A row that is near to a text, with where it came from."""

    text: str
    """The question it asks."""
    similarity: float
    """From 0 to 1, to the text that was looked for."""


class RowTexts:
    """Indexes of datasets' texts in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, digest: str, dataset: Path) -> Path:
        """The index of a dataset artefact, made if it is not there; raises TidemillError where
        this SQLite has no full-text search, and OSError where it cannot be written."""
        path = self.folder / f"rows-{digest.removeprefix('sha256:')[:16]}.db"
        if path.exists():
            return path
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{uuid4().hex}")
        try:
            with closing(sqlite3.connect(partial)) as connection:
                _fill(connection, read(dataset))
            partial.replace(path)
        except sqlite3.OperationalError as error:
            raise TidemillError(f"the rows of {digest[:19]} cannot be indexed: {error}") from error
        finally:
            partial.unlink(missing_ok=True)
        return path

    def nearest(self, digest: str, dataset: Path, given: Any, limit: int) -> list[SimilarRow]:
        """The rows nearest to a text, or to a row's columns, nearest first: id, split, source,
        line, event, place, answer, subject, text, similarity from 0 to 1."""
        columns = list(given) if isinstance(given, Mapping) else []
        mine = words(question_text(given, columns) if isinstance(given, Mapping) else str(given))
        with closing(sqlite3.connect(self.add(digest, dataset))) as connection:
            candidates = [_from_json(text) for text in _candidates(connection, mine)]
            texts = {origin["id"]: question_text(row, columns) for origin, row in candidates}
            theirs = {key: words(text) for key, text in texts.items()}
            weight = _weights(connection, mine.union(*theirs.values()))
        similar: list[SimilarRow] = [
            {
                **origin,
                "text": texts[origin["id"]],
                "similarity": round(cosine(mine, theirs[origin["id"]], weight), 4),
            }
            for origin, _ in candidates
        ]
        similar.sort(key=lambda row: (-row["similarity"], row["id"]))
        return similar[:limit]

    def drop(self, digest: str) -> None:
        """Forget the texts of a dataset."""
        short = digest.removeprefix("sha256:")[:16]
        with suppress(OSError):
            (self.folder / f"rows-{short}.db").unlink(missing_ok=True)


def read(dataset: Path) -> Iterator[tuple[RowOrigin, DatasetRow]]:
    """The rows of a dataset artefact, each with where it came from."""
    from tidemill.data import origins, read_split

    row_origins = iter(origins.read(dataset))
    for split in SPLITS:
        if (dataset / f"{split}.parquet").exists():
            for row in read_split(dataset, split):
                yield next(row_origins), row


def _fill(connection: sqlite3.Connection, rows: Iterable[tuple[RowOrigin, DatasetRow]]) -> None:
    connection.execute("PRAGMA journal_mode=OFF")
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute(_MAKE.format(options=_OPTIONS))
    lines = (
        (" ".join(sorted(words(_all(row)))), json.dumps({**origin, "row": row}, default=str))
        for origin, row in rows
    )
    connection.executemany("INSERT INTO rows (text, row) VALUES (?, ?)", lines)
    connection.commit()


def _from_json(text: str) -> tuple[RowOrigin, DatasetRow]:
    record = json.loads(text)
    row: DatasetRow = record.pop("row")
    return record, row


def _all(row: DatasetRow) -> str:
    return "\n".join(str(value) for name, value in row.items() if name != "id" and value)


def _candidates(connection: sqlite3.Connection, mine: frozenset[str]) -> Sequence[str]:
    counts = _counts(connection, mine)
    rarest = sorted(counts, key=lambda word: (counts[word], word))[:RAREST]
    if not rarest:
        return []
    match = " OR ".join(f'"{word}"' for word in rarest)
    query = "SELECT row FROM rows WHERE rows MATCH ? ORDER BY rank LIMIT ?"
    return [row for (row,) in connection.execute(query, (match, CANDIDATES))]


def _weights(connection: sqlite3.Connection, of: frozenset[str]) -> dict[str, float]:
    (total,) = connection.execute("SELECT COUNT(*) FROM rows_docsize").fetchone()
    weight, counts = word_weights(total), _counts(connection, of)
    return {word: weight(counts.get(word, 1)) for word in of}


def _counts(connection: sqlite3.Connection, of: Iterable[str]) -> dict[str, int]:
    """How many rows hold each word; words that none holds are left out."""
    connection.execute(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.vocabulary USING fts5vocab(main, rows, row)"
    )
    query = "SELECT doc FROM vocabulary WHERE term = ?"
    matches = ((word, connection.execute(query, (word,)).fetchone()) for word in of)
    return {word: row[0] for word, row in matches if row}
