"""Stop strings: an answer ends before the first one, and no part of it is ever sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def truncate_at_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop string, and whether there was one."""
    places = [at for at in (text.find(mark) for mark in stop if mark) if at >= 0]
    return (text[: min(places)], True) if places else (text, False)


def safe_length(text: str, stop: Sequence[str]) -> int:
    """Length of a growing text that may be sent: none of it that could begin a stop string, nor a
    half-decoded character at its end."""
    end = len(text)
    while end and text[end - 1] == "\ufffd":
        end -= 1
    for mark in stop:
        for size in range(min(len(mark) - 1, end), 0, -1):
            if text.endswith(mark[:size], 0, end):
                end = min(end, len(text) - size)
                break
    return max(end, 0)


def pieces(texts: Iterator[str], stop: Sequence[str]) -> Iterator[str]:
    """From growing texts (each the whole so far) to the pieces to show one after another."""
    sent, text = 0, ""
    for text in texts:
        text, ended = truncate_at_stop(text, stop)
        upto = len(text) if ended else safe_length(text, stop)
        if upto > sent:
            yield text[sent:upto]
            sent = upto
        if ended:
            return
    if len(text) > sent:
        yield text[sent:]
