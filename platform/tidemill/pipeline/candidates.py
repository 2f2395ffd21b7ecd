"""A search's candidate as a spec: what it changes of a Prompt, and the program it becomes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from tidemill.pipeline.prompt import assemble, file_rows
from tidemill.ports import Artefact
from tidemill.prompts import PromptProgram, output_parsing
from tidemill.search import Candidate
from tidemill.spec.positions import Path_
from tidemill.spec.prompt import Examples, Prompt
from tidemill.spec.rewrite import GONE


def start_of(spec: Prompt, project: Path) -> Candidate:
    """The prompt as it is."""
    examples = spec.examples
    chosen = file_rows(spec, project / examples.file) if examples and examples.file else None
    return Candidate(
        system=spec.system.strip(),
        examples=tuple(shown(spec, row) for row in chosen) if chosen is not None else None,
        k=examples.k if examples else 0,
        selection=examples.selection if examples else "fixed",
    )


def shown(spec: Prompt, row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a row that an example shows."""
    wanted = [*spec.inputs, *output_parsing.output_columns(spec.output)]
    if spec.reasoning and row.get(spec.reasoning):
        wanted.append(spec.reasoning)
    return {name: row[name] for name in wanted if name in row}


def usable(spec: Prompt, row: Mapping[str, Any]) -> bool:
    """Whether a row has all that an example shows."""
    return all(
        row.get(name) for name in (*spec.inputs, *output_parsing.output_columns(spec.output))
    )


def file_of(spec: Prompt) -> str:
    """Where chosen examples are written: next to the template."""
    if spec.examples and spec.examples.file:
        return spec.examples.file
    return str(PurePosixPath(spec.template).with_name(f"{spec.name}.examples.jsonl"))


def variant(spec: Prompt, candidate: Candidate, encoder: str = "") -> Prompt:
    """The spec that says what a candidate says; its file of examples may not be written yet."""
    search = spec.optimise
    source = spec.examples.source if spec.examples else search.dataset if search else ""
    examples = None
    if candidate.k:
        known = spec.examples.encoder if spec.examples else None
        examples = Examples(
            source=source,
            k=candidate.k,
            selection=candidate.selection,
            encoder=known or (encoder if candidate.selection == "similar" else None),
            file=file_of(spec) if candidate.examples is not None else None,
        )
    technique = spec.technique
    if technique == "zero-shot" and candidate.k:
        technique = "few-shot"
    elif technique == "few-shot" and not candidate.k:
        technique = "zero-shot"
    changes = {"system": candidate.system, "technique": technique, "examples": examples}
    return spec.model_copy(update=changes)


def program(
    spec: Prompt,
    candidate: Candidate,
    inputs: Mapping[str, Artefact],
    project: Path,
    encoder: str = "",
) -> PromptProgram:
    """The candidate as it would be made."""
    template = (project / spec.template).read_text(encoding="utf-8")
    wanted = variant(spec, candidate, encoder)
    return assemble(wanted, template, inputs, project, candidate.examples)[0]


def changes(spec: Prompt, candidate: Candidate, encoder: str = "") -> dict[Path_, Any]:
    """The values of the spec that a candidate changes, for `tidemill.spec.rewrite`."""
    wanted = variant(spec, candidate, encoder)
    found: dict[Path_, Any] = {}
    if wanted.system != spec.system.strip():
        found["system",] = wanted.system or GONE
    if wanted.technique != spec.technique:
        found["technique",] = wanted.technique
    before, after = (_examples(one) for one in (spec, wanted))
    if before is None or after is None:
        if before != after:
            found["examples",] = after or GONE
        return found
    for key in ("source", "k", "selection", "encoder", "file"):
        if before.get(key) != after.get(key):
            found["examples", key] = after.get(key, GONE)
    return found


def lines(spec: Prompt, candidate: Candidate) -> bytes | None:
    """The file of chosen examples; None where there are none."""
    if candidate.examples is None:
        return None
    rows = (shown(spec, row) for row in candidate.examples[: candidate.k])
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()


def _examples(spec: Prompt) -> dict[str, Any] | None:
    if spec.examples is None:
        return None
    plain = spec.examples.model_dump(mode="json")
    return {key: value for key, value in plain.items() if value is not None}
