"""Sections of the report: a file here is a section, shown in the order of its `ORDER`.

A section module has:

- a docstring whose first line says what a reader finds there,
- `TITLE: str` and `ORDER: int`,
- `render(story) -> Markup`: its HTML without the heading; it says what is missing, and why. Empty
  where the section has nothing to say about this release, and then it is left out.
"""

from __future__ import annotations

from types import ModuleType

from markupsafe import Markup

from tidemill.catalog import Catalog
from tidemill.report.release_facts import ReleaseFacts

SECTIONS = Catalog(__name__, "section")


def sections() -> list[ModuleType]:
    """All of them, in order."""
    return sorted(
        (SECTIONS.load(name) for name in SECTIONS.names()), key=lambda section: section.ORDER
    )


def render_sections(story: ReleaseFacts) -> list[tuple[str, str, Markup]]:
    """(id, title, HTML) of every section that has something to say."""
    parts = []
    for section in sections():
        inside = section.render(story)
        if inside:
            name = section.__name__.rpartition(".")[2]
            parts.append((name.replace("_", "-"), str(section.TITLE), inside))
    return parts
