"""Ask straight out, without examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.answer import Answer
from tidemill.prompts import Program, _output
from tidemill.prompts._conversation import converse

VERSION = 1


def messages(program: Program, row: Mapping[str, Any]) -> list[dict[str, str]]:
    """System and question."""
    return converse(program, row, examples=False)


def target(program: Program, row: Mapping[str, Any]) -> str:
    """The answer."""
    return _output.write(program.output, row)


def parse(program: Program, text: str) -> Answer:
    """The whole text is the answer."""
    return _output.read(program.output, text, program.labels)
