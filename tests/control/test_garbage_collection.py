"""A home that has lived is freed of what nothing needs, and of nothing else."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.adapters.grown import NOW, Grown, grow

from tidemill.adapters.store.content_store import ContentStore
from tidemill.cli import commands
from tidemill.control.garbage_collection import BUILD_LEASES, collection, free
from tidemill.errors import ServiceError, SpecError, StorageError, TidemillError
from tidemill.home import Home
from tidemill.records import RolloutUpdate
from tidemill.spec.load import read
from tidemill.terminal import shell


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Grown:
    return grow(tmp_path_factory.mktemp("grown") / "shop")


@pytest.fixture
def home(original: Grown, tmp_path: Path) -> Home:
    """A copy to free things in: two releases of one service, the second one live."""
    shutil.copytree(original.root, tmp_path / "shop", symlinks=True)
    found = replace(original, root=tmp_path / "shop").home
    # Read on its own: the checks across files want a whole line behind a service.
    found.__dict__["workspace"] = read(found.settings.specs).workspace
    return found


def put(home: Home, kind: str, text: str) -> str:
    folder = home.settings.home / "new"
    folder.mkdir()
    (folder / "file.txt").write_text(text)
    return home.store.put(folder, kind=kind).digest


def freed(home: Home) -> set[str]:
    with collection(home) as garbage:
        free(home, garbage)
    return {artefact.digest for artefact in garbage.artefacts}


def stored(store: ContentStore) -> set[str]:
    return {record.digest for record in store.records()}


def test_an_artefact_that_nothing_names_is_freed_and_the_rest_can_be_read(home: Home) -> None:
    before = stored(home.store)
    orphan = put(home, "adapter", "nobody's weights")

    assert freed(home) == {orphan}
    assert stored(home.store) == before
    for digest in before:
        home.store.verify(digest)
    assert freed(home) == set()


def test_each_artefact_stays_for_a_reason_that_is_told(home: Home, original: Grown) -> None:
    with collection(home) as garbage:
        reasons = dict(garbage.reasons)

    assert reasons[original.adapters[1]] == "live release of chat"
    assert reasons[original.adapters[0]] == "kept for a rollback of chat"
    assert reasons[original.model] == "live release of chat"


def test_a_release_beyond_keep_versions_goes_with_what_it_alone_needs(
    home: Home, original: Grown
) -> None:
    rollouts = home.ledger.rollouts
    key = rollouts.request("chat", original.releases[1], "folder", {"keep_versions": 1}, NOW)
    assert rollouts.live_release("chat") == original.releases[1]
    later = put(home, "adapter", "weights 3")
    record = home.ledger.materialisations.release(original.releases[1])
    assert record
    third = replace(record, digest=f"sha256:3{'e' * 63}", model=later)
    home.ledger.materialisations.add_release(third)
    key = rollouts.request("chat", third.digest, "folder", {"keep_versions": 1}, NOW)
    done = RolloutUpdate("done", "every step went well", "live", 100.0)
    rollouts.record_decision(key, done, NOW + timedelta(hours=1))
    folder = home.release_folder(original.releases[0])
    folder.mkdir(parents=True)

    assert original.adapters[0] in freed(home)
    assert {original.adapters[1], later} <= stored(home.store)
    assert not folder.exists()


def test_a_lock_file_and_a_rollout_in_progress_keep_their_artefacts(
    home: Home, original: Grown
) -> None:
    orphan, wanted = put(home, "adapter", "nobody's"), put(home, "adapter", "wanted")
    record = home.ledger.materialisations.release(original.releases[1])
    assert record
    asked = replace(record, digest=f"sha256:4{'e' * 63}", model=wanted)
    home.ledger.materialisations.add_release(asked)
    home.ledger.rollouts.request("chat", asked.digest, "folder", {}, NOW)

    assert freed(home) == {orphan}


def test_nothing_is_freed_while_the_lock_file_cannot_be_read(home: Home) -> None:
    orphan = put(home, "adapter", "nobody's weights")
    (home.settings.specs / "shop" / "tidemill.lock").write_text("version: 1\nproject: [")
    with pytest.raises(SpecError, match=r"tidemill\.lock"):
        freed(home)

    assert orphan in stored(home.store)


def test_nothing_is_freed_without_a_ledger(home: Home, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'none.db'}"
    elsewhere = Home(home.settings.model_copy(update={"ledger_url": url}))
    with pytest.raises(StorageError, match="there is no ledger at"):
        freed(elsewhere)

    assert not (tmp_path / "none.db").exists()


def test_nothing_is_freed_without_the_record_of_a_live_release(home: Home) -> None:
    unknown = f"sha256:{'9' * 64}"
    home.ledger.rollouts.request("other", unknown, "folder", {}, NOW)
    with pytest.raises(StorageError, match=f"the ledger has no record of {unknown}"):
        freed(home)


def test_nothing_is_freed_without_specs(home: Home, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(TidemillError, match="holds no specs"):
        freed(home.with_specs(tmp_path / "empty"))


@pytest.mark.parametrize("asset", ["shop/rows", "gone/asset"])
def test_nothing_is_freed_while_an_asset_is_built(home: Home, asset: str) -> None:
    orphan = put(home, "adapter", "nobody's weights")
    length = timedelta(minutes=1)
    home.ledger.leases.acquire(f"{BUILD_LEASES}{asset}", "a run", length, home.clock.now())
    with pytest.raises(ServiceError, match=f"'{asset}' is being built; run `tidemill gc` again"):
        freed(home)

    assert orphan in stored(home.store)


def test_no_asset_can_be_built_while_garbage_is_looked_for(home: Home) -> None:
    leases, length = home.ledger.leases, timedelta(minutes=1)
    with collection(home):
        during = leases.acquire(f"{BUILD_LEASES}shop/rows", "a run", length, home.clock.now())
    after = leases.acquire(f"{BUILD_LEASES}shop/rows", "a run", length, home.clock.now())

    assert (during, after) == (False, True)


def test_scratch_of_finished_builds_goes_and_checkpoints_of_others_stay(home: Home) -> None:
    built = home.ledger.materialisations.latest("shop", "rows")
    assert built
    scratch = home.settings.home / "scratch" / "shop"
    finished = scratch / "rows" / built.version[7:23]
    unfinished, removed = scratch / "rows" / ("f" * 16), scratch / "former" / ("a" * 16)
    for folder in (finished, unfinished, removed):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "checkpoint").write_text("weights")
    (home.settings.home / "plan-cache-0.db").write_text("of a former version")
    freed(home)

    assert [folder.exists() for folder in (finished, unfinished, removed)] == [False, True, False]
    assert not (home.settings.home / "plan-cache-0.db").exists()


def test_the_verb_frees_nothing_in_a_dry_run(
    home: Home, original: Grown, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan = put(home, "adapter", "nobody's weights")
    monkeypatch.setattr(Home, "workspace", home.workspace)
    root = home.settings.home.parent
    for name, value in replace(original, root=root).environment.items():
        monkeypatch.setenv(name, value)
    dry = shell.run(commands, ["gc", "--dry-run", "--json"]), json.loads(capsys.readouterr().out)
    still_there = orphan in stored(home.store)
    done = shell.run(commands, ["gc"]), capsys.readouterr().out
    again = shell.run(commands, ["gc"]), capsys.readouterr().out

    assert dry[0] == 0
    assert [one["digest"] for one in dry[1]["artefacts"]] == [orphan]
    assert (dry[1]["freed"], still_there) == (False, True)
    assert done[1].startswith("Freed 0 MiB: 1 artefact and ")
    assert "live release of chat" in done[1]
    assert again[1].startswith("Nothing to free: everything in this home is needed.")
    assert orphan not in stored(home.store)
