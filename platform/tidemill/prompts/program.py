"""A prompt ready to use: the same rendering in training, evaluation and serving."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter

from tidemill.answer import Answer
from tidemill.catalog import PROMPTS
from tidemill.errors import ArtefactError
from tidemill.prompts import example_selection, output_parsing, template
from tidemill.rows import DatasetRow
from tidemill.spec.prompt import Output

if TYPE_CHECKING:
    import numpy as np

    Vectors = np.ndarray[Any, Any]

Encode = Callable[[list[str]], Any]
Selection = Literal["fixed", "random", "similar"]
_OUTPUT: TypeAdapter[Output] = TypeAdapter(Output)


@dataclass(frozen=True)
class PromptProgram:
    """A technique with everything it shows; made by `pipeline.prompt`, read by `load`."""

    technique: str
    template: str
    inputs: tuple[str, ...]
    output: Output
    system: str = ""
    labels: tuple[str, ...] = ()
    """The labels there are, where the dataset is known; an answer with another one is not valid."""
    reasoning: str | None = None
    examples: tuple[DatasetRow, ...] = ()
    k: int = 0
    selection: Selection = "fixed"
    embeddings: Vectors | None = None
    """One unit vector per example (selection `similar`)."""
    passages: tuple[str, ...] = ()
    passages_k: int = 0
    passage_embeddings: Vectors | None = None
    encode: Encode | None = field(default=None, repr=False, compare=False)
    """Texts to unit vectors of float32, shape (n, d)."""
    path: Path = Path("template.j2")
    """Path of the template in error messages."""
    embedding_cache: dict[str, Vectors] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def load(cls, folder: Path, *, encode: Encode | None = None) -> PromptProgram:
        """Read a prompt artefact; raises ArtefactError where it is none."""
        try:
            facts = json.loads((folder / "program.json").read_text(encoding="utf-8"))
            path = folder / "template.j2"
            return cls(
                technique=facts["technique"],
                template=path.read_text(encoding="utf-8"),
                inputs=tuple(facts["inputs"]),
                output=_OUTPUT.validate_python(facts["output"]),
                system=facts["system"],
                labels=tuple(facts["labels"]),
                reasoning=facts["reasoning"],
                examples=tuple(_lines(folder / "examples.jsonl")),
                k=facts["k"],
                selection=facts["selection"],
                embeddings=_vectors(folder / "embeddings.npy"),
                passages=tuple(line["text"] for line in _lines(folder / "context.jsonl")),
                passages_k=facts["passages_k"],
                passage_embeddings=_vectors(folder / "context.npy"),
                encode=encode,
                path=path,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtefactError(
                f"{folder}: not a prompt artefact ({error}); build the prompt again"
            ) from error

    def save(self, folder: Path) -> None:
        """Write it as an artefact's folder; equal programs give equal bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        facts = {
            "technique": self.technique,
            "technique_version": self.module.VERSION,
            "inputs": self.inputs,
            "output": self.output.model_dump(mode="json", by_alias=True),
            "system": self.system,
            "labels": self.labels,
            "reasoning": self.reasoning,
            "k": self.k,
            "selection": self.selection,
            "passages_k": self.passages_k,
        }
        _write(folder / "program.json", json.dumps(facts, indent=2, sort_keys=True) + "\n")
        _write(folder / "template.j2", self.template)
        _write_lines(folder / "examples.jsonl", self.examples)
        _write_lines(folder / "context.jsonl", [{"text": passage} for passage in self.passages])
        _write_vectors(folder / "embeddings.npy", self.embeddings)
        _write_vectors(folder / "context.npy", self.passage_embeddings)

    @cached_property
    def module(self) -> ModuleType:
        """The technique."""
        return PROMPTS.load(self.technique)

    @cached_property
    def example_questions(self) -> tuple[str, ...]:
        """The question of each example."""
        return tuple(example_selection.question_text(self, example) for example in self.examples)

    @property
    def max_tokens(self) -> int:
        """Longest text the model may write, reasoning included."""
        return self.output.max_tokens + int(getattr(self.module, "EXTRA_TOKENS", 0))

    def messages(self, row: DatasetRow) -> list[dict[str, str]]:
        """The conversation that puts a row to a model."""
        conversation: list[dict[str, str]] = self.module.messages(self, row)
        return conversation

    def conversations(self, rows: Sequence[DatasetRow]) -> list[list[dict[str, str]]]:
        """The conversations of many rows; embeds their questions in one go."""
        if self.selection == "similar" or self.passages:
            example_selection.cache_embeddings(
                self, [example_selection.question_text(self, row) for row in rows]
            )
        return [self.messages(row) for row in rows]

    def target(self, row: DatasetRow) -> str:
        """The text a model is trained to write for a row; raises DataError for an empty column."""
        text: str = self.module.target(self, row)
        return text

    def parse(self, text: str) -> Answer:
        """The answer in a model's text."""
        answer: Answer = self.module.parse(self, text)
        return answer

    def reference(self, row: DatasetRow) -> Answer:
        """The answer that is wanted for a row."""
        return output_parsing.reference_answer(self.output, row)

    def render(self, row: DatasetRow, **more: Any) -> str:
        """The template over the row's inputs, `labels`, and what a technique adds."""
        inputs = {name: row[name] for name in self.inputs if name in row}
        return template.render(self.template, self.path, {"labels": self.labels, **inputs, **more})


def _lines(path: Path) -> list[DatasetRow]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def _vectors(path: Path) -> Vectors | None:
    if not path.exists():
        return None
    import numpy as np

    loaded: Vectors = np.load(path, allow_pickle=False)
    return loaded


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _write_lines(path: Path, rows: Sequence[DatasetRow]) -> None:
    if rows:
        lines = (json.dumps(dict(row), sort_keys=True, ensure_ascii=False) for row in rows)
        _write(path, "".join(f"{line}\n" for line in lines))


def _write_vectors(path: Path, vectors: Vectors | None) -> None:
    if vectors is not None:
        import numpy as np

        np.save(path, vectors.astype(np.float32), allow_pickle=False)
