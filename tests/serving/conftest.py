"""Release folders, and model servers and a gateway that really run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.serving.places import ECHO, make_release

from tidemill.adapters.local.deployer import LocalDeployer
from tidemill.adapters.local.processes import ProcessFolder, ProcessSpec, free_port, python_command
from tidemill.local.services import responds
from tidemill.pipeline.release_folder import ServedRelease


@pytest.fixture
def release(tmp_path: Path) -> Callable[..., tuple[ServedRelease, Path]]:
    """Make a release folder over the echo model: `release("one", faults="slow 0.2")`."""

    def make(name: str = "one", **named: object) -> tuple[ServedRelease, Path]:
        return make_release(tmp_path / "releases" / name, **named)  # type: ignore[arg-type]

    return make


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[str]:
    """The URL of a gateway process on this test's home."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    processes = ProcessFolder(tmp_path / "run")
    command = python_command(
        "-m", "tidemill.serving.gateway", "--home", str(tmp_path), "--port", str(port)
    )
    running = processes.start(ProcessSpec("gateway", command, url))
    processes.await_ready(running, lambda: responds(f"{url}/-/health"), 30)
    yield url
    processes.stop_all()


@pytest.fixture
def deployer(tmp_path: Path, gateway: str) -> LocalDeployer:
    """A local deployer of echo servers behind the gateway; all end with the test."""
    return LocalDeployer(tmp_path, gateway, command=[sys.executable, str(ECHO)])
