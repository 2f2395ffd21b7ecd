"""A ledger of an earlier version walks forward, and one of a later version is left alone."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, insert, inspect, select, text
from tests.adapters.streams import contract

from tidemill.adapters.ledger import Ledger, lease_owner, migrations
from tidemill.adapters.ledger.migrations.versions.r0001_baseline import tables as baseline
from tidemill.adapters.ledger.schema import VERSION_TABLE
from tidemill.errors import StorageError
from tidemill.records import SentCommand

FIRST = Path(__file__).with_name("ledger_0001.sql")
"""A whole ledger of commit 64a6792: a row in every table, and no revision."""
FOLDER = Path(str(migrations.__file__)).parent
TABLES = {
    "makings": "materialisations",
    "decisions": "trigger_decisions",
    "looks": "trigger_evaluations",
    "rollout_steps": "rollout_decisions",
    "remotes": "remote_polls",
    "lineage_held": "lineage_dataset_rows",
}
LATER = ("notifications",)
"""Tables that came after the first revision."""
LATER_COLUMNS = {"leases": 1}
"""Columns that came after the first revision, at the end of their table, by its first name."""
STATES = {"asked": "needs_approval", "decided": "queued", "seen": "pending"}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The ledger of the first revision, in a file."""
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(FIRST.read_text())
    return path


def opened(path: Path) -> Ledger:
    ledger = Ledger.open(f"sqlite:///{path}")
    ledger.engine.dispose()
    return ledger


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def shape(url: str) -> dict[str, Any]:
    """Columns, keys and indexes of every table, in no order that depends on history."""
    engine = create_engine(url)
    found = inspect(engine)
    tables = {
        name: (
            {column["name"]: (str(column["type"]), column["nullable"]) for column in columns},
            found.get_pk_constraint(name)["constrained_columns"],
            sorted((str(i["name"]), i["column_names"], i["unique"]) for i in indexes(found, name)),
            sorted(unique["column_names"] for unique in found.get_unique_constraints(name)),
        )
        for name in found.get_table_names()
        for columns in [found.get_columns(name)]
    }
    engine.dispose()
    return tables


def indexes(found: Any, name: str) -> list[Any]:
    return [i for i in found.get_indexes(name) if not i.get("duplicates_constraint")]


