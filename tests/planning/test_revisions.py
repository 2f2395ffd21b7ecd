"""Both sides of a plan, from Git and the disk; from the cache only where nothing can differ."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.adapters.repositories import Repo
from tests.bench import thousand
from tests.spec.conftest import COMPLETE, write_project

from tidemill.engine.plan import plan
from tidemill.engine.spec_snapshot import SpecSnapshot
from tidemill.errors import SpecError, TidemillError
from tidemill.planning import cache, reading, revisions
from tidemill.planning.cache import PlanCache, cache_key, code_hash
from tidemill.planning.cached_project import CachedProject
from tidemill.planning.revisions import CACHE, Revisions, open_revisions
from tidemill.settings import Settings


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo.new(tmp_path / "repo")
    write_project(made.folder / "specs" / "chat")
    made.commit("base")
    return made


def settings_of(repo: Repo) -> Settings:
    home = str(repo.folder.parent / "home")
    return Settings.read({"TIDEMILL_HOME": home}, specs=repo.folder / "specs")


@contextmanager
def opened(repo: Repo, against: str = "main", head: str | None = None) -> Iterator[Revisions]:
    with open_revisions(settings_of(repo), against, head) as found:
        yield found


def states(repo: Repo, against: str = "main", head: str | None = None) -> dict[str, str]:
    """The states of what is not reused."""
    with opened(repo, against, head) as found:
        items = plan(found.desired, found.former)
    return {item.name: item.state for item in items if item.state != "reused"}


def read_again(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Projects that a plan has to read from files."""
    asked: set[str] = set()
    true = reading.read_projects

    def spy(root: Path, sizes: dict[str, int]) -> reading.ProjectBatch:
        asked.update(sizes)
        return true(root, sizes)

    with monkeypatch.context() as patched:
        patched.setattr(reading, "read_projects", spy)
        states(repo)
    return asked


AFTER_TUNE = {"tune": "changed", "reply-int8": "stale", "quality": "stale", "rollout": "stale"}


def test_an_edit_in_the_working_tree_is_planned(repo: Repo) -> None:
    repo.write("specs/chat/tune.yaml", COMPLETE["tune.yaml"] + "train: {epochs: 5}\n")

    assert states(repo) == AFTER_TUNE


def test_a_commit_is_planned_like_the_working_tree(repo: Repo) -> None:
    repo.git("checkout", "--quiet", "-b", "edit")
    repo.write("specs/chat/tune.yaml", COMPLETE["tune.yaml"] + "train: {epochs: 5}\n")
    repo.commit()
    repo.git("checkout", "--quiet", "main")

    assert states(repo, head="edit") == AFTER_TUNE
    assert states(repo) == {}


def test_what_others_have_merged_since_does_not_show(repo: Repo) -> None:
    repo.git("checkout", "--quiet", "-b", "edit")
    repo.edit("specs/chat/reply.j2", "{{ request }}", "Answer: {{ request }}")
    repo.commit("mine")
    repo.git("checkout", "--quiet", "main")
    repo.write("specs/chat/tune.yaml", COMPLETE["tune.yaml"] + "train: {epochs: 5}\n")
    repo.write("specs/chat/base2.yaml", COMPLETE["base.yaml"].replace("name: base", "name: base2"))
    repo.commit("theirs")
    repo.git("checkout", "--quiet", "edit")

    found = states(repo)

    assert found["reply"] == "changed"
    assert found["tune"] == "stale"
    assert "base2" not in found


def test_a_project_that_comes_or_goes_shows_whole(repo: Repo) -> None:
    base = COMPLETE["base.yaml"]
    repo.write("specs/shop/base.yaml", base)
    repo.write("specs/shop/notes.md", "what it is for")
    repo.commit()
    repo.git("checkout", "--quiet", "-b", "edit")
    shutil.rmtree(repo.folder / "specs" / "shop")
    repo.write("specs/mill/base.yaml", base)

    with opened(repo) as found:
        items = plan(found.desired, found.former)

    assert [(item.key, item.state) for item in items] == [
        ("mill/base", "new"),
        ("shop/base", "removed"),
    ]


def test_only_projects_that_differ_are_looked_at(repo: Repo) -> None:
    repo.write("specs/shop/base.yaml", COMPLETE["base.yaml"])
    repo.commit()
    repo.edit("specs/shop/base.yaml", "licence: Apache-2.0", "licence: MIT")

    with opened(repo) as found:
        assert set(found.desired) == set(found.former) == {"shop/base"}
        assert found.unchanged_count() == 9
        assert found.base.written_projects == {"shop"}
        scratch = found.base.scratch
    assert not scratch.exists()


def test_one_project_without_a_folder_of_its_own_is_planned_too(tmp_path: Path) -> None:
    repo = Repo.new(tmp_path / "repo")
    write_project(repo.folder / "specs")
    repo.commit()
    repo.write("specs/tune.yaml", COMPLETE["tune.yaml"] + "train: {epochs: 5}\n")

    assert states(repo) == AFTER_TUNE


