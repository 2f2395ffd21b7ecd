"""Sends what reviewers decide to the stream of the rows that they judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidemill.adapters.git.signed_statements import local_identity
from tidemill.client import Tidemill
from tidemill.data.votes import SettledQuestion
from tidemill.errors import AmbiguousName, Problem, SpecError, TidemillError, UnknownName
from tidemill.events import ReviewVerdict
from tidemill.home import Home
from tidemill.planning.current_dataset import feedback_streams
from tidemill.ports import Bus
from tidemill.settings import Settings
from tidemill.spec.dataset import Dataset
from tidemill.spec.feedback import Feedback
from tidemill.spec.load import LoadedSpec, Project, display_path


@dataclass(frozen=True)
class ReviewDesk:
    """One reviewer of one dataset; each verdict is an event as soon as it is made."""

    bus: Bus
    reviewer: str
    streams: Mapping[str, Feedback]
    """The dataset's streams by name."""

    def answer(self, question: SettledQuestion, label: str, text: str | None = None) -> str:
        """Settle a question with a label; gives the event's id. `text` is the answer that goes
        with it. Raises TidemillError where the answer needs a text and nobody gave one."""
        return self._send(question, "answer", _columns(question, label, text))

    def reject(self, question: SettledQuestion) -> str:
        """Leave the rows of a question out; gives the event's id."""
        return self._send(question, "reject")

    def reopen(self, question: SettledQuestion) -> str:
        """Take the verdict on a question back; gives the event's id."""
        return self._send(question, "reopen")

    def check_broker(self) -> None:
        """Raise BrokerDown where no verdict could be sent."""
        for stream in self.streams.values():
            self.bus.partitions(stream.topic)

    def _send(
        self,
        question: SettledQuestion,
        verdict: ReviewVerdict,
        output: Mapping[str, object] | None = None,
    ) -> str:
        name = question.source.removeprefix("feedback:")
        stream = self.streams.get(name) or next(iter(self.streams.values()))
        client = Tidemill("", stream.topic, source="/review", subject_key=b"", bus=self.bus)
        return client.review(
            verdict,
            reviewer=self.reviewer,
            response_id=question.response_id,
            question=None if question.response_id else question.question,
            output=output,
        )


def needs_text(question: SettledQuestion, label: str) -> bool:
    """True where an answer with this label needs words that nobody has written yet."""
    return len(question.outputs) > 1 and label not in question.answers


def find_dataset(home: Home, name: str) -> tuple[str, str]:
    """(project, dataset) of a Dataset's name, or of a service whose feedback one dataset reads.

    Raises UnknownName or AmbiguousName.
    """
    readers = [
        (project.name, spec_name)
        for project in home.workspace.projects.values()
        for spec_name, loaded in project.specs.items()
        if isinstance(loaded.spec, Dataset) and name in _services(project, loaded.spec)
    ]
    if len(readers) == 1:
        return readers[0]
    if readers:
        raise AmbiguousName("dataset of the service", name, ["/".join(one) for one in readers])
    project, spec_name = home.find_spec(name)
    if not isinstance(home.project(project).specs[spec_name].spec, Dataset):
        raise UnknownName("dataset", name, _dataset_names(home))
    return project, spec_name


def open_streams(project: Project, dataset: Dataset) -> dict[str, Feedback]:
    """The streams of a dataset; raises TidemillError without any, and SpecError where one takes no
    review."""
    streams = feedback_streams(project, dataset)
    if not streams:
        raise TidemillError(
            f"'{dataset.name}' reads no feedback, and a review is feedback; add a source "
            "`type: feedback` to it"
        )
    closed = [stream for stream in streams.values() if "review" not in stream.kinds]
    if closed:
        raise SpecError(_refusal(stream, project.specs[stream.name]) for stream in closed)
    return streams


def _refusal(stream: Feedback, loaded: LoadedSpec) -> Problem:
    cause = f"'{stream.name}' accepts no review"
    way_out = f"write `kinds: [{', '.join([*stream.kinds, 'review'])}]`"
    return Problem(display_path(loaded.path), loaded.line("kinds"), cause, way_out)


def reviewer_name(settings: Settings, name: str | None) -> str:
    """The reviewer: as named, else by Git's e-mail address; raises TidemillError without one."""
    reviewer = name or local_identity(settings.specs).principal
    if not reviewer:
        raise TidemillError(
            "a review has a reviewer, and Git has no e-mail address; set `git config user.email`, "
            "or name one with --reviewer"
        )
    return reviewer


def _columns(question: SettledQuestion, label: str, text: str | None) -> dict[str, object]:
    """The answer with a label by column: the newest that anybody gave, or the reviewer's text."""
    if text is not None and len(question.outputs) > 1:
        return {question.outputs[0]: label, question.outputs[1]: text}
    if needs_text(question, label):
        raise TidemillError(
            f"nobody wrote an answer for '{label}'; add --answer TEXT with the right words"
        )
    return dict(question.answers.get(label) or {question.outputs[0]: label})


def _services(project: Project, dataset: Dataset) -> set[str]:
    return {stream.service for stream in feedback_streams(project, dataset).values()}


def _dataset_names(home: Home) -> list[str]:
    return [
        name
        for project in home.workspace.projects.values()
        for name, loaded in project.specs.items()
        if isinstance(loaded.spec, Dataset)
    ]
