"""A broker that really runs, and ledgers of every database at hand."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from tests.adapters.streams import free_port

from tidemill.adapters.kafka.bus import KafkaBus
from tidemill.adapters.kafka.embedded_broker import EmbeddedBroker
from tidemill.adapters.ledger import Ledger
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.ports import Bus


@pytest.fixture(scope="session")
def broker() -> Iterator[EmbeddedBroker]:
    """One Tansu for all tests; each uses topics of its own."""
    with EmbeddedBroker(free_port()) as running:
        yield running


@pytest.fixture(params=["memory", "kafka"])
def bus(request: pytest.FixtureRequest) -> Iterator[Bus]:
    """Each implementation of the Bus."""
    if request.param == "memory":
        yield MemoryBus()
        return
    real = KafkaBus(request.getfixturevalue("broker").address)
    yield real
    real.close()


@pytest.fixture(params=["sqlite-memory", "sqlite-file", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """Each database of the ledger, empty."""
    if request.param == "sqlite-memory":
        opened = Ledger.open("sqlite://")
    elif request.param == "sqlite-file":
        opened = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    else:
        opened = Ledger.open(request.getfixturevalue("fresh_database"))
    yield opened
    opened.engine.dispose()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server of our own; skipped where none is installed."""
    programs = [shutil.which(name) for name in ("initdb", "postgres")]
    if not all(programs):
        pytest.skip("no PostgreSQL on this machine")
    pytest.importorskip("psycopg2")
    folder = tmp_path_factory.mktemp("postgres")
    folder.chmod(0o755)
    for parent in folder.parents:  # the server runs as somebody else, who has to reach its folder
        parent.chmod(0o755)
        if parent.name.startswith("pytest-of-"):
            break
    user, data, port = _nobody(), folder / "data", free_port()
    data.mkdir()
    if user:
        shutil.chown(data, user)
        shutil.chown(folder, user)
    start = {"user": user, "cwd": folder} if user else {"cwd": folder}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    made = ["-D", str(data), "-U", "tidemill", "-A", "trust", "--no-sync"]
    subprocess.run([str(programs[0]), *made], check=True, **start, **quiet)  # type: ignore[call-overload]
    options = ["-D", str(data), "-p", str(port), "-k", str(folder), "-c", "listen_addresses="]
    server = subprocess.Popen([str(programs[1]), *options, "-F"], **start, **quiet)  # type: ignore[call-overload]
    try:
        url = f"postgresql+psycopg2://tidemill@/postgres?host={folder}&port={port}"
        _await(url)
        yield url
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture
def fresh_database(postgres: str) -> str:
    """The server with no tables."""
    engine = create_engine(postgres)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return postgres


def _nobody() -> str | None:
    """PostgreSQL refuses to run as root; its own user will do."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _await(url: str) -> None:
    engine, until = create_engine(url), time.monotonic() + 30
    while True:
        try:
            engine.connect().close()
            break
        except OperationalError:
            assert time.monotonic() < until, "PostgreSQL did not come up"
            time.sleep(0.1)
    engine.dispose()