def test_a_head_with_problems_is_refused_with_all_of_them(repo: Repo) -> None:
    repo.edit("specs/chat/tune.yaml", "base: base", "base: bass")
    repo.edit("specs/chat/small.yaml", "of: tune", "of: tone")

    with pytest.raises(SpecError) as caught:
        states(repo)

    assert [problem.path.name for problem in caught.value.problems] == ["small.yaml", "tune.yaml"]


def test_a_service_of_two_projects_is_told_as_validate_does(repo: Repo) -> None:
    write_project(repo.folder / "specs" / "other")

    with pytest.raises(SpecError, match="'service: chat' is taken by"):
        states(repo)


def test_a_base_that_does_not_validate_is_told_and_the_rest_is_planned(repo: Repo) -> None:
    repo.edit("specs/chat/tune.yaml", "base: base", "base: bass")
    repo.edit("specs/chat/quality.yaml", "kind: Evaluation", "kind: Evaluations")
    base = repo.commit("broken")
    repo.git("checkout", "--quiet", "-b", "mend")
    repo.edit("specs/chat/tune.yaml", "base: bass", "base: base")
    repo.edit("specs/chat/quality.yaml", "kind: Evaluations", "kind: Evaluation")

    with opened(repo) as found:
        items = {item.name: item for item in plan(found.desired, found.former)}
        problems = [str(problem) for problem in found.problems]

    assert any(p.startswith(f"{base[:12]}:specs/chat/tune.yaml:4: ") for p in problems)
    assert items["tune"].state == items["quality"].state == "changed"
    assert items["base"].state == "reused"


def test_a_folder_without_specs_is_told(tmp_path: Path) -> None:
    repo = Repo.new(tmp_path / "repo")
    repo.write("README.md", "nothing yet")
    repo.commit()

    with pytest.raises(TidemillError, match="has no specs, neither here nor at main"):
        states(repo)


def test_a_linked_project_is_planned_like_any_other(repo: Repo) -> None:
    write_project(repo.folder / "specs" / ".kept" / "shop", stream_yaml=None, retrain_yaml=None)
    for name in ("rollout.yaml", "quality.yaml", "requests.yaml", "tune.yaml", "small.yaml"):
        (repo.folder / "specs" / ".kept" / "shop" / name).unlink()
    (repo.folder / "specs" / "linked").symlink_to(".kept/shop")
    repo.commit()
    repo.edit("specs/.kept/shop/base.yaml", "licence: Apache-2.0", "licence: MIT")

    with opened(repo) as found:
        items = plan(found.desired, found.former)

    assert {item.key: item.state for item in items if item.state != "reused"} == {
        "shop/base": "changed"
    }


