"""A request that both releases answered: the user got the live answer, the shadow's is a copy."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.answer import Answer

SHADOW_SUFFIX = ".shadow"
"""Ends the response id of a copy; before it stands the id of the answer that the user got."""
MAX_PAIRS = 500
"""Newest pairs that a look compares."""


def shadow_response_id(response_id: str) -> str:
    """The id under which the shadow's answer to the same request is recorded."""
    return f"{response_id}{SHADOW_SUFFIX}"


@dataclass(frozen=True)
class ReleaseAnswer:
    """What one release answered."""

    answer: Answer
    seconds: float | None
    """None where it came from the cache: that says nothing of the release's speed."""
    tokens_out: int = 0


@dataclass(frozen=True)
class ShadowPair:
    """Both answers to one request."""

    response_id: str
    """Of the live answer."""
    live: ReleaseAnswer
    candidate: ReleaseAnswer
