"""What Git says to us does not depend on how a person likes Git to talk."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.adapters.repositories import Repo

from tidemill.adapters.forge import MemoryForge
from tidemill.adapters.git import GitRepository, history
from tidemill.adapters.git.mirror import Mirror
from tidemill.control.pull_requests import Desk
from tidemill.errors import ServiceError


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo.new(tmp_path / "repo")
    made.write("specs/chat/tidemill.lock", "one\n")
    made.commit("base")
    return made


def sign(repo: Repo, folder: Path) -> str:
    """An SSH-signed commit that changes the lock; gives its sha."""
    key = folder / "key"
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f", str(key)]
    subprocess.run(make, check=True)
    signers = folder / "signers"
    signers.write_text(f"ada@example.com {key.with_suffix('.pub').read_text()}")
    repo.git("config", "gpg.format", "ssh")
    repo.git("config", "user.signingkey", str(key))
    repo.git("config", "gpg.ssh.allowedSignersFile", str(signers))
    repo.git("config", "commit.gpgsign", "true")
    repo.write("specs/chat/tidemill.lock", "two\n")
    return repo.commit("Serve the better one")


def test_a_shown_signature_is_no_part_of_a_commits_name(repo: Repo, tmp_path: Path) -> None:
    sha = sign(repo, tmp_path)
    repo.git("config", "log.showSignature", "true")

    found = GitRepository(repo.folder / "specs").head()

    assert found is not None
    assert (found.sha, found.subject) == (sha, "Serve the better one")


def test_a_shown_signature_hides_no_merge_of_a_lock(repo: Repo, tmp_path: Path) -> None:
    sha = sign(repo, tmp_path)
    repo.git("config", "log.showSignature", "true")
    lock = repo.folder / "specs/chat/tidemill.lock"

    found = history.find_merge_commit(repo.folder, lock, lambda content: content == b"two\n")

    assert found is not None
    assert (found.sha, found.name) == (sha, "Ada")


def test_a_shown_signature_is_nobody_who_wrote_a_change(repo: Repo, tmp_path: Path) -> None:
    before = repo.git("rev-parse", "HEAD")
    sha = sign(repo, tmp_path)
    repo.git("config", "log.showSignature", "true")

    found = history.authors(repo.folder, before, sha, repo.folder / "specs")

    assert found == {"Ada <ada@example.com>"}


def test_a_followed_commit_is_known_whatever_the_user_likes_to_see(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = sign(repo, tmp_path)
    mine = tmp_path / "gitconfig"
    mine.write_text(
        "[log]\nshowSignature = true\n[gpg]\nformat = ssh\n"
        f'[gpg "ssh"]\nallowedSignersFile = {tmp_path / "signers"}\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(mine))
    mirror = Mirror(tmp_path / "mirror.git", str(repo.folder), "main")

    found = mirror.commit(mirror.fetch())

    assert found.sha == sha


def test_a_new_spec_makes_a_tree_dirty_for_who_hides_new_files_too(repo: Repo) -> None:
    repo.git("config", "status.showUntrackedFiles", "no")
    repo.write("specs/chat/new.yaml", "kind: Model\n")

    found = GitRepository(repo.folder / "specs").head()

    assert found is not None
    assert found.dirty


def test_a_file_that_is_not_committed_is_named_as_it_is_written(repo: Repo) -> None:
    repo.write("specs/prüfung/größe.yaml", "kind: Model\n")
    repo.commit("more")
    repo.write("specs/prüfung/größe.yaml", "kind: Prompt\n")
    desk = Desk(repo.folder, "origin", MemoryForge())

    with pytest.raises(ServiceError, match=r"specs/prüfung/größe\.yaml is not committed"):
        desk.clean(repo.folder / "specs")
