"""The conversation every technique builds on: system, worked examples, the question."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tidemill.prompts import example_selection
from tidemill.rows import DatasetRow

if TYPE_CHECKING:
    from tidemill.prompts.program import PromptProgram


def converse(
    program: PromptProgram,
    row: DatasetRow,
    *,
    ask: Callable[[DatasetRow], str] | None = None,
    tell: Callable[[DatasetRow], str] | None = None,
    examples: bool = True,
) -> list[dict[str, str]]:
    """Each example is a turn of its own: asked like the row, answered like its target."""
    ask = ask or program.render
    tell = tell or program.target
    turns = [("system", program.system)] if program.system else []
    for example in example_selection.select_examples(program, row) if examples else ():
        turns += [("user", ask(example)), ("assistant", tell(example))]
    turns.append(("user", ask(row)))
    return [{"role": role, "content": content} for role, content in turns]
