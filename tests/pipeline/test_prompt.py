"""Making a prompt from a template and a dataset."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tidemill.adapters.store import MemoryStore
from tidemill.errors import DataError, SpecError
from tidemill.pipeline import dataset, prompt
from tidemill.pipeline.context import BuildContext
from tidemill.ports import Artefact
from tidemill.prompts import PromptProgram
from tidemill.spec.dataset import Dataset
from tidemill.spec.prompt import Prompt

HEAD = {"apiVersion": "tidemill/v1", "name": "chat"}


class Fixed:
    def now(self) -> datetime:
        return datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def bench(tmp_path: Path) -> BuildContext:
    rows = [{"text": f"question {i}", "label": "ab"[i % 2]} for i in range(30)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "ask.j2").write_text("Pick one of {{ labels|join(', ') }}: {{ text }}\n")
    return BuildContext(tmp_path, tmp_path / "scratch", tmp_path / "cache", MemoryStore(), Fixed())


@pytest.fixture
def rows(bench: BuildContext) -> Artefact:
    spec = Dataset.model_validate(
        {
            **HEAD,
            "kind": "Dataset",
            "format": "classification",
            "sources": [{"type": "file", "path": "rows.jsonl"}],
        }
    )
    return dataset.build(spec, {}, bench).artefact


def spec(**more: Any) -> Prompt:
    given = {
        **HEAD,
        "kind": "Prompt",
        "name": "ask",
        "template": "ask.j2",
        "inputs": ["text"],
        "output": {"type": "label"},
    }
    return Prompt.model_validate({**given, **more})


def test_a_few_shot_prompt_knows_its_labels_and_its_examples(
    bench: BuildContext, rows: Artefact
) -> None:
    few = spec(technique="few-shot", examples={"source": "chat", "k": 2})
    made = prompt.build(few, {"chat": rows}, bench)
    again = prompt.build(few, {"chat": rows}, bench)
    program = PromptProgram.load(made.artefact.path)

    assert made.artefact == again.artefact
    assert made.artefact.kind == "prompt"
    assert program.labels == ("a", "b")
    assert len(program.messages({"text": "new"})) == 5
    assert program.messages({"text": "new"})[-1]["content"] == "Pick one of a, b: new"
    assert made.tables["a rendered row"][-1]["role"] == "user"


def test_similar_examples_keep_their_vectors(
    bench: BuildContext, rows: Artefact, tiny_encoder: Path
) -> None:
    from tidemill.runtimes.sentence import Encoder

    encoder = Artefact("sha256:" + "0" * 64, "model", tiny_encoder, 0)
    similar = spec(
        technique="few-shot",
        examples={"source": "chat", "k": 1, "selection": "similar", "encoder": "mini"},
    )
    made = prompt.build(similar, {"chat": rows, "mini": encoder}, bench)
    program = PromptProgram.load(made.artefact.path, encode=Encoder(tiny_encoder).encode)

    assert program.embeddings is not None
    assert len(program.embeddings) == len(program.examples) > 20
    assert len(program.messages({"text": "question 3"})) == 3


def test_a_wrong_template_names_its_line_and_leaves_nothing(bench: BuildContext) -> None:
    (bench.project_folder / "ask.j2").write_text("one\n{{ txt }}\n")

    with pytest.raises(SpecError, match=r"ask\.j2:2: 'txt' is not among the prompt's `inputs`"):
        prompt.build(spec(), {}, bench)
    with pytest.raises(SpecError, match=r"gone\.j2:1: cannot be read"):
        prompt.build(spec(template="gone.j2"), {}, bench)
    assert not bench.scratch.exists()


def test_examples_from_a_dataset_without_the_columns_say_which(
    bench: BuildContext, rows: Artefact
) -> None:
    few = spec(
        technique="few-shot",
        examples={"source": "chat"},
        output={"type": "text", "column": "reply"},
    )

    with pytest.raises(DataError, match="dataset 'chat' has no column 'reply'"):
        prompt.build(few, {"chat": rows}, bench)
