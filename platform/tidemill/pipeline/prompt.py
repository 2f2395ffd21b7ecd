"""Making a Prompt: the template checked, examples drawn, everything it shows in one folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tidemill.data import read_split
from tidemill.data.example_order import example_rows, kind_counts
from tidemill.data.rows import ORIGIN, mark_questions, question_of
from tidemill.data.sources import read_file
from tidemill.errors import DataError, Problem, SpecError
from tidemill.pipeline.context import BuildContext, BuildResult
from tidemill.ports import Artefact
from tidemill.prompts import PromptProgram, output_parsing, template
from tidemill.rows import DatasetRow
from tidemill.spec.prompt import Prompt

POOL = 2048
"""Most examples kept to choose from."""


def build(spec: Prompt, inputs: Mapping[str, Artefact], bench: BuildContext) -> BuildResult:
    """The prompt as an artefact; raises SpecError with the template's line, DataError."""
    program, left_out = read_program(spec, inputs, bench.project_folder)
    rendered = _preview(program)
    folder = bench.scratch / "prompt"
    shutil.rmtree(folder, ignore_errors=True)
    program.save(folder)
    facts: dict[str, object] = {
        "technique": spec.technique,
        "examples": len(program.examples),
        "shown": program.k,
        "passages": len(program.passages),
        "labels": len(program.labels),
        **({"examples_left_out": left_out} if left_out else {}),
        **_kinds(spec, inputs),
    }
    artefact = bench.store.put(folder, kind="prompt", meta=facts)
    return BuildResult(
        artefact, facts=facts, tables={"a rendered row": rendered} if rendered else {}
    )


def read_program(
    spec: Prompt, inputs: Mapping[str, Artefact], project: Path
) -> tuple[PromptProgram, int]:
    """The program of a prompt with its template as it is in the project's folder, and how many
    chosen examples were left out; raises SpecError with the template's line, DataError."""
    path = project / spec.template
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        way_out = "`template` is a UTF-8 text file, relative to the project's folder"
        raise SpecError([Problem(path, 1, f"cannot be read ({error})", way_out)]) from error
    passages = ("passages",) if spec.context else ()
    template.check(source, path, (*spec.inputs, "labels", *passages))
    return build_program(spec, source, inputs, project)


def build_program(
    spec: Prompt,
    template: str,
    inputs: Mapping[str, Artefact],
    project: Path,
    examples: Sequence[DatasetRow] | None = None,
) -> tuple[PromptProgram, int]:
    """The program, and how many chosen examples were left out.

    `chosen` stand in for the rows of `examples.file`. A chosen example whose question a test or
    validation row asks is left out: the prompt would be measured on what it shows.
    """
    folder = inputs[spec.examples.source].path if spec.examples else None
    train = example_rows(folder) if folder else []
    if examples is None and spec.examples and spec.examples.file:
        examples = file_rows(spec, project / spec.examples.file)
    safe = _safe(spec, examples, folder) if examples is not None and folder else examples
    program = PromptProgram(
        technique=spec.technique,
        template=template,
        inputs=spec.inputs,
        output=spec.output,
        system=spec.system.strip(),
        labels=_labels(spec, train),
        reasoning=spec.reasoning,
        path=project / spec.template,
    )
    program = _examples(program, spec, train, safe, inputs)
    return _context(program, spec, project, inputs), len(examples or ()) - len(safe or ())


def _kinds(spec: Prompt, inputs: Mapping[str, Artefact]) -> dict[str, object]:
    """Who vouches for the examples: for those that are shown where they are fixed, else for all
    that are chosen from; nothing where a file has them."""
    examples = spec.examples
    if examples is None or examples.file:
        return {}
    columns = [*spec.inputs, *output_parsing.output_columns(spec.output)]
    rows = example_rows(inputs[examples.source].path)
    usable = [row for row in rows if all(row.get(name) for name in columns)]
    most = examples.k if examples.selection == "fixed" else POOL
    return {"examples_from": kind_counts(usable[:most])}


