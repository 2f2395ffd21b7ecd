"""The ledger's database: one engine, one metadata that every facet adds its tables to."""

from __future__ import annotations

import re
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import StaticPool

from tidemill.errors import StorageError

metadata = MetaData()
_PATIENCE = 30.0
"""Seconds to wait for whoever writes to an SQLite file."""
_MADE = re.compile(r"already exists|duplicate key value")
"""What SQLite and PostgreSQL say of a table that came between the look and the making."""


def open_engine(url: str) -> Engine:
    """Connect, and create the tables that are missing; `sqlite://` is the in-memory twin."""
    parsed = make_url(url)
    memory = parsed.get_backend_name() == "sqlite" and not parsed.database
    arguments: dict[str, Any] = {}
    if memory:
        arguments = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    elif parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, **arguments)
    if parsed.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _tune_sqlite)
    try:
        _create(engine)
    except OperationalError as error:
        raise StorageError(
            f"the ledger at {parsed.render_as_string(hide_password=True)} cannot be opened: "
            f"{error.orig}; check TIDEMILL_LEDGER_URL, the folder's permissions and the free space"
        ) from error
    return engine


def _create(engine: Engine) -> None:
    """The tables that are missing; another process may be making the same at this moment."""
    for _ in metadata.tables:
        try:
            return metadata.create_all(engine)
        except DBAPIError as error:
            if not _MADE.search(str(error.orig)):
                raise
    return metadata.create_all(engine)


def new_row(connection: Connection, table: Table) -> Any:
    """An insert that passes over rows that are there already."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:  # not at the top: a dialect that is not used takes its time to import
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    return insert(table).on_conflict_do_nothing()


def utc(when: datetime) -> datetime:
    """The same moment with its zone: SQLite forgets it, and everything is written in UTC."""
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when


def _tune_sqlite(connection: Any, _record: Any) -> None:
    # WAL lets readers go on while ingest writes; NORMAL is durable against a killed process. A
    # batch of ingest changes more pages than the default cache of 2 MB holds: it took up to three
    # times as long where the system's own cache is short.
    connection.execute(f"PRAGMA busy_timeout={_PATIENCE * 1000:.0f}")
    _use_wal(connection)
    for pragma in ("synchronous=NORMAL", "cache_size=-32000"):
        connection.execute(f"PRAGMA {pragma}")


def _use_wal(connection: Any) -> None:
    """Whoever opens a fresh file first turns it over; SQLite waits for nobody there, and says
    at once that the file is locked."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
        time.sleep(0.01)
