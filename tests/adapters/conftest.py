"""A broker that really runs, and ledgers of every database at hand."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
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


class PostgresServer:
    """A PostgreSQL server of our own, apart from the signals and the environment of the tests."""

    def __init__(self, folder: Path, programs: Sequence[str]) -> None:
        self.folder, self.programs, self.port = folder, programs, free_port()
        self.user, self.data, self.log = _nobody(), folder / "data", folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For SQLAlchemy."""
        return f"postgresql+psycopg2://tidemill@/postgres?host={self.folder}&port={self.port}"

    def create(self) -> None:
        """Make the folder of its data."""
        self.data.mkdir()
        if self.user:
            shutil.chown(self.data, self.user)
            shutil.chown(self.folder, self.user)
        made = ["-D", str(self.data), "-U", "tidemill", "-A", "trust", "--no-sync"]
        assert self._start([self.programs[0], *made]).wait(120) == 0, self.log.read_text()

    def await_running(self) -> None:
        """Start it, again where something has ended it, and wait until it answers."""
        if self.process is None or self.process.poll() is not None:
            options = ["-D", str(self.data), "-p", str(self.port), "-k", str(self.folder)]
            command = [self.programs[1], *options, "-c", "listen_addresses=", "-F"]
            self.process = self._start(command)
            _await(self.url)

    def close(self) -> None:
        """Stop it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)

    def _start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                user=self.user,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
                start_new_session=True,
            )


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server; skipped where none is installed."""
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
    server = PostgresServer(folder, [str(program) for program in programs])
    server.create()
    server.await_running()
    yield server
    server.close()


@pytest.fixture
def fresh_database(postgres: PostgresServer) -> str:
    """The URL of the server, with no tables."""
    postgres.await_running()
    engine = create_engine(postgres.url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return postgres.url


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
