"""Let the model reason before it answers, and keep the reasoning apart from the answer."""

from __future__ import annotations

import re
from dataclasses import replace

from tidemill.answer import Answer
from tidemill.prompts import PromptProgram, output_parsing
from tidemill.prompts.conversation import converse
from tidemill.rows import DatasetRow

VERSION = 1
EXTRA_TOKENS = 192
"""Room for the reasoning."""

_ASK = (
    "\n\nThink step by step. Write your thoughts after 'Reasoning:', "
    "then the answer alone on a new line after 'Answer:'."
)
_ANSWER = re.compile(r"^[ \t*]*answer[ \t*]*:[ \t*]*", re.IGNORECASE | re.MULTILINE)
_REASONING = re.compile(r"^[ \t*]*reasoning[ \t*]*:\s*", re.IGNORECASE)


def messages(program: PromptProgram, row: DatasetRow) -> list[dict[str, str]]:
    """System, examples with their reasoning where there are any, question with the instruction."""
    return converse(program, row, ask=lambda one: program.render(one) + _ASK)


def target(program: PromptProgram, row: DatasetRow) -> str:
    """Reasoning, where the row has it, then the answer."""
    answer = f"Answer: {output_parsing.format_target(program.output, row)}"
    thought = row.get(program.reasoning) if program.reasoning else None
    return f"Reasoning: {str(thought).strip()}\n{answer}" if thought else answer


def parse(program: PromptProgram, text: str) -> Answer:
    """The text after the last `Answer:`; a text without one is not valid."""
    marks = list(_ANSWER.finditer(text))
    if not marks:
        answer = output_parsing.parse_answer(program.output, text, program.labels)
        return replace(answer, valid=False)
    answer = output_parsing.parse_answer(program.output, text[marks[-1].end() :], program.labels)
    thought = _REASONING.sub("", text[: marks[-1].start()].strip())
    return replace(answer, reasoning=thought or None)
