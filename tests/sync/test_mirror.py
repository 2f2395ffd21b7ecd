"""The mirror and its worktrees on real remotes: what is fetched, refused, kept, cleared away."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import time
from pathlib import Path

import pytest
from tests.sync.conftest import Remote

from tidemill.adapters.git import GitRepository
from tidemill.adapters.git.mirror import Mirror
from tidemill.adapters.git.worktrees import Worktrees
from tidemill.errors import ServiceError


def test_an_empty_remote_says_what_to_do(mirror: Mirror) -> None:
    with pytest.raises(ServiceError, match="is empty; push 'main' to it"):
        mirror.fetch()


def test_a_missing_branch_gets_the_nearest_one(desk: Remote, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="has no branch 'mian'; did you mean 'main'"):
        Mirror(tmp_path / "m.git", str(desk.bare), "mian").fetch()


@pytest.mark.parametrize("branch", ["-d", "--upload-pack=evil", "a b", "a:b", ""])
def test_a_branch_that_could_be_an_option_or_no_name_is_refused(
    desk: Remote, tmp_path: Path, branch: str
) -> None:
    with pytest.raises(ServiceError, match="cannot be a branch; set TIDEMILL_GIT_BRANCH"):
        Mirror(tmp_path / "m.git", str(desk.bare), branch)


@pytest.mark.parametrize("address", ["--upload-pack=evil", "a\nb"])
def test_an_address_that_could_be_an_option_or_a_setting_is_refused(
    tmp_path: Path, address: str
) -> None:
    with pytest.raises(ServiceError, match="no address of a repository"):
        Mirror(tmp_path / "m.git", address, "main")


def test_a_command_as_the_remote_is_not_run(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "m.git", f"ext::touch {tmp_path / 'evil'}", "main")

    with pytest.raises(ServiceError, match="not allowed"):
        mirror.fetch()

    assert not (tmp_path / "evil").exists()


def test_a_remote_that_went_away_leaves_what_was_fetched(desk: Remote, mirror: Mirror) -> None:
    sha = mirror.fetch()
    desk.bare.rename(desk.bare.with_name("gone.git"))

    with pytest.raises(
        ServiceError, match="the last fetched commit stays in use; the next poll tries again"
    ):
        mirror.fetch()

    assert mirror.tip() == sha


def test_a_remote_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"git://127.0.0.1:{silent.getsockname()[1]}/specs"
        started = time.monotonic()

        with pytest.raises(ServiceError, match="did not end within 1 s; it was stopped"):
            Mirror(tmp_path / "m.git", address, "main", timeout=1.0).fetch()

    assert time.monotonic() - started < 10


def test_a_password_is_in_no_message_and_in_no_file_others_can_read(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    mirror = Mirror(tmp_path / "m.git", f"http://ada:s3cret@127.0.0.1:{port}/x.git", "main")

    with pytest.raises(ServiceError) as caught:
        mirror.fetch()

    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in mirror.remote_without_password
    assert stat.S_IMODE(mirror.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((mirror.folder / "config").stat().st_mode) == 0o600


def test_a_forced_push_is_followed_and_the_old_commit_stays_known(
    desk: Remote, mirror: Mirror, trees: Worktrees
) -> None:
    first = mirror.fetch()
    second = desk.push("second")
    mirror.fetch()
    desk.git("reset", "--quiet", "--hard", first)
    third = desk.push("another second")

    assert mirror.fetch() == third
    assert not mirror.is_descendant(third, second)
    assert mirror.has_commit(second)
    assert mirror.commits_between(third, second) == [third]
    assert GitRepository(trees.add(second)).head().sha == second  # type: ignore[union-attr]


def test_a_branch_set_back_needs_nothing_from_the_remote_but_its_place(
    desk: Remote, mirror: Mirror
) -> None:
    first = mirror.fetch()
    desk.push("second")
    mirror.fetch()
    desk.git("reset", "--quiet", "--hard", first)
    desk.git("push", "--quiet", "--force", "origin", "HEAD")

    assert mirror.fetch() == first
    assert mirror.tip() == first


def test_commits_of_merged_branches_are_new_as_well(desk: Remote, mirror: Mirror) -> None:
    first = mirror.fetch()
    desk.git("checkout", "--quiet", "-b", "side")
    side = desk.commit("on the side", **{"specs/desk/note.txt": "x"})
    desk.git("checkout", "--quiet", "main")
    main = desk.commit("on main", **{"specs/desk/other.txt": "y"})
    desk.git("merge", "--quiet", "--no-ff", "-m", "merged", "side")
    desk.git("push", "--quiet", "origin", "main")

    tip = mirror.fetch()

    assert set(mirror.commits_between(tip, first)) == {side, main, tip}


def test_a_shallow_remote_is_followed_as_far_as_its_history_goes(
    desk: Remote, tmp_path: Path
) -> None:
    for number in range(4):
        desk.push(f"commit {number}", **{"specs/desk/note.txt": str(number)})
    shallow = tmp_path / "shallow.git"
    desk.git("clone", "--quiet", "--bare", "--depth", "2", f"file://{desk.bare}", str(shallow))
    mirror = Mirror(tmp_path / "m.git", str(shallow), "main")
    before = mirror.fetch()
    desk.push("newer")
    desk.git("push", "--quiet", str(shallow), "main")

    tip = mirror.fetch()

    assert mirror.is_shallow
    assert mirror.is_descendant(tip, before)
    assert mirror.commits_between(tip, before) == [tip]


def test_a_long_history_comes_without_the_contents_of_old_files(
    desk: Remote, tmp_path: Path
) -> None:
    desk.git("config", "uploadpack.allowFilter", "true", at=desk.bare)
    for number in range(5):
        desk.push(f"data {number}", **{"specs/desk/big.txt": f"{number}" * 50_000})
    mirror = Mirror(tmp_path / "home/m.git", f"file://{desk.bare}", "main")

    tip = mirror.fetch()
    tree = Worktrees(tmp_path / "home/trees", mirror).add(tip)

    old = desk.git("rev-parse", "HEAD~2:specs/desk/big.txt")
    new = desk.git("rev-parse", "HEAD:specs/desk/big.txt")
    here = desk.git(
        "cat-file", "--batch-all-objects", "--batch-check=%(objectname)", at=mirror.folder
    ).split()
    assert new in here
    assert old not in here
    assert len(mirror.commits_between(tip, f"{tip}~4")) == 4
    assert (tree / "specs/desk/big.txt").read_text() == "4" * 50_000


def test_a_lock_that_a_killed_git_left_is_taken_away_once_it_is_old(
    desk: Remote, mirror: Mirror
) -> None:
    mirror.fetch()
    desk.push("second")
    lock = mirror.folder / "refs/tidemill/tip.lock"
    lock.write_text("")

    with pytest.raises(ServiceError, match="File exists"):
        mirror.fetch()
    old = time.time() - mirror.timeout - 1
    os.utime(lock, (old, old))

    assert mirror.fetch() == desk.git("rev-parse", "HEAD")


def test_a_mirror_that_was_half_made_is_made_whole(desk: Remote, mirror: Mirror) -> None:
    mirror.folder.mkdir(parents=True)
    (mirror.folder / "HEAD").write_text("ref: refs/heads/main\n")

    assert mirror.fetch() == desk.git("rev-parse", "HEAD")


def test_a_worktree_is_clean_and_read_only(desk: Remote, mirror: Mirror, trees: Worktrees) -> None:
    tree = trees.add(mirror.fetch())

    writable = [p for p in tree.rglob("*") if p.stat().st_mode & 0o222]
    head = GitRepository(tree / "specs").head()
    assert writable == []
    assert head is not None
    assert not head.dirty
    assert (tree / "specs/desk/rows.csv").read_text().startswith("text,label")


def test_what_a_killed_process_left_is_cleared_and_whole_trees_stay(
    desk: Remote, mirror: Mirror, trees: Worktrees
) -> None:
    first = mirror.fetch()
    tree = trees.add(first)
    second = desk.push("second", **{"specs/desk/note.txt": "x"})
    mirror.fetch()
    half = trees.folder / f".making-{second}"
    shutil.copytree(tree / "specs", half / "specs")

    made = trees.add(second)

    assert (made / "specs/desk/note.txt").exists()
    assert [p.name for p in trees.folder.glob(".*")] == []
    assert GitRepository(tree).head().sha == first  # type: ignore[union-attr]


def test_a_tree_that_was_moved_and_not_entered_in_git_is_entered_later(
    desk: Remote, mirror: Mirror, trees: Worktrees
) -> None:
    first = mirror.fetch()
    tree = trees.add(first)
    for entry in (mirror.folder / "worktrees").iterdir():  # what a kill after the move leaves
        (entry / "gitdir").write_text(f"{trees.folder}/.making-{first}/.git\n")

    trees.prune([first])

    assert GitRepository(tree).head().sha == first  # type: ignore[union-attr]


def test_the_current_tree_and_named_ones_survive_pruning(
    desk: Remote, mirror: Mirror, trees: Worktrees
) -> None:
    shas = [mirror.fetch()]
    for number in range(3):
        desk.push(f"commit {number}", **{"specs/desk/note.txt": str(number)})
        shas.append(mirror.fetch())
    for sha in shas:
        trees.add(sha)
    trees.make_current(shas[0])

    trees.prune([shas[2]])

    assert {p.name for p in trees.folder.iterdir()} == {shas[0], shas[2]}
    assert trees.current_commit() == shas[0]
    assert GitRepository(trees.folder / shas[2]).head().sha == shas[2]  # type: ignore[union-attr]


def test_a_submodule_in_the_specs_is_a_problem_with_its_path(
    desk: Remote, mirror: Mirror, trees: Worktrees, tmp_path: Path
) -> None:
    other = Remote.make(tmp_path / "other")
    other.push("theirs", **{"x.yaml": "a: 1\n"})
    file = ("-c", "protocol.file.allow=always")
    desk.git(*file, "submodule", "--quiet", "add", str(other.bare), "specs/theirs")
    sha = desk.push("a submodule")
    mirror.fetch()
    trees.add(sha)

    (problem,) = trees.unsupported_contents(sha, "specs")

    assert str(problem) == (
        "specs/theirs:1: submodules are not supported; "
        "copy its files into the repository, or move it out of the specs"
    )
    assert trees.unsupported_contents(sha, "elsewhere") == []


def test_a_pointer_to_lfs_is_a_problem_with_its_path(
    desk: Remote, mirror: Mirror, trees: Worktrees
) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12\n"
    attributes = "*.csv filter=lfs diff=lfs merge=lfs -text\n"
    sha = desk.push("lfs", **{"specs/desk/rows.csv": pointer, ".gitattributes": attributes})
    mirror.fetch()
    trees.add(sha)

    (problem,) = trees.unsupported_contents(sha, "specs")

    assert str(problem).startswith("specs/desk/rows.csv:1: its contents are in Git LFS")


def test_no_hook_of_the_users_runs_when_a_tree_is_made(
    desk: Remote, mirror: Mirror, trees: Worktrees, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    hook = hooks / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    (tmp_path / "config").write_text(f"[core]\n\thooksPath = {hooks}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))

    trees.add(mirror.fetch())

    assert not (tmp_path / "ran").exists()
