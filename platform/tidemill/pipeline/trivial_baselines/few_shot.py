"""Gives what the causal base model answers after a few worked examples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, islice, zip_longest

from tidemill.pipeline.baseline_task import BaselineAnswers, BaselineTask, LabelledExample

TITLE = "base model with few-shot examples"
ORDER = 50


def answer(task: BaselineTask) -> BaselineAnswers | None:
    """Its answers; None without a causal base, or where the spec asks for no examples."""
    if task.ask_base is None or not task.few_shot:
        return None
    examples = spread_over_labels(task.train, task.few_shot)
    answers = task.ask_base([example.row for example in examples])
    return BaselineAnswers(answers, f"{len(examples)} examples")


def spread_over_labels(examples: Sequence[LabelledExample], count: int) -> list[LabelledExample]:
    """So many examples, one of each label before a second of any; in the order of the rows."""
    by_label: dict[str | None, list[LabelledExample]] = defaultdict(list)
    for example in examples:
        by_label[example.answer.label].append(example)
    turns = chain.from_iterable(zip_longest(*by_label.values()))
    return list(islice((example for example in turns if example is not None), count))
