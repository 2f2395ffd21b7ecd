"""What a made asset looks like in Dagster: metadata, pictures, tables, checks, versions."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from tidemill.pipeline.checks import CheckSpec, declared_checks
from tidemill.pipeline.context import BuildResult, Check, Measure
from tidemill.pipeline.same_rows import SAME_ROWS_AS
from tidemill.progress import Progress


def materialize_result(spec: Any, made: BuildResult) -> dg.MaterializeResult[Any]:
    """The materialisation of a made asset; a blocking check that failed stops what comes after."""
    return dg.MaterializeResult(
        metadata=metadata(made),
        check_results=[check_result(check) for check in named_checks(spec, made.checks)],
        data_version=dg.DataVersion(_identity(made).removeprefix("sha256:")[:16]),
    )


def _identity(made: BuildResult) -> str:
    """A dataset whose rows did not change is the same version to what is built from it."""
    return str(made.facts.get(SAME_ROWS_AS) or made.artefact.digest)


def metadata(made: BuildResult) -> dict[str, dg.MetadataValue | str | float]:
    """Facts, measures, pictures and tables as Dagster metadata."""
    facts = {name: plain(value) for name, value in made.facts.items()}
    rows = made.facts.get("rows")
    if isinstance(rows, Mapping):
        facts["dagster/row_count"] = dg.MetadataValue.int(sum(rows.values()))
    return {
        "artefact": dg.MetadataValue.text(made.artefact.digest),
        "bytes": dg.MetadataValue.int(made.artefact.bytes),
        "folder": dg.MetadataValue.path(made.artefact.path),
        "reused": dg.MetadataValue.bool(made.reused),
        **facts,
        **{f"artefact {step}": item.digest for step, item in made.steps.items()},
        **{title(measure): measure.value for measure in made.measures},
        **({"measures": measures_table(made.measures)} if made.measures else {}),
        **{name: picture_metadata(name, png) for name, png in made.charts.items()},
        **{name: table(rows) for name, rows in made.tables.items() if rows},
    }


def title(measure: Measure) -> str:
    """`accuracy`, or `accuracy on refunds` for a slice."""
    return f"{measure.metric} on {measure.slice}" if measure.slice else measure.metric


def plain(value: Any) -> Any:
    """A fact as Dagster metadata; anything nested becomes JSON."""
    if isinstance(value, bool | int | float | str):
        return value
    if value is None:
        return dg.MetadataValue.null()
    return dg.MetadataValue.json(value if isinstance(value, dict | list) else str(value))


def picture_metadata(name: str, png: bytes) -> dg.MarkdownMetadataValue:
    """A PNG inside Markdown: the UI shows it without another server."""
    return dg.MetadataValue.md(f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})")


def table(rows: Sequence[Mapping[str, object]]) -> dg.MarkdownMetadataValue:
    """A small table as Markdown."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [columns, ["---"] * len(columns)]
    lines += [[cell(row.get(column)) for column in columns] for row in rows[:50]]
    return dg.MetadataValue.md("\n".join(f"| {' | '.join(line)} |" for line in lines))


def cell(value: Any) -> str:
    """One cell: short numbers, no line breaks or pipes."""
    text = f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def measures_table(measures: Sequence[Measure]) -> dg.MarkdownMetadataValue:
    """Every measure with its interval."""
    return table(
        [
            {
                "metric": measure.metric,
                "slice": measure.slice or "all",
                "value": measure.value,
                "low": measure.low,
                "high": measure.high,
                "rows": measure.rows,
            }
            for measure in measures
        ]
    )


def named_checks(spec: Any, checks: Sequence[Check]) -> list[Check]:
    """The declared checks, in order; one that the builder did not answer has not passed, unless
    what is reused was built before there was such a check."""
    by_name = {check.name: check for check in checks}
    return [by_name.get(want.name, _unanswered(want)) for want in declared_checks(spec)]


def _unanswered(want: CheckSpec) -> Check:
    if want.added_later:
        return Check(want.name, True, "built before there was this check", want.blocking)
    return Check(want.name, False, "the builder reported no result for this check", want.blocking)


def check_result(check: Check) -> dg.AssetCheckResult:
    """One check as Dagster shows it."""
    return dg.AssetCheckResult(
        check_name=check.name,
        passed=check.passed,
        severity=dg.AssetCheckSeverity.ERROR if check.blocking else dg.AssetCheckSeverity.WARN,
        description=check.message,
        metadata={name: plain(value) for name, value in check.facts.items()},
    )


listeners: list[Progress] = []
"""Who else hears of progress: the terminal, when a person started the run."""


def progress(context: dg.AssetExecutionContext) -> Progress:
    """A `Say` that writes each message, and each tenth of a long work, into the run's log."""
    last = {"message": "", "tenth": -1}

    def say(message: str, *, done: float | None = None, total: float | None = None) -> None:
        for listener in listeners:
            listener(message, done=done, total=total)
        tenth = int(10 * done / total) if done is not None and total else -1
        if message != last["message"] or tenth != last["tenth"]:
            share = f" {done:g}/{total:g}" if tenth >= 0 and done is not None else ""
            context.log.info(f"{message}{share}")
            last.update(message=message, tenth=tenth)

    return say
