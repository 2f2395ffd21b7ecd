"""Templates filled with values; whatever comes from people is escaped, in HTML and in Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from tidemill.report import formatting
from tidemill.report.cards.escape import code, inline

_FILTERS = (
    "author_name", "format_count", "format_time", "metric_name", "percent", "pii_treatment",
    "seconds", "short_digest", "size", "with_interval",
)  # fmt: skip


def html(name: str, **values: Any) -> Markup:
    """An HTML template; every value is escaped unless it is `Markup`."""
    return Markup(_html().get_template(name).render(**values).strip())  # noqa: S704 - autoescaped


def markdown(name: str, **values: Any) -> str:
    """A Markdown template; every value is made inline text unless it is `Markup`."""
    text = _markdown().get_template(name).render(**values)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


@cache
def _html() -> Environment:
    return _environment(autoescape=True)


@cache
def _markdown() -> Environment:
    # Markdown is no HTML: `finalize` sees every printed value, and text goes out escaped.
    environment = _environment(autoescape=False, finalize=inline)
    environment.filters["code"] = code
    return environment


def _environment(*, autoescape: bool, finalize: Callable[[Any], Any] | None = None) -> Environment:
    environment = Environment(
        autoescape=autoescape,  # noqa: S701 - each caller escapes in its own way
        finalize=finalize,
        loader=PackageLoader("tidemill.report", "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update({name: getattr(formatting, name) for name in _FILTERS})
    return environment
