"""An answer as a prompt reads it: what training wants, models give, and metrics compare."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """A parsed answer, or the one that was wanted."""

    text: str
    """Text for users."""
    label: str | None = None
    """The label, where the prompt's output has one."""
    reasoning: str | None = None
    """Reasoning before the answer (chain-of-thought); users never get it."""
    valid: bool = True
    """False where the text does not have the shape the prompt asked for."""
    ranking: tuple[str, ...] = ()
    """Item ids, the best first (recommendations only)."""
    candidates: int = 0
    """Items that there were to rank."""
