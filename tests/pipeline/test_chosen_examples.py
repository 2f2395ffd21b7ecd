"""Chosen examples: shown in their order, never one that a held-out row asks, wrong lines named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.search.planted import Ground

from tidemill.data import read_split
from tidemill.errors import SpecError
from tidemill.pipeline import candidates, prompt
from tidemill.prompts import PromptProgram
from tidemill.rows import DatasetRow
from tidemill.search import Candidate
from tidemill.spec.prompt import Prompt
from tidemill.spec.rewrite import REMOVE


@pytest.fixture
def ground(tmp_path: Path, tiny_encoder: Path) -> Ground:
    return Ground(tmp_path / "project", tiny_encoder)


def chosen(ground: Ground, rows: Sequence[DatasetRow], k: int = 3) -> Prompt:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (ground.bench.project_folder / "chosen.jsonl").write_text(text)
    examples = {"source": "rows", "k": k, "file": "chosen.jsonl"}
    return ground.spec(technique="few-shot", examples=examples)


def test_chosen_examples_are_shown_in_their_order(ground: Ground) -> None:
    rows = read_split(ground.inputs["rows"].path, "train")[5:8]
    made = prompt.build(chosen(ground, rows[::-1]), ground.inputs, ground.bench)
    shown = PromptProgram.load(made.artefact.path).messages({"text": "new"})

    assert [one["content"] for one in shown[:-1:2]] == [row["text"] for row in rows[::-1]]


def test_an_example_that_a_test_row_asks_is_left_out_and_counted(ground: Ground) -> None:
    folder = ground.inputs["rows"].path
    train, test = read_split(folder, "train")[0], read_split(folder, "test")[0]
    shouted = {**test, "text": test["text"].upper()}
    made = prompt.build(chosen(ground, [train, shouted]), ground.inputs, ground.bench)
    text = json.dumps(PromptProgram.load(made.artefact.path).messages({"text": "new"}))

    assert made.facts["examples_left_out"] == 1
    assert train["text"] in text
    assert shouted["text"] not in text


def test_a_line_without_a_column_is_named(ground: Ground) -> None:
    spec = chosen(ground, [{"text": "one", "label": "refund"}, {"text": "two"}])

    with pytest.raises(SpecError, match=r"chosen\.jsonl:2: no value for 'label'; each line is"):
        prompt.build(spec, ground.inputs, ground.bench)


def test_a_broken_line_is_named(ground: Ground) -> None:
    spec = chosen(ground, [{"text": "one", "label": "refund"}])
    with (ground.bench.project_folder / "chosen.jsonl").open("a") as file:
        file.write("{broken\n")

    with pytest.raises(SpecError, match=r"chosen\.jsonl:2: not JSON"):
        prompt.build(spec, ground.inputs, ground.bench)


def test_a_candidate_says_only_what_it_changes(ground: Ground) -> None:
    spec, start = ground.spec(), Candidate("")
    row = {"text": "one", "label": "refund"}

    assert candidates.candidate_changes(spec, start) == {}
    assert candidates.candidate_changes(spec, Candidate("Be kind.")) == {("system",): "Be kind."}
    assert candidates.candidate_changes(spec, Candidate("", (row,), 1)) == {
        ("technique",): "few-shot",
        ("examples",): {
            "source": "rows", "k": 1, "selection": "fixed", "file": "ask.examples.jsonl",
        },
    }  # fmt: skip


def test_examples_that_are_looked_up_take_the_place_of_chosen_ones(ground: Ground) -> None:
    spec = chosen(ground, [{"text": "one", "label": "refund"}], k=1)
    similar = Candidate("", None, 2, "similar")

    assert candidates.candidate_changes(spec, similar, "mini") == {
        ("examples", "k"): 2,
        ("examples", "selection"): "similar",
        ("examples", "encoder"): "mini",
        ("examples", "file"): REMOVE,
    }