def test_a_second_plan_reads_nothing_and_says_the_same(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.write("specs/chat/tune.yaml", COMPLETE["tune.yaml"] + "train: {epochs: 5}\n")
    first = states(repo)

    assert read_again(repo, monkeypatch) == set()
    assert states(repo) == first == AFTER_TUNE


def test_a_data_file_changed_within_the_second_is_seen_by_a_warm_plan(repo: Repo) -> None:
    assert states(repo) == {}
    repo.edit("specs/chat/data/requests.jsonl", "where", "Where")

    assert states(repo)["requests"] == "changed"


def test_a_data_file_that_git_ignores_is_seen_by_a_warm_plan(repo: Repo) -> None:
    repo.write(".gitignore", "*.jsonl\n")
    repo.git("rm", "--quiet", "--cached", "specs/chat/data/requests.jsonl")
    repo.commit()
    with opened(repo) as found:
        before = found.head.read(PlanCache(settings_of(repo).home / CACHE), ())[0]["chat"]
    repo.edit("specs/chat/data/requests.jsonl", "where", "Where")
    with opened(repo) as found:
        after = found.head.read(PlanCache(settings_of(repo).home / CACHE), ())[0]["chat"]

    digests = [{spec.name: spec.digest for spec in kept.specs()} for kept in (before, after)]
    assert list(before.untracked_files) == ["data/requests.jsonl"]
    assert {n for n in digests[0] if digests[0][n] != digests[1][n]} == {"requests"}


def test_another_version_of_a_technique_or_of_tidemill_misses_the_cache(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "tidemill"
    (package / "metrics").mkdir(parents=True)
    (package / "metrics" / "accuracy.py").write_text("VERSION = 1\n")
    before = code_hash(package)
    (package / "metrics" / "accuracy.py").write_text("VERSION = 2\n")
    code_hash.cache_clear()
    after = code_hash(package)
    code_hash.cache_clear()
    states(repo)

    monkeypatch.setattr(revisions, "code_hash", lambda package: after)

    assert before != after
    assert read_again(repo, monkeypatch) == {"chat"}


def test_projects_with_links_are_always_read(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    (repo.folder / "specs/chat/linked.j2").symlink_to("reply.j2")
    repo.commit()
    states(repo)

    assert read_again(repo, monkeypatch) == {"chat"}


@pytest.mark.parametrize("content", [b"", b"no database at all", b"SQLite format 3\0" + b"x" * 900])
def test_a_broken_cache_is_as_good_as_none(
    repo: Repo, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = settings_of(repo).home / CACHE
    path.parent.mkdir()
    path.write_bytes(content)
    repo.write("specs/chat/tune.yaml", COMPLETE["tune.yaml"] + "train: {epochs: 5}\n")

    assert states(repo) == AFTER_TUNE
    assert states(repo) == AFTER_TUNE
    assert read_again(repo, monkeypatch) == set()


def test_a_row_that_was_tampered_with_is_read_anew(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    states(repo)
    with sqlite3.connect(settings_of(repo).home / CACHE) as database:
        database.execute("update projects set brief = '[]'")
    database.close()

    assert read_again(repo, monkeypatch) == {"chat"}


def test_a_database_of_somebody_else_is_left_alone(repo: Repo) -> None:
    path = settings_of(repo).home / CACHE
    path.parent.mkdir()
    with sqlite3.connect(path) as database:
        database.execute("create table theirs (a)")
        database.execute("pragma application_id = 7")
    database.close()
    before = path.read_bytes()

    assert states(repo) == {}
    assert path.read_bytes() == before


def test_a_home_that_cannot_be_written_costs_the_cache_only(repo: Repo) -> None:
    settings_of(repo).home.write_text("a file, not a folder")

    assert states(repo) == {}


def test_the_cache_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_BYTES", 1000)
    kept = PlanCache(tmp_path / "c.db")
    for number in range(5):
        kept.put({str(number): CachedProject(b"x" * 300, b"", {})})
        kept.get(["0"])  # used each time, so it is not the one that goes

    found = kept.get([str(number) for number in range(5)])

    assert set(found) == {"0", "3", "4"}


def test_links_and_submodules_have_no_key() -> None:
    file = revisions.Tree({"a/b.yaml": cache.Blob("100644", "1")}).files

    assert cache_key("a", file, "code") == cache_key("a", dict(file), "code")
    assert cache_key("a", file, "code") != cache_key("a", file, "other code")
    assert cache_key("a", {**file, "a/c": cache.Blob("160000", "1")}, "code") is None


def test_many_projects_on_two_cores_say_what_one_process_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = thousand.write(tmp_path / "specs", 240)
    sizes = {folder.name: 120 for folder in root.iterdir()}
    alone = reading.read_projects(root, sizes)
    monkeypatch.setattr(reading, "PARALLEL_THRESHOLD", 0)
    monkeypatch.setattr(reading, "CHUNK", 120)
    # Threads that other tests left behind hold no lock of ours; a command has none.
    monkeypatch.setattr(reading.threading, "active_count", lambda: 1)
    started = []
    true = os.fork
    monkeypatch.setattr(os, "fork", lambda: started.append(1) or true())
    together = reading.read_projects(root, sizes)

    assert started
    assert not alone.problems
    assert together == alone


def test_problems_of_many_projects_come_back_from_every_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = thousand.write(tmp_path / "specs", 240)
    for name in ("project-0/model-0.yaml", "project-1/model-20.yaml"):
        (root / name).write_text("")
    monkeypatch.setattr(reading, "PARALLEL_THRESHOLD", 0)
    monkeypatch.setattr(reading, "CHUNK", 120)
    found = reading.read_projects(root, {f"project-{n}": 120 for n in range(2)})

    empty = [problem for problem in found.problems if problem.cause == "the file is empty"]
    assert [problem.path.name for problem in empty] == ["model-0.yaml", "model-20.yaml"]


def test_a_process_with_threads_does_not_fork(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = thousand.write(tmp_path / "specs", 240)
    monkeypatch.setattr(reading, "PARALLEL_THRESHOLD", 0)
    monkeypatch.setattr(reading, "CHUNK", 120)
    monkeypatch.setattr(reading.threading, "active_count", lambda: 2)
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("forked"))

    assert len(reading.read_projects(root, {f"project-{n}": 120 for n in range(2)}).projects) == 2


def test_known_comes_back_as_it_went(repo: Repo) -> None:
    with opened(repo) as found:
        kept = found.head.read(PlanCache(repo.folder / "none" / "c.db"), ())[0]["chat"]

    specs = reading.snapshots([kept])

    assert isinstance(specs["chat/tune"], SpecSnapshot)
    assert specs["chat/tune"].inputs == ("base", "requests", "reply")
    assert specs["chat/retrain"].inputs == ()
