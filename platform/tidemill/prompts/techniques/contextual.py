"""Give the model the passages nearest to the question to answer from."""

from __future__ import annotations

from tidemill.answer import Answer
from tidemill.prompts import PromptProgram, example_selection, output_parsing, template
from tidemill.prompts.conversation import converse
from tidemill.rows import DatasetRow

VERSION = 1


def messages(program: PromptProgram, row: DatasetRow) -> list[dict[str, str]]:
    """System, examples, question; each question with its own passages.

    A template that uses `passages` places them; before any other one they stand as a list.
    """
    placed = template.uses_variable(program.template, "passages")

    def ask(one: DatasetRow) -> str:
        passages = example_selection.select_passages(program, one)
        text = program.render(one, passages=passages)
        if placed or not passages:
            return text
        listed = "\n".join(f"- {passage}" for passage in passages)
        return f"Context:\n{listed}\n\n{text}"

    return converse(program, row, ask=ask)


def target(program: PromptProgram, row: DatasetRow) -> str:
    """The answer."""
    return output_parsing.format_target(program.output, row)


def parse(program: PromptProgram, text: str) -> Answer:
    """The whole text is the answer."""
    return output_parsing.parse_answer(program.output, text, program.labels)
