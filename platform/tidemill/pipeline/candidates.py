"""A search's candidate as a spec: what it changes of a Prompt, and the program it becomes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from tidemill.pipeline.prompt import build_program, file_rows
from tidemill.ports import Artefact
from tidemill.prompts import PromptProgram, output_parsing
from tidemill.rows import DatasetRow
from tidemill.search import Candidate
from tidemill.spec.positions import Path_
from tidemill.spec.prompt import Examples, Prompt
from tidemill.spec.rewrite import REMOVE


def initial_candidate(spec: Prompt, project: Path) -> Candidate:
    """The prompt as it is."""
    examples = spec.examples
    chosen = file_rows(spec, project / examples.file) if examples and examples.file else None
    return Candidate(
        system=spec.system.strip(),
        examples=tuple(example_columns(spec, row) for row in chosen)
        if chosen is not None
        else None,
        k=examples.k if examples else 0,
        selection=examples.selection if examples else "fixed",
    )


def example_columns(spec: Prompt, row: DatasetRow) -> dict[str, object]:
    """The columns of a row that an example shows."""
    names = [*spec.inputs, *output_parsing.output_columns(spec.output)]
    if spec.reasoning and row.get(spec.reasoning):
        names.append(spec.reasoning)
    return {name: row[name] for name in names if name in row}


def has_example_columns(spec: Prompt, row: DatasetRow) -> bool:
    """Whether a row has all that an example shows."""
    return all(
        row.get(name) for name in (*spec.inputs, *output_parsing.output_columns(spec.output))
    )


def examples_path(spec: Prompt) -> str:
    """Path of the file of chosen examples, next to the template."""
    if spec.examples and spec.examples.file:
        return spec.examples.file
    return str(PurePosixPath(spec.template).with_name(f"{spec.name}.examples.jsonl"))


def candidate_spec(spec: Prompt, candidate: Candidate, encoder: str = "") -> Prompt:
    """The spec with a candidate's values; its file of examples may not exist yet."""
    search = spec.optimise
    source = spec.examples.source if spec.examples else search.dataset if search else ""
    examples = None
    if candidate.k:
        present_encoder = spec.examples.encoder if spec.examples else None
        examples = Examples(
            source=source,
            k=candidate.k,
            selection=candidate.selection,
            encoder=present_encoder or (encoder if candidate.selection == "similar" else None),
            file=examples_path(spec) if candidate.examples is not None else None,
        )
    technique = spec.technique
    if technique == "zero-shot" and candidate.k:
        technique = "few-shot"
    elif technique == "few-shot" and not candidate.k:
        technique = "zero-shot"
    changes = {"system": candidate.system, "technique": technique, "examples": examples}
    return spec.model_copy(update=changes)


def candidate_program(
    spec: Prompt,
    candidate: Candidate,
    inputs: Mapping[str, Artefact],
    project: Path,
    encoder: str = "",
) -> PromptProgram:
    """The prompt program of a candidate."""
    template = (project / spec.template).read_text(encoding="utf-8")
    spec_variant = candidate_spec(spec, candidate, encoder)
    return build_program(spec_variant, template, inputs, project, candidate.examples)[0]


def candidate_changes(spec: Prompt, candidate: Candidate, encoder: str = "") -> dict[Path_, Any]:
    """The values of the spec that a candidate changes, for `tidemill.spec.rewrite`."""
    spec_variant = candidate_spec(spec, candidate, encoder)
    values: dict[Path_, Any] = {}
    if spec_variant.system != spec.system.strip():
        values["system",] = spec_variant.system or REMOVE
    if spec_variant.technique != spec.technique:
        values["technique",] = spec_variant.technique
    before, after = (_examples(each) for each in (spec, spec_variant))
    if before is None or after is None:
        if before != after:
            values["examples",] = after or REMOVE
        return values
    for key in ("source", "k", "selection", "encoder", "file"):
        if before.get(key) != after.get(key):
            values["examples", key] = after.get(key, REMOVE)
    return values


def examples_file(spec: Prompt, candidate: Candidate) -> bytes | None:
    """The file of chosen examples; None where there are none."""
    if candidate.examples is None:
        return None
    rows = (example_columns(spec, row) for row in candidate.examples[: candidate.k])
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()


def _examples(spec: Prompt) -> dict[str, object] | None:
    if spec.examples is None:
        return None
    plain = spec.examples.model_dump(mode="json")
    return {key: value for key, value in plain.items() if value is not None}
