"""From an answer back to rows, lines of specs and bytes, and from a row forward to answers."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.adapters.grown import KEY, SUBJECT, Grown, git, grow

from tidemill.adapters.ledger import Ledger
from tidemill.adapters.ledger.lineage_tables import write_edges
from tidemill.data.origins import RowOrigin
from tidemill.engine.lineage import Edge, reachable
from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill.lineage.downstream import downstream_answers, trace_downstream
from tidemill.lineage.identifiers import resolve_identifier
from tidemill.lineage.upstream import trace_upstream
from tidemill.settings import Settings


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Grown:
    return grow(tmp_path_factory.mktemp("grown") / "shop")


@pytest.fixture
def grown(original: Grown, tmp_path: Path) -> Grown:
    """A copy to break things in."""
    said = shutil.ignore_patterns("lines-*")  # what Git was asked before
    shutil.copytree(original.root, tmp_path / "shop", ignore=said)
    return replace(original, root=tmp_path / "shop")


def upstream(home: Home, text: str, **options: bool) -> dict[str, Any]:
    return trace_upstream(home, text, **options).to_dict()


def downstream(home: Home, text: str) -> dict[str, Any]:
    return trace_downstream(home, text).to_dict()


def of(found: dict[str, Any], what: str) -> list[dict[str, Any]]:
    return [link for link in found["links"] if link["what"] == what]


def releases(found: dict[str, Any]) -> set[str]:
    return {release["digest"] for release in found["releases"]}


def test_an_answer_leads_to_the_rows_that_are_nearest_with_their_origin(original: Grown) -> None:
    row, following = of(upstream(original.home, "r2"), "row")[:2]

    assert {k: row["facts"][k] for k in ("event", "place", "answer", "split", "source")} == {
        "event": "c1",
        "place": "chat.feedback/0/0",
        "answer": "r1",
        "split": "train",
        "source": "feedback:said",
    }
    assert (following["facts"]["source"], following["facts"]["line"]) == ("rows.jsonl", 3)
    assert 1 > row["facts"]["similarity"] > following["facts"]["similarity"] > 0


def test_an_answer_leads_to_a_row_and_the_row_to_the_answer(original: Grown) -> None:
    for row in of(upstream(original.home, "r2"), "row"):
        found = downstream(original.home, f"row:{row['name']}")

        assert original.releases[1] in releases(found)
        assert "r2" in {one["response_id"] for one in found["answers"]["newest"]}


def test_a_correction_leads_from_the_answer_it_is_about_to_those_it_taught(
    original: Grown,
) -> None:
    found = downstream(original.home, "answer:r1")
    made = {item["digest"] for item in found["artefacts"]}

    assert [row["event"] for row in found["rows"]] == ["c1"]
    assert {original.datasets[1], original.adapters[1]} <= made
    assert not {original.datasets[0], original.adapters[0], original.model} & made
    assert releases(found) == {original.releases[1]}
    assert [one["response_id"] for one in found["answers"]["newest"]] == ["r2"]


def test_a_row_of_feedback_leads_back_to_the_answer_and_its_release(original: Grown) -> None:
    row = of(upstream(original.home, "r2"), "row")[0]["name"]
    found = upstream(original.home, row)

    assert [(link["what"], link["name"]) for link in found["links"]] == [
        ("row", row),
        ("feedback", "c1"),
        ("answer", "r1"),
        ("release", "chat"),
    ]
    assert found["links"][-1]["digest"] == original.releases[0]


def test_a_row_of_a_file_leads_back_to_who_wrote_its_line(original: Grown) -> None:
    row = of(upstream(original.home, "r2"), "row")[1]["name"]
    facts = upstream(original.home, row)["links"][0]["facts"]

    assert (facts["path"], facts["line"]) == ("specs/shop/rows.jsonl", 3)
    assert facts["author"] == "Ann <ann@example.invalid>"
    assert facts["commit"] == git(original.root, "rev-list", "--max-parents=0", "HEAD")


def test_each_line_of_a_spec_has_the_commit_and_author_that_wrote_it(original: Grown) -> None:
    (spec,) = [link for link in of(upstream(original.home, "r2"), "spec") if link["name"] == "rows"]
    lines = {line["field"]: line for line in spec["facts"]["lines"]}

    assert lines["format"]["author"] == "Ann <ann@example.invalid>"
    assert lines["split.seed"]["author"] == "Ben <ben@example.invalid>"
    assert lines["split.seed"]["commit"] == original.commit
    assert (lines["format"]["path"], lines["format"]["line"]) == ("specs/shop/rows.yaml", 5)
    assert "owner" not in lines


def test_what_git_said_of_a_commit_is_asked_once(grown: Grown) -> None:
    first = of(upstream(grown.home, "r2"), "spec")
    shutil.rmtree(grown.root / ".git")

    assert of(upstream(grown.home, "r2"), "spec") == first


def test_a_commit_that_is_not_there_is_said_and_the_rest_goes_on(grown: Grown) -> None:
    shutil.rmtree(grown.root / ".git")
    git(grown.root, "init", "--quiet")
    found = upstream(grown.home, "r2")

    assert found["notes"] == [
        f"commit {grown.commit[:12]} is not in the repository of {grown.root / 'specs'}; "
        "run `git fetch`"
    ]
    assert of(found, "dataset")[0]["bytes_match"] is True


def test_a_shallow_clone_says_that_its_lines_may_be_older(grown: Grown, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{grown.root}", str(clone))
    shutil.rmtree(grown.root / ".git")
    (clone / ".git").rename(grown.root / ".git")
    found = upstream(grown.home, "r2")
    (spec,) = [link for link in of(found, "spec") if link["name"] == "rows"]

    assert "the clone is shallow" in found["notes"][0]
    assert "git fetch --unshallow" in found["notes"][0]
    assert {line["commit"] for line in spec["facts"]["lines"]} == {grown.commit}
    assert not list((grown.root / "home" / "why").glob("lines-*"))


def test_changed_bytes_do_not_match(grown: Grown) -> None:
    path = Path(of(upstream(grown.home, "r2"), "adapter")[0]["folder"]) / "file.txt"
    before = path.stat()
    path.chmod(0o644)
    path.write_text("weights X")  # as long as before
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    found = upstream(grown.home, "r2")

    assert found["verified"] is False
    assert of(found, "adapter")[0]["bytes_match"] is False
    assert "does not match the digest" in of(found, "adapter")[0]["problem"]
    assert of(found, "dataset")[0]["bytes_match"] is True


def test_every_byte_is_hashed_where_that_is_asked_for(
    grown: Grown, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tidemill import content

    upstream(grown.home, "r2")
    hashed: list[str] = []
    real = content.entry
    monkeypatch.setattr(content, "entry", lambda f, p: hashed.append(p) or real(f, p))
    upstream(grown.home, "r2")
    trusted = len(hashed)
    upstream(grown.home, "r2", every_byte=True)

    assert (trusted, "file.txt" in hashed) == (0, True)


def test_bytes_that_are_gone_are_marked_and_nothing_is_fetched(grown: Grown) -> None:
    folder = Path(of(upstream(grown.home, "r2"), "adapter")[0]["folder"])
    shutil.rmtree(folder)
    found = upstream(grown.home, "r2")

    assert found["verified"] is True
    assert of(found, "adapter")[0]["bytes_match"] is None
    assert "are not here" in of(found, "adapter")[0]["problem"]
    assert not folder.exists()


def test_rows_of_a_dataset_that_is_gone_are_not_compared_and_that_is_said(grown: Grown) -> None:
    shutil.rmtree(of(upstream(grown.home, "r2"), "dataset")[0]["folder"])
    shutil.rmtree(grown.root / "home" / "why")
    found = upstream(grown.home, "r2")

    assert "cannot be compared" in found["notes"][0]
    assert of(found, "row") == []
    assert [link["name"] for link in of(found, "feedback")] == ["c1"]


def test_a_base_model_leads_to_everything_that_was_made_of_it(original: Grown) -> None:
    found = downstream(original.home, "model:shop/base")

    assert releases(found) == set(original.releases)
    assert found["counts"] == {"artefacts": {"adapter": 2, "report": 2, "model": 1}, "releases": 2}
    assert found["answers"]["count"] == 2
    assert {item["name"] for item in found["artefacts"]} == {"base", "tuned", "judged"}


def test_a_commit_leads_to_everything_that_was_made_at_it(original: Grown) -> None:
    found = downstream(original.home, f"commit:{original.commit[:7]}")

    assert found["target"] == {"what": "commit", "id": original.commit}
    assert releases(found) == set(original.releases)
    assert set(original.datasets) <= {item["digest"] for item in found["artefacts"]}


def test_a_subject_is_found_by_its_plain_id_and_by_its_hash(original: Grown) -> None:
    from tidemill.events import hash_subject

    plain = downstream(original.home, f"subject:{SUBJECT}")
    hashed = downstream(original.home, f"subject:{hash_subject(SUBJECT, KEY.encode())}")

    assert plain["rows"] == hashed["rows"] != []
    assert plain["facts"] == {"answers_given": 2}
    assert releases(plain) == {original.releases[1]}


def test_without_the_key_a_plain_subject_may_not_be_found_and_that_is_said(
    original: Grown,
) -> None:
    environment = {k: v for k, v in original.environment.items() if k != "TIDEMILL_SUBJECT_KEY"}
    found = downstream(Home(Settings.read(environment)), f"subject:{SUBJECT}")

    assert "TIDEMILL_SUBJECT_KEY is not set" in found["notes"][0]
    assert found["notes"][1] == "the ledger has nothing about this subject"


def test_answers_of_all_releases_are_given_one_by_one(original: Grown) -> None:
    lineage = trace_downstream(original.home, "model:base")
    answers = downstream_answers(original.home, lineage)

    assert {answer["response_id"] for answer in answers} == {"r1", "r2"}


def test_a_release_and_an_artefact_are_found_by_a_beginning(original: Grown) -> None:
    release, adapter = original.releases[1], original.adapters[1]

    assert upstream(original.home, release[7:15])["target"] == {
        "what": "release",
        "id": release,
    }
    found = upstream(original.home, adapter[:19])
    assert [link["what"] for link in found["links"]][:3] == ["adapter", "commit", "spec"]
    assert {link["digest"] for link in found["links"]} >= {original.model, original.datasets[1]}


def test_the_approval_in_the_record_is_told(original: Grown) -> None:
    assert [link["name"] for link in of(upstream(original.home, "r2"), "approval")] == ["Cleo"]
    assert of(upstream(original.home, "r1"), "approval") == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("nothing-like-it", "has no answer, release, artefact, commit or row 'nothing-like-it'"),
        (
            "model:bsae",
            "the ledger at sqlite:///{root}/home/ledger.db has no Model 'bsae'; did you",
        ),
        ("release:abcdef", "has no release 'release:abcdef'"),
        (
            "commit:{commit}",
            "a commit has no upstream; run `tidemill why --forward commit:{commit:.12}`",
        ),
        ("subject:ann", "a subject has no upstream; run `tidemill why --forward subject:ann`"),
    ],
)
def test_what_cannot_be_told_says_why(original: Grown, asked: str, said: str) -> None:
    with pytest.raises(TidemillError) as caught:
        upstream(original.home, asked.format(commit=original.commit))

    assert said.format(root=original.root, commit=original.commit) in str(caught.value)


def test_a_beginning_of_several_things_lists_them(original: Grown) -> None:
    with original.home.ledger.engine.begin() as connection:
        sha = original.releases[0][7:15]
        write_edges(connection, [Edge("materialisation:99", f"commit:{sha}{'0' * 32}", "commit")])
    with pytest.raises(TidemillError) as caught:
        upstream(original.home, sha)

    assert f"'{sha}' is ambiguous: release:{original.releases[0]}, commit:{sha}" in str(
        caught.value
    )
    assert resolve_identifier(original.home, f"release:{sha}").id == original.releases[0]


def test_rows_that_a_killed_build_did_not_record_are_indexed_when_they_are_asked_for(
    grown: Grown,
) -> None:
    with closing(sqlite3.connect(grown.root / "home" / "ledger.db")) as old:
        for name in ("datasets", "rows", "dataset_rows"):
            old.execute(f"DELETE FROM lineage_{name}")
        old.commit()
    found = downstream(grown.home, f"subject:{SUBJECT}")

    assert releases(found) == {grown.releases[1]}


@given(
    pairs=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=25),
    start=st.integers(0, 8),
    direction=st.sampled_from(["back", "forward"]),
)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_ledger_walks_as_the_engine_does(
    pairs: list[tuple[int, int]], start: int, direction: Any
) -> None:
    ledger = Ledger.open("sqlite://")
    edges = [Edge(f"n{child}", f"n{parent}") for child, parent in pairs]
    with ledger.engine.begin() as connection:
        write_edges(connection, edges)
    found = ledger.lineage.edges([f"n{start}"], direction)
    ledger.engine.dispose()

    reached = reachable([f"n{start}"], edges, direction)
    assert reachable([f"n{start}"], found, direction) == reached
    near = 0 if direction == "back" else 1
    assert set(found) == {edge for edge in edges if edge[near] in reached}


def test_every_database_remembers_the_same_lineage(
    ledger: Ledger, original: Grown, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = original.home.ledger.lineage
    ids = rows.rows_with_prefix("0000") or [rows.rows_from("event", "c1")[0]["id"]]
    given_rows: list[RowOrigin] = [
        {
            "id": ids[0],
            "split": "train",
            "source": "rows.jsonl",
            "subject": "s",
            "line": 3,
            "event": "e",
            "place": "t/0/1",
            "answer": "r9",
        }
    ]
    ledger.lineage.add_dataset_rows("sha256:d", given_rows)
    ledger.lineage.add_dataset_rows("sha256:d", given_rows)
    with ledger.engine.begin() as connection:
        write_edges(connection, [Edge("b", "a"), Edge("c", "b"), Edge("c", "b")])

    assert [e.child for e in ledger.lineage.edges(["a"], "forward")] == ["b", "c"]
    assert ledger.lineage.rows_from("subject", "s") == ledger.lineage.rows_from("answer", "r9")
    assert ledger.lineage.datasets_with_rows([ids[0]]) == [
        {"row": ids[0], "dataset": "sha256:d", "split": "train"}
    ]
    assert ledger.lineage.rows_with_prefix(ids[0][:5]) == [ids[0]]
    assert ledger.lineage.feedback_rows("sha256:d", 5)[0] == 1
    assert ledger.lineage.feedback_rows("sha256:other", 5) == (0, [])


def test_home_indexes_the_rows_of_a_dataset_as_it_is_kept(original: Grown) -> None:
    short = original.datasets[1][7:23]

    assert (original.root / "home" / "why" / f"rows-{short}.db").exists()
    assert original.home.ledger.lineage.datasets_without_rows() == []


def test_a_commit_that_nothing_was_made_at_leads_to_what_has_its_lines(original: Grown) -> None:
    first = git(original.root, "rev-list", "--max-parents=0", "HEAD")
    found = downstream(original.home, f"commit:{first}")
    made = {item["digest"] for item in found["artefacts"]}

    assert set(original.datasets) <= made
    assert original.model not in made
    assert releases(found) == set(original.releases)


def test_a_commit_that_is_not_in_the_repository_is_followed_in_the_ledger(grown: Grown) -> None:
    shutil.rmtree(grown.root / ".git")
    found = downstream(grown.home, f"commit:{grown.commit}")

    assert releases(found) == set(grown.releases)
    assert "only builds at this commit are shown" in found["notes"][0]


def test_rows_are_compared_by_meaning_with_the_projects_own_encoder(
    grown: Grown, tiny_encoder: Path, tmp_path: Path
) -> None:
    home = grown.home
    shutil.copytree(tiny_encoder, tmp_path / "encoder")
    encoder = home.store.put(tmp_path / "encoder", kind="model")
    home.record_artefacts([encoder])
    making = next(home.ledger.materialisations.history("shop"))
    home.ledger.materialisations.add(replace(making, kind="Model", artefact=encoder.digest, id=0))
    first, second = (of(upstream(home, "r2", by_embedding=True), "row") for _ in range(2))

    assert first == second
    assert len(first) == 5
    assert all(-1 <= row["facts"]["similarity"] <= 1.0001 for row in first)


def test_without_an_encoder_meaning_is_not_compared_and_that_is_said(original: Grown) -> None:
    found = upstream(original.home, "r2", by_embedding=True)

    assert "project 'shop' has no sentence encoder here" in found["notes"][0]
