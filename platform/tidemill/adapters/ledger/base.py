"""The ledger's database: one engine, one metadata that every facet adds its tables to."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Column,
    ColumnElement,
    Connection,
    Engine,
    MetaData,
    Table,
    and_,
    create_engine,
    event,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from tidemill.adapters.ledger.database_url import database_url, without_password
from tidemill.adapters.ledger.schema import prepare
from tidemill.errors import StorageError

metadata = MetaData()
SqlRow = dict[str, Any]
"""A row of a table or of a query: column name to what SQL keeps or gives."""
_LOCK_TIMEOUT = 30.0
"""Seconds to wait for another process that writes to the SQLite file."""


def open_engine(address: str) -> Engine:
    """Connect, and create or migrate the tables where they are not of this version's shape.

    `sqlite://` is the in-memory twin. Raises StorageError where the address cannot be used.
    """
    url = database_url(address)
    engine = _connect(url)
    try:
        prepare(engine, metadata)
    except BaseException as error:
        engine.dispose()
        if not isinstance(error, DBAPIError):
            raise
        raise StorageError(_cannot_open(url, str(error.orig))) from error
    return engine


def _cannot_open(url: URL, cause: str) -> str:
    """The message for a database that refuses, on one line."""
    way_out = "the folder's permissions and the free space"
    if url.get_backend_name() != "sqlite":
        way_out = "that its server runs and lets you in"
    message = f"the ledger at {without_password(url)} cannot be opened: {cause}"
    return f"{' '.join(message.split())}; check TIDEMILL_LEDGER_URL, and {way_out}"


def _connect(url: URL) -> Engine:
    """An engine for the URL; nothing is read yet."""
    if url.get_backend_name() != "sqlite":
        return create_engine(url)
    arguments: dict[str, object] = {}
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    else:
        arguments = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    engine = create_engine(url, **arguments)
    event.listen(engine, "connect", _tune_sqlite)
    return engine


def insert_if_missing(connection: Connection, table: Table) -> Any:
    """An INSERT that skips rows whose key exists."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:  # not at the top: a dialect that is not used takes its time to import
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    return insert(table).on_conflict_do_nothing()


def has_prefix(engine: Engine, column: Column[str], prefix: str) -> ColumnElement[bool]:
    """The condition that a text column starts with a prefix, in the form that an index answers."""
    if engine.dialect.name == "sqlite":  # its LIKE folds case, and reads the whole table for that
        return and_(column >= prefix, column < f"{prefix[:-1]}{chr(ord(prefix[-1]) + 1)}")
    return column.startswith(prefix, autoescape=True)


def utc(when: datetime) -> datetime:
    """The same moment with its time zone: SQLite loses it, and everything is written in UTC."""
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when


def _tune_sqlite(connection: Any, _record: Any) -> None:
    # WAL lets readers go on while ingest writes; NORMAL is durable against a killed process. A
    # batch of ingest changes more pages than the default cache of 2 MB holds: it took up to three
    # times as long where the system's own cache is short.
    connection.execute(f"PRAGMA busy_timeout={_LOCK_TIMEOUT * 1000:.0f}")
    _use_wal(connection)
    for pragma in ("synchronous=NORMAL", "cache_size=-32000"):
        connection.execute(f"PRAGMA {pragma}")


def _use_wal(connection: Any) -> None:
    """Switch the file to WAL; SQLite does not wait there when another process does the same, but
    says at once that the file is locked."""
    until = time.monotonic() + _LOCK_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
        time.sleep(0.01)
