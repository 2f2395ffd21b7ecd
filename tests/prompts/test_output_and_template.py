"""Reading answers of each shape, and templates in their sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tidemill.answer import Answer
from tidemill.errors import ArtefactError, DataError, SpecError
from tidemill.prompts import PromptProgram, output_parsing, template
from tidemill.spec.prompt import JsonOutput, LabelOutput, TextOutput

LABELS = ("card_arrival", "Refund", "reverted?")
LABEL = LabelOutput(type="label")
PLAIN = TextOutput(type="text", column="reply")
LED = TextOutput(type="text", column="reply", label="intent")
JSON = JsonOutput.model_validate(
    {
        "type": "json",
        "column": "doc",
        "schema": {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
    }
)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("card_arrival", "card_arrival"),
        ("  Card Arrival. \nbecause it is", "card_arrival"),
        ('"refund"', "Refund"),
        ("reverted?", "reverted?"),
        ("card", None),
        ("card_arrivals", None),
        ("", None),
    ],
)
def test_a_label_is_taken_whatever_its_case_and_spacing_but_never_guessed(
    text: str, label: str | None
) -> None:
    answer = output_parsing.parse_answer(LABEL, text, LABELS)

    assert (answer.label, answer.valid) == (label, label is not None)


def test_without_known_labels_any_label_is_one() -> None:
    assert output_parsing.parse_answer(LABEL, "Anything\n") == Answer("Anything", "Anything")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("refund | It | is paid.", Answer("It | is paid.", "Refund")),
        ("REFUND|ok", Answer("ok", "Refund")),
        ("other | ok", Answer("ok", None, valid=False)),
        ("just text", Answer("just text", None, valid=False)),
        ("refund | ", Answer("", "Refund", valid=False)),
    ],
)
def test_a_leading_label_is_kept_apart_from_the_text(text: str, answer: Answer) -> None:
    assert output_parsing.parse_answer(LED, text, LABELS) == answer


@pytest.mark.parametrize(
    ("text", "read", "valid"),
    [
        ('{"a":  1}', '{"a": 1}', True),
        ('Here: ```json\n{"b": 2, "a": 1}\n```', '{"a": 1, "b": 2}', True),
        ('{"a": "x"}', '{"a": "x"}', False),
        ("{", "{", False),
    ],
)
def test_json_is_read_canonically_and_judged_by_its_schema(
    text: str, read: str, valid: bool
) -> None:
    assert output_parsing.parse_answer(JSON, text) == Answer(read, valid=valid)


def test_json_is_written_canonically_from_a_document_or_its_text() -> None:
    assert output_parsing.format_target(JSON, {"doc": {"b": 1, "a": 2}}) == '{"a": 2, "b": 1}'
    assert output_parsing.format_target(JSON, {"doc": '{"b":1,"a":2}'}) == '{"a": 2, "b": 1}'
    with pytest.raises(DataError, match="column 'doc' is not JSON"):
        output_parsing.format_target(JSON, {"id": "r1", "doc": "{"})


def test_an_empty_column_is_named_with_its_row() -> None:
    with pytest.raises(DataError, match="row r1: no value in column 'intent'"):
        output_parsing.format_target(LED, {"id": "r1", "reply": "ok", "intent": None})


@pytest.mark.parametrize(
    ("output", "said", "label", "filled"),
    [
        (LED, "refund | Paid.", None, {"intent": "refund", "reply": "Paid."}),
        (LED, {"intent": "refund", "reply": "Paid."}, None, {"intent": "refund", "reply": "Paid."}),
        (LED, "Paid.", "refund", {"intent": "refund", "reply": "Paid."}),
        (LED, "Paid.", None, None),
        (LED, {"reply": "Paid."}, None, None),
        (PLAIN, "Paid.", None, {"reply": "Paid."}),
        (LABEL, "refund", None, {"label": "refund"}),
        (JSON, {"a": 1}, None, {"doc": '{"a": 1}'}),
        (JSON, '{"a": "x"}', None, None),
    ],
)
def test_a_users_answer_fills_the_columns_or_none(
    output: Any, said: Any, label: str | None, filled: dict[str, str] | None
) -> None:
    assert output_parsing.columns_from_feedback(output, said, label) == filled


T = Path("specs/chat/ask.j2")


def test_a_template_is_no_html_and_keeps_what_the_user_wrote() -> None:
    assert template.render("{{ text }}\n", T, {"text": "a < b & {{ c }}"}) == "a < b & {{ c }}"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a\n{{ tex }}", "specs/chat/ask.j2:2: 'tex' is undefined; the template may use text"),
        ("{{ text }}\n\n{% if %}", "specs/chat/ask.j2:3: Expected an expression"),
        ("\n{{ ''.__class__.mro() }}", "specs/chat/ask.j2:2: access to attribute '__class__'"),
        ("{% for i in range(10000000) %}{% endfor %}", "specs/chat/ask.j2:1: Range too big"),
        ("{{ text.append('x') }}", "specs/chat/ask.j2:1: "),
    ],
)
def test_a_template_that_fails_or_reaches_out_is_stopped_with_its_line(
    source: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        template.render(source, T, {"text": ["hi"]})
    assert str(caught.value).startswith(message)


def test_a_variable_that_is_no_input_is_found_before_anything_is_rendered() -> None:
    with pytest.raises(SpecError) as caught:
        template.check("hello\n{{ txt }} {{ other }}", T, ["text", "labels"])

    assert str(caught.value).splitlines() == [
        "specs/chat/ask.j2:2: 'other' is not among the prompt's `inputs`; there are: labels, text",
        "specs/chat/ask.j2:2: 'txt' is not among the prompt's `inputs`; did you mean 'text'?",
    ]


def test_a_row_without_an_input_says_which_one(tmp_path: Path) -> None:
    program = PromptProgram("zero-shot", "{{ text }}", ("text",), PLAIN, path=T)

    with pytest.raises(SpecError, match="'text' is undefined"):
        program.messages({"other": "x"})


def test_a_folder_that_is_no_prompt_says_so(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="not a prompt artefact"):
        PromptProgram.load(tmp_path)
    (tmp_path / "program.json").write_text("[]")
    with pytest.raises(ArtefactError, match="not a prompt artefact"):
        PromptProgram.load(tmp_path)