def file_rows(spec: Prompt, path: Path) -> list[dict[str, object]]:
    """The chosen examples; raises SpecError with the line that lacks a column."""
    rows, quarantine = read_file(path, name=path.name)
    columns = [*spec.inputs, *output_parsing.output_columns(spec.output)]
    way_out = f"each line is an object with {', '.join(columns)}"
    problems = [Problem(path, _line(row), reason, way_out) for row, reason in quarantine]
    for row in rows:
        missing = [name for name in columns if not row.get(name)]
        if missing:
            problems.append(Problem(path, _line(row), f"no value for '{missing[0]}'", way_out))
    if problems or not rows:
        raise SpecError(problems or [Problem(path, 1, "the file has no example", way_out)])
    return rows


def _line(row: DatasetRow) -> int:
    return int(str(row.get(ORIGIN, "")).rpartition(":")[2] or 1)


def _safe(spec: Prompt, chosen: Sequence[DatasetRow], folder: Path) -> list[DatasetRow]:
    held_out = {
        normalised_question(row, spec.inputs)
        for split in ("validation", "test")
        for row in read_split(folder, split)
    }
    return [row for row in chosen if normalised_question(row, spec.inputs) not in held_out]


def normalised_question(row: DatasetRow, inputs: Sequence[str]) -> str:
    """The text of a row's input columns, normalised for comparison."""
    copy = dict(row)
    mark_questions([copy], inputs)
    return question_of(copy)


def _labels(spec: Prompt, rows: Sequence[DatasetRow]) -> tuple[str, ...]:
    column = output_parsing.label_column(spec.output)
    return tuple(sorted({str(row[column]) for row in rows if column and row.get(column)}))


def _examples(
    program: PromptProgram,
    spec: Prompt,
    train: Sequence[DatasetRow],
    chosen: Sequence[DatasetRow] | None,
    inputs: Mapping[str, Artefact],
) -> PromptProgram:
    if spec.examples is None:
        return program
    columns = [*spec.inputs, *output_parsing.output_columns(spec.output)]
    missing = [name for name in columns if train and name not in train[0]]
    if missing or not train:
        lack = f"no column '{missing[0]}'" if missing else "no train rows"
        raise DataError(
            f"prompt '{spec.name}': dataset '{spec.examples.source}' has {lack} to take examples "
            "from; check `inputs`, `output.column` and the dataset's `map`"
        )
    shown_columns = [
        *columns,
        *([spec.reasoning] if spec.reasoning and spec.reasoning in train[0] else []),
    ]
    source = train if chosen is None else chosen
    usable = [row for row in source if all(row.get(name) for name in columns)][:POOL]
    if spec.examples.selection == "fixed" and chosen is None:
        usable = usable[: spec.examples.k + 8]  # a few to stand in where the row is one of them
    rows = tuple({name: row[name] for name in shown_columns if name in row} for row in usable)
    filled = replace(program, examples=rows, k=spec.examples.k, selection=spec.examples.selection)
    if spec.examples.selection == "similar":
        encode = _encoder(str(spec.examples.encoder), inputs)
        filled = replace(filled, embeddings=encode(list(filled.example_questions)), encode=encode)
    return filled


def _context(
    program: PromptProgram, spec: Prompt, project: Path, inputs: Mapping[str, Artefact]
) -> PromptProgram:
    if spec.context is None:
        return program
    rows, _ = read_file(project / spec.context.source, name=spec.context.source)
    texts = tuple(str(row["text"]) for row in rows if row.get("text"))
    if not texts:
        raise DataError(f"{spec.context.source}: no passage; each line is an object with `text`")
    encode = _encoder(spec.context.encoder, inputs)
    return replace(
        program,
        passages=texts,
        passages_k=spec.context.k,
        passage_embeddings=encode(list(texts)),
        encode=encode,
    )


def _encoder(name: str, inputs: Mapping[str, Artefact]) -> Callable[[list[str]], Any]:
    from tidemill.runtimes.sentence import Encoder

    encode: Callable[[list[str]], Any] = Encoder(inputs[name].path).encode
    return encode


def _preview(program: PromptProgram) -> list[dict[str, str]]:
    """One rendered conversation for the UI; also proves that the template renders."""
    if not program.examples:
        return []
    return program.messages(program.examples[0])
