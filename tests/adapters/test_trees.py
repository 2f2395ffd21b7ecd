"""Git's own ids say what differs, in commits and in working trees of every condition."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.repositories import Repo

from tidemill.adapters.git.trees import LINK, SpecsFolder, is_spec
from tidemill.errors import ServiceError

SPEC = "apiVersion: tidemill/v1\n"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo.new(tmp_path / "repo")
    made.write("specs/shop/a.yaml", SPEC)
    made.write("specs/shop/data/rows.jsonl", "{}\n")
    made.write("README.md", "hello\n")
    made.commit("base")
    return made


def place(repo: Repo) -> SpecsFolder:
    return SpecsFolder.open(repo.folder / "specs")


def test_a_clean_working_tree_is_its_commit(repo: Repo) -> None:
    here = place(repo)

    assert here.prefix == "specs"
    assert here.working_tree() == here.tree_at(here.resolve("HEAD"))
    assert set(here.working_tree().projects) == {"shop"}
    assert set(here.working_tree().files) == {"shop/a.yaml", "shop/data/rows.jsonl"}


def test_specs_may_be_the_whole_repository(tmp_path: Path) -> None:
    repo = Repo.new(tmp_path / "specs")
    repo.write("shop/a.yaml", SPEC)
    commit = repo.commit()
    here = SpecsFolder.open(repo.folder)
    root = here.checkout_files(commit, ["shop/a.yaml"], tmp_path)

    assert here.prefix == ""
    assert here.working_tree() == here.tree_at(commit)
    assert root.name == "specs"
    assert (root / "shop" / "a.yaml").read_text() == SPEC


def test_specs_may_lie_behind_a_link(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(repo.folder)
    direct = SpecsFolder.open(repo.folder / "specs")

    assert SpecsFolder.open(tmp_path / "current" / "specs") == direct
    assert SpecsFolder.open(tmp_path / "current" / "nothing" / "yet").prefix == "nothing/yet"


def test_an_uncommitted_edit_shows_and_taking_it_back_hides_it(repo: Repo) -> None:
    here = place(repo)
    before = here.working_tree()
    repo.write("specs/shop/data/rows.jsonl", "{}\n{}\n")
    edited = here.working_tree()
    repo.git("add", "--all")
    staged = here.working_tree()
    repo.write("specs/shop/data/rows.jsonl", "{}\n")

    assert edited.files["shop/data/rows.jsonl"] != before.files["shop/data/rows.jsonl"]
    assert staged == edited
    assert here.working_tree() == before


def test_a_new_spec_shows_even_where_git_ignores_it(repo: Repo) -> None:
    repo.write(".gitignore", "*\n")
    repo.write("specs/shop/b.yaml", SPEC)
    repo.write("specs/shop/notes.txt", "no spec")

    files = place(repo).working_tree().files

    assert "shop/b.yaml" in files
    assert "shop/notes.txt" not in files


def test_a_deleted_file_is_gone(repo: Repo) -> None:
    (repo.folder / "specs/shop/data/rows.jsonl").unlink()

    assert set(place(repo).working_tree().files) == {"shop/a.yaml"}


def test_an_edit_that_git_was_told_to_overlook_is_seen(repo: Repo) -> None:
    before = place(repo).working_tree()
    repo.git("update-index", "--assume-unchanged", "specs/shop/a.yaml")
    repo.write("specs/shop/a.yaml", SPEC + "kind: Model\n")

    assert place(repo).working_tree() != before


def test_a_conflict_is_what_stands_on_disk(repo: Repo) -> None:
    repo.git("checkout", "--quiet", "-b", "other")
    repo.write("specs/shop/a.yaml", SPEC + "kind: Model\n")
    repo.commit()
    repo.git("checkout", "--quiet", "main")
    repo.write("specs/shop/a.yaml", SPEC + "kind: Dataset\n")
    repo.commit()
    with pytest.raises(Exception, match="returned non-zero"):
        repo.git("merge", "other")

    working = place(repo).working_tree()

    assert working.files["shop/a.yaml"].id == repo.git("hash-object", "specs/shop/a.yaml")
    assert b"<<<<<<<" in (repo.folder / "specs/shop/a.yaml").read_bytes()


def test_a_link_is_marked_as_one(repo: Repo) -> None:
    (repo.folder / "specs/shop/linked.yaml").symlink_to("a.yaml")
    repo.commit()
    untracked = repo.folder / "specs/shop/other.yaml"
    untracked.symlink_to("a.yaml")

    files = place(repo).working_tree().files

    assert files["shop/linked.yaml"].mode == LINK
    assert files["shop/other.yaml"].mode == LINK


def test_files_of_a_commit_are_written_without_touching_the_working_tree(
    repo: Repo, tmp_path: Path
) -> None:
    commit = repo.git("rev-parse", "HEAD")
    repo.write("specs/shop/a.yaml", "something else")
    before = repo.git("status", "--porcelain")
    root = place(repo).checkout_files(commit, ["shop/a.yaml"], tmp_path)

    assert (root / "shop/a.yaml").read_text() == SPEC
    assert not (root / "shop/data").exists()
    assert repo.git("status", "--porcelain") == before


def test_what_is_written_is_what_a_checkout_gives(repo: Repo, tmp_path: Path) -> None:
    repo.write(".gitattributes", "*.csv text eol=crlf\n")
    repo.write("specs/shop/rows.csv", "a,b\n1,2\n")
    commit = repo.commit()
    root = place(repo).checkout_files(commit, ["shop/rows.csv"], tmp_path)

    assert (root / "shop/rows.csv").read_bytes() == b"a,b\r\n1,2\r\n"


def test_the_merge_base_is_where_the_branches_parted(repo: Repo) -> None:
    parted = repo.git("rev-parse", "HEAD")
    repo.git("checkout", "--quiet", "-b", "edit")
    repo.write("specs/shop/a.yaml", SPEC + "kind: Model\n")
    mine = repo.commit()
    repo.git("checkout", "--quiet", "main")
    repo.write("README.md", "later\n")
    tip = repo.commit()

    assert place(repo).merge_base(tip, mine) == parted


def test_a_shallow_clone_says_how_to_get_the_rest(repo: Repo, tmp_path: Path) -> None:
    repo.git("checkout", "--quiet", "-b", "edit")
    repo.write("README.md", "mine\n")
    repo.commit()
    repo.git("checkout", "--quiet", "main")
    repo.write("README.md", "theirs\n")
    repo.commit()
    clone = Repo(tmp_path / "clone")
    url = f"file://{repo.folder}"
    repo.git("clone", "--quiet", "--depth=1", "--no-single-branch", url, str(clone.folder))
    here = place(clone)

    with pytest.raises(ServiceError, match=r"too shallow.*git fetch --unshallow"):
        here.merge_base(here.resolve("origin/edit"), here.resolve("HEAD"))


def test_histories_without_a_common_commit_are_told(repo: Repo) -> None:
    repo.git("checkout", "--quiet", "--orphan", "alone")
    repo.commit()
    here = place(repo)

    with pytest.raises(ServiceError, match="no merge base; choose another --against"):
        here.merge_base(here.resolve("main"), here.resolve("HEAD"))


def test_the_remotes_default_branch_comes_first(repo: Repo, tmp_path: Path) -> None:
    clone = Repo(tmp_path / "clone")
    repo.git("branch", "trunk")
    repo.git("symbolic-ref", "HEAD", "refs/heads/trunk")
    repo.git("clone", "--quiet", str(repo.folder), str(clone.folder))

    assert place(clone).default_branch() == "origin/HEAD"
    assert place(clone).resolve("origin/HEAD") == repo.git("rev-parse", "trunk")


def test_without_any_branch_to_compare_with_one_is_asked_for(repo: Repo) -> None:
    repo.git("branch", "--move", "work")

    with pytest.raises(ServiceError, match="name one with --against"):
        place(repo).default_branch()


def test_outside_of_git_the_way_in_is_told(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"is in no Git repository.*`git init` makes one"):
        SpecsFolder.open(tmp_path / "specs")


def test_a_repository_that_git_refuses_to_open_is_told_in_its_words(repo: Repo) -> None:
    (repo.folder / ".git" / "config").write_text("[core\n")

    with pytest.raises(
        ServiceError, match=r"Git does not open the repository .*: fatal: bad config"
    ):
        place(repo)


def test_without_git_the_message_says_so(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(ServiceError, match="`git` is not installed"):
        place(repo)


def test_inside_a_hook_the_folder_we_ask_for_counts(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_INDEX_FILE", "elsewhere/index")

    assert set(place(repo).working_tree().files) == {"shop/a.yaml", "shop/data/rows.jsonl"}


def test_an_unknown_branch_and_a_repository_without_commits_are_told(
    repo: Repo, tmp_path: Path
) -> None:
    empty = Repo.new(tmp_path / "empty")

    with pytest.raises(ServiceError, match="'nowhere' names no commit here"):
        place(repo).resolve("nowhere")
    with pytest.raises(ServiceError, match="'--help' names no commit here"):
        place(repo).resolve("--help")
    with pytest.raises(ServiceError, match="no commit yet"):
        SpecsFolder.open(empty.folder).resolve("HEAD")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("shop/a.yaml", True),
        ("a.yml", True),
        ("shop/deep/a.yaml", False),
        (".shop/a.yaml", False),
        ("shop/.a.yaml", False),
        ("shop/a.json", False),
    ],
)
def test_specs_stand_in_a_projects_folder_or_beside_them(path: str, found: bool) -> None:
    assert is_spec(path) is found
