"""The file of an evaluation's answers: `answers.jsonl`, one row a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tidemill.answer import Answer
from tidemill.pipeline.answers import EvaluatedRow

FILE = "answers.jsonl"


def write_answers(folder: Path, answers: Iterable[EvaluatedRow]) -> None:
    """Keep answers as `answers.jsonl`, one row a line."""
    lines = (
        json.dumps(asdict(a), ensure_ascii=False, sort_keys=True, default=str) for a in answers
    )
    (folder / FILE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_answers(folder: Path) -> dict[str, EvaluatedRow]:
    """The answers of a report by row id."""
    with (folder / FILE).open(encoding="utf-8") as stream:
        records = [json.loads(line) for line in stream]
    return {record["id"]: _from_record(record) for record in records}


def _from_record(record: dict[str, Any]) -> EvaluatedRow:
    reference, answer = (
        Answer(**{**record[key], "ranking": tuple(record[key].get("ranking") or ())})
        for key in ("reference", "answer")
    )
    return EvaluatedRow(**{**record, "reference": reference, "answer": answer})
