"""Evaluations for tests: a spec, answers to judge, and a bench with a store to judge them at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill.adapters.clock import SetClock
from tidemill.adapters.store.memory import MemoryStore
from tidemill.answer import Answer
from tidemill.form import ModelForm
from tidemill.pipeline import evaluation
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.pipeline.context import BuildContext, BuildResult
from tidemill.ports import Artefact
from tidemill.spec.evaluation import Evaluation

INTENTS = ("order status", "refund", "delivery change", "goodbye")
ACCURACY = {"type": "at_least", "metric": "accuracy", "value": 0.8}


def spec(**fields: Any) -> Evaluation:
    known = {
        "apiVersion": "tidemill/v1",
        "kind": "Evaluation",
        "name": "reply-check",
        "of": "reply",
        "dataset": "requests",
        "metrics": ["accuracy", "macro_f1", "exact_match", "rouge_l", "latency_p95", "size"],
        "gates": [ACCURACY],
    }
    return Evaluation.model_validate({**known, **fields})


def answer_all(
    n: int = 120, wrong: Callable[[int], bool] = lambda i: i % 20 == 0
) -> list[EvaluatedRow]:
    """Answers to n rows; a wrong one gets the next intent."""
    found = []
    for i in range(n):
        label = INTENTS[i % 4]
        given = INTENTS[(i + 1) % 4] if wrong(i) else label
        reply = f"We look after your {given} at once."
        found.append(
            EvaluatedRow(
                id=f"row{i:04}",
                reference=Answer(f"We look after your {label} at once.", label),
                answer=Answer(reply, given),
                output=f"{given} | {reply}",
                seconds=0.1 + (i % 10) / 100,
                tokens_in=12,
                tokens_out=9,
                finish="stop",
                row={"id": f"row{i:04}", "text": f"request {i} about {label}", "label": label},
            )
        )
    return found


class Place:
    """A bench with a model in its store."""

    def __init__(self, tmp_path: Path) -> None:
        self.tmp, self.store = tmp_path, MemoryStore()
        self.model = self.put("model", {"weights.bin.txt": "x" * 5000}, form="onnx")
        self.inputs = {"reply": self.model}
        self.said: list[str] = []

    def put(self, name: str, files: dict[str, str], *, form: str = "", **facts: Any) -> Artefact:
        folder = self.tmp / f"new-{name}"
        folder.mkdir()
        for path, text in files.items():
            (folder / path).write_text(text)
        if form:
            ModelForm(form=form, task=facts.pop("task", "causal-lm"), **facts).write(folder)  # type: ignore[arg-type]
        return self.store.put(folder, kind="model")

    def bench(self, baseline: Artefact | None = None, specs: Any = None) -> BuildContext:
        scratch = self.tmp / "scratch"
        scratch.mkdir(exist_ok=True)
        return BuildContext(
            project_folder=self.tmp,
            scratch=scratch,
            cache=self.tmp,
            store=self.store,
            clock=SetClock(datetime(2026, 1, 1, tzinfo=UTC)),
            progress=lambda message, *, done=None, total=None: self.said.append(message),
            baseline_report=lambda _name: baseline,
            specs=specs or {},
        )

    def conclude(
        self, given: list[EvaluatedRow], live: Artefact | None = None, **fields: Any
    ) -> BuildResult:
        return evaluation.score_answers(spec(**fields), self.inputs, self.bench(live), given)


def dataset(place: Place, rows: list[dict[str, Any]], **splits: list[dict[str, Any]]) -> Artefact:
    """A dataset with these test rows, and other splits by name."""
    folder = place.tmp / "new-dataset"
    folder.mkdir()
    names = dict.fromkeys(["id", "text", "label"]) | dict.fromkeys(rows[0] if rows else ())
    schema = pa.schema([(name, pa.string()) for name in names])
    for split, content in {"test": rows, **splits}.items():
        pq.write_table(pa.Table.from_pylist(content, schema=schema), folder / f"{split}.parquet")
    return place.store.put(folder, kind="dataset")
