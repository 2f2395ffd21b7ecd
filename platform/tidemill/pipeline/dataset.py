"""Making a Dataset: rows from their sources through every gate into an artefact."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidemill.data import SPLITS, SourceFacts, histories, mapping, sources
from tidemill.data.catalogue import Catalogue
from tidemill.data.corrections import newest_answers
from tidemill.data.feedback import feedback_rows
from tidemill.data.pipeline import PreparedDataset, prepare
from tidemill.data.privacy import check_kinds
from tidemill.data.rows import OUTPUTS, Dropped, question_of
from tidemill.data.rows_digest import read_rows_digest
from tidemill.data.votes import Question, SettledRows, SettleLabels
from tidemill.data.write import write
from tidemill.errors import DataError, MissingExtra
from tidemill.pipeline.balance import balance_chart
from tidemill.pipeline.checks import declared_checks
from tidemill.pipeline.context import BuildContext, BuildResult, Check
from tidemill.pipeline.same_rows import ROWS
from tidemill.pipeline.settled_labels import settle_labels
from tidemill.ports import Artefact
from tidemill.prompts import output_parsing
from tidemill.rows import MutableRow
from tidemill.spec.dataset import Dataset, FeedbackSource
from tidemill.spec.prompt import Prompt

Ranges = dict[str, tuple[int, int]]


def build(spec: Dataset, inputs: Mapping[str, Artefact], bench: BuildContext) -> BuildResult:
    """The dataset as an artefact with its checks; raises DataError where nothing can be made.

    A dataset that breaks an expectation of severity `error` is made all the same, for people to
    look at; its blocking check stops what comes after.
    """
    start = time.monotonic()
    if spec.privacy.pii != "keep":
        check_kinds(spec.privacy.kinds)
    gathered = read_sources(spec, bench)
    prepared = prepare_rows(spec, bench, gathered, inputs)
    labels = label_counts(spec, prepared, bench)
    facts: SourceFacts = {
        "sources": [_name(source) for source in spec.sources],
        "offsets": {partition: list(span) for partition, span in sorted(gathered.offsets.items())},
        "labels": labels,
    }
    folder = bench.scratch / "dataset"
    shutil.rmtree(folder, ignore_errors=True)
    summary = write(folder, prepared, facts)
    catalogue = read_catalogue(spec, bench)
    if catalogue:
        catalogue.write(folder)
    digest = read_rows_digest(folder)
    checks = _checks(spec, prepared)
    counts = {
        "rows": prepared.counts,
        "quarantined": len(prepared.quarantine.rows),
        "pii": prepared.pii,
    }
    artefact = bench.store.put(folder, kind="dataset", meta=counts)
    return BuildResult(
        artefact,
        checks=checks,
        facts={
            **counts,
            "rows_total": sum(prepared.counts.values()),
            ROWS: digest,
            "duplicates": prepared.duplicates,
            "capped_subjects": prepared.weight_capped,
            "contested": prepared.contested,
            "crowd_accuracy": None if prepared.crowd is None else round(prepared.crowd, 3),
            "offsets": summary["offsets"],
            "seconds": round(time.monotonic() - start, 2),
        },
        charts=_pictures(prepared.counts, labels),
        tables=_tables(prepared, labels),
    )


@dataclass(frozen=True)
class SourceRows:
    """Rows of all sources under our names."""

    rows: list[MutableRow]
    dropped: Dropped
    """Rows that cannot be used, with the reason."""
    offsets: Ranges
    """The frozen offset ranges."""


def prepare_rows(
    spec: Dataset,
    bench: BuildContext,
    gathered: SourceRows,
    inputs: Mapping[str, Artefact] | None = None,
) -> PreparedDataset:
    """The gathered rows through every gate; a model has a say on labels where `inputs` has it."""
    prompt = _prompt_of(bench, _columns(gathered.rows))
    catalogue = read_catalogue(spec, bench)
    rows, unusable = (
        histories.with_histories(gathered.rows, catalogue) if catalogue else (gathered.rows, [])
    )
    return prepare(
        rows,
        spec,
        now=bench.clock.now(),
        key=bench.subject_key,
        share=_share(spec, bench),
        unusable=[*gathered.dropped, *unusable],
        asks=histories.QUESTION if catalogue else prompt.inputs if prompt else (),
        settle_labels=_settlement(spec, bench, prompt, inputs or {}),
    )


def read_catalogue(spec: Dataset, bench: BuildContext) -> Catalogue | None:
    """The items that a ranking dataset recommends; None for any other format."""
    if spec.catalogue is None:
        return None
    return Catalogue.read(bench.project_folder / spec.catalogue, spec.catalogue)


def _voted_column(spec: Dataset, prompt: Prompt | None) -> str | None:
    """The column of the label that people vote on; None where answers are free text."""
    if prompt is not None:
        return output_parsing.label_column(prompt.output)
    return "label" if spec.format == "classification" else None


def _settlement(
    spec: Dataset, bench: BuildContext, prompt: Prompt | None, inputs: Mapping[str, Artefact]
) -> SettleLabels:
    """How votes become labels; the encoder that the spec names has a say where it was built. Free
    answers have no votes: the newest one counts."""
    if spec.format == "ranking":
        return lambda rows, _: histories.chosen_items(rows)
    label = _voted_column(spec, prompt)
    outputs = output_parsing.output_columns(prompt.output) if prompt else ()
    if label is None:
        columns = outputs or OUTPUTS
        return lambda rows, _: SettledRows(*newest_answers(rows, columns))
    noise = spec.label_noise
    encoder = inputs[noise.encoder].path if noise and noise.encoder in inputs else None

    def settle(rows: Sequence[MutableRow], asked: Sequence[Question]) -> SettledRows:
        prior = None
        if encoder is not None:
            from tidemill.data.label_noise import expected_labels
            from tidemill.runtimes.sentence import Encoder

            prior = expected_labels(rows, asked, label, Encoder(encoder).encode)
        now = bench.clock.now()
        return settle_labels(
            rows, asked, label, spec.consensus, now=now, prior=prior, outputs=outputs
        )

    return settle


def read_sources(spec: Dataset, bench: BuildContext) -> SourceRows:
    """The rows of every source, read."""
    rows: list[MutableRow] = []
    unusable: Dropped = []
    offsets: Ranges = {}
    for source in spec.sources:
        bench.progress(f"reading {_name(source)}")
        if isinstance(source, FeedbackSource):
            new_rows, bad, ranges = _feedback(source, spec, bench, rows)
            offsets |= ranges
        else:
            new_rows, bad = sources.read(source, bench.project_folder)
            new_rows = mapping.apply(new_rows, spec.map)
        rows += new_rows
        unusable += bad
    return SourceRows(rows, unusable, offsets)


def _feedback(
    source: FeedbackSource, spec: Dataset, bench: BuildContext, before: Sequence[MutableRow]
) -> tuple[list[MutableRow], Dropped, Ranges]:
    if bench.read_feedback is None:
        raise DataError(
            f"dataset '{spec.name}' reads feedback of '{source.of}' and needs a ledger; "
            "run `tidemill run`"
        )
    since = bench.clock.now() - source.window if source.window else None
    joined, ranges = bench.read_feedback(source.of, source.kinds, since)
    fill = _filler(spec, bench, before)
    rows, bad = feedback_rows(
        joined,
        stream=source.of,
        weight=source.weight,
        fill=fill,
    )
    return (
        rows,
        bad,
        {partition: (int(span[0]), int(span[1])) for partition, span in ranges.items()},
    )


def _filler(
    spec: Dataset, bench: BuildContext, before: Sequence[MutableRow]
) -> Callable[[Any, str | None], Mapping[str, object] | None]:
    """A function from an answer to columns, by the output format of the project's prompt."""
    prompt = _prompt_of(bench, _columns(before))
    if prompt is not None:
        output = prompt.output
        return lambda said, label: output_parsing.columns_from_feedback(output, said, label)
    column = "label" if spec.format in ("classification", "ranking") else "completion"

    def whole(answer: Any, label: str | None) -> Mapping[str, object] | None:
        if isinstance(answer, Mapping):
            return dict(answer) or None
        value = label if column == "label" and label else answer
        return {column: str(value).strip()} if value else None

    return whole


