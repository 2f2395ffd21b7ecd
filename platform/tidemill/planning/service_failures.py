"""Gathers the failures of a service: of users, and of the release's own evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from tidemill.adapters.ledger.judged_feedback import (
    answered_people,
    judged_feedback,
    uncounted_feedback,
)
from tidemill.engine.failure import Failure, select_failures
from tidemill.engine.failure_cluster import WEEK, TrafficWeeks
from tidemill.engine.release_record import ReleaseRecord
from tidemill.errors import AmbiguousName, ArtefactError, TidemillError, UnknownName
from tidemill.home import Home
from tidemill.pipeline.answer_file import read_answers
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.pipeline.wrong_rows import wrong_rows
from tidemill.planning.current_dataset import CurrentDataset, current_dataset, feedback_streams
from tidemill.planning.failure_evidence import (
    NOTHING_SETTLED,
    AnswerForm,
    judged_answers,
    read_settlements,
)
from tidemill.spec.dataset import Dataset
from tidemill.spec.evaluation import Evaluation
from tidemill.spec.feedback import Feedback
from tidemill.spec.load import Project
from tidemill.spec.neighbours import find_spec, prompt_name, specs_of_kind
from tidemill.spec.prompt import Prompt
from tidemill.spec.rollout import Rollout

MAX_FAILURES = 3000
"""Most failures that are compared with each other: the newest."""


@dataclass(frozen=True)
class ServiceSpecs:
    """The specs behind a service."""

    project: Project
    service: str
    evaluation: Evaluation
    dataset: Dataset
    form: AnswerForm
    streams: tuple[Feedback, ...]
    """The streams of feedback on it."""

    @property
    def topics(self) -> list[str]:
        """The topics of its streams."""
        return [stream.topic for stream in self.streams]


@dataclass(frozen=True)
class ServiceFailures:
    """The failures of a service in a time, and what was left out."""

    specs: ServiceSpecs
    since: datetime
    weeks: TrafficWeeks
    failures: tuple[Failure, ...]
    left_out: dict[str, int]
    """Answers and feedback that count nowhere, by the reason."""
    release: ReleaseRecord | None
    """The release whose evaluation was read: the live one, else the last one."""
    notes: tuple[str, ...]
    """What could not be read, with the way out."""
    current: CurrentDataset | None
    """The evaluation's dataset with all feedback so far; None where it reads none."""


def find_service(home: Home, service: str) -> ServiceSpecs:
    """The specs behind a service; raises UnknownName or AmbiguousName."""
    home.workspace.require_specs()
    projects = list(home.workspace.projects.values())
    pairs = [(p, rollout) for p in projects for rollout in specs_of_kind(p, Rollout)]
    matches = {p.name: (p, rollout) for p, rollout in pairs if rollout.service == service}
    if not matches:
        raise UnknownName("service", service, sorted({rollout.service for _, rollout in pairs}))
    if len(matches) > 1:
        raise AmbiguousName("service", service, sorted(matches))
    project, rollout = next(iter(matches.values()))
    evaluation = project.spec(rollout.judged_by, Evaluation)
    specs = {name: loaded.spec for name, loaded in project.specs.items()}
    prompt = find_spec(project, prompt_name(evaluation, specs), Prompt)
    return ServiceSpecs(
        project,
        service,
        evaluation,
        project.spec(evaluation.dataset, Dataset),
        AnswerForm.of_prompt(prompt),
        tuple(stream for stream in specs_of_kind(project, Feedback) if stream.service == service),
    )


def service_failures(home: Home, service: str, since: datetime, until: datetime) -> ServiceFailures:
    """The failures on answers in [since, until), and the rows that the release got wrong."""
    specs = find_service(home, service)
    if not home.has_ledger:
        raise TidemillError(
            f"'{service}' has answered nothing: there is no ledger in {home.settings.home}; start "
            "it with `tidemill up`, or set TIDEMILL_HOME or TIDEMILL_LEDGER_URL"
        )
    streams = feedback_streams(specs.project, specs.dataset)
    current = current_dataset(home, specs.project.name, specs.dataset.name) if streams else None
    settled = read_settlements(current.preview.prepared, specs.form) if current else None
    engine = home.ledger.engine
    rows = judged_feedback(engine, specs.topics, since)
    answers = judged_answers(rows, specs.form, settled or NOTHING_SETTLED)
    selected = select_failures(answers)
    release, test_rows, notes = _test_failures(home, specs)
    failures = [*sorted(selected.failures, key=_age), *test_rows]
    left_out = {**selected.left_out, **uncounted_feedback(engine, specs.topics, since)}
    if len(failures) > MAX_FAILURES:
        left_out["older than the newest 3,000 failures"] = len(failures) - MAX_FAILURES
    return ServiceFailures(
        specs=specs,
        since=since,
        weeks=_weeks(home, service, since, until),
        failures=tuple(failures[:MAX_FAILURES]),
        left_out=left_out,
        release=release,
        notes=notes,
        current=current,
    )


def _age(failure: Failure) -> float:
    return -failure.time.timestamp() if failure.time else 0.0


def _weeks(home: Home, service: str, since: datetime, until: datetime) -> TrafficWeeks:
    count = max(1, ceil((until - since) / WEEK))
    starts = [max(since, until - WEEK * (count - n)) for n in range(count)]
    spans = zip(starts, [*starts[1:], until], strict=True)
    engine = home.ledger.engine
    return TrafficWeeks(until, tuple(answered_people(engine, service, *span) for span in spans))


def _test_failures(
    home: Home, specs: ServiceSpecs
) -> tuple[ReleaseRecord | None, list[Failure], tuple[str, ...]]:
    release = home.live_record(specs.service)
    if release is None:
        release = next(reversed(home.ledger.materialisations.releases(specs.service)), None)
    if release is None:
        return None, [], ()
    metrics = [measure.metric for measure in release.evaluation.overall]
    try:
        report = home.store.get(release.evaluation.digest).path
        answers = list(read_answers(report).values())
    except (ArtefactError, OSError) as error:
        note = f"the test rows of release {release.digest[7:19]} are not compared: {error}"
        return release, [], (note,)
    wrong = wrong_rows(answers, metrics)
    return release, _from_test_rows(wrong, specs.form, release.digest), ()


def _from_test_rows(rows: Sequence[EvaluatedRow], form: AnswerForm, release: str) -> list[Failure]:
    return [
        Failure(
            id=row.id,
            question=form.text(form.columns(row.row)),
            columns=form.columns(row.row),
            answered=row.answer,
            expected=row.reference,
            reasons=("wrong in the evaluation",),
            agreement="test row",
            release=release,
        )
        for row in rows
    ]
