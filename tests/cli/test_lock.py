"""`tidemill lock`: what is live, in Git, by a file, a commit or a pull request."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from tests.adapters.places import SERVICE, Shop, git

from tidemill.adapters.forge.memory import MemoryForge
from tidemill.adapters.git import GitRepository
from tidemill.adapters.store import DvcStore
from tidemill.cli import commands
from tidemill.control import lock_pull_request
from tidemill.control.lock_pull_request import propose
from tidemill.errors import ServiceError, SpecError
from tidemill.spec.lock import BRANCH, read_lock
from tidemill.terminal.shell import run


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop.open(tmp_path)
    monkeypatch.setenv("TIDEMILL_SPECS", str(shop.work / "specs"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.delenv("TIDEMILL_HOME", raising=False)
    return shop


@pytest.fixture
def live(shop: Shop) -> Shop:
    shop.go_live(shop.release("a"))
    return shop


def lock(*arguments: str) -> int:
    return run(commands, ["lock", *arguments])


def test_the_file_names_release_artefacts_pointers_dataset_and_figures(live: Shop) -> None:
    assert lock() == 0
    found = read_lock(live.lock)

    assert found is not None
    release = found.services[SERVICE].live
    assert release is not None
    assert release.release == "sha256:" + "a" * 64
    assert release.commit == git(live.work, "rev-parse", "HEAD")
    assert release.dataset.offsets == {"chat-feedback/0": 7}
    assert [(f.metric, f.low, f.high) for f in release.evaluation.figures] == [
        ("accuracy", 0.8, 0.95)
    ]
    pointers = DvcStore(live.work / ".tidemill" / "store").root / "artefacts"
    for artefact in release.artefacts.values():
        name = f"{artefact.kind}-{artefact.digest[7:23]}.dvc"
        assert artefact.dvc is not None
        assert f"md5: {artefact.dvc.md5}" in (pointers / name).read_text()


def test_written_twice_it_is_the_same_file_and_check_says_so(
    live: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lock("--check") == 2
    assert "lock missing: by the ledger aaaaaaaaaaaa is live" in capsys.readouterr().out
    lock()
    before = live.lock.read_bytes(), live.lock.stat().st_ino
    assert lock() == 0
    assert lock("--check", "--json") == 0

    assert (live.lock.read_bytes(), live.lock.stat().st_ino) == before
    out = capsys.readouterr().out
    assert json.loads(out[out.index("{") :]) == {"in_step": True, "drift": []}


def test_a_newer_release_and_an_edited_figure_are_drift(
    live: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    lock()
    live.lock.write_text(live.lock.read_text().replace("value: 0.9", "value: 0.99"))
    assert lock("--check") == 2
    assert "lock edited" in capsys.readouterr().out

    lock()
    live.go_live(live.release("b"))
    assert lock("--check") == 2
    assert "lock behind: the lock file names aaaaaaaaaaaa, but bbbbbbbbbbbb is live" in (
        capsys.readouterr().out
    )


def test_a_lock_that_a_merge_broke_is_told_with_its_line_and_is_not_overwritten(
    live: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    lock()
    broken = "<<<<<<< ours\n" + live.lock.read_text()
    live.lock.write_text(broken)

    assert lock("--check") == 2
    assert "tidemill.lock:1: an unresolved merge conflict" in capsys.readouterr().out
    assert lock() == 1
    assert "an unresolved merge conflict" in capsys.readouterr().err
    assert live.lock.read_text() == broken


def test_without_a_release_there_is_nothing_to_write(shop: Shop) -> None:
    assert lock() == 0
    assert lock("--commit") == 0
    assert lock("--check") == 0
    assert not shop.lock.exists()


def test_a_service_nobody_knows_gets_the_nearest_name(
    live: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lock("chap") == 1
    assert "no service is called 'chap'; did you mean 'chat'?" in capsys.readouterr().err


def test_a_full_disk_leaves_the_former_lock(live: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    lock()
    before = live.lock.read_bytes()
    live.go_live(live.release("b"))

    def full(self: Path, _target: Path) -> Path:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "replace", full)

    assert lock() == 1
    assert live.lock.read_bytes() == before
    assert [p.name for p in live.project.iterdir() if p.name.startswith(".")] == []


def test_a_commit_holds_the_lock_and_nothing_else(
    live: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    (live.work / "staged.txt").write_text("mine")
    git(live.work, "add", "staged.txt")
    head = git(live.work, "rev-parse", "HEAD")
    assert lock("--commit") == 0
    assert lock("--commit") == 0

    assert "The branch already has these lock files." in capsys.readouterr().out
    assert git(live.work, "rev-parse", "HEAD~1") == head
    assert git(live.work, "show", "--name-only", "--format=", "HEAD") == (
        "specs/support-chat/tidemill.lock"
    )
    assert git(live.work, "diff", "--cached", "--name-only") == "staged.txt"
    assert git(live.work, "log", "-1", "--format=%s") == "Lock: chat serves aaaaaaaaaaaa"


def test_a_commit_that_was_killed_half_way_is_ended_by_the_next(live: Shop) -> None:
    lock()  # the file was written,
    git(live.work, "add", str(live.lock))  # staged, and the process killed before the commit
    assert lock("--commit") == 0

    assert git(live.work, "status", "--porcelain") == ""
    assert git(live.work, "rev-list", "--count", "HEAD") == "2"


def test_a_lock_that_is_not_committed_yet_makes_no_release_dirty(live: Shop) -> None:
    lock()
    head = GitRepository(live.work / "specs").head()
    assert head is not None
    assert not head.dirty

    (live.project / "tune.yaml").write_text("changed")
    head = GitRepository(live.work / "specs").head()
    assert head is not None
    assert head.dirty


def test_no_branch_and_no_repository_are_told(
    live: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    git(live.work, "checkout", "--quiet", "--detach")
    assert lock("--commit") == 1
    assert "no branch is checked out" in capsys.readouterr().err

    (live.work / ".git").rename(live.root / "elsewhere")
    assert lock("--commit") == 1
    assert "is in no Git repository" in capsys.readouterr().err
    assert lock() == 0


def test_of_two_at_once_one_works_and_the_other_waits(
    live: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    leases = live.home().ledger.leases
    monkeypatch.setattr("tidemill.cli.lock._WAIT", timedelta(milliseconds=10))
    with leases.hold("lock", "another") as held:
        assert held
        assert lock() == 1
    assert "another `tidemill lock` is still running" in capsys.readouterr().err
    assert not live.lock.exists()
    assert lock() == 0


def test_two_options_at_once_are_refused(live: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert lock("--commit", "--check") == 1
    assert "give one of" in capsys.readouterr().err


def remote(shop: Shop) -> str:
    return git(shop.root / "remote.git", "rev-list", "--count", f"main..{BRANCH}")


def test_a_pull_request_is_opened_once_and_brought_up_to_date(live: Shop) -> None:
    forge = MemoryForge()
    first = propose(live.home(), (), forge, "main")
    again = propose(live.home(), (), forge, "main")
    live.go_live(live.release("b"))
    third = propose(live.home(), (), forge, "main")

    assert first is not None
    assert again == first
    assert third is not None
    assert third.number == first.number
    assert list(forge.pages) == [first.number]
    assert forge.pages[first.number].title == "Lock: chat serves bbbbbbbbbbbb"
    assert "accuracy 0.9 (0.8 to 0.95)" in forge.pages[first.number].body
    assert remote(live) == "1"
    assert git(live.work, "status", "--porcelain") == ""


def test_a_release_under_way_is_wanted_and_the_text_says_what_merging_means(live: Shop) -> None:
    forge = MemoryForge()
    live.ask(live.release("b"))
    propose(live.home(), (), forge, "main")

    shown = git(live.root / "remote.git", "show", f"{BRANCH}:specs/support-chat/tidemill.lock")
    assert "wanted:" in shown
    assert "Merging this pull request approves" in forge.pages["1"].body


def test_a_base_that_says_it_already_gets_no_pull_request(live: Shop) -> None:
    forge = MemoryForge()
    lock("--commit")
    git(live.work, "push", "--quiet", "origin", "main")

    assert propose(live.home(), (), forge, "main") is None
    assert forge.pages == {}


class Killed(Exception):
    """Stands for a kill at this very place."""


@pytest.mark.parametrize("place", ["remote_tip", "commit_and_push", "propose"])
def test_killed_anywhere_and_run_again_it_ends_in_one_pull_request(
    live: Shop, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    forge = MemoryForge()

    def killed(*_: object, **__: object) -> None:
        raise Killed

    real = getattr(lock_pull_request, place, None)
    with monkeypatch.context() as patch:
        if place == "propose":
            patch.setattr(forge, "open_pull_request", killed)
        else:
            patch.setattr(lock_pull_request, place, killed)
        with pytest.raises(Killed):
            propose(live.home(), (), forge, "main")
    found = propose(live.home(), (), forge, "main")

    assert real is not None
    assert found is not None
    assert list(forge.pages) == ["1"]
    assert remote(live) == "1"


def test_a_broken_lock_on_the_base_and_a_base_that_is_not_there_are_told(live: Shop) -> None:
    live.lock.write_text("version: 1\n\tproject: x\n")
    live.commit("Broken")
    git(live.work, "push", "--quiet", "origin", "main")

    with pytest.raises(SpecError, match=r"specs/support-chat/tidemill.lock:2: a tab"):
        propose(live.home(), (), MemoryForge(), "main")
    with pytest.raises(ServiceError, match="no branch 'trunk'"):
        propose(live.home(), (), MemoryForge(), "trunk")


def test_the_verb_opens_one_proposal_on_a_plain_remote(
    live: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lock("--open-pr") == 0
    assert lock("--open-pr", "--json") == 0
    out = capsys.readouterr().out
    refs = git(live.root / "remote.git", "for-each-ref", "--format=%(refname)").splitlines()

    assert out.startswith("open: ")
    assert json.loads(out[out.index("{") :])["proposal"]["branch"] == BRANCH
    assert refs == ["refs/heads/main", f"refs/heads/{BRANCH}", *refs[2:]]
    assert len(refs) == 3

    git(live.work, "fetch", "--quiet", "origin")
    git(live.work, "merge", "--quiet", "--ff-only", f"origin/{BRANCH}")
    git(live.work, "push", "--quiet", "origin", "main")
    assert lock("--open-pr") == 0
    assert "Branch 'main' already has these lock files" in capsys.readouterr().out
