"""What happens to a followed branch when its remote, its history or the home's folders fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from tests.halted import until
from tests.sync.conftest import Follow, Remote
from tests.sync.test_signatures import Keys, signed

from tidemill.adapters.git.mirror import Mirror
from tidemill.adapters.git.worktrees import Worktrees
from tidemill.adapters.ledger import lease_owner


@contextmanager
def away(remote: Remote) -> Iterator[None]:
    """The remote is not there for a while."""
    hidden = remote.bare.with_name("away.git")
    remote.bare.rename(hidden)
    try:
        yield
    finally:
        hidden.rename(remote.bare)


def test_a_remote_that_goes_away_before_the_files_came_changes_nothing(
    desk: Remote, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files come after the commits: a worktree that is half full is none."""
    desk.git("config", "uploadpack.allowFilter", "true", at=desk.bare)
    address = f"file://{desk.bare}"
    follow(TIDEMILL_GIT_REMOTE=address).look()
    before = follow().trees.current_commit()
    sha = desk.push("second", **{"specs/desk/note.txt": "new\n"})
    make = Worktrees.add

    def cut_off(trees: Worktrees, commit: str) -> Path:
        with away(desk):
            return make(trees, commit)

    with monkeypatch.context() as patch:
        patch.setattr(Worktrees, "add", cut_off)
        outcome = follow(TIDEMILL_GIT_REMOTE=address).look()

    assert outcome.came == "unreachable"
    assert "the last fetched commit stays in use" in outcome.reason
    assert follow().trees.current_commit() == before
    assert not (follow().trees.folder / sha).exists()
    assert follow(TIDEMILL_GIT_REMOTE=address).look().came == "applied"
    assert (follow().home.settings.specs / "desk/note.txt").read_text() == "new\n"


def test_a_commit_with_a_submodule_in_its_specs_is_refused_with_its_path(
    desk: Remote, follow: Follow, tmp_path: Path
) -> None:
    follow().look()
    before = follow().trees.current_commit()
    other = Remote.make(tmp_path / "other")
    other.push("theirs", **{"x.yaml": "a: 1\n"})
    allowed = ("-c", "protocol.file.allow=always")
    desk.git(*allowed, "submodule", "--quiet", "add", str(other.bare), "specs/theirs")
    desk.push("a submodule")

    outcome = follow().look()

    assert outcome.came == "refused"
    assert outcome.reason.startswith("a problem: specs/theirs:1: submodules are not supported; ")
    assert follow().trees.current_commit() == before


def test_a_history_that_is_cut_off_below_the_applied_commit_is_followed_and_said(
    desk: Remote, follow: Follow, tmp_path: Path
) -> None:
    shallow = tmp_path / "shallow.git"
    clone = ("clone", "--quiet", "--bare", "--depth", "1", f"file://{desk.bare}", str(shallow))
    desk.git(*clone)
    first = follow(TIDEMILL_GIT_REMOTE=str(shallow)).look()
    for number in range(3):
        tip = desk.push(f"commit {number}", **{"specs/desk/note.txt": str(number)})
    shutil.rmtree(shallow)
    desk.git(*clone)

    outcome = follow(TIDEMILL_GIT_REMOTE=str(shallow)).look()

    assert (first.came, outcome.came) == ("applied", "applied")
    assert outcome.reason.endswith("is not in it (or the remote's history is cut off)")
    assert follow().trees.current_commit() == tip


def test_commits_that_a_forced_push_dropped_outlive_a_clean_up(
    desk: Remote, mirror: Mirror, trees: Worktrees
) -> None:
    """Their worktrees are in use, and a push may bring them back."""
    first = mirror.fetch()
    dropped = desk.push("dropped", **{"specs/desk/note.txt": "x"})
    mirror.fetch()
    desk.git("reset", "--quiet", "--hard", first)
    desk.push("instead")
    mirror.fetch()

    reachable = desk.git("rev-list", "--all", at=mirror.folder).split()

    assert dropped in reachable


