"""Instructions that follow from what a spec says an answer is; no model is asked for them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tidemill.spec.prompt import JsonOutput, LabelOutput, Output


def wordings(output: Output, labels: Sequence[str], system: str = "") -> tuple[str, ...]:
    """A few ways to say what is wanted, each after the present instructions."""
    descriptions = _output_descriptions(output, ", ".join(labels))
    return tuple(f"{system}\n{description}".strip() for description in descriptions)


def _output_descriptions(output: Output, labels: str) -> list[str]:
    if isinstance(output, JsonOutput):
        schema = json.dumps(output.schema_, sort_keys=True, ensure_ascii=False)
        return [f"Answer with one JSON document and nothing else. It meets this schema: {schema}"]
    if isinstance(output, LabelOutput):
        return [
            f"Answer with exactly one of these labels and nothing else: {labels}.",
            f"Which of these is it: {labels}? Write the label alone.",
        ]
    if output.label:
        label, text = output.label, output.column
        return [
            f"Answer in one line: the {label}, then ` | `, then the {text}. "
            f"The {label} is one of: {labels}.",
            f"First decide on the {label} ({labels}). Write it, then ` | `, then a short {text}.",
        ]
    return [
        f"Write the {output.column} and nothing else.",
        f"Write the {output.column} in one short, plain sentence, without an introduction.",
    ]
