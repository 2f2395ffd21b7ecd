"""The Feedback specs that a verb may mean."""

from __future__ import annotations

from tidemill.errors import SpecError, TidemillError, UnknownName
from tidemill.settings import Settings
from tidemill.spec.feedback import Feedback


def streams_by_name(settings: Settings) -> dict[str, Feedback]:
    """Streams by project and name; problems of other files are no reason to refuse feedback."""
    from tidemill.spec.load import read

    reading = read(settings.specs)
    streams = {
        f"{project.name}/{loaded.spec.name}": loaded.spec
        for project in reading.workspace.projects.values()
        for loaded in project.specs.values()
        if isinstance(loaded.spec, Feedback)
    }
    if reading.problems and not streams:
        raise SpecError(reading.problems)
    return streams


def find_stream(settings: Settings, requested: str | None) -> Feedback:
    """The stream of a name or a topic; the only one without it. Raises UnknownName."""
    streams = streams_by_name(settings)
    matches = {
        name: spec
        for name, spec in streams.items()
        if requested in (None, name, name.split("/")[1], spec.topic)
    }
    if len(matches) == 1:
        return next(iter(matches.values()))
    if not streams:
        raise TidemillError(f"{settings.specs} has no Feedback spec; add one")
    if not matches:
        topics = [spec.topic for spec in streams.values()]
        raise UnknownName("stream", str(requested), [*streams, *topics])
    several = ", ".join(sorted(matches))
    raise TidemillError(f"several streams exist ({several}); choose one with --to")
