"""Text as inline Markdown: what people wrote is read, and never does anything."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

_ACTS = re.compile(r"[\\`*_{}\[\]#|~$]")
_STARTS = re.compile(r"^(\s*)([-+=](?=[-=\s]|$)|\d+(?=[.)](?:\s|$)))")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
_LINKS = {"@": "&#64;", "://": "&#58;//", "www.": "www&#46;"}


def inline(value: Any) -> Any:
    """Escaped text on one line; `Markup` is Markdown of our own and goes through.

    HTML becomes entities, Markdown's signs get a backslash, and what would turn into a link by
    itself (addresses, mentions) is broken.
    """
    if isinstance(value, Markup):
        return str(value)
    text = "" if value is None else str(value)
    text = re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in text))
    text = "".join(_HTML.get(c, c) for c in text)
    text = _ACTS.sub(lambda match: f"\\{match[0]}", text)
    text = _STARTS.sub(lambda match: f"{match[1]}{_first(match[2])}", text)
    for sign, broken in _LINKS.items():
        text = re.sub(re.escape(sign), broken, text, flags=re.IGNORECASE)
    return text


def code(value: Any) -> Markup:
    """Text in a code span that no backtick ends and no table cell breaks at."""
    text = " ".join(str(value).split()).replace("|", "¦")
    text = "".join(c if c.isprintable() else " " for c in text)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    room = " " if longest else ""
    return Markup(f"{fence}{room}{text or ' '}{room}{fence}")  # noqa: S704 - Markdown of our own


def _first(sign: str) -> str:
    """A sign at the start of a line that would begin a list, a rule or a heading."""
    return f"&#{ord(sign)};" if len(sign) == 1 and not sign.isdigit() else f"{sign}&#8203;"
