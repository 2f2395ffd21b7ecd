"""A lock that is killed anywhere ends, when it runs again, where one that was not ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from tests.adapters.places import SERVICE, Shop, git
from tests.halted import environment

from tidemill.cli import commands
from tidemill.spec.lock import BRANCH, parse_lock, read_lock
from tidemill.terminal.shell import run

ADAPTERS = "tidemill.adapters"
GIVEN_UP = (f"{ADAPTERS}.ledger.leases:LeaseLedger.release_lease", "before")
WRITE = [
    ("pathlib:Path.write_bytes", "after"),
    ("tidemill.control.lock_artefacts:write_files", "after"),
    GIVEN_UP,
]
COMMIT = [
    (f"{ADAPTERS}.git.branches:git", "before"),
    (f"{ADAPTERS}.git.branches:git", "after"),
    (f"{ADAPTERS}.git.branches:git#2", "after"),
    GIVEN_UP,
]
PROPOSE = [
    (f"{ADAPTERS}.git.branches:write_commit", "after"),
    (f"{ADAPTERS}.git.branches:push", "before"),
    (f"{ADAPTERS}.git.branches:push", "after"),
    (f"{ADAPTERS}.git.branches:write_commit", "after"),
    (f"{ADAPTERS}.forge.git_only:PlainForge.open_pull_request", "after"),
    GIVEN_UP,
]


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop.open(tmp_path)
    monkeypatch.setenv("TIDEMILL_SPECS", str(shop.work / "specs"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.delenv("TIDEMILL_HOME", raising=False)
    monkeypatch.setattr("tidemill.cli.lock._WAIT", timedelta(0))  # the dead are not waited for
    shop.go_live(shop.release("a"))
    return shop


def killed_and_again(live: Shop, step: str, when: str, *verb: str) -> None:
    """Run a verb that is killed at a step, then the same one to its end."""
    killed = subprocess.run(
        [sys.executable, "-m", "tests.halted", step, when, *verb],
        cwd=live.root,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert run(commands, list(verb)) == 0


@pytest.mark.parametrize(("step", "when"), WRITE)
def test_the_file_is_whole_and_nothing_lies_beside_it(live: Shop, step: str, when: str) -> None:
    killed_and_again(live, step, when, "lock")

    found = read_lock(live.lock)
    assert found is not None
    assert set(found.services) == {SERVICE}
    assert git(live.work, "status", "--porcelain") == "?? specs/support-chat/tidemill.lock"


@pytest.mark.parametrize(("step", "when"), COMMIT)
def test_the_branch_has_one_commit_of_it(live: Shop, step: str, when: str) -> None:
    killed_and_again(live, step, when, "lock", "--commit")

    assert git(live.work, "rev-list", "--count", "origin/main..HEAD") == "1"
    assert git(live.work, "status", "--porcelain") == ""


@pytest.mark.parametrize(("step", "when"), PROPOSE)
def test_there_is_one_branch_one_commit_and_one_proposal(live: Shop, step: str, when: str) -> None:
    killed_and_again(live, step, when, "lock", "--open-pr")

    remote = live.root / "remote.git"
    refs = git(remote, "for-each-ref", "--format=%(refname)").splitlines()
    assert refs[:2] == ["refs/heads/main", f"refs/heads/{BRANCH}"]
    assert [ref.rpartition("/")[0] for ref in refs[2:]] == ["refs/tidemill/proposals"]
    assert git(remote, "rev-list", "--count", f"main..{BRANCH}") == "1"
    shown = git(remote, "show", f"{BRANCH}:specs/support-chat/tidemill.lock")
    lock = parse_lock(shown.encode(), Path("tidemill.lock"))
    assert lock is not None
    assert set(lock.services) == {SERVICE}
    assert git(live.work, "status", "--porcelain") == ""