def _columns(rows: Iterable[MutableRow]) -> set[str]:
    return {name for row in rows for name in row}


def _prompt_of(bench: BuildContext, columns: set[str]) -> Prompt | None:
    """The project's prompt that these rows fit; the first by name of several."""
    prompts = (spec for _, spec in sorted(bench.specs.items()) if isinstance(spec, Prompt))
    for prompt in prompts:
        if {*prompt.inputs, *output_parsing.output_columns(prompt.output)} <= columns:
            return prompt
    return None


def _share(spec: Dataset, bench: BuildContext) -> float:
    """The largest share of one subject: the smallest that a stream's contract allows."""
    names = [source.of for source in spec.sources if isinstance(source, FeedbackSource)]
    shares = [getattr(bench.specs.get(name), "max_weight_per_subject", 1.0) for name in names]
    return min(shares, default=1.0)


def _name(source: Any) -> str:
    if isinstance(source, FeedbackSource):
        return f"feedback:{source.of}"
    return f"{source.repo}/{source.path}" if source.type == "hub" else str(source.path)


def label_counts(
    spec: Dataset, prepared: PreparedDataset, bench: BuildContext
) -> dict[str, dict[str, int]]:
    """Rows per label and split, where the rows have a label; items are too many to count."""
    if spec.format == "ranking":
        return {}
    columns = _columns(row for rows in prepared.splits.values() for row in rows)
    prompt = _prompt_of(bench, columns)
    candidates = (
        "label",
        output_parsing.label_column(prompt.output) if prompt else None,
        spec.split.key if spec.split.by == "stratified" else None,
    )
    column = next((name for name in candidates if name and name in columns), None)
    counts: dict[str, dict[str, int]] = {}
    for name in SPLITS:
        for row in prepared.splits[name] if column else ():
            label = str(row.get(str(column)))
            counts.setdefault(name, {})[label] = counts.get(name, {}).get(label, 0) + 1
    return {name: dict(sorted(labels.items())) for name, labels in counts.items()}


