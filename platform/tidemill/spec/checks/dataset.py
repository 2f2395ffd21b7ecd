"""Datasets: the streams they read, and files that are listed twice."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.spec.dataset import Dataset, FeedbackSource
from tidemill.spec.feedback import Feedback
from tidemill.spec.load import Project
from tidemill.spec.neighbours import find
from tidemill.spec.options import Found


def check(spec: Dataset, project: Project) -> Iterator[Found]:
    """Streams give what is asked of them, a file is one source, PII of each kind can be found."""
    if spec.privacy.pii != "keep" and "name" in spec.privacy.kinds:
        cause = "'name' needs a named-entity model, and none can be pinned by version and licence"
        yield Found(("privacy", "kinds"), cause, "take it out, and mask names at the source")
    seen: set[str] = set()
    for index, source in enumerate(spec.sources):
        if isinstance(source, FeedbackSource):
            yield from _kinds(source, index, project)
            continue
        key = f"{source.type} {getattr(source, 'repo', '')} {source.path}"
        if key in seen:
            cause = f"'path: {source.path}' is a source twice"
            yield Found(("sources", index, "path"), cause, "take one of them out")
        seen.add(key)


def _kinds(source: FeedbackSource, index: int, project: Project) -> Iterator[Found]:
    stream = find(project, source.of, Feedback)
    for kind in source.kinds if stream else ():
        if stream and kind not in stream.kinds:
            cause = f"feedback of kind '{kind}' is not accepted by '{source.of}'"
            way_out = f"add it to the kinds of '{source.of}', or leave it out here"
            yield Found(("sources", index, "kinds"), cause, way_out)
