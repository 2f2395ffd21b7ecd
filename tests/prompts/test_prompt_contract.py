"""One suite for every technique: the conversation, the target, and reading it back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.prompts.conftest import EXAMPLES, ROW, encode

from tidemill.catalog import PROMPTS
from tidemill.content import digest_of
from tidemill.prompts import PromptProgram
from tidemill.spec.prompt import JsonOutput, LabelOutput

Make = Callable[..., PromptProgram]
every_technique = pytest.mark.parametrize("technique", PROMPTS.names())


@every_technique
def test_a_conversation_begins_with_the_system_and_ends_with_the_question(
    program: Make, technique: str
) -> None:
    messages = program(technique).messages(ROW)

    assert messages[0] == {"role": "system", "content": "You answer customers."}
    assert messages[-1]["role"] == "user"
    assert "Customer: my order is lost" in messages[-1]["content"]
    roles = [message["role"] for message in messages[1:]]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]


@every_technique
def test_no_conversation_holds_the_answer_it_asks_for(program: Make, technique: str) -> None:
    for example in EXAMPLES:
        messages = program(technique).messages({**example, "id": "same"})

        assert str(example["reply"]) not in "".join(one["content"] for one in messages)


@every_technique
def test_what_a_model_is_trained_to_write_reads_back_as_the_reference(
    program: Make, technique: str, label_output: LabelOutput
) -> None:
    for made in (program(technique), program(technique, output=label_output)):
        row = {**ROW, "why": "it speaks of an order"}
        answer, wanted = made.parse(made.target(row)), made.reference(row)

        assert (answer.text, answer.label, answer.valid) == (wanted.text, "order", True)


@every_technique
def test_a_saved_program_says_the_same_and_its_bytes_are_the_same(
    program: Make, technique: str, tmp_path: Path
) -> None:
    made = program(technique)
    made.save(tmp_path / "a")
    made.save(tmp_path / "b")
    loaded = PromptProgram.load(tmp_path / "a", encode=encode)

    assert digest_of(tmp_path / "a") == digest_of(tmp_path / "b")
    assert loaded.conversations([ROW, *EXAMPLES]) == made.conversations([ROW, *EXAMPLES])
    assert loaded.target(ROW) == made.target(ROW)
    assert (loaded.labels, loaded.max_tokens) == (made.labels, made.max_tokens)


@every_technique
@pytest.mark.parametrize("text", ["", " ", "\n", "|", "Answer:", "{", "no such label"])
def test_nonsense_is_read_as_an_invalid_answer_and_never_raises(
    program: Make, technique: str, text: str, label_output: LabelOutput
) -> None:
    schema = JsonOutput.model_validate({"type": "json", "column": "doc", "schema": {}})

    for made in (program(technique), program(technique, output=label_output)):
        assert not made.parse(text).valid
    assert not program(technique, output=schema).parse(text).valid


@every_technique
def test_every_technique_says_its_version_and_what_it_does(technique: str) -> None:
    module = PROMPTS.load(technique)

    assert isinstance(module.VERSION, int)
    assert (module.__doc__ or "").strip()
