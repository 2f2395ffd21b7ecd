"""A chain of transformations under way: what was made, and how alike its answers are."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from tidemill.engine.concordance import LABEL, agree
from tidemill.engine.equivalence import HopComparison, compare, not_run, with_size
from tidemill.form import ModelForm
from tidemill.metrics import measure
from tidemill.pipeline import answers as answering
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.pipeline.context import BuildContext
from tidemill.ports import Artefact
from tidemill.rows import DatasetRow
from tidemill.spec.compression import Compression

EXPORT = "onnx-export"
"""Name of the hop to the ONNX form that a TensorRT engine is built from."""
TIMED_ROWS = 8
Transform = Callable[[Path, Path, BuildContext], None]


@dataclass
class Chain:
    """Steps and targets of one Compression, in order."""

    spec: Compression
    bench: BuildContext
    rows: Sequence[DatasetRow]
    program: Any
    metrics: Sequence[str]
    source: Artefact
    basis: str = LABEL
    """What decides whether two answers are alike; see `engine.concordance`."""
    hops: list[HopComparison] = field(default_factory=list)
    steps: dict[str, Artefact] = field(default_factory=dict)
    _given: dict[str, list[EvaluatedRow]] = field(default_factory=dict)
    """Answers by artefact digest: the same bytes are asked once."""
    _timed: dict[str, list[EvaluatedRow]] = field(default_factory=dict)

    def begin(self) -> None:
        """Answer the rows with the form before compression."""
        self.main = self.weights = self.source
        self.source_size = self.size(self.source)
        self._answers(self.source)

    @property
    def last(self) -> list[EvaluatedRow]:
        """The main artefact's answers."""
        return self._given[self.main.digest]

    @property
    def end_to_end(self) -> float:
        """Agreement of the main artefact with the form before compression."""
        before = [answer.metric_row for answer in self._given[self.source.digest]]
        after = [answer.metric_row for answer in self.last]
        return agree(before, after, self.basis, self.metrics).share.value

    def size(self, artefact: Artefact) -> int:
        """Bytes of what serves, an adapter's base included."""
        return int(answering.served_bytes(artefact.path, resolve=self._resolve))

    def step(self, name: str, kind: str, transform: Transform) -> None:
        """Transform the main artefact, keep the result, compare its answers."""
        before = self.main
        artefact, seconds = self._put(name, kind, before, transform)
        self._add_comparison(self._keep(name, artefact), kind, before, artefact, seconds)
        self.main = artefact
        if ModelForm.read(artefact.path).form == "safetensors":
            self.weights = artefact

    def target(self, module: ModuleType, target: Any) -> None:
        """Bring the model onto a runtime; an engine is made from the last whole weights."""

        def build(source: Path, out: Path, bench: BuildContext) -> None:
            module.build(source, out, target, bench.progress)

        if module.KIND == "engine":
            artefact, seconds = self._put(
                target.runtime, "engine", self.weights, build, compute=list(target.compute)
            )
            self._add_engine(self._keep(target.runtime, artefact), target, artefact, seconds)
        elif not module.is_runnable(self.main.path):
            self.step(target.runtime, module.KIND, build)

    def value(self, metric: str, kind: str, *, source: bool) -> float:
        """A metric of the form before compression, or of the main artefact."""
        artefact = self.source if source else self.main
        if kind == "size":
            return float(self.size(artefact))
        timed = kind in ("quantile", "speed")
        answers = self.timed_rows(source=source) if timed else self._given[artefact.digest]
        return measure(metric, [answer.metric_row for answer in answers])

    def timed_rows(self, *, source: bool) -> list[EvaluatedRow]:
        """A few rows answered one at a time, as a server would: batches hide what one row takes."""
        artefact = self.source if source else self.main
        if artefact.digest not in self._timed:
            from tidemill.runtimes import open_runtime

            runtime = open_runtime(artefact.path, resolve=self._resolve)
            rows = self.rows[:TIMED_ROWS]
            try:
                self._one(runtime, rows[:1])  # the first answer maps the weights
                self._timed[artefact.digest] = [self._one(runtime, [row])[0] for row in rows]
            finally:
                runtime.close()
        return self._timed[artefact.digest]

    def _one(self, runtime: Any, rows: Sequence[DatasetRow]) -> list[EvaluatedRow]:
        return answering.answer_rows_with(runtime, rows, self.program)

    def _put(
        self, name: str, kind: str, source: Artefact, transform: Transform, **facts: Any
    ) -> tuple[Artefact, float]:
        out = self.bench.scratch / f"{len(self.hops)}-{name}"
        shutil.rmtree(out, ignore_errors=True)
        started = time.monotonic()
        try:
            transform(source.path, out, self.bench)
        except BaseException:
            shutil.rmtree(out, ignore_errors=True)
            raise
        seconds = time.monotonic() - started
        return self.bench.store.put(out, kind=kind, meta={"of": source.digest, **facts}), seconds

    def _keep(self, name: str, artefact: Artefact) -> str:
        count = sum(key == name or key.startswith(f"{name}-") for key in self.steps)
        key = f"{name}-{count + 1}" if count else name
        self.steps[key] = artefact
        return key

    def _add_comparison(
        self, name: str, kind: str, before: Artefact, after: Artefact, seconds: float
    ) -> None:
        hop = self._hop(name, kind, self._answers(before), self._answers(after))
        self._add(with_size(hop, self.size(after), self.source_size, seconds))

    def _add_engine(self, name: str, target: Any, engine: Artefact, seconds: float) -> None:
        """An engine runs on its GPU only; the export it was built from is a hop of its own."""
        if not any(hop.step == EXPORT for hop in self.hops):
            started = time.monotonic()
            answers, size = self._export_answers()
            hop = self._hop(EXPORT, "onnx", self._answers(self.weights), answers)
            self._add(with_size(hop, size, self.source_size, time.monotonic() - started))
        note = f"built for {', '.join(target.compute)}, not run: it needs such a GPU"
        hop = not_run(name, "engine", note)
        self._add(with_size(hop, self.size(engine), self.source_size, seconds, note))

    def _hop(
        self, name: str, kind: str, old: Sequence[EvaluatedRow], new: Sequence[EvaluatedRow]
    ) -> HopComparison:
        before, after = [answer.metric_row for answer in old], [answer.metric_row for answer in new]
        return compare(name, kind, before, after, self.metrics, self.basis)

    def _export_answers(self) -> tuple[list[EvaluatedRow], int]:
        """What the export answers, and its bytes; it is not kept."""
        from tidemill.compression import targets
        from tidemill.spec.compression import OnnxRuntimeTarget

        out = self.bench.scratch / "checked"
        shutil.rmtree(out, ignore_errors=True)
        try:
            target = OnnxRuntimeTarget(runtime="onnxruntime")
            targets.load("onnxruntime").build(self.weights.path, out, target, self.bench.progress)
            size = int(answering.served_bytes(out, resolve=self._resolve))
            return self._ask(out, self.rows), size
        finally:
            shutil.rmtree(out, ignore_errors=True)

    def _add(self, hop: HopComparison) -> None:
        self.hops.append(hop)
        share = "not run" if hop.agreement is None else f"{hop.basis} kept on {hop.agreement:.1%}"
        size = f"{hop.bytes / 1e6:.0f} MB ({hop.ratio:.2f}×)"
        self.bench.progress(f"{self.spec.name}: {hop.step}: {share}, {size}, {hop.seconds:.0f} s")

    def _answers(self, artefact: Artefact) -> list[EvaluatedRow]:
        if artefact.digest not in self._given:
            self._given[artefact.digest] = self._ask(artefact.path, self.rows)
        return self._given[artefact.digest]

    def _ask(self, folder: Path, rows: Sequence[DatasetRow]) -> list[EvaluatedRow]:
        return answering.answer_rows(
            folder,
            rows,
            self.program,
            resolve=self._resolve,
            say=self.bench.progress,
            title=f"{self.spec.name}: comparing answers",
        )

    def _resolve(self, digest: str) -> Path:
        return self.bench.store.get(digest).path
