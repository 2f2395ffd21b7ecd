"""Gathering: what a real home knows of a release, and what it says of what is lost."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from tests.report.homes import change_spec, committed, git, go_live, put, release

from tidemill.engine.release_record import SpecCommit
from tidemill.errors import MissingArtefact
from tidemill.home import Home
from tidemill.report import gather
from tidemill.report.evaluation_files import EvaluationReport
from tidemill.report.release_facts import ANSWERS, DATASET, FAILURES, MODEL, REPORT


def test_everything_that_is_there_is_gathered(home: Home) -> None:
    record = release(home)
    go_live(home, record)
    story = gather.gather_release(home, record)

    assert story.missing == {}
    assert set(story.specs) == {"rows", "tune", "canary", "encoder", "quality"}
    assert story.report.confidence == 0.9
    assert [one.id for one in story.answers] == ["r1", "r2"]
    assert story.failures.rows[0].expected == "refund"
    assert story.data.rows == {"train": 34, "validation": 5, "test": 1}
    assert story.form is not None
    assert story.form.labels == ("a", "b")
    assert story.rollout is not None
    assert story.rollout.state == "live"
    assert story.rollout_decisions[0].decision == "done"


def test_the_record_is_that_of_the_run_that_made_the_bytes(home: Home) -> None:
    record = release(home)
    first = home.ledger.materialisations.latest("shop", "rows")
    assert first is not None
    home.ledger.materialisations.add(replace(first, id=0, seconds=0.0))

    assert gather.gather_release(home, record).materialisations["rows"].id == first.id


def test_specs_that_changed_since_are_read_from_their_commit(home: Home) -> None:
    record = release(home, commit=committed(home, "as released"))
    change_spec(home)
    committed(home, "changed since")

    story = gather.gather_release(Home(home.settings), record)
    assert story.specs["tune"]["train"]["epochs"] == 2
    assert git(home.settings.specs, "worktree", "list").count("\n") == 0  # nothing is left behind


def test_a_commit_that_is_not_here_leaves_only_the_changed_specs_unknown(home: Home) -> None:
    record = release(home, commit="0" * 40)
    committed(home, "another history")
    change_spec(home)

    known = set(gather.gather_release(Home(home.settings), record).specs)
    assert known == {"rows", "canary", "encoder", "quality"}


def test_a_spec_whose_file_is_gone_is_read_from_its_commit(home: Home) -> None:
    record = release(home, commit=committed(home, "as released"))
    (home.settings.specs / "shop" / "rows.csv").unlink()

    told = gather.gather_release(Home(home.settings), record)
    assert told.specs["rows"]["description"] == "What people ask."
    without = gather.gather_release(Home(home.settings), replace(record, commit=SpecCommit()))
    assert "rows" not in without.specs


def test_specs_that_are_gone_altogether_leave_the_record(home: Home) -> None:
    record = release(home)
    shutil.rmtree(home.settings.specs)

    story = gather.gather_release(Home(home.settings), record)
    assert story.specs == {}
    assert story.data.rows["train"] == 34


def test_bytes_that_are_missing_are_named_and_the_rest_is_gathered(home: Home) -> None:
    record = release(home)
    home.store.drop(record.evaluation.digest)
    home.store.drop(record.dataset.digest)

    story = gather.gather_release(home, record)
    assert set(story.missing) == {REPORT, FAILURES, ANSWERS}
    assert "are not in this home; `dvc pull`" in story.missing[ANSWERS]
    assert DATASET in story.data.missing
    assert story.data.rows == {"train": 34, "validation": 5, "test": 1}  # the ledger knows
    assert story.form is not None


def test_bytes_that_were_tampered_with_are_not_shown(home: Home) -> None:
    record = release(home)
    path = home.store.get(record.evaluation.digest).path / "report.json"
    path.chmod(0o644)
    path.write_text('{"rows": 999}')

    story = gather.gather_release(home, record)
    assert story.report == EvaluationReport()
    assert "do not match their digest" in story.missing[REPORT]


def test_a_report_that_cannot_be_read_is_no_crash(home: Home) -> None:
    record = release(home)
    files = {"report.json": "[", "failures.json": "{", "answers.jsonl": "{}\n"}
    evaluation = replace(record.evaluation, digest=put(home, "broken", files))
    model = put(home, "formless", {"weights": "none"})
    record = replace(record, evaluation=evaluation, model=model)

    assert set(gather.gather_release(home, record).missing) == {REPORT, FAILURES, ANSWERS, MODEL}


def test_a_dataset_is_told_without_any_release(home: Home) -> None:
    with pytest.raises(MissingArtefact, match="run `tidemill run shop/rows`"):
        gather.gather_dataset(home, "shop", "rows")
    home.builder("shop").materialise("rows")

    data = gather.gather_dataset(home, "shop", "rows")
    assert data.rows["train"] == 34
    assert data.spec["description"] == "What people ask."
