"""SVG elements as markup; every attribute and text is escaped."""

from __future__ import annotations

from markupsafe import Markup, escape


def element(name: str, *children: str, **attributes: object) -> Markup:
    """`<name …>…</name>`; `class_` becomes `class`, other underscores become hyphens."""
    written = "".join(
        f' {escape(key.strip("_").replace("_", "-"))}="{escape(format_number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(str(escape(child)) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>")  # noqa: S704 - all parts are escaped above


def picture(label: str, *children: str, **attributes: object) -> Markup:
    """An `<svg>` that a screen reader reads as one image called `label`."""
    return element("svg", *children, role="img", aria_label=label, **attributes)


def format_number(value: object) -> str:
    """Numbers with two decimals at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
