"""Durations on the command line, written as in specs."""

from __future__ import annotations

from datetime import timedelta

import click


def parse_duration(option: str, text: str) -> float:
    """Seconds of a duration such as `30s`; raises UsageError."""
    from pydantic import TypeAdapter, ValidationError

    from tidemill.spec.base import Duration

    try:
        duration: timedelta = TypeAdapter(Duration).validate_python(text)
    except ValidationError as error:
        raise click.UsageError(f"{option}: {error.errors()[0]['msg']}") from None
    return duration.total_seconds()
