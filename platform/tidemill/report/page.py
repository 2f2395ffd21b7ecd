"""The report of a release as one HTML file that needs nothing else: no script, no request."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from markupsafe import Markup

from tidemill.report import formatting
from tidemill.report.release_facts import ReleaseFacts
from tidemill.report.sections import render_sections
from tidemill.report.template import html
from tidemill.report.verdict import verdict


def page(story: ReleaseFacts) -> str:
    """The whole file. Its policy lets a browser run nothing and fetch nothing; the one style sheet
    is let in by its hash."""
    style = files("tidemill.report").joinpath("templates", "style.css").read_text("utf-8")
    return str(
        html(
            "page.html.j2",
            story=story,
            release=story.release,
            verdict=verdict(story),
            facts=key_facts(story),
            sections=render_sections(story),
            style=Markup(style),  # noqa: S704 - our own file
            policy=policy(style),
        )
    )


def policy(style: str) -> str:
    """The Content-Security-Policy of the page."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def key_facts(story: ReleaseFacts) -> list[tuple[str, str]]:
    """The first things a person asks, with their answers."""
    release = story.release
    served = release.served_artefact
    rows = story.data.rows
    pairs = [
        ("service", release.service),
        ("built", formatting.format_time(release.created)),
        ("commit", release.commit.sha[:12] or "not in Git"),
        ("base model", story.base.name if story.base else "none"),
        ("serves", _serves(story)),
        ("size", formatting.size(served.bytes) if served else ""),
        (
            "data",
            f"{story.data.name}, {formatting.format_count(sum(rows.values()), 'row')}"
            if rows
            else "",
        ),
    ]
    return [(name, value) for name, value in pairs if value]


def _serves(story: ReleaseFacts) -> str:
    form = story.form
    if form is None:
        return ""
    size = f", {form.parameters / 1e6:.0f} M parameters" if form.parameters else ""
    return f"{form.form}, {form.precision}{size}"
