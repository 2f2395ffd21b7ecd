"""Prompts: how a row becomes a conversation, and how a model's text becomes an answer.

Techniques lie in `techniques`; here is what they share.
"""

from __future__ import annotations

from tidemill.answer import Answer
from tidemill.prompts.program import PromptProgram

__all__ = ["Answer", "PromptProgram"]