def _checks(spec: Dataset, prepared: PreparedDataset) -> tuple[Check, ...]:
    total = sum(prepared.counts.values())
    enough = total >= spec.minimum_rows
    size = f"{total} rows, at least {spec.minimum_rows} are needed"
    results: list[tuple[bool, str, Mapping[str, object]]] = [
        (enough, size if enough else f"{size}; {_where_they_went(prepared)}", {"rows": total}),
        _leakage(prepared),
    ]
    results += [
        (
            outcome.passed,
            outcome.message,
            {"failing": len(outcome.failing), "observed": _plain(outcome.observed)},
        )
        for outcome in prepared.outcomes or _unchecked_expectations(spec)
    ]
    return tuple(
        Check(named.name, passed, message, blocking=named.blocking, facts=facts)
        for named, (passed, message, facts) in zip(declared_checks(spec), results, strict=True)
    )


def _unchecked_expectations(spec: Dataset) -> Sequence[Any]:
    from tidemill.data.expectations import ExpectationResult, expectation_label

    return [
        ExpectationResult(
            expectation,
            expectation_label(expectation),
            False,
            f"{expectation_label(expectation)}: there are no rows to check",
        )
        for expectation in spec.expectations
    ]


def _where_they_went(prepared: PreparedDataset) -> str:
    counts = prepared.quarantine.counts()
    went = ", ".join(f"{reason} {count}" for reason, count in list(counts.items())[:4])
    return f"quarantined: {went}" if went else "the sources have no more rows"


def leakage_counts(prepared: PreparedDataset) -> tuple[int, int]:
    """Train rows that ask what a test row asks, and rows that were kept out because they would."""
    test_questions = {question_of(row) for row in prepared.splits["test"]}
    both = sum(question_of(row) in test_questions for row in prepared.splits["train"])
    counts = prepared.quarantine.counts()
    return both, sum(count for reason, count in counts.items() if reason.startswith("leaks"))


def _leakage(prepared: PreparedDataset) -> tuple[bool, str, dict[str, int]]:
    """Proof on the finished rows: nothing that is trained on is asked in the test."""
    both, kept_out = leakage_counts(prepared)
    message = f"{both} train rows repeat a test question; {kept_out} such rows were excluded"
    return both == 0, message, {"leaking": both, "kept_out": kept_out}


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)[:200]


def _tables(
    prepared: PreparedDataset, labels: Mapping[str, Mapping[str, int]]
) -> dict[str, list[dict[str, object]]]:
    reasons = prepared.quarantine.counts().items()
    tables = {"quarantine": [{"reason": reason, "rows": count} for reason, count in reasons]}
    names = sorted({label for counts in labels.values() for label in counts})
    balance = [
        {"label": label, **{name: labels.get(name, {}).get(label, 0) for name in SPLITS}}
        for label in names
    ]
    return tables | ({"labels": balance} if balance else {})


def _pictures(
    counts: Mapping[str, int], labels: Mapping[str, Mapping[str, int]]
) -> dict[str, bytes]:
    try:
        return {"label balance" if labels else "rows": balance_chart(counts, labels)}
    except MissingExtra:
        return {}  # a picture is no reason to stop a dataset
