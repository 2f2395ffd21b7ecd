"""What each technique does of its own: examples, reasoning, passages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.prompts.conftest import EXAMPLES, ROW, encode

from tidemill.errors import DataError
from tidemill.prompts import Answer, PromptProgram

Make = Callable[..., PromptProgram]


def shown(program: PromptProgram, text: str) -> list[str]:
    messages = program.messages({"text": text})
    return [m["content"].removeprefix("Customer: ") for m in messages if m["role"] == "user"][:-1]


def test_fixed_examples_are_the_first_ones_but_never_the_row_itself(program: Make) -> None:
    few = program("few-shot")

    assert shown(few, "hello") == ["my card is lost", "my order is late"]
    assert shown(few, "my card is lost") == ["my order is late", "I want a refund"]


def test_random_examples_depend_on_the_row_alone(program: Make) -> None:
    few = program("few-shot", selection="random")
    texts = [f"question {i}" for i in range(30)]

    assert [shown(few, text) for text in texts] == [shown(few, text) for text in texts]
    assert len({tuple(shown(few, text)) for text in texts}) > 5
    assert all("my card is lost" not in shown(few, "my card is lost") for _ in range(3))


def test_similar_examples_are_the_nearest_with_the_best_one_last(program: Make) -> None:
    vectors = encode([str(one["text"]) for one in EXAMPLES])
    few = program("few-shot", selection="similar", embeddings=vectors, encode=encode)

    assert shown(few, "where is my lost card") == ["the card was swallowed", "my card is lost"]
    assert shown(few, "my card is lost")[-1] == "the card was swallowed"


def test_similar_examples_embed_many_rows_in_one_go(program: Make) -> None:
    calls: list[int] = []

    def counting(texts: list[str]) -> object:
        calls.append(len(texts))
        return encode(texts)

    vectors = encode([str(one["text"]) for one in EXAMPLES])
    few = program("few-shot", selection="similar", embeddings=vectors, encode=counting)
    few.conversations([{"text": f"order {i}"} for i in range(5)])

    assert calls == [5]
    with pytest.raises(DataError, match="got no sentence encoder"):
        replace(few, encode=None, embedding_cache={}).messages(ROW)


def test_an_example_is_answered_the_way_the_model_should_answer(program: Make) -> None:
    messages = program("few-shot", k=1).messages(ROW)

    assert messages[2] == {"role": "assistant", "content": "card | We block it."}


def test_reasoning_is_trained_on_and_kept_apart_from_the_answer(program: Make) -> None:
    chain = program("chain-of-thought")
    target = chain.target({**ROW, "why": "lost speaks of an order"})
    plain = program("zero-shot")

    assert target == "Reasoning: lost speaks of an order\nAnswer: order | We look for it."
    assert chain.parse(target) == Answer(
        "We look for it.", "order", "lost speaks of an order", valid=True
    )
    assert chain.target(ROW) == "Answer: order | We look for it."
    assert "why" not in chain.messages(ROW)[-1]["content"]
    assert chain.max_tokens > plain.max_tokens


def test_the_last_answer_mark_counts_and_a_text_without_one_is_not_valid(program: Make) -> None:
    chain = program("chain-of-thought")

    assert chain.parse("Reasoning: Answer: first?\n**Answer:** refund | Yes.").label == "refund"
    assert not chain.parse("refund | Yes.").valid


def test_a_contextual_template_places_its_passages_or_they_come_first(program: Make) -> None:
    listed = program("contextual").messages(ROW)[-1]["content"]
    template = "{% for one in passages %}<{{ one }}>{% endfor %} {{ text }}"
    placed = program("contextual", template=template).messages(ROW)[-1]["content"]

    assert listed == "Context:\n- A lost order is sent again.\n\nCustomer: my order is lost"
    assert placed == "<A lost order is sent again.> my order is lost"
