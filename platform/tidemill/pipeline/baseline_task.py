"""What trivial baselines are made from: training rows with their answers, an encoder, the base."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from tidemill.answer import Answer
from tidemill.pipeline.baseline_features import FrozenEncoder, TextFeatures, text_features
from tidemill.rows import DatasetRow


@dataclass(frozen=True)
class LabelledExample:
    """A row as a baseline sees it."""

    question: str
    answer: Answer
    """The right answer, with a label where the task has labels."""
    row: DatasetRow
    weight: float = 1.0


@dataclass(frozen=True)
class BaselineAnswers:
    """An answer to each test row, and what they were made with."""

    answers: Sequence[Answer]
    note: str = ""


@dataclass(frozen=True)
class BaselineTask:
    """One evaluation as trivial baselines see it."""

    train: Sequence[LabelledExample]
    validation: Sequence[LabelledExample]
    test: Sequence[LabelledExample]
    is_free_text: bool
    """True where an answer is a text without a label."""
    items: tuple[str, ...] = ()
    """The ids of the catalogue, where items are recommended; the rows have a `history` then."""
    encoder: FrozenEncoder | None = None
    model_is_head: bool = False
    """True where the model is a linear head on a frozen encoder itself."""
    few_shot: int = 0
    """Examples to show the base model; 0 leaves it out."""
    ask_base: Callable[[Sequence[DatasetRow]], list[Answer]] | None = None
    """The causal base's answers to the test rows after these examples."""

    @cached_property
    def typical_answers(self) -> dict[str, Answer]:
        """The commonest answer of each label, the commonest label first; empty without labels."""
        texts: dict[str, Counter[str]] = defaultdict(Counter)
        for example in self.train:
            if example.answer.label is not None:
                texts[example.answer.label][example.answer.text] += 1
        labels = sorted(texts, key=lambda label: (-texts[label].total(), label))
        return {label: Answer(texts[label].most_common(1)[0][0], label) for label in labels}

    @cached_property
    def features(self) -> TextFeatures:
        """The questions as vectors; made once for all baselines. Needs training rows."""
        splits = ([e.question for e in part] for part in (self.train, self.validation, self.test))
        return text_features(self.encoder, *splits)
