"""Making a dataset from files and feedback: the artefact, its checks, its bytes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tidemill.adapters.store import MemoryStore
from tidemill.data import SPLITS, origins, read_split, summary
from tidemill.errors import DataError
from tidemill.pipeline import dataset
from tidemill.pipeline.context import BuildContext
from tidemill.spec.dataset import Dataset
from tidemill.spec.feedback import Feedback
from tidemill.spec.prompt import Prompt

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HEAD = {"apiVersion": "tidemill/v1", "name": "chat"}
PROMPT = Prompt.model_validate(
    {
        **HEAD,
        "kind": "Prompt",
        "name": "ask",
        "template": "t.j2",
        "inputs": ["text"],
        "output": {"type": "text", "column": "reply", "label": "intent"},
    }
)
STREAM = Feedback.model_validate(
    {**HEAD, "kind": "Feedback", "name": "said", "topic": "said", "service": "chat"}
)
OFFSETS = {"said/0": (0, 7)}


class Fixed:
    def now(self) -> datetime:
        return NOW


def spec(**more: Any) -> Dataset:
    given = {
        **HEAD,
        "kind": "Dataset",
        "format": "classification",
        "sources": [{"type": "file", "path": "rows.jsonl"}],
    }
    return Dataset.model_validate({**given, **more})


@pytest.fixture
def bench(tmp_path: Path) -> BuildContext:
    return BuildContext(
        project_folder=tmp_path,
        scratch=tmp_path / "scratch",
        cache=tmp_path / "cache",
        store=MemoryStore(),
        clock=Fixed(),
        specs={"ask": PROMPT, "said": STREAM},
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., None]:
    def lines(rows: list[Mapping[str, Any]], name: str = "rows.jsonl", extra: str = "") -> None:
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows) + extra)

    return lines


def asked(count: int = 40) -> list[Mapping[str, Any]]:
    return [{"text": f"question number {i}", "label": "ab"[i % 2]} for i in range(count)]


def test_a_dataset_holds_its_splits_its_quarantine_and_its_summary(
    bench: BuildContext, write: Callable[..., None]
) -> None:
    write([*asked(), {"text": "mail a@b.co", "label": "a"}], extra="{broken\n")
    made = dataset.build(
        spec(deduplicate={"key": "text"}, split={"by": "stratified", "key": "label"}), {}, bench
    )
    folder = made.artefact.path
    train = read_split(folder, "train")

    assert made.artefact.kind == "dataset"
    assert sorted(path.name for path in folder.iterdir()) == [
        "origins.parquet",
        "quarantine.parquet",
        "summary.json",
        "test.parquet",
        "train.parquet",
        "validation.parquet",
    ]
    assert summary(folder) == {
        "rows": {"train": 33, "validation": 4, "test": 4},
        "quarantined": {"unreadable": 1},
        "labels": {
            "train": {"a": 17, "b": 16},
            "validation": {"a": 2, "b": 2},
            "test": {"a": 2, "b": 2},
        },
        "pii": {"email": 1},
        "duplicates": {"exact": 0, "near": 0},
        "sources": ["rows.jsonl"],
        "offsets": {},
        "columns": ["id", "text", "label", "subject", "group", "source", "weight"],
    }
    assert set(train[0]) == set(summary(folder)["columns"])
    assert len(train[0]["id"]) == 16
    assert train[0]["weight"] == 1.0
    assert [check.name for check in made.checks] == ["minimum_rows", "leakage"]
    assert all(check.passed for check in made.checks)
    assert made.facts["rows_total"] == 41
    assert made.charts["label balance"].startswith(b"\x89PNG")
    assert made.tables["quarantine"] == [{"reason": "unreadable", "rows": 1}]
    assert read_split(folder, "quarantine")[0]["origin"] == "rows.jsonl:42"


def test_the_same_inputs_give_the_same_bytes_and_changed_ones_do_not(
    bench: BuildContext, write: Callable[..., None]
) -> None:
    write(asked())
    first = dataset.build(spec(), {}, bench).artefact
    again = dataset.build(spec(), {}, replace(bench, store=MemoryStore())).artefact
    write(asked(41))
    other = dataset.build(spec(), {}, bench).artefact

    assert first.digest == again.digest != other.digest


def test_failing_rows_are_quarantined_and_a_failing_dataset_blocks(
    bench: BuildContext, write: Callable[..., None]
) -> None:
    write([*asked(), {"text": "odd", "label": "zzz"}])
    in_set = {"type": "expect_column_values_to_be_in_set", "column": "label"}
    made = dataset.build(
        spec(
            expectations=[
                {**in_set, "value_set": ["a", "b"]},
                {**in_set, "value_set": ["a", "b"], "mostly": 0.9},
                {**in_set, "value_set": ["a"], "severity": "warning"},
            ],
            minimum_rows=100,
        ),
        {},
        bench,
    )
    size, leakage, strict, mostly, warning = made.checks
    kept_out = read_split(made.artefact.path, "quarantine")

    assert (size.passed, size.blocking) == (False, True)
    assert size.message == ("40 rows, at least 100 are needed; quarantined: expectation 1")
    assert leakage.passed
    assert (strict.passed, strict.blocking, strict.facts["failing"]) == (False, True, 1)
    assert (mostly.passed, warning.passed, warning.blocking) == (True, False, False)
    assert [row["reason"] for row in kept_out] == [
        "expectation: expect_column_values_to_be_in_set(label)"
    ]
    assert json.loads(kept_out[0]["row"])["text"] == "odd"


def test_no_personal_data_reaches_the_quarantine(
    bench: BuildContext, write: Callable[..., None]
) -> None:
    write([*asked(), {"text": "a@b.co", "label": None}], extra='{"text": "call +44 20 7946 0958"\n')
    made = dataset.build(spec(), {}, bench)
    said = json.dumps(read_split(made.artefact.path, "quarantine"))

    assert "[email]" in said
    assert "[phone]" in said
    assert "a@b.co" not in said
    assert "7946" not in said


def test_fixed_splits_are_kept_and_what_leaks_into_test_goes(
    bench: BuildContext, write: Callable[..., None]
) -> None:
    write(asked(20), "train.jsonl")
    write([{"text": "Question  number 3", "label": "b"}, {"text": "own", "label": "a"}], "t.jsonl")
    made = dataset.build(
        spec(
            sources=[
                {"type": "file", "path": "train.jsonl", "split": "train"},
                {"type": "file", "path": "t.jsonl", "split": "test"},
            ]
        ),
        {},
        bench,
    )
    said = summary(made.artefact.path)

    assert said["rows"] == {"train": 19, "validation": 0, "test": 2}
    assert said["quarantined"] == {"leaks into test": 1}
    assert (
        made.checks[1].message == "0 train rows repeat a test question; 1 such rows were excluded"
    )


def given(number: int, **more: Any) -> dict[str, Any]:
    return {
        "input": {"text": f"asked by user {number}"},
        "output": f"refund | Reply number {number}.",
        "label": None,
        "kind": "correction",
        "subject": f"user-{number}",
        "conversation": f"talk-{number}",
        "consent": True,
        "time": NOW - timedelta(days=1),
        "response_id": f"r{number}",
        "event_id": f"e{number}",
        **more,
    }


FEEDBACK = {"type": "feedback", "of": "said", "weight": 2.0, "kinds": ["correction", "thumbs"]}
CHAT = {
    "format": "completion",
    "sources": [{"type": "file", "path": "rows.jsonl"}, FEEDBACK],
    "split": {"by": "group", "key": "group"},
    "consensus": {"new_label": 1},
}


def replies(count: int = 40) -> list[Mapping[str, Any]]:
    return [{"text": f"question {i}", "intent": "order", "reply": f"R{i}."} for i in range(count)]


def with_feedback(bench: BuildContext, *rows: dict[str, Any]) -> BuildContext:
    def read(name: str, kinds: tuple[str, ...], since: datetime | None) -> Any:
        assert (name, kinds, since) == ("said", ("correction", "thumbs"), None)
        return list(rows), OFFSETS

    return replace(bench, read_feedback=read)


def test_feedback_becomes_rows_by_the_prompt_with_weight_subject_and_group(
    bench: BuildContext, write: Callable[..., None]
) -> None:
    write(replies())
    confirmed = given(2, kind="thumbs", output="All good.", label="thanks")
    by_column = given(3, output={"intent": "cancel", "reply": "It is cancelled."})
    made = dataset.build(spec(**CHAT), {}, with_feedback(bench, given(1), confirmed, by_column))
    rows = [
        row
        for name in ("train", "validation", "test")
        for row in read_split(made.artefact.path, name)
    ]
    said = {row["subject"]: row for row in rows if row["source"] == "feedback:said"}

    assert {k: (v["text"], v["intent"], v["reply"]) for k, v in said.items()} == {
        "user-1": ("asked by user 1", "refund", "Reply number 1."),
        "user-2": ("asked by user 2", "thanks", "All good."),
        "user-3": ("asked by user 3", "cancel", "It is cancelled."),
    }
    assert {row["group"] for row in said.values()} == {"talk-1", "talk-2", "talk-3"}
    assert all(0.7 * 2.0 <= row["weight"] < 2.0 for row in said.values())
    assert summary(made.artefact.path)["offsets"] == {"said/0": [0, 7]}
    assert summary(made.artefact.path)["labels"]["train"]["order"] > 20


def test_each_row_keeps_the_line_or_the_event_it_came_from(
    bench: BuildContext, write: Callable[..., None]
) -> None:
    write(replies(), extra="")
    said = given(1, place="said/0/6")
    folder = dataset.build(spec(**CHAT), {}, with_feedback(bench, said)).artefact.path
    rows = {row["id"]: row for name in SPLITS for row in read_split(folder, name)}
    told = origins.read(folder)
    (fed,) = [row for row in told if row["event"]]

    assert [row["id"] for row in told] == list(rows)
    assert {rows[r["id"]]["text"]: r["line"] for r in told if not r["event"]} == {
        f"question {number}": number + 1 for number in range(40)
    }
    assert (fed["event"], fed["place"], fed["answer"]) == ("e1", "said/0/6", "r1")
    assert (fed["source"], fed["subject"], fed["line"]) == ("feedback:said", "user-1", None)


def test_a_dataset_of_an_older_version_has_rows_without_lines(
    bench: BuildContext, write: Callable[..., None], tmp_path: Path
) -> None:
    write(asked())
    made = dataset.build(spec(), {}, bench)
    old = tmp_path / "old"
    shutil.copytree(made.artefact.path, old, ignore=shutil.ignore_patterns("origins.parquet"))

    assert {row["line"] for row in origins.read(old)} == {None}
    assert len(origins.read(old)) == 40


def test_feedback_without_consent_question_or_form_is_kept_out_and_the_last_word_counts(
    bench: BuildContext, write: Callable[..., None]
) -> None:
    write(replies())
    made = dataset.build(
        spec(**CHAT),
        {},
        with_feedback(
            bench,
            given(1, consent=False),
            given(2, input=None),
            given(3, output="no bar in here"),
            given(4, event_id="e4a"),
            given(4, event_id="e4b", output="cancel | The last word."),
        ),
    )
    said = summary(made.artefact.path)
    rows = [row for name in said["rows"] for row in read_split(made.artefact.path, name)]

    assert said["quarantined"] == {
        "no consent": 1,
        "no inference event": 1,
        "outvoted": 1,
        "unusable correction": 1,
    }
    assert [row["reply"] for row in rows if row["subject"] == "user-4"] == ["The last word."]


def test_one_loud_user_weighs_no_more_than_the_stream_allows(
    bench: BuildContext, write: Callable[..., None]
) -> None:
    write(replies(100))
    loud = [given(i, subject="loud", conversation=None) for i in range(60)]
    made = dataset.build(
        spec(**{**CHAT, "split": {"ratios": {"train": 1, "validation": 0, "test": 0}}}),
        {},
        with_feedback(bench, *loud),
    )
    rows = read_split(made.artefact.path, "train")
    total = sum(row["weight"] for row in rows)

    assert made.facts["capped_subjects"] == 1
    assert sum(row["weight"] for row in rows if row["subject"] == "loud") == pytest.approx(
        0.05 * total
    )


def test_held_out_subjects_are_only_in_the_test_split_and_there_where_a_reviewer_agrees(
    bench: BuildContext, write: Callable[..., None]
) -> None:
    write(replies(10))
    reviewed = [
        given(i, kind="review", subject="expert", event_id=f"v{i}", time=NOW) for i in range(3)
    ]
    held = [given(i) for i in range(8)]
    made = dataset.build(
        spec(**CHAT, privacy={"holdout_subjects": 1.0}),
        {},
        with_feedback(bench, *held, *reviewed),
    )
    test = read_split(made.artefact.path, "test")

    assert sum(row["source"] == "feedback:said" for row in test) == 3
    assert summary(made.artefact.path)["quarantined"]["unverified"] == 5


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"map": {"label": "intnt"}}, r"no column 'intnt', which `map\.label` names"),
        ({"sources": [{"type": "file", "path": "gone.csv"}]}, r"gone\.csv: no such file"),
        ({"deduplicate": {"key": "txt"}}, r"deduplicate\.key: the rows have no column 'txt'; did"),
        ({"split": {"by": "group", "key": "user"}}, r"split\.key: the rows have no column 'user'"),
        ({"privacy": {"kinds": ["name"]}}, "named-entity model"),
        ({"sources": [{"type": "feedback", "of": "said"}]}, "needs a ledger"),
    ],
)
def test_what_cannot_be_made_says_what_and_the_way_out_and_leaves_nothing(
    bench: BuildContext, write: Callable[..., None], more: dict[str, Any], message: str
) -> None:
    write(asked(4))

    with pytest.raises(DataError, match=message):
        dataset.build(spec(**more), {}, bench)
    assert not (bench.scratch / "dataset").exists()
