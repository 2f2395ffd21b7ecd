"""Brings the tables of a ledger to the shape that this version reads and writes.

A ledger that is up to date costs one SELECT. A fresh one gets its tables, an older one is migrated
by Alembic: both in one transaction, which one process does while the others wait.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, insert, inspect, select
from sqlalchemy.exc import DBAPIError

from tidemill.adapters.ledger.database_url import without_password
from tidemill.adapters.ledger.migrations import HEAD, REVISIONS
from tidemill.errors import StorageError

log = logging.getLogger("tidemill.ledger")

VERSION_TABLE = "ledger_version"
"""Alembic's table in this database: one row with the revision that the other tables have. It has a
name of its own because Dagster keeps an `alembic_version` in the same PostgreSQL database."""
_versions = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True))
_LEGACY_TABLES = frozenset({"makings", "rollouts", "inference", "offsets"})
"""Tables by which a ledger is recognised that was written before it kept a revision."""
_LOCK = 0x7469_6465
"""Key of the PostgreSQL lock that one migration holds."""


def prepare(engine: Engine, tables: MetaData) -> None:
    """Create or migrate the tables where they are not at `HEAD`.

    Raises StorageError where a newer version wrote them, where something is being built by an
    older one, and where the backup cannot be written; nothing is changed then.
    """
    if _is_current(engine):
        return
    with exclusive(engine) as connection:
        names = set(inspect(connection).get_table_names())
        revision = stored_revision(connection) if _versions.name in names else None
        if revision == HEAD:
            return
        if revision is None and not names & _LEGACY_TABLES:
            _create(connection, tables)
        else:
            _migrate(engine, connection, revision)


def stored_revision(connection: Connection) -> str | None:
    """The revision that the ledger says it has; None where it says none."""
    return connection.scalar(select(_versions.c.version_num))


@contextmanager
def exclusive(engine: Engine) -> Iterator[Connection]:
    """A transaction, tables included, that no second process has at the same time."""
    with engine.connect() as connection:
        if engine.dialect.name != "sqlite":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            yield connection
            connection.commit()
            return
        driver = connection.connection.driver_connection
        assert driver is not None
        # Python's driver begins a transaction before INSERT but not before CREATE.
        level, driver.isolation_level = driver.isolation_level, None
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()
        finally:
            connection.rollback()
            driver.isolation_level = level


def _is_current(engine: Engine) -> bool:
    try:
        with engine.connect() as connection:
            return stored_revision(connection) == HEAD
    except DBAPIError:  # no such table, or no such database: the slow way finds out
        return False


def _create(connection: Connection, tables: MetaData) -> None:
    tables.create_all(connection)
    _versions.create(connection, checkfirst=True)
    connection.execute(insert(_versions).values(version_num=HEAD))


def _migrate(engine: Engine, connection: Connection, revision: str | None) -> None:
    from tidemill.adapters.ledger import migration

    if revision is not None and revision not in REVISIONS:
        raise StorageError(_newer(engine, revision))
    migration.refuse_while_building(connection)
    backup = migration.back_up(engine, revision or REVISIONS[0])
    migration.upgrade(connection)
    log.warning("%s", _migration_notice(revision or REVISIONS[0], backup))


def _newer(engine: Engine, revision: str) -> str:
    return (
        f"the ledger at {without_password(engine.url)} was written by a newer "
        f"Tidemill: its tables have revision {revision}, and this version knows {HEAD} at most; "
        "upgrade Tidemill to the version that wrote it, or set TIDEMILL_HOME to another folder"
    )


def _migration_notice(revision: str, backup: Path | None) -> str:
    backup_note = (
        f"{backup} is a copy of it as it was"
        if backup
        else "no copy was made: dumps of a server are yours to make"
    )
    return f"The ledger's tables were migrated from revision {revision} to {HEAD}; {backup_note}."
