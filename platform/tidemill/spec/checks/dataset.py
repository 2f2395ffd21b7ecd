"""Datasets: the streams they read, and files that are listed twice."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.spec.dataset import Dataset, FeedbackSource
from tidemill.spec.feedback import Feedback
from tidemill.spec.load import Project
from tidemill.spec.neighbours import find_spec
from tidemill.spec.options import FieldProblem


def check(spec: Dataset, project: Project) -> Iterator[FieldProblem]:
    """Streams give what is asked of them, a file is one source, PII of each kind can be found."""
    if spec.privacy.pii != "keep" and "name" in spec.privacy.kinds:
        cause = "'name' needs a named-entity model, and none can be pinned by version and licence"
        yield FieldProblem(("privacy", "kinds"), cause, "take it out, and mask names at the source")
    yield from _catalogue(spec)
    paths: set[str] = set()
    for index, source in enumerate(spec.sources):
        if isinstance(source, FeedbackSource):
            yield from _kinds(source, index, project)
            continue
        key = f"{source.type} {getattr(source, 'repo', '')} {source.path}"
        if key in paths:
            cause = f"'path: {source.path}' is a source twice"
            yield FieldProblem(("sources", index, "path"), cause, "take one of them out")
        paths.add(key)


def _catalogue(spec: Dataset) -> Iterator[FieldProblem]:
    if spec.format == "ranking" and spec.catalogue is None:
        cause = "format ranking needs the items there are to recommend"
        yield FieldProblem(("format",), cause, "add 'catalogue' with the path of a JSONL file")
    if spec.format != "ranking" and spec.catalogue is not None:
        cause = f"a dataset with format {spec.format} recommends no items"
        yield FieldProblem(("catalogue",), cause, "delete it, or write 'format: ranking'")


def _kinds(source: FeedbackSource, index: int, project: Project) -> Iterator[FieldProblem]:
    stream = find_spec(project, source.of, Feedback)
    for kind in source.kinds if stream else ():
        if stream and kind not in stream.kinds:
            cause = f"feedback of kind '{kind}' is not accepted by '{source.of}'"
            way_out = f"add it to the kinds of '{source.of}', or leave it out here"
            yield FieldProblem(("sources", index, "kinds"), cause, way_out)
