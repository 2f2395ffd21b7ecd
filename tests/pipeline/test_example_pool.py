"""The examples of a prompt: recent corrections that people verified first, and who vouches told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tidemill.adapters.store import MemoryStore
from tidemill.data.feedback import FeedbackRow
from tidemill.pipeline import dataset, prompt
from tidemill.pipeline.context import BuildContext, BuildResult
from tidemill.ports import Artefact
from tidemill.prompts import PromptProgram
from tidemill.spec.dataset import Dataset
from tidemill.spec.prompt import Prompt

HEAD = {"apiVersion": "tidemill/v1"}
NOW = datetime(2026, 6, 1, tzinfo=UTC)


class Fixed:
    def now(self) -> datetime:
        return NOW


def said(text: str, who: str, days: int, **more: Any) -> FeedbackRow:
    """A correction to `a` by somebody, so many days ago."""
    row: dict[str, Any] = {
        "input": {"text": text}, "output": "a", "kind": "correction", "subject": who,
        "consent": True, "time": NOW - timedelta(days=days), "response_id": f"r-{text}",
        "event_id": f"{text}/{who}", "place": "s/0/1",
    }  # fmt: skip
    return FeedbackRow(**{**row, **more})  # type: ignore[typeddict-item]


FEEDBACK = [
    said("what one says", "ann", 1),
    *(said("what several say", f"user-{n}", 3) for n in range(5)),
    said("what a reviewer says", "bob", 9),
    said("what a reviewer says", "ada", 2, kind="review", reviewer="ada@x.org", verdict="answer"),
]


def context(folder: Path, feedback: Sequence[FeedbackRow]) -> BuildContext:
    rows = [{"text": f"question {i}", "label": "ab"[i % 2]} for i in range(20)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "ask.j2").write_text("{{ text }}\n")
    return BuildContext(
        folder, folder / "scratch", folder / "cache", MemoryStore(), Fixed(),
        read_feedback=lambda name, kinds, since: (list(feedback), {}),
    )  # fmt: skip


def build(bench: BuildContext, **examples: Any) -> BuildResult:
    sources = [
        {"type": "file", "path": "rows.jsonl", "split": "train"},
        {"type": "feedback", "of": "stream"},
    ]
    rows = Dataset.model_validate(
        {
            **HEAD, "kind": "Dataset", "name": "rows", "format": "classification",
            "sources": sources, "split": {"ratios": {"train": 1.0, "validation": 0, "test": 0}},
        }
    )  # fmt: skip
    spec = Prompt.model_validate(
        {
            **HEAD, "kind": "Prompt", "name": "ask", "template": "ask.j2", "inputs": ["text"],
            "output": {"type": "label"}, "technique": "few-shot",
            "examples": {"source": "rows", **examples},
        }
    )  # fmt: skip
    inputs: dict[str, Artefact] = {"rows": dataset.build(rows, {}, bench).artefact}
    return prompt.build(spec, inputs, bench)


def shown(built: BuildResult) -> list[object]:
    return [row["text"] for row in PromptProgram.load(built.artefact.path).examples]


def test_fixed_examples_are_the_newest_verified_corrections(tmp_path: Path) -> None:
    bench = context(tmp_path, FEEDBACK)
    built = build(bench, k=3)

    assert shown(built)[:3] == ["what a reviewer says", "what several say", "question 0"]
    assert built.facts["examples_from"] == {"reviewed": 1, "consensus": 1, "file": 1}


def test_the_pool_counts_each_kind_and_what_one_person_says_comes_last(tmp_path: Path) -> None:
    bench = context(tmp_path, FEEDBACK)
    built = build(bench, k=3, selection="random")

    assert shown(built)[-1] == "what one says"
    kinds = {"reviewed": 1, "consensus": 1, "file": 20, "one person": 1}
    assert built.facts["examples_from"] == kinds


def test_the_order_in_which_feedback_came_in_changes_no_byte(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    one, two = (
        build(context(folder, rows), k=3, selection="random")
        for folder, rows in zip(folders, (FEEDBACK, FEEDBACK[::-1]), strict=True)
    )

    assert one.artefact.digest == two.artefact.digest


def test_without_feedback_the_file_is_shown_in_its_order(tmp_path: Path) -> None:
    bench = context(tmp_path, [])
    built = build(bench, k=2)

    assert shown(built)[:2] == ["question 0", "question 1"]
    assert built.facts["examples_from"] == {"file": 2}


@pytest.mark.parametrize("k", [1, 2])
def test_a_version_before_verification_was_written_down_shows_files_first(
    tmp_path: Path, k: int
) -> None:
    import pyarrow.parquet as pq

    from tidemill.data import origins
    from tidemill.data.example_order import example_rows

    bench = context(tmp_path, FEEDBACK)
    rows = Dataset.model_validate(
        {
            **HEAD, "kind": "Dataset", "name": "rows", "format": "classification",
            "sources": [{"type": "file", "path": "rows.jsonl"}, {"type": "feedback", "of": "s"}],
        }
    )  # fmt: skip
    folder = dataset.build(rows, {}, bench).artefact.path
    old = tmp_path / "old"
    old.mkdir()
    for path in folder.iterdir():
        (old / path.name).write_bytes(path.read_bytes())
    table = pq.read_table(old / origins.FILE).drop_columns(["vouched", "said_at"])
    pq.write_table(table, old / origins.FILE)

    assert all(str(row["text"]).startswith("question") for row in example_rows(old)[:k])
