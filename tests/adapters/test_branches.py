"""Commits to branches and pushes, in real repositories, and every way in which Git says no."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.adapters.forges.places import (
    clone,
    commit,
    push_change,
    quiet,
    remote,
    sh,
    who,
    write,
)

from tidemill.adapters.git import branches
from tidemill.adapters.git.branches import commit_and_push, commit_to_branch, current_branch, push
from tidemill.adapters.git.push_errors import push_error, redact_credentials
from tidemill.errors import ServiceError

FILES = {"specs/shop/prompt.yaml": b"name: reply\nk: 3\n", "specs/shop/new.yaml": b"name: new\n"}


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    quiet(monkeypatch, tmp_path / "home")
    return remote(tmp_path)


@pytest.fixture
def here(bare: Path, tmp_path: Path) -> Path:
    return clone(bare, tmp_path / "here")


def test_a_commit_holds_the_base_and_the_files_and_nothing_else(here: Path) -> None:
    base = sh(here, "rev-parse", "main")

    made = commit_to_branch(here, "main", "tidemill/k", FILES, "Use three examples")

    assert sh(here, "rev-parse", f"{made}^") == base
    assert sh(here, "diff", "--name-status", base, made).split("\n") == [
        "A\tspecs/shop/new.yaml",
        "M\tspecs/shop/prompt.yaml",
    ]
    assert sh(here, "show", f"{made}:specs/shop/prompt.yaml") == "name: reply\nk: 3"
    assert sh(here, "log", "-1", "--format=%s|%an <%ae>", made) == (
        "Use three examples|Ada <ada@example.org>"
    )


def test_the_working_tree_and_the_index_stay_as_they_were(here: Path) -> None:
    write(here, "README", "half an edit\n")
    write(here, "staged", "staged\n")
    sh(here, "add", "staged")
    before = (sh(here, "status", "--porcelain=v2", "--branch"), sh(here, "ls-files", "-s"))

    commit_to_branch(here, "main", "tidemill/k", FILES, "Use three examples")

    assert (sh(here, "status", "--porcelain=v2", "--branch"), sh(here, "ls-files", "-s")) == before


def test_the_same_asked_again_gives_the_same_commit(here: Path) -> None:
    first = commit_to_branch(here, "main", "tidemill/k", FILES, "Use three examples")
    again = commit_to_branch(here, "main", "tidemill/k", FILES, "Use three examples")

    assert again == first


def test_a_file_can_be_removed_and_keeps_its_mode_when_rewritten(here: Path) -> None:
    write(here, "run", "#!/bin/sh\n")
    (here / "run").chmod(0o755)
    commit(here, "A script")

    files = {"README": None, "run": b"#!/bin/sh\ntrue\n"}
    made = commit_to_branch(here, "main", "t", files, "Less")

    listed = sh(here, "ls-tree", "-r", made)
    assert "README" not in listed
    assert "100755" in next(line for line in listed.splitlines() if line.endswith("run"))


def test_files_that_the_base_holds_already_make_no_commit_and_no_branch(here: Path) -> None:
    same = {"specs/shop/prompt.yaml": b"name: reply\n"}

    assert commit_to_branch(here, "main", "tidemill/k", same, "Nothing") == sh(
        here, "rev-parse", "main"
    )
    assert not sh(here, "branch", "--list", "tidemill/k")


def test_an_earlier_result_on_the_branch_is_replaced_by_the_new_one(here: Path) -> None:
    commit_to_branch(here, "main", "tidemill/k", FILES, "Use three examples")
    made = commit_to_branch(
        here, "main", "tidemill/k", {"README": b"other\n"}, "Use other examples"
    )

    assert sh(here, "rev-list", "--count", f"main..{made}") == "1"
    assert sh(here, "rev-parse", "tidemill/k") == made


def test_a_commit_that_a_person_put_on_the_branch_is_never_dropped(here: Path) -> None:
    commit_to_branch(here, "main", "tidemill/k", FILES, "Use three examples")
    sh(here, "checkout", "--quiet", "tidemill/k")
    write(here, "README", "a fix by hand\n")
    by_hand = commit(here, "Fix by hand")
    sh(here, "checkout", "--quiet", "main")

    with pytest.raises(ServiceError, match="holds commits of somebody else"):
        commit_to_branch(here, "main", "tidemill/k", {"README": b"x\n"}, "Other")
    assert sh(here, "rev-parse", "tidemill/k") == by_hand


def test_a_commit_of_ours_that_a_person_amended_is_not_dropped_either(here: Path) -> None:
    commit_to_branch(here, "main", "tidemill/k", FILES, "Use three examples")
    sh(here, "checkout", "--quiet", "tidemill/k")
    write(here, "README", "and this\n")
    sh(here, "commit", "--quiet", "--all", "--amend", "--no-edit")
    sh(here, "checkout", "--quiet", "main")

    with pytest.raises(ServiceError, match="somebody else"):
        commit_to_branch(here, "main", "tidemill/k", {"README": b"x\n"}, "Other")


def test_a_branch_that_is_checked_out_is_left_alone(here: Path) -> None:
    with pytest.raises(ServiceError, match="'main' is checked out"):
        commit_to_branch(here, "main", "main", FILES, "Use three examples")
    assert sh(here, "status", "--porcelain") == ""


@pytest.mark.parametrize("path", ["../x", "/etc/x", ".git/config", "a/../../x", "a\nb", ""])
def test_a_path_out_of_the_repository_is_refused(here: Path, path: str) -> None:
    with pytest.raises(ServiceError, match="no path of a file in the repository"):
        commit_to_branch(here, "main", "t", {path: b"x"}, "Out")


def test_without_an_identity_tidemill_commits_as_itself(bare: Path, tmp_path: Path) -> None:
    nameless = tmp_path / "nameless"
    subprocess.run(["git", "clone", "--quiet", str(bare), str(nameless)], check=True)

    made = commit_to_branch(nameless, "main", "t", FILES, "Use three examples")

    assert sh(nameless, "log", "-1", "--format=%cn <%ce> %an", made) == (
        "Tidemill <tidemill@localhost> Tidemill"
    )


def test_an_author_of_its_own_is_written_and_a_malformed_one_refused(here: Path) -> None:
    made = commit_to_branch(
        here, "main", "t", FILES, "K", author="Grace Hopper <grace@example.org>"
    )

    assert sh(here, "log", "-1", "--format=%an <%ae>|%cn", made) == (
        "Grace Hopper <grace@example.org>|Ada"
    )
    with pytest.raises(ServiceError, match="names no author"):
        commit_to_branch(here, "main", "u", FILES, "K", author="Grace")


def test_a_commit_is_signed_where_git_is_told_to_sign(here: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    for name, value in (("gpg.format", "ssh"), ("user.signingkey", f"{key}.pub")):
        sh(here, "config", name, value)
    sh(here, "config", "commit.gpgsign", "yes")

    made = commit_to_branch(here, "main", "t", FILES, "Signed")

    assert "BEGIN SSH SIGNATURE" in sh(here, "cat-file", "commit", made)
    assert commit_to_branch(here, "main", "t", FILES, "Signed") == made


def test_outside_of_a_repository_the_message_says_so(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="is not in a Git repository"):
        commit_to_branch(tmp_path, "main", "t", FILES, "K")


def test_a_base_that_is_not_there_is_named_and_a_shallow_clone_recognised(
    bare: Path, here: Path, tmp_path: Path
) -> None:
    write(here, "README", "two\n")
    first = sh(here, "rev-parse", "HEAD")
    commit(here, "Two")
    sh(here, "push", "--quiet", "origin", "main")
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{bare}", str(shallow)], check=True)

    with pytest.raises(ServiceError, match="'nowhere' is no commit here; fetch it first"):
        commit_to_branch(here, "nowhere", "t", FILES, "K")
    with pytest.raises(ServiceError, match=r"shallow clone; run `git fetch --unshallow`"):
        commit_to_branch(shallow, first, "t", FILES, "K")


def test_a_detached_head_names_no_branch_but_can_be_a_base(here: Path) -> None:
    sh(here, "checkout", "--quiet", "--detach")

    with pytest.raises(ServiceError, match="HEAD is detached"):
        current_branch(here)
    assert commit_to_branch(here, "HEAD", "t", FILES, "K") == sh(here, "rev-parse", "t")


def test_what_is_published_stands_on_the_remote_and_again_changes_nothing(
    bare: Path, here: Path
) -> None:
    first = commit_and_push(here, "origin", "main", "tidemill/k", FILES, "K")
    again = commit_and_push(here, "origin", "main", "tidemill/k", FILES, "K")

    assert first == again == sh(bare, "rev-parse", "tidemill/k")


def test_a_fresh_clone_that_publishes_the_same_finds_the_commit_there_is(
    bare: Path, here: Path, tmp_path: Path
) -> None:
    first = commit_and_push(here, "origin", "main", "tidemill/k", FILES, "K")
    other = clone(bare, tmp_path / "other", "--single-branch")
    who(other, "Continuous Integration", "ci@example.org")

    assert commit_and_push(other, "origin", "main", "tidemill/k", FILES, "K") == first


@pytest.mark.parametrize("killed_in", ["write_commit", "push"])
def test_killed_anywhere_and_run_again_the_remote_holds_one_commit(
    bare: Path, here: Path, monkeypatch: pytest.MonkeyPatch, killed_in: str
) -> None:
    def killed(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(branches, killed_in, killed)
        with pytest.raises(KeyboardInterrupt):
            commit_and_push(here, "origin", "main", "tidemill/k", FILES, "K")
    commit_and_push(here, "origin", "main", "tidemill/k", FILES, "K")

    assert sh(bare, "rev-list", "--count", "main..tidemill/k") == "1"


def test_a_new_result_replaces_the_old_one_on_the_remote(bare: Path, here: Path) -> None:
    commit_and_push(here, "origin", "main", "tidemill/k", FILES, "K")
    newer = commit_and_push(here, "origin", "main", "tidemill/k", {"README": b"v2\n"}, "K again")

    assert sh(bare, "rev-parse", "tidemill/k") == newer


def test_a_fix_that_somebody_pushed_to_the_branch_is_not_overwritten(
    bare: Path, here: Path, tmp_path: Path
) -> None:
    commit_and_push(here, "origin", "main", "tidemill/k", FILES, "K")
    theirs = push_change(clone(bare, tmp_path / "grace"), "tidemill/k", "README", "by hand\n")

    with pytest.raises(ServiceError, match="somebody"):
        commit_and_push(here, "origin", "main", "tidemill/k", {"README": b"v2\n"}, "K again")
    assert sh(bare, "rev-parse", "tidemill/k") == theirs


def test_a_push_in_between_is_noticed_by_the_lease(bare: Path, here: Path, tmp_path: Path) -> None:
    seen = commit_and_push(here, "origin", "main", "tidemill/k", FILES, "K")
    theirs = push_change(clone(bare, tmp_path / "grace"), "tidemill/k", "README", "by hand\n")
    commit_to_branch(here, "main", "tidemill/k", {"README": b"v2\n"}, "K again")

    for lease in (seen, None):
        with pytest.raises(ServiceError, match="someone else pushed first"):
            push(here, "tidemill/k", force_with_lease=lease)
    assert sh(bare, "rev-parse", "tidemill/k") == theirs


def test_a_remote_that_is_not_configured_is_named_with_those_that_are(here: Path) -> None:
    commit_to_branch(here, "main", "t", FILES, "K")

    with pytest.raises(ServiceError, match=r"there is no remote 'upstream'; set .* one of: origin"):
        push(here, "t", "upstream")
    sh(here, "remote", "remove", "origin")
    with pytest.raises(ServiceError, match="git remote add origin"):
        push(here, "t")


def test_a_branch_that_does_not_exist_cannot_be_pushed(here: Path) -> None:
    with pytest.raises(ServiceError, match="there is no branch 't' here"):
        push(here, "t")


def test_a_protected_branch_says_so(bare: Path, here: Path) -> None:
    hook = bare / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'GH006: Protected branch update failed' >&2\nexit 1\n")
    hook.chmod(0o755)
    commit_to_branch(here, "main", "t", FILES, "K")

    with pytest.raises(ServiceError, match="'t' could not be pushed to origin: it is a protected"):
        push(here, "t")


def test_a_remote_that_went_away_is_unreachable(bare: Path, here: Path) -> None:
    commit_to_branch(here, "main", "t", FILES, "K")
    bare.rename(bare.with_name("gone.git"))

    with pytest.raises(ServiceError, match="cannot be reached"):
        push(here, "t")
    with pytest.raises(ServiceError, match=r"origin could not be read: .* cannot be reached"):
        commit_and_push(here, "origin", "main", "t", FILES, "K")


@pytest.fixture
def forbidding() -> Iterator[str]:
    """An HTTP remote that lets nobody in."""

    class Forbid(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Forbid)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://ada:hush-hush@127.0.0.1:{server.server_port}/shop.git"
    server.shutdown()
    server.server_close()


def test_without_permission_the_message_names_it_and_keeps_the_secret(
    here: Path, forbidding: str
) -> None:
    commit_to_branch(here, "main", "t", FILES, "K")
    sh(here, "remote", "set-url", "origin", forbidding)

    with pytest.raises(ServiceError, match="no write access") as caught:
        push(here, "t")
    assert "hush-hush" not in str(caught.value)


def test_what_git_says_otherwise_is_passed_on_without_secrets() -> None:
    said = push_error("fatal: odd thing at https://ada:hush@example.org/x")

    assert said == "fatal: odd thing at https://example.org/x"
    assert push_error("") == "Git gave no reason"
    assert "shallow clone" in push_error("! [remote rejected] t -> t (shallow update not allowed)")
    assert (
        redact_credentials("ssh://git@host/x and https://a:b@c/d") == "ssh://host/x and https://c/d"
    )
    assert redact_credentials("https://ada:p@ss@host/x, https://h/a@b") == (
        "https://host/x, https://h/a@b"
    )
