"""What `tidemill up` does before its services start, and says of a broker that is silent."""

from __future__ import annotations

import socket
import sqlite3
from contextlib import closing
from pathlib import Path

from tidemill.local.services import prepare
from tidemill.local.stack import broker_error
from tidemill.settings import Settings


def test_dagster_s_databases_are_there_before_its_processes_race_to_make_them(
    tmp_path: Path,
) -> None:
    settings = Settings.read({"TIDEMILL_HOME": str(tmp_path / "home")})
    prepare(settings)

    schedules = settings.home / "dagster" / "schedules" / "schedules.db"
    with closing(sqlite3.connect(schedules)) as database:
        versions = database.execute("select version_num from alembic_version").fetchall()
    assert len(versions) == 1


def test_a_named_broker_that_does_not_answer_is_told(free_port: int) -> None:
    address = f"127.0.0.1:{free_port}"
    settings = Settings.read({"TIDEMILL_BOOTSTRAP_SERVERS": address})
    trouble = broker_error(settings)
    with socket.socket() as broker:
        broker.bind(("127.0.0.1", free_port))
        broker.listen()
        answering = broker_error(settings)

    assert trouble is not None
    assert trouble.startswith(f"no Kafka broker answers at {address}; feedback is taken in once")
    assert answering is None
    assert broker_error(Settings.read({})) is None
