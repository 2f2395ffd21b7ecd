"""Texts of comments and pull requests: a hidden marker, and cuts at a forge's limit."""

from __future__ import annotations

_FOLD = "</details>"
_NESTED = 8
"""Folds within folds that a cut leaves room to close."""


def marker_comment(marker: str) -> str:
    """The hidden first line that a comment is found by; a ready HTML comment is taken as it is."""
    return marker if marker.startswith("<!--") else f"<!-- {marker} -->"


def has_marker(body: str | None, marker: str) -> bool:
    """True where a comment begins with the marker; one that only quotes it does not."""
    return (body or "").lstrip().startswith(marker_comment(marker))


def with_marker(body: str, marker: str, limit: int) -> str:
    """The body under its marker, at most `limit` characters long."""
    text = body if has_marker(body, marker) else f"{marker_comment(marker)}\n{body}"
    return truncate(text, limit)


def truncate(text: str, limit: int) -> str:
    """The text, or as much of it as fits before the last fold, paragraph or line, with a note.

    A fold (`<details>`) or a fence that the cut would leave open is closed again, so that the rest
    of the page keeps its shape.
    """
    if len(text) <= limit:
        return text
    note = f"\n\n*… cut: {len(text):,} characters are more than the {limit:,} that fit here.*\n"
    closers = "\n```" + f"\n{_FOLD}" * min(_NESTED, text.count("<details"))
    room = max(0, limit - len(note) - len(closers))
    beginning = _at_a_fold(text[:room])
    beginning += "\n```" if beginning.count("\n```") % 2 else ""
    beginning += f"\n{_FOLD}" * max(0, beginning.count("<details") - beginning.count(_FOLD))
    return (beginning + note)[:limit]


def one_line(text: str, limit: int) -> str:
    """The text as one line of at most `limit` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def _at_a_fold(text: str) -> str:
    """Up to the last end of a fold, else of a paragraph, else of a line, in the second half."""
    for end in (f"{_FOLD}\n", "\n\n", "\n"):
        index = text.rfind(end)
        if index > len(text) // 2:
            return text[: index + len(end)].rstrip()
    return text
