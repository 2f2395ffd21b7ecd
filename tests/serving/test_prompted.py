"""A release with a prompt: served, a row is rendered and parsed exactly as it is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tidemill.content import digest_of
from tidemill.errors import BadRequest
from tidemill.form import ModelForm
from tidemill.pipeline.release_folder import ArtefactFolder, ServedRelease
from tidemill.prompts import PromptProgram
from tidemill.runtimes import LabelScores, Messages, Reply, Resolve
from tidemill.serving.model_server import load
from tidemill.serving.predictor import InferenceRequest, InferenceResponse, Predictor
from tidemill.spec.prompt import TextOutput

Make = Callable[..., tuple[ServedRelease, Path]]


class Scripted:
    """A model that always writes the same."""

    def __init__(self, says: str, task: Any = "causal-lm") -> None:
        self.says, self.form = says, ModelForm("safetensors", task)
        self.shown: list[Messages] = []

    def answer(
        self, conversations: Sequence[Messages], *, max_tokens: int, stop: Sequence[str] = ()
    ) -> list[Reply]:
        self.shown += conversations
        return [Reply(self.says, 5, 7, 0.0, "stop") for _ in conversations]

    def stream(
        self, messages: Messages, *, max_tokens: int, stop: Sequence[str] = ()
    ) -> Iterator[str | Reply]:
        yield from (self.says[start : start + 3] for start in range(0, len(self.says), 3))
        yield from self.answer([messages], max_tokens=max_tokens, stop=stop)

    def classify(self, texts: Sequence[str]) -> list[LabelScores]:
        return [LabelScores(f"about {text}", 0.75, {}) for text in texts]

    def close(self) -> None:
        return


@pytest.fixture
def prompted(
    release: Make, tmp_path: Path
) -> Callable[..., tuple[Predictor, Scripted, PromptProgram]]:
    def make(says: str, technique: str = "zero-shot", **named: Any) -> Any:
        made, _ = release()
        program = PromptProgram(
            technique=technique,
            template="Request: {{ text }}",
            inputs=("text",),
            output=TextOutput(type="text", column="reply", label="intent", max_tokens=12),
            system="Be brief.",
            labels=("refund", "order"),
        )
        program.save(tmp_path / "prompt")
        model = Scripted(says, **named)
        placed = ArtefactFolder(digest_of(tmp_path / "prompt"), tmp_path / "prompt")

        def open_model(folder: Path, *, resolve: Resolve) -> Scripted:
            return model

        return load(replace(made, prompt=placed), open_model=open_model), model, program

    return make


def test_a_lone_user_message_and_a_row_are_rendered_alike_as_in_evaluation(prompted: Any) -> None:
    answerer, model, program = prompted("refund | It is on its way.")

    chat = answerer.predict(InferenceRequest(({"role": "user", "content": "my money"},)))
    row = answerer.predict(InferenceRequest(inputs={"text": "my money"}))

    wanted = program.messages({"text": "my money"})
    assert [list(shown) for shown in model.shown[-2:]] == [wanted, wanted]
    assert chat.answer == row.answer == program.parse("refund | It is on its way.")
    assert (row.answer.text, row.answer.label) == ("It is on its way.", "refund")


def test_a_whole_conversation_goes_to_the_model_as_it_is(prompted: Any) -> None:
    answerer, model, _ = prompted("refund | Yes.")
    turns = tuple(
        {"role": role, "content": role} for role in ("system", "user", "assistant", "user")
    )

    answerer.predict(InferenceRequest(turns))

    assert tuple(model.shown[-1]) == turns


@pytest.mark.parametrize(
    ("technique", "says"),
    [
        ("zero-shot", "refund | It is on its way."),
        ("chain-of-thought", "Reasoning: money is meant\nAnswer: refund | It is on its way."),
    ],
)
def test_a_stream_never_shows_the_label_or_the_reasoning(
    prompted: Any, technique: str, says: str
) -> None:
    answerer, _, _ = prompted(says, technique)

    *pieces, given = answerer.stream(InferenceRequest(inputs={"text": "my money"}))

    assert "".join(pieces) == "It is on its way." == given.answer.text
    assert len(pieces) > 3
    assert isinstance(given, InferenceResponse)
    assert given.answer.label == "refund"


def test_a_missing_column_is_named(prompted: Any) -> None:
    answerer, _, _ = prompted("refund | Yes.")

    with pytest.raises(BadRequest, match=r"lacks text; support-chat takes text"):
        answerer.predict(InferenceRequest(inputs={"txt": "hi"}))


def test_a_classifier_reads_the_text_itself_as_in_evaluation(prompted: Any) -> None:
    answerer, _, _ = prompted("", task="sequence-classification")

    given = answerer.predict(InferenceRequest(inputs={"text": "money"}))
    *pieces, streamed = answerer.stream(InferenceRequest(({"role": "user", "content": "money"},)))

    assert given.answer.text == given.answer.label == "about money" == pieces[0]
    assert given.probability == streamed.probability == 0.75