def test_a_branch_that_goes_back_needs_only_its_place_from_the_remote(
    desk: Remote, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = mirror.fetch()
    desk.push("second")
    mirror.fetch()
    desk.git("push", "--quiet", "--force", "origin", f"{first}:refs/heads/main")
    talk, said = Mirror.run_remote_command, []

    def listening(self: Mirror, *arguments: str, limit: float | None = None) -> bytes:
        said.append(arguments[0])
        return talk(self, *arguments, limit=limit)

    monkeypatch.setattr(Mirror, "run_remote_command", listening)

    assert mirror.fetch() == first
    assert said == ["ls-remote"]


def test_of_many_commits_the_disk_keeps_the_last_worktrees(
    desk: Remote, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidemill.control.git_sync.KEPT_FOR", timedelta(0))
    shas = []
    for number in range(6):
        shas.append(desk.push(f"commit {number}", **{"specs/desk/note.txt": str(number)}))
        follow().look()

    kept = {path.name for path in follow().trees.folder.iterdir()} - {"nothing-yet"}
    assert kept == set(shas[-3:])


def test_of_many_fetches_the_mirror_is_packed(
    desk: Remote, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise each look of a long-lived home would leave a pack behind."""
    tight = {"gc.autoPackLimit": "2", "gc.autoDetach": "false", "transfer.unpackLimit": "1"}
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(tight)))
    for place, (key, value) in enumerate(tight.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{place}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{place}", value)
    for number in range(6):
        desk.push(f"commit {number}", **{"specs/desk/note.txt": str(number)})
        follow().look()

    packs = list((follow().mirror.folder / "objects/pack").glob("*.pack"))
    assert len(packs) <= 3


@pytest.mark.parametrize("what", ["the link", "the trees"])
def test_a_folder_that_somebody_took_away_is_made_again(
    desk: Remote, follow: Follow, what: str
) -> None:
    follow().look()
    trees = follow().trees
    sha = trees.current_commit()
    if what == "the trees":
        for folder in [trees.folder, *trees.folder.rglob("*")]:
            if folder.is_dir():
                folder.chmod(0o700)
        shutil.rmtree(trees.folder)
    trees.link.unlink()

    outcome = follow().look()

    assert outcome.came == "in-sync"
    assert trees.current_commit() == sha
    assert (follow().home.settings.specs / "desk/rows.yaml").exists()


def test_the_link_is_never_without_a_commit_while_it_is_switched(
    desk: Remote, mirror: Mirror, trees: Worktrees, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = mirror.fetch()
    trees.add(first)
    trees.make_current(first)
    second = desk.push("second")
    mirror.fetch()
    trees.add(second)

    def killed(_from: Path, _to: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            trees.make_current(second)

    assert trees.current_commit() == first
    trees.make_current(second)
    assert trees.current_commit() == second
    assert [path.name for path in trees.link.parent.glob(".current*")] == []


def test_a_commit_that_was_accepted_is_carried_through_after_a_kill(
    desk: Remote, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of it may have taken effect: to refuse it then would leave neither state."""

    def killed(_trees: Worktrees, _sha: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Worktrees, "make_current", killed)
        with pytest.raises(KeyboardInterrupt):
            follow().look()

    assert follow(TIDEMILL_SIGNATURES="require").look().came == "applied"


def test_a_rewritten_branch_is_followed_by_a_mirror_that_lost_what_was_applied(
    desk: Remote, follow: Follow
) -> None:
    follow().look()
    home = follow().home.settings.git_home
    for name in ("mirror.git", "trees"):
        for folder in [home / name, *(home / name).rglob("*")]:
            if folder.is_dir():
                folder.chmod(0o700)
        shutil.rmtree(home / name)
    desk.git("checkout", "--quiet", "--orphan", "other")
    desk.commit("another beginning")
    desk.git("push", "--quiet", "--force", "origin", "HEAD:main")
    desk.git("reflog", "expire", "--expire=now", "--all", at=desk.bare)
    desk.git("gc", "--quiet", "--prune=now", at=desk.bare)

    outcome = follow().look()

    assert outcome.came == "applied"
    assert follow().trees.current_commit() == desk.git("rev-parse", "HEAD")


def test_of_a_commit_that_is_not_here_nothing_is_known_but_the_new_one(
    desk: Remote, mirror: Mirror
) -> None:
    tip = mirror.fetch()

    assert mirror.commits_between(tip, "1" * 40) == [tip]


def test_a_branch_that_goes_back_to_a_signed_commit_is_checked_again(
    desk: Remote, follow: Follow, tmp_path: Path
) -> None:
    keys = Keys(tmp_path / "keys")
    policy = {"TIDEMILL_SIGNATURES": "require", "TIDEMILL_ALLOWED_SIGNERS": str(keys.allowed)}
    ada = keys.make("ada")
    first = signed(desk, ada)
    desk.git("push", "--quiet", "origin", "HEAD")
    follow(**policy).look()
    signed(desk, ada)
    desk.git("push", "--quiet", "origin", "HEAD")
    follow(**policy).look()
    desk.git("push", "--quiet", "--force", "origin", f"{first}:refs/heads/main")

    outcome = follow(**policy).look()

    assert outcome.came == "applied"
    assert outcome.sync is not None
    assert outcome.sync.signer.startswith("ada@example.com")


def test_a_zombie_holds_nothing_any_more() -> None:
    """A killed child that its parent has not asked about yet still has a process number."""
    code = "from tidemill.adapters.ledger.lease_owner import current_owner; print(current_owner())"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as dead:
        assert dead.stdout is not None
        holder = dead.stdout.read().strip()
        until(lambda: psutil.Process(dead.pid).status() == psutil.STATUS_ZOMBIE)

        assert lease_owner.has_ended(holder)