def revision(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        (found,) = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
    return str(found)


def test_a_former_ledger_gets_the_shape_of_a_fresh_one(old: Path, tmp_path: Path) -> None:
    opened(old)
    opened(tmp_path / "fresh.db")

    assert shape(f"sqlite:///{old}") == shape(f"sqlite:///{tmp_path / 'fresh.db'}")
    assert revision(old) == revision(tmp_path / "fresh.db") == migrations.HEAD


def test_a_former_ledger_keeps_every_row_and_every_value(old: Path) -> None:
    before = contents(old)
    opened(old)
    after = contents(old)

    assert before.pop("lineage_marks") == [("edges",)]
    assert after.pop(VERSION_TABLE) == [(migrations.HEAD,)]
    assert [after.pop(name) for name in LATER] == [[]] * len(LATER)
    assert {TABLES.get(name, name) for name in before} == set(after)
    for name, rows in before.items():
        assert rows, f"the frozen ledger has no {name}"
        states = sorted(tuple(map(translated, row)) for row in rows)
        empty = (None,) * LATER_COLUMNS.get(name, 0)
        assert [(*row, *empty) for row in states] == after[TABLES.get(name, name)]


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of every table, sorted."""
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        names = [name for (name,) in connection.execute(query)]
        return {name: sorted(connection.execute(f"SELECT * FROM {name}")) for name in names}


def translated(value: Any) -> Any:
    """A value of the first revision as the newest one has it."""
    if isinstance(value, str) and value.startswith("making:"):
        return renamed(value)
    return STATES.get(value, value) if isinstance(value, str) else value


def test_what_a_former_ledger_held_reads_as_before(old: Path) -> None:
    opened(old)
    ledger = Ledger.open(f"sqlite:///{old}")
    (walking,) = ledger.rollouts.in_progress("chat")
    asked = ledger.trigger_decisions.needing_approval()
    evaluation = ledger.trigger_decisions.last_evaluation("shop", "retrain")
    poll, arrival = ledger.syncs.last_poll(), ledger.syncs.newest()
    live = ledger.rollouts.live_rollout("chat")
    ledger.engine.dispose()

    assert live
    assert live.release.startswith("sha256:2e")
    assert walking.rollout_state
    assert walking.rollout_state.step == 0
    assert (walking.percent, walking.awaits_person) == (10.0, True)
    assert walking.command == SentCommand("promote", "ann@example.invalid")
    assert [d.repeats for d in ledger.rollouts.decisions(walking.id)] == [1, 3]
    assert [d.key for d in asked] == ["shop/retrain/2"]
    assert evaluation
    assert evaluation.verdict.numbers == {"corrections": 12}
    assert ledger.approvals.of_subject(live.release)[0].evidence.content == {"accuracy": 0.9}
    assert poll
    assert poll.remote == "https://example.invalid/specs.git"
    assert arrival
    assert arrival.state == "pending"
    assert ledger.lineage.build_commits()
    assert ledger.materialisations.latest("shop", "rows")
    assert ledger.feedback.rows(contract(), ("correction",), None)[0]


def test_the_ledger_as_it_was_stays_beside_it(old: Path) -> None:
    before = dump(old)
    opened(old)

    assert dump(old.with_name("ledger.db.revision-0001")) == before


def test_the_revisions_are_those_that_alembic_finds(tmp_path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    found = ScriptDirectory.from_config(config).walk_revisions()

    assert tuple(one.revision for one in found)[::-1] == migrations.REVISIONS


def test_a_ledger_that_is_up_to_date_is_opened_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    code = (
        "import sys; from tidemill.adapters.ledger import Ledger\n"
        f"Ledger.open({url!r}); Ledger.open({url!r}); print('alembic' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout == "False\n"


def test_a_ledger_of_a_newer_version_is_left_as_it_is(old: Path) -> None:
    opened(old)
    with closing(sqlite3.connect(old)) as connection, connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    before = dump(old)
    with pytest.raises(StorageError) as caught:
        opened(old)

    assert str(caught.value) == (
        f"the ledger at sqlite:///{old} was written by a newer Tidemill: its tables have revision "
        f"9999, and this version knows {migrations.HEAD} at most; upgrade Tidemill to the version "
        "that wrote it, or set TIDEMILL_HOME to another folder"
    )
    assert dump(old) == before


def test_a_ledger_of_no_known_shape_is_refused_in_one_sentence(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("ALTER TABLE rollouts DROP COLUMN waits")
    before = dump(old)
    with pytest.raises(StorageError, match=r"a table 'rollouts' without 'waits'.*TIDEMILL_HOME"):
        opened(old)

    assert dump(old) == before


def test_tables_that_came_later_than_the_rest_are_created(old: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("DROP TABLE syncs")
        connection.execute("DROP INDEX inference_by_release")
    opened(old)
    opened(tmp_path / "fresh.db")

    assert shape(f"sqlite:///{old}") == shape(f"sqlite:///{tmp_path / 'fresh.db'}")


def test_a_ledger_without_lineage_gets_the_edges_of_what_it_holds(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection, connection:
        before = set(connection.execute("SELECT child, parent, role FROM lineage_edges"))
        for name in ("edges", "datasets", "rows", "held", "marks"):
            connection.execute(f"DROP TABLE lineage_{name}")
    opened(old)
    with closing(sqlite3.connect(old)) as connection:
        after = set(connection.execute("SELECT child, parent, role FROM lineage_edges"))

    assert after == {tuple(map(renamed, edge)) for edge in before}


def renamed(node: str) -> str:
    return node.replace("making:", "materialisation:", 1) if node.startswith("making:") else node


def test_without_room_for_the_copy_nothing_is_migrated(old: Path) -> None:
    (old.parent / "ledger.db.revision-0001").mkdir()
    before = dump(old)
    with pytest.raises(StorageError, match="could not be copied before its migration"):
        opened(old)

    assert dump(old) == before
    assert not list(old.parent.glob("*.partial"))


def test_nothing_is_migrated_while_an_older_version_builds(old: Path) -> None:
    until = datetime.now(UTC).replace(tzinfo=None) + timedelta(minutes=1)
    lease = ("make:shop/rows", lease_owner.current_owner(), until.isoformat(" "))
    with closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("INSERT INTO leases VALUES (?, ?, ?)", lease)
    before = dump(old)
    with pytest.raises(StorageError, match="an older version of Tidemill is building 'shop/rows'"):
        opened(old)

    assert dump(old) == before


def test_all_who_open_a_former_ledger_at_once_find_it_migrated(old: Path) -> None:
    ready = Barrier(6)

    def begin() -> int:
        ready.wait()
        return len(Ledger.open(f"sqlite:///{old}").rollouts.newest())

    with ThreadPoolExecutor(6) as pool:
        found = [one.result() for one in [pool.submit(begin) for _ in range(6)]]

    assert found == [3] * 6
    assert revision(old) == migrations.HEAD


def test_a_former_ledger_on_a_server_walks_forward_too(fresh_database: str, old: Path) -> None:
    server, file = create_engine(fresh_database), create_engine(f"sqlite:///{old}")
    baseline.create_all(server)
    with server.begin() as target, file.connect() as source:
        for table in baseline.sorted_tables:
            rows = [dict(row) for row in source.execute(select(table)).mappings()]
            target.execute(insert(table), rows)
    ledger = Ledger.open(fresh_database)
    (open_rollout,) = ledger.rollouts.in_progress("chat")
    nodes = {edge.parent for edge in ledger.lineage.edges([open_rollout.release], "back")}
    counts = ledger.events.event_counts()
    corrections = ledger.feedback.rows(contract(), ("correction",), None)[0]
    asked = ledger.trigger_decisions.needing_approval()
    ledger.engine.dispose()
    migrated = shape(fresh_database)
    empty(server)
    Ledger.open(fresh_database).engine.dispose()

    assert open_rollout.rollout_state
    assert nodes == set()
    assert (counts["inference"], counts["feedback"], counts["quarantine"]) == (2, 3, 1)
    assert len(corrections) == 2
    assert [decision.key for decision in asked] == ["shop/retrain/2"]
    assert migrated == shape(fresh_database)
    for engine in (server, file):
        engine.dispose()


def test_a_migration_that_fails_leaves_the_server_as_it_was(fresh_database: str) -> None:
    server = create_engine(fresh_database)
    baseline.create_all(server)
    with server.begin() as connection:
        connection.execute(text("CREATE TABLE materialisations (id integer)"))
    before = shape(fresh_database)
    with pytest.raises(StorageError, match="materialisations"):
        Ledger.open(fresh_database)
    server.dispose()

    assert shape(fresh_database) == before


def test_a_migration_that_fails_leaves_the_file_as_it_was(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("CREATE TABLE materialisations (id integer)")
    before = dump(old)
    with pytest.raises(StorageError, match="materialisations"):
        opened(old)

    assert dump(old) == before


def empty(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
