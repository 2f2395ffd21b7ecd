"""Templates filled with values; whatever comes from people is escaped, in HTML and in Markdown."""

from __future__ import annotations

import re
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
    return _with_filters(Environment(autoescape=True, **_shared_filters()))


@cache
def _markdown() -> Environment:
    # Markdown is no HTML: `finalize` sees every printed value, and text goes out escaped.
    environment = _with_filters(Environment(autoescape=False, finalize=inline, **_shared_filters()))  # noqa: S701
    environment.filters["code"] = code
    return environment


def _shared_filters() -> dict[str, Any]:
    loader = PackageLoader("tidemill.report", "templates")
    return {
        "loader": loader,
        "trim_blocks": True,
        "lstrip_blocks": True,
        "keep_trailing_newline": True,
    }


def _with_filters(environment: Environment) -> Environment:
    environment.filters.update({name: getattr(formatting, name) for name in _FILTERS})
    return environment
