"""A model whose weakness is planted: how often it is right follows from what the prompt shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tidemill.adapters.answer_cache import PassingMemory
from tidemill.adapters.store import MemoryStore
from tidemill.data.rows import hash_fraction
from tidemill.engine.search_budget import Limits
from tidemill.form import ModelForm
from tidemill.pipeline import dataset
from tidemill.pipeline.context import BuildContext
from tidemill.pipeline.optimise import PromptSearchResult, SearchRequest, optimise
from tidemill.ports import Artefact
from tidemill.runtimes import LabelScores, Messages, Reply
from tidemill.search import UserComment
from tidemill.spec.dataset import Dataset
from tidemill.spec.prompt import Prompt

HEAD = {"apiVersion": "tidemill/v1"}
LABELS = ("refund", "track", "cancel", "other")
ROWS = [
    {"text": f"request number {n} about {LABELS[n % 4]}", "label": LABELS[n % 4]}
    for n in range(160)
]


class Planted:
    """Right with `base`, with `each` more for every example shown, and `told` more where the
    instructions list the labels; which rows those are is a hash of the question."""

    form = ModelForm(form="safetensors", task="causal-lm", chat=True)

    def __init__(self, base: float = 0.2, each: float = 0.0, told: float = 0.0) -> None:
        self.base, self.each, self.told = base, each, told
        self.asked: list[Messages] = []
        self.die_after: int | None = None

    def answer(
        self, conversations: Sequence[Messages], *, max_tokens: int, stop: Sequence[str] = ()
    ) -> list[Reply]:
        if self.die_after is not None and len(self.asked) >= self.die_after:
            raise KeyboardInterrupt
        self.asked += conversations
        return [self._one(messages) for messages in conversations]

    def _one(self, messages: Messages) -> Reply:
        shown = sum(one["role"] == "assistant" for one in messages)
        told = any("refund" in one["content"] for one in messages if one["role"] == "system")
        right = self.base + self.each * shown + self.told * told
        question = messages[-1]["content"]
        label = next(word for word in LABELS if word in question)
        wrong = LABELS[(LABELS.index(label) + 1) % 4]
        text = label if hash_fraction("luck", question) < right else wrong
        words = sum(len(one["content"].split()) for one in messages)
        return Reply(text, words, 1, 0.0, "stop")

    def stream(
        self, messages: Messages, *, max_tokens: int, stop: Sequence[str] = ()
    ) -> Iterator[str | Reply]:
        reply = self._one(messages)
        yield from (reply.text, reply)

    def classify(self, texts: Sequence[str]) -> list[LabelScores]:
        raise NotImplementedError

    def close(self) -> None:
        pass


class Teacher:
    """A reflection model on loopback's other side, without the loopback: says what it is told."""

    name = "teacher"
    price: tuple[float, float] | None = (1e-6, 2e-6)

    def __init__(self, says: str) -> None:
        self.says = says
        self.asked: list[str] = []

    def complete(self, prompt: str, *, max_tokens: int) -> tuple[str, int, int]:
        self.asked.append(prompt)
        text = in_form(prompt, self.says)
        return text, len(prompt.split()), len(text.split())


def in_form(prompt: str, says: str) -> str:
    """The text in the form the prompt asks for: DSPy's fields, or as it is."""
    _, asked, form = prompt.partition("Respond with the corresponding output fields")
    fields = re.findall(r"\[\[ ## (\w+) ## \]\]", form) if asked else []
    return "\n\n".join(f"[[ ## {name} ## ]]\n{says}" for name in fields) or says


class Fixed:
    def now(self) -> datetime:
        return datetime(2026, 6, 1, tzinfo=UTC)


class Ground:
    """A project with a dataset, a prompt and a model, and one memory for all its searches."""

    def __init__(self, folder: Path, encoder: Path, **search: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
        (folder / "ask.j2").write_text("{{ text }}\n")
        self.store = MemoryStore()
        self.bench = BuildContext(folder, folder / "scratch", folder, self.store, Fixed())
        rows = Dataset.model_validate(
            {
                **HEAD,
                "kind": "Dataset",
                "name": "rows",
                "format": "classification",
                "sources": [{"type": "file", "path": "rows.jsonl"}],
                "split": {"ratios": {"train": 0.5, "validation": 0.25, "test": 0.25}},
            }
        )
        weights = folder / "weights"
        weights.mkdir(exist_ok=True)
        (weights / "weights.txt").write_text("planted")
        Planted.form.write(weights)
        self.model = self.store.put(weights, kind="model")
        self.inputs = {
            "rows": dataset.build(rows, {}, self.bench).artefact,
            "mini": Artefact("sha256:" + "0" * 64, "model", encoder, 0),
        }
        self.memory = PassingMemory()
        self.search = {
            "metric": "accuracy", "dataset": "rows", "calls": 400, "rank_on": 16, **search,
        }  # fmt: skip

    def spec(self, **more: Any) -> Prompt:
        return Prompt.model_validate(
            {
                **HEAD,
                "kind": "Prompt",
                "name": "ask",
                "template": "ask.j2",
                "inputs": ["text"],
                "output": {"type": "label"},
                "optimise": self.search,
                **more,
            }
        )

    def run(
        self,
        method: str,
        *,
        seed: int = 0,
        reflection: Any = None,
        remarks: tuple[UserComment, ...] = (),
        limits: Limits | None = None,
        **more: Any,
    ) -> PromptSearchResult:
        spec = self.spec(**more)
        assert spec.optimise is not None
        asked = limits or Limits(calls=spec.optimise.calls, tokens=spec.optimise.tokens)
        return optimise(
            spec,
            spec.optimise,
            ("planted", self.model),
            self.inputs,
            self.bench,
            self.memory,
            SearchRequest(method, seed, asked, remarks, "mini"),
            reflection,
        )
