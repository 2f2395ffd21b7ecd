"""Ask straight out, without examples."""

from __future__ import annotations

from tidemill.answer import Answer
from tidemill.prompts import PromptProgram, output_parsing
from tidemill.prompts.conversation import converse
from tidemill.rows import DatasetRow

VERSION = 1


def messages(program: PromptProgram, row: DatasetRow) -> list[dict[str, str]]:
    """System and question."""
    return converse(program, row, examples=False)


def target(program: PromptProgram, row: DatasetRow) -> str:
    """The answer."""
    return output_parsing.format_target(program.output, row)


def parse(program: PromptProgram, text: str) -> Answer:
    """The whole text is the answer."""
    return output_parsing.parse_answer(program.output, text, program.labels)
