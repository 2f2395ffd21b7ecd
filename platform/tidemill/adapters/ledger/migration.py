"""Migrates the tables of an older ledger with Alembic, after a backup."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, MetaData, Table, inspect, select

from tidemill.adapters.ledger.database_url import without_password
from tidemill.adapters.ledger.lease_owner import has_ended as has_ended
from tidemill.adapters.ledger.migrations.versions.r0001_baseline import tables as baseline
from tidemill.adapters.ledger.schema import VERSION_TABLE
from tidemill.errors import StorageError

_MIGRATIONS = Path(__file__).with_name("migrations")


def upgrade(connection: Connection) -> None:
    """Bring the tables to the newest revision, inside the transaction of the connection.

    A ledger without a revision is taken for one of the first. Raises StorageError where a table
    lacks a column that even the first revision had.
    """
    _refuse_unknown_shape(connection)
    config = Config(attributes={"connection": connection, "version_table": VERSION_TABLE})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, "head")


def back_up(engine: Engine, revision: str) -> Path | None:
    """Copy the database file beside itself, named after its revision; gives the copy's path.

    None for a database in memory or on a server. Raises StorageError where it cannot be written.
    """
    name = engine.url.database
    if engine.dialect.name != "sqlite" or not name or name == ":memory:":
        return None
    path = Path(name)
    copy = path.with_name(f"{path.name}.revision-{revision}")
    partial = copy.with_name(f"{copy.name}.partial")
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(partial)) as target:
            source.backup(target)
        partial.replace(copy)
    except (OSError, sqlite3.Error) as error:
        partial.unlink(missing_ok=True)
        raise StorageError(
            f"{copy}: the ledger could not be copied before its migration ({error}); nothing was "
            "changed. Free some space in that folder, then start the command again"
        ) from error
    return copy


def refuse_while_building(connection: Connection) -> None:
    """Raise StorageError while a process of the older version builds an asset: it could not record
    its result in tables of another shape."""
    if "leases" not in inspect(connection).get_table_names():
        return
    leases = Table("leases", MetaData(), autoload_with=connection)
    valid = leases.c["until" if "until" in leases.c else "expires_at"] >= datetime.now(UTC)
    query = select(leases.c.name, leases.c.owner).where(leases.c.name.like("make:%"), valid)
    for name, owner in connection.execute(query).all():
        if not has_ended(owner):
            raise StorageError(
                f"an older version of Tidemill is building '{name.removeprefix('make:')}' in this "
                "home, and the ledger's tables have to be migrated; wait for that run or stop it, "
                "then start the command again"
            )


def _refuse_unknown_shape(connection: Connection) -> None:
    inspector = inspect(connection)
    names = set(inspector.get_table_names())
    if VERSION_TABLE in names:
        return
    for table in baseline.sorted_tables:
        if table.name not in names:
            continue
        present = {column["name"] for column in inspector.get_columns(table.name)}
        if missing := sorted({column.name for column in table.columns} - present):
            raise StorageError(
                f"the ledger at {without_password(connection.engine.url)} has a table "
                f"'{table.name}' without '{missing[0]}': it is older than every shape that can be "
                "migrated; set TIDEMILL_HOME to another folder and run the specs there"
            )
