"""A dataset as the next run with all feedback so far would build it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidemill.errors import ArtefactError
from tidemill.home import Home
from tidemill.ports import Artefact
from tidemill.spec.dataset import Dataset, FeedbackSource
from tidemill.spec.feedback import Feedback
from tidemill.spec.load import Project

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidemill.pipeline.preview import DatasetPreview


@dataclass(frozen=True)
class CurrentDataset:
    """A dataset with the feedback that has come so far."""

    preview: DatasetPreview
    feedback_rows: int
    """Feedback rows that were read, reviews among them."""
    withdrawn: int
    """Rows of its streams that are withdrawn."""
    lacks_model: str = ""
    """The encoder of its `label_noise` where that is not built yet, so that it had no say."""


def current_dataset(home: Home, project: str, name: str) -> CurrentDataset:
    """The dataset now; without a ledger from its files alone. Raises DataError where its rows
    cannot be read."""
    from tidemill.pipeline.preview import preview

    specs = home.project(project)
    spec, key = specs.spec(name, Dataset), home.settings.subject_key
    streams = feedback_streams(specs, spec)
    if not streams or not home.has_ledger:
        return CurrentDataset(preview(specs, name, home.clock, key), 0, 0)
    ledger, inputs = home.ledger.feedback, _encoder(home, project, spec)

    def read(stream: str, kinds: Sequence[str], since: datetime | None) -> Any:
        return ledger.rows(streams[stream], kinds, since)

    shown = preview(specs, name, home.clock, key, read_feedback=read, inputs=inputs)
    withdrawn = ledger.count_withdrawn([stream.topic for stream in streams.values()])
    missing = spec.label_noise.encoder if spec.label_noise and not inputs else ""
    return CurrentDataset(shown, _count_feedback(shown), withdrawn, missing)


def _count_feedback(shown: DatasetPreview) -> int:
    from tidemill.data.rows import FEEDBACK

    return sum(bool(row.get(FEEDBACK)) for row in shown.raw)


def feedback_streams(project: Project, dataset: Dataset) -> dict[str, Feedback]:
    """The streams that a dataset reads, by name."""
    sources = (source for source in dataset.sources if isinstance(source, FeedbackSource))
    return {source.of: project.spec(source.of, Feedback) for source in sources}


def _encoder(home: Home, project: str, spec: Dataset) -> Mapping[str, Artefact]:
    """The encoder of `label_noise`, where it is built and up to date."""
    if spec.label_noise is None:
        return {}
    name = spec.label_noise.encoder
    try:
        return {name: home.store.get(home.builder(project).current(name).artefact)}
    except ArtefactError:
        return {}
