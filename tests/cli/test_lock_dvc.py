"""The lock's DVC pointers: a clone and `dvc pull` have the bytes of what is live, by real `dvc`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from tests.adapters.places import PROJECT, SERVICE, Shop, git

from tidemill import content
from tidemill.adapters.forge.memory import MemoryForge
from tidemill.adapters.git import GitRepository
from tidemill.adapters.store.remote import default_remote, dvc_root, push
from tidemill.cli import commands
from tidemill.control.lock_pull_request import propose
from tidemill.engine.release_record import ReleasedArtefact
from tidemill.errors import MissingArtefact, ServiceError
from tidemill.init.dvc_repository import dvc_files
from tidemill.spec.lock import BRANCH, LockFile, read_lock
from tidemill.spec.lock_pointers import content_hashes
from tidemill.terminal.shell import run

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A repository that is a DVC repository too, with a folder as its remote."""
    shop = Shop.open(tmp_path)
    for path, text in dvc_files(shop.work / "specs", tmp_path / "artefacts").items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    shop.commit("A DVC repository")
    git(shop.work, "push", "--quiet", "origin", "main")
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


def dvc(folder: Path, *arguments: str) -> str:
    """Run the real `dvc`; nothing of this machine's settings plays in."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder.parent),
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(folder.parent / "site"),
        "DVC_SYSTEM_CONFIG_DIR": str(folder.parent / "none"),
        "DVC_GLOBAL_CONFIG_DIR": str(folder.parent / "none"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def clone(shop: Shop, name: str = "clone") -> Path:
    git(shop.root, "clone", "--quiet", str(shop.root / "remote.git"), name)
    return shop.root / name


def pointer(shop: Shop) -> Path:
    return shop.project / "releases" / f"{SERVICE}.dvc"


def locked(shop: Shop) -> LockFile:
    found = read_lock(shop.lock)
    assert found is not None
    return found


def test_a_fresh_clone_is_clean_and_a_pull_brings_every_artefact_of_what_is_live(
    live: Shop,
) -> None:
    before = clone(live, "before")
    assert "no data or pipelines tracked" in dvc(before, "status")

    assert lock("--commit") == 0
    git(live.work, "push", "--quiet", "origin", "main")
    fresh = clone(live)
    dvc(fresh, "pull")

    pulled = fresh / "specs" / PROJECT / "releases" / SERVICE
    release = locked(live).services[SERVICE].live
    assert release is not None
    assert {name: content.digest_of(pulled / name) for name in release.artefacts} == {
        name: artefact.digest for name, artefact in release.artefacts.items()
    }
    assert "up to date" in dvc(fresh, "status")
    assert git(fresh, "status", "--porcelain") == ""


def test_the_next_release_is_pulled_over_the_former_one(live: Shop) -> None:
    lock("--commit")
    git(live.work, "push", "--quiet", "origin", "main")
    fresh = clone(live)
    dvc(fresh, "pull")
    live.go_live(live.release("b"))
    lock("--commit")
    git(live.work, "push", "--quiet", "origin", "main")

    git(fresh, "pull", "--quiet")
    dvc(fresh, "pull")

    pulled = fresh / "specs" / PROJECT / "releases" / SERVICE
    assert (pulled / "reply-int8" / "file").read_text() == "reply-int8 b"


def test_a_pointer_names_release_and_digests_and_a_step_has_a_folder_of_its_own(
    shop: Shop,
) -> None:
    home = shop.home()
    step = shop.root / "merged"
    step.mkdir()
    (step / "weights").write_text("merged")
    merged = home.store.put(step, kind="merged")
    release = shop.release("a")
    record = home.ledger.materialisations.release(release)
    assert record is not None
    steps = {
        "reply-int8/merge": ReleasedArtefact(merged.digest, "merged", merged.bytes),
        "reply-int8/quantise": record.artefacts["reply-int8"],
    }
    digest = "sha256:" + "c" * 64
    record = replace(record, digest=digest, artefacts={**record.artefacts, **steps})
    home.ledger.materialisations.add_release(record)
    shop.go_live(digest)
    lock()

    found = yaml.safe_load(pointer(shop).read_text())
    assert found["meta"] == {"service": SERVICE, "release": "sha256:" + "c" * 64}
    assert [out["path"] for out in found["outs"]] == [
        f"{SERVICE}/{name}" for name in ("quality", "reply-int8", "reply-int8.merge", "requests")
    ]
    assert found["outs"][2]["meta"] == {"kind": "merged", "digest": merged.digest}
    assert all(out["md5"].endswith(".dir") for out in found["outs"])


def test_a_commit_holds_lock_and_pointers_and_a_second_one_is_not_needed(
    live: Shop, capsys: Captured
) -> None:
    assert lock("--commit") == 0
    assert f"to {live.root / 'artefacts'}" in capsys.readouterr().out
    assert lock("--commit") == 0

    assert capsys.readouterr().out == "The branch already has these lock files.\n"
    folder = f"specs/{PROJECT}"
    assert git(live.work, "show", "--name-only", "--format=", "HEAD").splitlines() == [
        f"{folder}/releases/.gitignore",
        f"{folder}/releases/{SERVICE}.dvc",
        f"{folder}/tidemill.lock",
    ]
    assert git(live.work, "status", "--porcelain") == ""
    assert lock("--check") == 0


def test_a_pointer_that_is_not_committed_yet_makes_no_release_dirty(live: Shop) -> None:
    lock()

    head = GitRepository(live.work / "specs").head()
    assert head is not None
    assert not head.dirty


def test_a_pull_request_brings_the_pointers_of_a_lock_that_had_none(live: Shop) -> None:
    lock("--no-push")
    git(live.work, "add", "specs/support-chat/tidemill.lock")
    git(live.work, "commit", "--quiet", "-m", "A lock of an older Tidemill")
    git(live.work, "push", "--quiet", "origin", "main")
    forge = MemoryForge()

    found = propose(live.home(), (), forge, "main")

    assert found is not None
    shown = git(live.root / "remote.git", "show", "--name-only", "--format=", BRANCH)
    assert [path.removeprefix("specs/support-chat/") for path in shown.splitlines()] == [
        "releases/.gitignore",
        f"releases/{SERVICE}.dvc",
    ]


def test_a_pointer_that_does_not_follow_the_lock_is_drift_until_the_next_lock(
    live: Shop, capsys: Captured
) -> None:
    lock()
    pointer(live).unlink()
    assert lock("--check") == 2
    assert "pointer behind: releases/chat.dvc does not name the artefacts of the lock" in (
        capsys.readouterr().out
    )

    assert lock() == 0
    assert lock("--check") == 0


def test_a_service_that_is_gone_takes_its_pointer_with_it(live: Shop) -> None:
    lock("--commit")
    for spec in live.project.glob("*.yaml"):
        spec.write_text(spec.read_text().replace("service: chat", "service: desk"))
    live.commit("Another service")

    assert lock("--commit") == 0
    assert not pointer(live).exists()
    assert git(live.work, "status", "--porcelain") == ""


def test_a_killed_push_is_ended_by_the_next_and_nothing_is_sent_twice(live: Shop) -> None:
    lock()
    remote, hashes = live.root / "artefacts", content_hashes(locked(live))
    files = [path for path in remote.rglob("*") if path.is_file()]
    files[0].unlink()

    store = live.work / ".tidemill" / "store"
    assert push(live.work, store, hashes) == 1
    assert push(live.work, store, hashes) == 0
    assert sorted(path for path in remote.rglob("*") if path.is_file()) == sorted(files)


def test_bytes_that_the_store_lacks_are_told_before_anything_is_pushed(live: Shop) -> None:
    lock("--no-push")
    hashes = content_hashes(locked(live))
    shutil.rmtree(live.work / ".tidemill" / "store" / ".dvc" / "cache")

    with pytest.raises(MissingArtefact, match=r"are not in the store's cache, .*tidemill run"):
        push(live.work, live.work / ".tidemill" / "store", hashes)
    assert not (live.root / "artefacts").exists()


def test_a_remote_that_cannot_be_written_stops_the_lock_with_the_way_out(
    live: Shop, capsys: Captured
) -> None:
    (live.root / "artefacts").write_text("a file where a folder should be")

    assert lock("--commit") == 1
    said = capsys.readouterr().err
    assert f"could not be pushed to {live.root / 'artefacts'}" in said
    assert "--no-push" in said
    assert not live.lock.exists()
    assert lock("--commit", "--no-push") == 0


def test_without_a_remote_or_a_dvc_repository_the_lock_is_written_and_says_so(
    live: Shop, capsys: Captured
) -> None:
    config = live.work / ".dvc" / "config"
    config.write_text("[core]\n    analytics = false\n")
    assert lock("--json") == 0
    assert json.loads(capsys.readouterr().out)["pushed"] == {"remote": None, "files": 0}
    assert lock() == 0
    assert "names no remote, so the artefacts stay on this machine" in capsys.readouterr().out
    assert pointer(live).exists()

    shutil.rmtree(live.work / ".dvc")
    assert lock() == 0
    assert "the specs are in no DVC repository" in capsys.readouterr().out


def test_a_relative_folder_in_a_followed_repository_is_refused(
    live: Shop, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    config = live.work / ".dvc" / "config"
    inside = live.work / ".tidemill" / "git" / "trees" / "artefacts"
    config.write_text(config.read_text().replace(str(live.root / "artefacts"), str(inside)))

    assert lock() == 1
    assert "name an absolute folder or a bucket" in capsys.readouterr().err


def test_the_nearest_dvc_repository_counts_and_none_beyond_git(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n")
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    (tmp_path / "plain" / "specs").mkdir(parents=True)

    assert dvc_root(tmp_path / "repository") is None
    assert dvc_root(tmp_path / "plain" / "specs") == tmp_path
    assert default_remote(tmp_path) is None


def test_a_configuration_that_dvc_cannot_read_is_told_with_its_file(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core\n")

    with pytest.raises(ServiceError, match=r"\.dvc/config: "):
        default_remote(tmp_path)
