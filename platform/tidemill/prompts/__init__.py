"""Prompts: how a row becomes a conversation, and how a model's text becomes an answer.

One technique is one file of this folder. It has
`messages(program, row)`: the conversation, as dicts with `role` and `content`;
`target(program, row)`: the text a model is trained to write;
`parse(program, text)`: the `Answer` in a model's text;
and optionally `EXTRA_TOKENS`, what it writes beyond the answer itself.
"""

from __future__ import annotations

from tidemill.answer import Answer
from tidemill.prompts._program import Program

__all__ = ["Answer", "Program"]
